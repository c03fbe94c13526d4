"""`airoto farm run`: the bits of one render, nothing twice, whoever is killed.

`AIROTO_FARM_FRAMES=240 AIROTO_FARM_WORKERS=4` and `AIROTO_FARM_KILLS=20` make the tests long.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest

from airoto.wire import recipe as recipes
from airoto_client.farm.job import FarmJob, Stage, read_job
from airoto_client.farm.logs import TaskState, read_log
from airoto_server.app.sample import SamplePaths

from .conftest import AIROTO, MakeRecipe, airoto

FRAMES = int(os.environ.get("AIROTO_FARM_FRAMES", "24"))
WORKERS = int(os.environ.get("AIROTO_FARM_WORKERS", "2"))
KILLS = int(os.environ.get("AIROTO_FARM_KILLS", "1"))
KILL_FRAMES = 24
PATIENCE = 1800


def plate(folder: Path, frames: int) -> Path:
    """Frames of a square that wanders over noise; every one is another."""
    folder.mkdir()
    noise = np.random.default_rng(7).random((108, 192, 3), np.float32)
    for frame in range(1, frames + 1):
        pixels = noise * 0.2
        x = 20 + frame * 130 // frames
        pixels[30:80, x : x + 30] += 0.6
        spec = oiio.ImageSpec(192, 108, 3, oiio.HALF)
        path = folder / f"plate.{frame:04d}.exr"
        output = oiio.ImageOutput.create(str(path))
        assert output.open(str(path), spec), output.geterror()
        assert output.write_image(pixels)
        assert output.close()
    return folder / "plate.%04d.exr"


def recipe(folder: Path, out: Path, frames: int, **engines: str) -> Path:
    """Three objects, each with a box on the first, the middle and the last frame."""
    keys = (1, frames // 2, frames)
    objects = [
        {
            "id": number,
            "name": name,
            "group": group,
            "prompts": [
                {
                    "frame": key,
                    "box": {"x_min": 10.0 * number, "y_min": 20, "x_max": 90, "y_max": 80},
                }
                for key in keys
            ],
        }
        for number, (name, group) in enumerate((("a", ""), ("b", ""), ("c", "other")), start=1)
    ]
    data = {
        "version": 1,
        "name": "wander",
        "plate": {
            "path": str(plate(folder / "plate", frames)),
            "frames": {"first": 1, "last": frames},
            "format": {"width": 192, "height": 108},
            "colour": {"space": "ACEScg"},
        },
        "objects": objects,
        **{role: {"engine": name} for role, name in engines.items()},
        "output": {"path": str(out / "a.%04d.exr"), "confidence": True},
    }
    path = folder / "wander.airoto.json"
    recipes.write(recipes.from_dict(data), path)
    return path


NULL = {"segment": "null", "track": "null", "matte": "null"}


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def serial(shot: Path, out: Path, cache: Path) -> dict[str, str]:
    """What one render makes, with a cache of its own; its files are gone afterwards."""
    environment = {**os.environ, "AIROTO_CACHE": str(cache)}
    environment.pop("AIROTO_SERVER", None)
    subprocess.run(
        [*AIROTO, "render", str(shot), "--threads", "1", "--quiet"],
        env=environment, check=True, timeout=PATIENCE,
    )  # fmt: skip
    made = digests(out)
    for path in out.iterdir():
        path.unlink()
    return made


def made(job: FarmJob, stage: Stage) -> dict[str, int]:
    """What all attempts of the steps of a stage computed, by kind, where they ended."""
    counts: dict[str, int] = {}
    for step in job.steps:
        for task in step.tasks if step.stage is stage else ():
            record = read_log(job.log(step, task))
            assert record.state is TaskState.DONE
            for event in record.events:
                if event["event"] == "summary":
                    for kind, count in event["stage_made"].items():
                        counts[kind] = counts.get(kind, 0) + count
    return counts


def test_workers_make_the_bits_of_one_render_and_track_every_segment_once(tmp_path: Path) -> None:
    out, job = tmp_path / "out", tmp_path / "job"
    shot = recipe(tmp_path, out, FRAMES, **NULL)
    wanted = serial(shot, out, tmp_path / "serial-cache")
    assert len(wanted) == FRAMES
    options = ("--job", job, "--workers", WORKERS, "--threads", 1)
    airoto("farm", "run", shot, *options, "--chunk-frames", max(4, FRAMES // 12), timeout=PATIENCE)
    assert digests(out) == wanted
    found = read_job(job)
    # Two groups, each in two segments; every frame of each is tracked once.
    assert len(found.step("track").tasks) == 4
    assert made(found, Stage.TRACK)["track"] == 2 * FRAMES
    assert set(made(found, Stage.MATTE)) == {"matte"}, "a matte task tracked"


def test_the_sample_clip_is_run_and_run_again_and_what_was_lost_is_made_anew(
    clip: SamplePaths, sample_recipe: MakeRecipe, tmp_path: Path
) -> None:
    out, job = tmp_path / "out", tmp_path / "job"
    shot = sample_recipe(out)
    wanted = serial(shot, out, tmp_path / "serial-cache")
    options = ("--workers", 2, "--threads", 1)
    airoto("farm", "run", shot, "--job", job, *options, "--chunk-frames", 4, timeout=PATIENCE)
    assert digests(out) == wanted
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    ran = airoto("farm", "run", job, *options)
    assert "4 of 4 tasks were done" in ran.stderr
    # One matte is deleted, and all that was kept: its masks are tracked again, nothing else.
    lost = f"a.{clip.first}.exr"
    (out / lost).unlink()
    for stage in ("track", "file"):
        for path in (job / "cache" / stage).rglob("*"):
            if path.is_file():
                path.unlink()
    ran = airoto("farm", "run", job, "--threads", 1, timeout=PATIENCE)
    assert "matte 1001-1004 is run again (exit code 9)" in ran.stderr
    assert digests(out) == wanted
    after = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    assert {name for name in before if before[name] != after[name]} == {lost}


# ---- kill -9 ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LoneShot:
    """A recipe, and what one render makes of it."""

    shot: Path
    out: Path
    wanted: dict[str, str]

    def begin(self) -> tuple[Path, Path, dict[str, str]]:
        """All of it, with an empty output folder."""
        for path in self.out.iterdir():
            path.unlink()
        return self.shot, self.out, self.wanted


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> LoneShot:
    folder = tmp_path_factory.mktemp("lone")
    out = folder / "out"
    shot = recipe(folder, out, KILL_FRAMES, **NULL)
    return LoneShot(shot, out, serial(shot, out, folder / "serial-cache"))


def children(pid: int) -> list[int]:
    """Processes whose parent is `pid`."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(path.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(path.parent.name))
    return found


