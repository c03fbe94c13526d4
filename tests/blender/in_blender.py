"""Runs Python inside Blender, reads what it rendered, and asks the command line for the same."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO as oiio

from airoto_client.cli import main

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# `AIROTO_BPY_PYTHON` names the Python of another Blender.
BLENDER = Path(os.environ.get("AIROTO_BPY_PYTHON") or ROOT / ".venv-bpy" / "bin" / "python")
# Wheels for the packed extension, which install/test.sh fetches.
FETCHED = ROOT / ".venv-bpy" / "wheels"
SECONDS = 300


@dataclass(frozen=True)
class Ran:
    """How a process of Blender's ended."""

    code: int
    said: str
    facts: dict[str, Any]


@dataclass(frozen=True)
class Shot:
    """A folder to work in, the sample clip, a server."""

    folder: Path
    clip: Path
    server: str

    def run(self, code: str, *, server: str | None = None) -> Ran:
        """Python inside Blender, with `shots` as `*` and the add-on registered."""
        process = self.start(code, server=server)
        said, _ = process.communicate(timeout=SECONDS)
        return Ran(process.returncode, said, facts_in(said))

    def start(self, code: str, *, server: str | None = None) -> subprocess.Popen[str]:
        """The same, not waited for."""
        head = "from shots import *\nregister()\nfolder, clip, server = arguments()\n"
        roots = (HERE, *(ROOT / one for one in ("proto", "nuke_plugin", "blender_plugin")))
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AIROTO")},
            "PYTHONPATH": os.pathsep.join(map(str, roots)),
        }
        said = server if server is not None else self.server
        return subprocess.Popen(
            [str(BLENDER), "-c", head + code, str(self.folder), str(self.clip), said],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
        )

    @property
    def written(self) -> list[str]:
        """Names of what was rendered."""
        return sorted(one.name for one in (self.folder / "out").glob("*"))

    def comp(self, frame: int) -> dict[str, np.ndarray]:
        """Channels of a rendered multilayer EXR."""
        return channels(self.folder / "out" / f"comp.{frame}.exr")


def facts_in(said: str) -> dict[str, Any]:
    """What `shots.tell` told."""
    facts: dict[str, Any] = {}
    for line in said.splitlines():
        if line.startswith("FACTS "):
            facts.update(json.loads(line[6:]))
    return facts


def channels(path: Path) -> dict[str, np.ndarray]:
    """Every channel of an EXR of one or many parts, by name, float32."""
    file = oiio.ImageInput.open(str(path))
    assert file is not None, oiio.geterror()
    found: dict[str, np.ndarray] = {}
    part = 0
    while file.seek_subimage(part, 0):
        spec = file.spec()
        pixels = file.read_image(part, 0, 0, spec.nchannels, oiio.FLOAT)
        found.update({name: pixels[..., at] for at, name in enumerate(spec.channelnames)})
        part += 1
    file.close()
    return found


def roto(plate: str, colour: str, engine: str, *, out: Path, server: str) -> None:
    """What `shots.make` says of a plate, through the command line: `matte.<frame>.exr` in out."""
    code = main(
        [
            "roto", plate, "--colour", colour,
            "--object", "hero", "--point", "1001:60,50",
            "--object", "bag", "--point", "1001:140,60", "--point", "1003:120,60",
            "--segment", engine, "--track", engine, "--matte", engine,
            "--out", f"{out}/matte.%04d.exr", "--server", server,
        ]
    )  # fmt: skip
    assert code == 0
