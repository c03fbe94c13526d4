"""What a shot costs on a farm: processor, bytes and file operations by task; and many shots a day.

    python tests/benchmarks/farm_cost.py                       # the sample clip, classic engines
    python tests/benchmarks/farm_cost.py --engines null        # what is left without engines
    python tests/benchmarks/farm_cost.py --size 1920x1080 --frames 8 --shots 10000

Makes a farm job of the sample clip and runs each of its tasks as a blade does: a server that
starts, one task, and its end. Processor seconds are of the whole tree of processes (wait4); file
operations are counted by strace in another run of each task, where there is one. The last table
multiplies: it is a model, not a measurement, and says so.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from airoto.wire import recipe as recipes
from airoto_client.farm.job import FarmJob, Step, Task
from airoto_client.farm.plan import plan, settings, write_folder
from airoto_server.app.sample import make_sample

# What a network file system is asked for; memory, pipes and sockets are not counted.
_CALLS = "openat,open,creat,stat,lstat,newfstatat,statx,access,faccessat,faccessat2,readlink,"
_CALLS += "rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,link,linkat,getdents64"
_DAY = 24 * 3600


@dataclass(frozen=True)
class Cost:
    """Of one task, its server's start included.

    Attributes:
        seconds: from beginning to end.
        processor: seconds of processor, of all processes.
        read, written: bytes on files below the job (plate, cache, mattes).
        calls: file operations on names below the job's folders; None where strace is not here.
    """

    seconds: float
    processor: float
    read: int
    written: int
    calls: int | None


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--size", default="960x540")
    parser.add_argument("--chunk", type=int, default=8)
    parser.add_argument("--engines", choices=("classic", "null"), default="classic")
    parser.add_argument("--shots", type=int, default=10_000, help="a day, for the model")
    parser.add_argument("--shot-frames", type=int, default=100, help="of such a shot")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="airoto-farm-cost-") as name:
        root = Path(name)
        job = make_job(root, options)
        costs: dict[str, list[Cost]] = {}
        empty = run(["info"], root, traced=False)
        for step in job.steps:
            costs[step.name] = [measure(job, step, task, root) for task in step.tasks]
        table(job, costs, empty)
        model(job, costs, empty, options)
    return 0


def make_job(root: Path, options: argparse.Namespace) -> FarmJob:
    """The sample clip as a job in `root`."""
    width, _, height = options.size.partition("x")
    clip = make_sample(root / "clip", frames=options.frames, width=int(width), height=int(height))
    recipe = recipes.read(clip.recipe)
    folder = clip.recipe.parent
    recipe.plate.path = str(folder / recipe.plate.path)
    recipe.output.path = str(root / "mattes/hero.%04d.exr")
    if options.engines == "null":
        recipe.segment.engine = recipe.track.engine = recipe.matte.engine = "null"
    farming = settings({"farm.chunk_frames": options.chunk}, {}, gpu=False)
    job = plan(recipe, root / "JOB", farming)
    write_folder(job, recipe)
    return job


def measure(job: FarmJob, step: Step, task: Task, root: Path) -> Cost:
    """Run a task once for its figures and, traced, once more from the same state."""
    command = ["farm", "task", job.folder, step.name, task.name]
    kept = {name: root / f"before-{name}" for name in ("JOB", "mattes")}
    for name, copy in kept.items():
        shutil.rmtree(copy, ignore_errors=True)
        if (root / name).exists():
            shutil.copytree(root / name, copy)
    calls = None
    if shutil.which("strace"):
        calls = run(command, root, traced=True).calls
        for name, copy in kept.items():
            shutil.rmtree(root / name, ignore_errors=True)
            if copy.exists():
                copy.rename(root / name)
    found = run(command, root, traced=False)
    return Cost(found.seconds, found.processor, found.read, found.written, calls)


def run(arguments: Sequence[str], root: Path, *, traced: bool) -> Cost:
    """Run an `airoto` command with a server of its own."""
    environment = {**os.environ, "AIROTO_CACHE": str(root / "JOB/cache")}
    environment.pop("AIROTO_SERVER", None)
    # A private place for sockets: a server that runs here is not ours to measure.
    environment["XDG_RUNTIME_DIR"] = str(root / "run")
    (root / "run").mkdir(mode=0o700, exist_ok=True)
    command = [sys.executable, "-m", "airoto_client.cli", *arguments, "--json"]
    trace = root / "trace"
    if traced:
        command = ["strace", "-f", "-qq", "-y", "-e", f"trace={_CALLS}", "-o", str(trace), *command]
    before = sizes(root)
    began = time.perf_counter()
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    said = process.stdout.read()
    _, code, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(code)
    if process.returncode:
        raise RuntimeError(f"{arguments} ended with {process.returncode}: {said[-2000:]}")
    seconds = time.perf_counter() - began
    calls = None
    if traced:
        place = re.escape(str(root))
        kept = re.compile(rf'"{place}/(JOB|mattes|clip)')
        with trace.open(errors="replace") as lines:
            calls = sum(bool(kept.search(line)) for line in lines)
        trace.unlink()
    written = sum(
        size for path, (size, at) in sizes(root).items() if before.get(path) != (size, at)
    )
    return Cost(seconds, usage.ru_utime + usage.ru_stime, plate_bytes(said, root), written, calls)


def sizes(root: Path) -> dict[Path, tuple[int, int]]:
    """Size and time of every file of job and mattes."""
    return {
        path: (path.stat().st_size, path.stat().st_mtime_ns)
        for name in ("JOB", "mattes")
        for path in (root / name).rglob("*")
        if path.is_file()
    }


def plate_bytes(said: str, root: Path) -> int:
    """Bytes of the files of the frames that a task told of: the least that it read."""
    frames = 0
    for line in said.splitlines():
        event = json.loads(line) if line.startswith("{") else {}
        if event.get("event") == "summary":
            frames = max(event["done"], *event["stage_made"].values(), 0)
    plates = sorted((root / "clip/plate_acescg").glob("*.exr"))
    each = sum(path.stat().st_size for path in plates) / max(1, len(plates))
    return round(frames * each)


def table(job: FarmJob, costs: Mapping[str, Sequence[Cost]], empty: Cost) -> None:
    """Print what was measured."""
    start = f"{empty.seconds:.1f} s, {empty.processor:.1f} s of processor"
    print(f"a server that starts and ends: {start}")
    print()
    print(
        "| step | tasks | frames | seconds | processor s/frame | plate MB/frame | "
        "written MB/frame | file operations/frame |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name, some in costs.items():
        step = job.step(name)
        frames = sum(task.frames[1] - task.frames[0] + 1 for task in step.tasks)
        net = sum(max(0.0, one.processor - empty.processor) for one in some)
        counted = [one.calls for one in some if one.calls is not None]
        calls = f"{sum(counted) / frames:.0f}" if counted else "not counted"
        print(
            f"| {name} | {len(some)} | {frames} | {sum(one.seconds for one in some):.1f} | "
            f"{net / frames:.3f} | {sum(one.read for one in some) / frames / 1e6:.2f} | "
            f"{sum(one.written for one in some) / frames / 1e6:.2f} | {calls} |"
        )


def model(
    job: FarmJob, costs: Mapping[str, Sequence[Cost]], empty: Cost, options: argparse.Namespace
) -> None:
    """Print the day's sum: so many shots of so many frames, cut as this job."""
    frames = options.frames
    shots, long = options.shots, options.shot_frames
    processor = read = written = calls = tasks = 0.0
    counted = True
    for name, some in costs.items():
        per = long / frames
        # Tracking is one task a segment however long it is; chunks grow in number.
        count = len(some) if name == "track" else -(-long // options.chunk)
        net = sum(max(0.0, one.processor - empty.processor) for one in some) * per
        processor += net + count * empty.processor
        read += sum(one.read for one in some) * per
        written += sum(one.written for one in some) * per
        counted = counted and all(one.calls is not None for one in some)
        calls += sum(one.calls or 0 for one in some) * per
        tasks += count
    print()
    print(f"model: {shots} shots of {long} frames a day, {options.size}, {options.engines} engines")
    print(f"  tasks a day          {shots * tasks:,.0f}")
    print(f"  processors busy      {shots * processor / _DAY:,.0f} (of the kind that this ran on)")
    print(f"  plates read          {shots * read / _DAY / 1e6:,.1f} MB/s")
    print(
        f"  cache, mattes, logs  {shots * written / _DAY / 1e6:,.1f} MB/s, "
        f"{shots * written / 1e12:,.2f} TB a day"
    )
    print(
        "  file operations      "
        + (f"{shots * calls / _DAY:,.0f} a second" if counted else "not counted")
    )


if __name__ == "__main__":
    raise SystemExit(main())