def finished(*folders: Path) -> dict[Path, tuple[int, int]]:
    """Files that are no half-written ones, with what tells whether they were written again."""
    found = {}
    for folder in folders:
        for path in folder.rglob("*") if folder.is_dir() else ():
            if not path.name.startswith("."):
                with contextlib.suppress(FileNotFoundError):
                    if path.is_file():
                        found[path] = (path.stat().st_ino, path.stat().st_mtime_ns)
    return found


@contextlib.contextmanager
def running(*arguments: object, temporary: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "TMPDIR": str(temporary)}
    environment.pop("AIROTO_SERVER", None)
    log = temporary.with_suffix(".log")
    with log.open("ab") as file:
        process = subprocess.Popen(
            [*AIROTO, *map(str, arguments)], stdout=file, stderr=file, env=environment
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes in /proc")
def test_workers_that_are_killed_lose_nothing_and_nothing_finished_is_made_again(
    lone: LoneShot, tmp_path: Path
) -> None:
    shot, out, wanted = lone.begin()
    job, temporary = tmp_path / "job", tmp_path / "tmp"
    temporary.mkdir()
    moments = random.Random(KILLS)
    options = ("--workers", 2, "--threads", 1, "--chunk-frames", 2, "--retries", 100)
    kept: dict[Path, tuple[int, int]] = {}
    killed = 0
    with running("farm", "run", shot, "--job", job, *options, temporary=temporary) as runner:
        deadline = time.monotonic() + PATIENCE
        while runner.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(moments.uniform(0.1, 1.8))
            workers = children(runner.pid)
            if killed < KILLS and workers:
                # What was seen first counts.
                kept = finished(out, job / "cache" / "track", job / "cache" / "matte") | kept
                with contextlib.suppress(ProcessLookupError):
                    os.kill(moments.choice(workers), signal.SIGKILL)
                    killed += 1
    assert runner.returncode == 0, temporary.with_suffix(".log").read_text()
    assert killed == KILLS, "the job ended before all kills"
    assert digests(out) == wanted
    now = finished(out, job / "cache" / "track", job / "cache" / "matte")
    assert {path: now[path] for path in kept} == kept, "something finished was written again"
    hidden = [path for path in [*out.rglob(".*"), *job.rglob(".*")] if path.name != ".prune"]
    assert hidden == [], "temporary files (.prune is the cache's own)"
    assert list(temporary.iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes in /proc")
def test_a_runner_that_is_killed_goes_on_where_it_was(lone: LoneShot, tmp_path: Path) -> None:
    shot, out, wanted = lone.begin()
    job, temporary = tmp_path / "job", tmp_path / "tmp"
    temporary.mkdir()
    options = ("--workers", 1, "--threads", 1)
    begin = ("farm", "run", shot, "--job", job, *options, "--chunk-frames", 4)
    with running(*begin, temporary=temporary) as runner:
        while not list((job / "logs" / "matte").glob("*")):
            assert runner.poll() is None
            time.sleep(0.05)
        workers = children(runner.pid)
    kept = finished(out)
    # Its worker, server and task see that it has gone.
    end = time.monotonic() + 60
    while any(Path(f"/proc/{pid}").exists() for pid in workers):
        assert time.monotonic() < end
        time.sleep(0.1)
    airoto("farm", "run", job, *options, timeout=PATIENCE)
    assert digests(out) == wanted
    now = finished(out)
    assert {path: now[path] for path in kept} == kept


def test_a_recipe_that_is_wrong_ends_the_run_with_its_code(tmp_path: Path) -> None:
    shot = recipe(tmp_path, tmp_path / "out", 4, **NULL)
    (tmp_path / "plate" / "plate.0002.exr").write_bytes(b"no picture")
    job = tmp_path / "job"
    ran = airoto("farm", "run", shot, "--job", job, "--threads", 1, "--workers", 1, code=3)
    assert "failed (exit code 3)" in ran.stderr
    assert "is run again" not in ran.stderr
    found = read_job(job)
    states = {read_log(found.log(step, task)).state for step in found.steps for task in step.tasks}
    assert states == {TaskState.FAILED, TaskState.WAITING}
