"""Many processes of the hook ask for the same frames: each is made once, and each stays small.

`AIROTO_BLADES=1` asks with 200 processes for 100 frames.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nuke
import pytest
import session
from serving import running_server
from studio import HERO

from airoto_client.lease_files import leases_in
from airoto_client.presets.compiler import compile_presets, write_index
from airoto_nuke import nodes, startup

FULL = bool(os.environ.get("AIROTO_BLADES"))
PROCESSES, FRAMES = (200, 100) if FULL else (12, 24)
# KiB
MOST_MEMORY = 40 * 1024
PRESET = """format = 1
show = "SHOWX"
version = 1
[segment]
engine = "null"
[track]
engine = "null"
[matte]
engine = "null"
[farm]
on_blade = true
"""
BLADE = Path(__file__).with_name("blade_process.py")


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from airoto_server.app.sample import make_sample

    folder = tmp_path_factory.mktemp("long")
    make_sample(folder, frames=FRAMES, width=192, height=108)
    return folder


@pytest.fixture
def script(tmp_path, long_clip, monkeypatch):
    """A saved script with a prompted node that was never tracked; where its results go."""
    folder, index = tmp_path / "presets", tmp_path / "index.json"
    folder.mkdir()
    monkeypatch.setenv("AIROTO_PRESET_INDEX", str(index))
    (folder / "show.toml").write_text(PRESET)
    write_index(str(index), compile_presets([str(folder)]).data)
    session.reset(gui=False)
    startup.every_mode()
    nuke.root()["colorManagement"].setValue("OCIO")
    nuke.root()["workingSpaceLUT"].setValue("ACEScg")
    session.set_root_format(192, 108)
    path = tmp_path / "shots" / "shot.nk"
    path.parent.mkdir()
    nuke.scriptSaveAs(str(path))
    plate = nuke.nodes.Read(
        name="Plate", file=f"{long_clip}/plate_acescg/plate.####.exr", first=1001,
        last=1000 + FRAMES, colorspace="ACEScg", format="192 108 0 0 192 108 1 clip",
    )  # fmt: skip
    plate.setSelected(True)
    node = startup.create_preset("AIRoto", "SHOWX")
    nuke.frame(1001)
    session.sample(plate, HERO[0], 108 - HERO[1])
    session.press(node, "add_positive")
    nuke.nodes.Write(name="out", file=str(tmp_path / "out.%04d.exr"), inputs=[node])
    nuke.scriptSaveAs(str(path), overwrite=1)
    return path, Path(nodes.folder_of(node)) / "mattes"


def blades(script: Path, server: str, count: int) -> list[subprocess.Popen[str]]:
    environment = {**os.environ, "AIROTO_SERVER": server}
    command = [sys.executable, str(BLADE), str(script), "1001", str(1000 + FRAMES)]
    return [
        subprocess.Popen(command, env=environment, stdout=-1, stderr=-1, text=True)
        for _ in range(count)
    ]


def made_by_server(log: Path) -> int:
    """Frames that the server says it has made, over all its calls."""
    lines = (json.loads(line) for line in log.read_text().splitlines() if line.startswith("{"))
    return sum(one.get("frames", 0) for one in lines)


def test_each_frame_is_made_once_and_the_hook_stays_small(script, tmp_path):
    path, results = script
    with running_server("--log-format", "json", log_file=tmp_path / "log.jsonl") as server:
        processes = blades(path, server, PROCESSES)
        ended = [one.communicate() for one in processes]
    assert {line.strip() for _, err in ended for line in err.splitlines()[-6:]} == set()
    assert {one.returncode for one in processes} == {0}
    peaks = [int(out.split()[-1]) for out, _ in ended]
    assert max(peaks) < MOST_MEMORY
    assert any("waited" in out for out, _ in ended)
    (result,) = results.iterdir()
    assert len(list(result.glob("matte.*.exr"))) == FRAMES
    assert list(leases_in(result)) == []
    assert made_by_server(tmp_path / "log.jsonl") == FRAMES
    print(f"\n{PROCESSES} processes, {FRAMES} frames: at most {max(peaks) / 1024:.1f} MiB each")


def test_a_blade_that_is_killed_is_replaced_and_what_it_finished_stays(script, tmp_path):
    path, results = script
    with running_server("--log-format", "json", log_file=tmp_path / "log.jsonl") as server:
        processes = blades(path, server, 4)
        deadline = time.monotonic() + 120
        while len(list(results.glob("*/matte.*.exr"))) < 3:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        holder = json.loads(next(results.glob("*/.airoto-lease.1")).read_text())["pid"]
        os.kill(holder, signal.SIGKILL)
        finished = {one: one.stat() for one in results.glob("*/matte.*.exr")}
        ended = {one.pid: (one.communicate(), one.returncode) for one in processes}
    codes = {pid: code for pid, (_, code) in ended.items()}
    assert codes.pop(holder) == -signal.SIGKILL
    assert set(codes.values()) == {0}, ended
    (result,) = results.iterdir()
    assert len(list(result.glob("matte.*.exr"))) == FRAMES
    assert [one.name for one in result.iterdir() if one.name.startswith(".")] == []
    for one, before in finished.items():
        assert (one.stat().st_ino, one.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
