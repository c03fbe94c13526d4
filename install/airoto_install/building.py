"""A version is built in its own folder; if that fails, the folder goes, all else is as before."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airoto_install.devices import TorchIndex
from airoto_install.files import CopyTree, MakeFolder, said, write_atomic
from airoto_install.layout import UNFINISHED, VERSION_RECORD
from airoto_install.plan import Step, Tell
from airoto_install.pythons import Python
from airoto_install.trees import PAYLOAD, Tree
from airoto_install.venvs import BuildWheel, MakeVenv, PipInstall, RunInVenv, venv_python


@dataclass(frozen=True)
class BuildVersion:
    """A folder with a whole version, which counts once its record is written.

    Attributes:
        steps: what fills the folder.
        facts: what its record says.
    """

    folder: Path
    steps: tuple[Step, ...]
    facts: tuple[tuple[str, Any], ...]

    def lines(self) -> Sequence[str]:
        return (
            f"build version {self.folder.name} in {self.folder}",
            *(line for step in self.steps for line in step.lines()),
        )

    def apply(self, tell: Tell) -> None:
        try:
            with said("cannot write to", self.folder):
                self.folder.mkdir(parents=True)
                (self.folder / UNFINISHED).touch()
            for step in self.steps:
                tell(f"  {step.lines()[0]}")
                step.apply(tell)
            text = json.dumps(dict(self.facts), indent=2) + "\n"
            with said("cannot write to", self.folder):
                write_atomic(self.folder / VERSION_RECORD, text.encode(), 0o644)
                (self.folder / UNFINISHED).unlink()
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            with contextlib.suppress(OSError):
                self.folder.parent.rmdir()
            raise


@dataclass(frozen=True)
class CopyWheel:
    """AIRoto's own wheel of a bundle."""

    wheel: Path
    folder: Path

    def lines(self) -> Sequence[str]:
        return (f"copy {self.wheel} to {self.folder}",)

    def apply(self, tell: Tell) -> None:
        with said("cannot copy to", self.folder):
            self.folder.mkdir(exist_ok=True)
            shutil.copy2(self.wheel, self.folder)


@dataclass(frozen=True)
class Recipe:
    """What a version is made of.

    Attributes:
        tree: where it comes from.
        python: what its venv is made with.
        extra: `server`, or empty for the client alone.
        device: what the server computes on by default.
        offline: packages come from `tree`'s wheels alone.
        torch_index: where torch comes from.
    """

    tree: Tree
    python: Python
    extra: str
    device: str
    offline: bool
    torch_index: TorchIndex

    @property
    def id(self) -> str:
        """The version's name: the same for the same files, Python and choices."""
        facts = (self.python.name, self.extra, self.device, self.torch_index.url)
        return f"{self.tree.version}-{self.tree.fingerprint(*facts)}"

    def steps(self, folder: Path) -> tuple[Step, ...]:
        """What fills its folder."""
        venv, wheels = folder / "venv", folder / "wheels"
        own: Step = BuildWheel(venv_python(venv), self.tree.root, wheels)
        if self.tree.wheel is not None:
            own = CopyWheel(self.tree.wheel, wheels)
        steps: list[Step] = [
            CopyTree(self.tree.root, folder, PAYLOAD),
            MakeFolder(wheels),
            MakeVenv(self.python, venv),
            own,
            PipInstall(
                venv,
                self.tree.root / "wheels" if self.offline else wheels,
                self.extra,
                self.tree.constraints(self.python.version),
                self.offline,
                self.torch_index,
            ),
            RunInVenv(venv, ("-m", "airoto_client.cli", "--version"), "look whether it starts"),
        ]
        if self.extra:
            steps.append(
                RunInVenv(
                    venv, ("-m", "airoto_server.app.warm"), "compile what compiles at first use"
                )
            )
        return tuple(steps)

    def build(self, folder: Path) -> BuildVersion:
        """The step that makes it."""
        facts = (
            ("id", folder.name),
            ("version", self.tree.version),
            ("python", self.python.name),
            ("client_only", not self.extra),
            ("device", self.device),
        )
        return BuildVersion(folder, self.steps(folder), facts)
