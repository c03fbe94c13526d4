"""What the service costs a frame, over a plain loop of the package that carries the model.

    python tests/benchmarks/service_cost.py                   # the null engine
    AIROTO_WEIGHTS=... AIROTO_ENGINES=tiny_engines PYTHONPATH=tests/engines \\
        python tests/benchmarks/service_cost.py --tracker cutie-test --tracker sam2.1-test

The plain loop steps the tracker over pictures that are in memory already. The service decodes
half EXR, converts colour, tracks the same frames one way, writes half EXR mattes, and tells of
every frame. Both in this run, one after the other, on one thread. Given are milliseconds of
processor time, of the server and its decoding processes: what other work on the machine takes is
not in them. Linux.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from airoto.sequence import Pattern
from airoto_server.engines.registry import LoadOptions, Role, find
from airoto_server.engines.roles import Picture, Tracker
from airoto_server.ops.imagefile import read_frame, read_mask
from airoto_server.weights.store import WeightStore

try:  # as a script, and as part of the tests
    from tests.benchmarks import memory_flat
except ImportError:
    sys.path.insert(0, str(Path(__file__).parent))
    import memory_flat


def plain(name: str, pictures: Sequence[Picture], mask: np.ndarray) -> float:
    """Processor seconds a frame of the engine alone, after its first frame."""
    spec = find(Role.TRACKER, name)
    path = None
    if spec.facts.needs_weights:
        path = WeightStore.from_environment().require(spec.checkpoint).path
    engine = spec.load(LoadOptions(checkpoint=path, threads=1))
    assert isinstance(engine, Tracker)
    run = engine.begin([1], seed=0)
    run.step(0, pictures[0], {1: mask})
    began = time.process_time()
    for frame, picture in enumerate(pictures[1:], start=1):
        run.step(frame, picture)
    return (time.process_time() - began) / (len(pictures) - 1)


def main(argv: Sequence[str] | None = None) -> int:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--tracker", action="append")
    options = parser.parse_args(argv)
    memory_flat._THREADS = 1
    print(f"{'tracker':<16}{'plain ms':>10}{'service ms':>12}{'cost ms':>10}{'cost':>8}")
    with tempfile.TemporaryDirectory(prefix="airoto-cost-") as made:
        clip = memory_flat.small_clip(Path(made) / "clip")
        files = Pattern.parse(str(clip.acescg))
        looks = [
            np.clip(read_frame(files.path(clip.first + each)).pixels, 0, 1).astype(np.float32)
            for each in range(memory_flat._CYCLE)
        ]
        pictures = [looks[each % len(looks)] for each in range(options.frames)]
        mask = read_mask(clip.folder / f"alpha/alpha.{clip.first:04d}.exr").mask
        for name in options.tracker or ["null"]:
            alone = plain(name, pictures, mask)
            served = _served(clip, Path(made) / name, name, options.frames)
            cost = served - alone
            share = "" if name == "null" else f"{cost / alone:.0%}"
            print(
                f"{name:<16}{alone * 1e3:>10.2f}{served * 1e3:>12.2f}{cost * 1e3:>10.2f}{share:>8}",
                flush=True,
            )
    return 0


def _served(clip: memory_flat.SamplePaths, folder: Path, tracker: str, frames: int) -> float:
    """Processor seconds a frame of a render that only tracks, after its first frame."""
    recipe = memory_flat._shot(clip, folder, tracker, frames)
    recipe["objects"][0]["prompts"] = recipe["objects"][0]["prompts"][:1]  # type: ignore[index]
    recipe["matte"] = {"engine": "none"}
    recipe["track"] = {"engine": tracker, "direction": "DIRECTION_FORWARD"}
    told: list[float] = []
    with memory_flat._server() as link:
        pid = link.call("GetServerInfo", {})["pid"]
        for answer in link.stream("Render", {"recipe": recipe}):
            if answer.get("frame", {}).get("status") == "FRAME_STATUS_DONE":
                told.append(_processor(pid))
    return (told[-1] - told[0]) / (len(told) - 1)


def _processor(pid: int) -> float:
    """Processor seconds of a process and its children so far."""
    ticks = 0
    for each in (pid, *memory_flat._children(pid)):
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
