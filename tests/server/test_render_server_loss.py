"""A server that is not there, is killed or told to stop in the middle of a render."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from airoto_server.app.sample import SamplePaths

from .conftest import RunningServer, StartServer
from .rendering import Outcome, digests, drawn_recipe, files_in, long_plate, render

SERVER_EXIT = 5
FRAMES = 24


@dataclass
class Ended:
    code: int
    events: list[dict[str, Any]]
    err: str

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] == kind]


class Cli:
    """`airoto` as a process, where no server runs by default."""

    def __init__(self, folder: Path) -> None:
        self.environment = {
            k: v for k, v in os.environ.items() if k == "AIROTO_CACHE" or not k.startswith("AIROTO")
        }
        self.environment["XDG_RUNTIME_DIR"] = str(folder)
        self.errors = folder / "errors"
        self.events: list[dict[str, Any]] = []
        self.process: subprocess.Popen[str]

    def start(self, *arguments: object) -> None:
        self.events = []
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "airoto_client.cli", *map(str, arguments), "--json"],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def until_frames(self, count: int) -> None:
        """Wait until it has told of so many finished frames."""
        while sum(event["event"] == "frame" for event in self.events) < count:
            line = self.process.stdout.readline()
            assert line, f"it ended: {self.events[-1:]} {self.errors.read_text()}"
            self.events.append(json.loads(line))

    def end(self) -> Ended:
        with self.process as process:
            self.events += [json.loads(line) for line in process.stdout]
            code = process.wait(120)
        return Ended(code, self.events, self.errors.read_text())

    def run(self, *arguments: object) -> Ended:
        self.start(*arguments)
        return self.end()


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return Cli(tmp_path)


@dataclass
class Shot:
    """A recipe file, where its mattes go, and what they are when nothing comes between."""

    recipe: Path
    out: Path
    wanted: dict[str, str]


@pytest.fixture(scope="module")
def shot(
    clip: SamplePaths, server: RunningServer, tmp_path_factory: pytest.TempPathFactory
) -> Shot:
    """Its frames come one by one; the folder is emptied."""
    folder = tmp_path_factory.mktemp("shot")
    recipe = drawn_recipe(
        clip,
        folder / "out/a.####.exr",
        plate=long_plate(clip, folder / "plate", FRAMES),
        track={"engine": "classic-grabcut", "direction": "DIRECTION_FORWARD"},
    )
    recipe["objects"][0]["prompts"][0]["frame"] = 1
    path = folder / "shot.airoto.json"
    path.write_text(json.dumps(recipe))
    assert len(render(server.link, recipe).done) == FRAMES
    made = Shot(path, folder / "out", digests(folder / "out"))
    shutil.rmtree(made.out)
    return made


def children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(one) for file in listed for one in file.read_text().split()]


def wait_until(true: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


def frames_in(folder: Path) -> list[str]:
    """Finished files; what a killed server was writing is hidden and no frame of anything."""
    return [name for name in files_in(folder) if not name.startswith(".airoto-")]


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_server_that_is_not_there_is_named(cli: Cli, shot: Shot, tmp_path: Path) -> None:
    ended = cli.run("render", shot.recipe, "--server", f"unix:{tmp_path / 'nobody.sock'}")
    assert ended.code == SERVER_EXIT
    message = ended.of("error")[-1]["message"]
    assert "nobody.sock" in message
    assert not shot.out.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("whose", "number"),
    [("named", signal.SIGKILL), ("named", signal.SIGTERM), ("own", signal.SIGKILL)],
)
def test_finished_frames_outlive_a_server_that_ends_in_the_middle_and_are_not_made_again(
    cli: Cli,
    shot: Shot,
    server: RunningServer,
    start_server: StartServer,
    whose: str,
    number: signal.Signals,
) -> None:
    out, wanted = shot.out, shot.wanted
    shutil.rmtree(out, ignore_errors=True)
    if whose == "named":
        victim = start_server("--threads", 1)
        cli.start("render", shot.recipe, "--server", victim.local.target)
        pid = victim.pid
    else:
        cli.start("render", shot.recipe)
        wait_until(lambda: bool(children(cli.process.pid)))
        (pid,) = children(cli.process.pid)
    cli.until_frames(2)
    decoders = children(pid)
    os.kill(pid, number)
    broken = cli.end()
    left = frames_in(out)
    assert 2 <= len(left) < FRAMES, "the server ended in the middle"
    assert broken.code == SERVER_EXIT
    error = broken.of("error")[-1]
    assert "server" in error["message"]
    finished = f"{len(left)} of {FRAMES} frames are finished"
    assert f"{finished}; running the same command again keeps them" in error["hint"]
    assert {name: digests(out)[name] for name in left} == {name: wanted[name] for name in left}
    assert decoders
    wait_until(lambda: not any(map(is_running, decoders)))

    before = {name: (out / name).stat() for name in left}
    again = cli.run("render", shot.recipe, "--server", server.local.target)
    assert again.code == 0, again.err
    statuses = [event["status"] for event in again.of("frame")]
    assert statuses == ["kept"] * len(left) + ["done"] * (FRAMES - len(left))
    for name, then in before.items():
        now = (out / name).stat()
        assert (now.st_ino, now.st_mtime_ns) == (then.st_ino, then.st_mtime_ns)
    assert {name: digests(out)[name] for name in frames_in(out)} == wanted
    if whose == "named":
        victim.local.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_decoders_that_are_killed_in_the_middle_change_nothing(
    shot: Shot, server: RunningServer
) -> None:
    shutil.rmtree(shot.out, ignore_errors=True)
    recipe = json.loads(shot.recipe.read_text())
    killed = 0
    outcome = Outcome()
    for answer in server.link.stream("Render", {"recipe": recipe}):
        outcome.add(answer)
        if "frame" in answer and len(outcome.frames) in (3, 9):
            # One that has served before: a new one that dies at once is held against the file.
            os.kill(min(children(server.pid)), signal.SIGKILL)
            killed += 1
    assert killed == 2
    assert len(outcome.done) == FRAMES
    assert digests(shot.out) == shot.wanted
    server.assert_alive()
