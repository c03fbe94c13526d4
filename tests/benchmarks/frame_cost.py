"""What a 1080p frame costs with `null` engines, server and decoder apart, and where it goes.

    .venv/bin/python tests/benchmarks/frame_cost.py               # one row for each strength
    .venv/bin/python tests/benchmarks/frame_cost.py --profile 20  # and the costliest functions

Two objects, one corrected, without a cache of results; the first render of each server warms it up.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import io
import os
import pstats
import shutil
import tempfile
import threading
import time
from pathlib import Path

from blender_frame import _write_plate as write_plate

from airoto.wire import messages as pb
from airoto.wire import recipe as recipes
from airoto_server.ops.parallel import limit_libraries
from airoto_server.residency.malloc import keep_freed_memory
from airoto_server.scheduler.cancel import Cancel
from airoto_server.sessions.render import render
from airoto_server.sessions.workshop import Settings, Workshop


def shot(clip: Path, folder: Path, frames: int, stability: float, working_size: int) -> pb.Recipe:
    """The recipe of a plate of waves."""
    prompts = {1: [(1001, 60, 50)], 2: [(1001, 140, 60), (1003, 120, 60)]}
    return recipes.from_dict(
        {
            "version": 1,
            "plate": {
                "path": str(clip / "plate.####.exr"),
                "frames": {"first": 1001, "last": 1000 + frames},
                "colour": {"space": "ACEScg"},
                "format": {"width": 1920, "height": 1080, "pixel_aspect": 1.0},
            },
            "objects": [
                {
                    "id": number,
                    "name": f"object_{number}",
                    "prompts": [
                        {"frame": at, "points": [{"x": x, "y": y, "label": "POINT_LABEL_POSITIVE"}]}
                        for at, x, y in points
                    ],
                }
                for number, points in prompts.items()
            ],
            "segment": {"engine": "null"},
            "track": {"engine": "null"},
            "matte": {"engine": "null", "stability": stability},
            "processing": {"working_size": working_size},
            # As Blender's node writes them.
            "output": {
                "path": str(folder / "a.####.exr"),
                "compression": "COMPRESSION_RLE",
            },
        }
    )


def decoders(workshop: Workshop) -> float:
    """Seconds of processor that decoding processes have taken so far."""
    spent = 0
    for one in workshop.decoder._idle:
        fields = Path(f"/proc/{one._popen.pid}/stat").read_text().rpartition(")")[2].split()
        spent += int(fields[11]) + int(fields[12])
    return spent / os.sysconf("SC_CLK_TCK")


def measure(
    clip: Path, folder: Path, frames: int, stability: float, working_size: int
) -> list[cProfile.Profile]:
    """Print a row for a warm server; profiles of its threads, where `profiled` makes them."""
    workshop = Workshop(Settings(scratch=folder / "scratch", threads=2))
    request = pb.RenderRequest(
        recipe=shot(clip, folder / "mattes", frames, stability, working_size)
    )
    try:
        for warm in (False, True):
            shutil.rmtree(folder / "mattes", ignore_errors=True)
            _profiles.clear()
            gc.collect()  # decoded frames are shared with whoever still holds them
            began = time.perf_counter(), time.process_time(), decoders(workshop)
            render(workshop, request, Cancel(), lambda _: None)
            ended = time.perf_counter(), time.process_time(), decoders(workshop)
            if warm:
                row = (1000 * (b - a) / frames for a, b in zip(began, ended, strict=True))
                print(f"{stability:9g}" + "".join(f"{one:12.1f}" for one in row), flush=True)
    finally:
        workshop.close()
    return list(_profiles)


_profiles: list[cProfile.Profile] = []


def profiled() -> None:
    """From now on every thread notes the processor time of its functions."""
    plain = threading.Thread.run

    def run(self: threading.Thread) -> None:
        profile = cProfile.Profile(time.thread_time)
        try:
            profile.runcall(plain, self)
        finally:
            _profiles.append(profile)

    threading.Thread.run = run  # type: ignore[method-assign]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--strengths", type=float, nargs="+", default=[0.0, 1.0])
    parser.add_argument("--working-size", type=int, default=0, help="0: the plate's")
    parser.add_argument("--profile", type=int, default=0, metavar="N", help="functions to show")
    options = parser.parse_args()
    keep_freed_memory()
    limit_libraries()
    if options.profile:
        profiled()
    with tempfile.TemporaryDirectory(prefix="airoto-frame-cost-") as name:
        clip = Path(name) / "clip"
        write_plate(clip, options.frames)
        print("a frame, ms:\nstability        wall      server    decoders")
        for strength in options.strengths:
            profiles = measure(
                clip, Path(name) / f"{strength:g}", options.frames, strength, options.working_size
            )
            if profiles:
                text = io.StringIO()
                stats = pstats.Stats(*profiles, stream=text)
                stats.sort_stats("tottime").print_stats(options.profile)
                print(text.getvalue())


if __name__ == "__main__":
    main()
