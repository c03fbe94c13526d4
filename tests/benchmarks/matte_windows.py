"""ViTMatte in windows around the unknown region against ViTMatte over the whole frame.

    python tests/benchmarks/matte_windows.py                  # 1920x1080, 5 % unknown
    python tests/benchmarks/matte_windows.py --size 960x540

The true small architecture with seeded weights: time and memory do not depend on what the
weights say. How much faster is told in processor time, which other work on the machine changes
least. Each way runs in a process of its own; peak: its resident memory (VmHWM), and what
of that came after the network was loaded. Linux.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

# By how much windows must be faster, and how much of the memory they may take.
FASTER, SHARE = 5.0, 0.25
_ENGINE = "vitmatte-small"


def bands(height: int, width: int, share: float) -> npt.NDArray[np.float32]:
    """A trimap of six discs spread over the frame, the rims unknown: `share` of all pixels."""
    rows, columns = np.mgrid[:height, :width] + 0.5
    radius = height / 7.2
    depth = share * height * width / (6 * 2 * np.pi * radius) / 2
    trimap = np.zeros((height, width), np.float32)
    for row in (0.27, 0.73):
        for column in (0.18, 0.5, 0.82):
            away = np.hypot(columns - column * width, rows - row * height) - radius
            trimap[away < depth] = 0.5
            trimap[away < -depth] = 1
    return trimap


def run(way: str, checkpoint: Path, height: int, width: int, threads: int) -> None:
    """Matte once, and print seconds and bytes as JSON."""
    from airoto_server.engines.registry import LoadOptions, Role, find
    from airoto_server.engines.roles import Matter
    from airoto_server.engines.windowed import matte_in_windows
    from airoto_server.ops.geometry import Window

    trimap = bands(height, width, 0.05)
    picture = np.random.default_rng(1).random((height, width, 3), np.float32)
    engine = find(Role.MATTER, _ENGINE).load(LoadOptions(checkpoint=checkpoint, threads=threads))
    assert isinstance(engine, Matter)
    loaded = _peak()
    began, processor = time.perf_counter(), time.process_time()
    whole = Window.sized(width, height)
    if way == "windows":
        matte_in_windows(engine, lambda w: picture[w.slices(whole)], trimap, seed=0, threads=1)
    else:
        engine.matte(picture, trimap, seed=0)
    seconds, processor = time.perf_counter() - began, time.process_time() - processor
    unknown = float((trimap == 0.5).mean())
    found = {"seconds": seconds, "processor": processor, "peak": _peak(), "loaded": loaded}
    print(json.dumps({**found, "unknown": unknown}))


def _peak() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/self/status tells no VmHWM")


def _write_checkpoint(path: Path) -> None:
    import torch
    from transformers import VitMatteForImageMatting

    from airoto_server.engines import vitmatte

    torch.manual_seed(0)
    model = VitMatteForImageMatting(vitmatte.configuration(vitmatte.SMALL))
    torch.save(model.state_dict(), path)


def main(argv: Sequence[str] | None = None) -> int:
    """Print a table; 1 if windows are not as much faster and smaller as they must be."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", default="1920x1080", metavar="WxH")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--run", nargs=2, metavar=("WAY", "CHECKPOINT"), help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    width, height = (int(side) for side in options.size.split("x"))
    if options.run:
        run(options.run[0], Path(options.run[1]), height, width, options.threads)
        return 0
    found = {}
    with tempfile.TemporaryDirectory(prefix="airoto-bench-") as folder:
        checkpoint = Path(folder) / "vitmatte.pth"
        _write_checkpoint(checkpoint)
        print(f"{'':<10}{'seconds':>10}{'processor':>11}{'peak MiB':>10}{'work MiB':>10}")
        for way in ("windows", "whole"):
            command = [sys.executable, __file__, "--run", way, str(checkpoint)]
            command += ["--size", options.size, "--threads", str(options.threads)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"{way}: {done.stderr}")
                return 1
            one = found[way] = json.loads(done.stdout.splitlines()[-1])
            peak, work = one["peak"] / 2**20, (one["peak"] - one["loaded"]) / 2**20
            print(
                f"{way:<10}{one['seconds']:>10.2f}{one['processor']:>11.2f}"
                f"{peak:>10.0f}{work:>10.0f}",
                flush=True,
            )
    windows, whole = found["windows"], found["whole"]
    faster = whole["processor"] / windows["processor"]
    share = windows["peak"] / whole["peak"]
    print(
        f"unknown {windows['unknown']:.1%}; {faster:.1f} times as fast (wanted {FASTER:g}), "
        f"{share:.0%} of the peak memory (allowed {SHARE:.0%})"
    )
    return int(faster < FASTER or share > SHARE)


if __name__ == "__main__":
    sys.exit(main())
