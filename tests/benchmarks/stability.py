"""What steady edges cost, and what they give: time of the matte stage, flicker, errors.

    python tests/benchmarks/stability.py                       # 8 frames of the sample at 1080p
    python tests/benchmarks/stability.py --size 960x540 --frames 24 --strengths 0 0.5 1

Every run renders the sample clip's own recipe in a server process of its own, which keeps no
results: the second run would make none. Errors are against
the exact alpha.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from own_server import own_server

from airoto.wire import recipe as recipes
from airoto_server.app.sample import SamplePaths, make_sample
from airoto_server.ops.imagefile import read_mask
from airoto_server.ops.score import dtssd, score


def main(argv: Sequence[str] | None = None) -> int:
    """Render at every strength and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="1920x1080", metavar="WxH")
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--strengths", type=float, nargs="+", default=[0.0, 1.0])
    options = parser.parse_args(argv)
    width, height = (int(side) for side in options.size.split("x"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = make_sample(folder / "clip", frames=options.frames, width=width, height=height)
        print("strength  matte s/frame  ratio    SAD   dtSSD")
        first = 0.0
        for strength in options.strengths:
            seconds, sad, temporal = measure(clip, folder / f"{strength:g}", strength)
            per_frame = seconds / options.frames
            first = first or per_frame
            print(
                f"{strength:8g}  {per_frame:13.2f}  {per_frame / first:5.2f}  "
                f"{sad:5.2f}  {temporal:6.3f}",
                flush=True,
            )
    return 0


def measure(clip: SamplePaths, folder: Path, strength: float) -> tuple[float, float, float]:
    """Seconds of the matte stage, mean SAD in thousands of pixels, dtSSD."""
    recipe = recipes.read(clip.recipe)
    recipe.plate.path = str(clip.acescg)
    recipe.matte.stability = strength
    recipe.output.path = str(folder / "a.####.exr")
    folder.mkdir()
    file = folder / "shot.airoto.json"
    recipes.write(recipe, file)
    command = [sys.executable, "-m", "airoto_client.cli", "render", str(file), "--json"]
    with own_server() as link:
        command += ["--server", link.target]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    summary = next(
        event for event in map(json.loads, done.stdout.splitlines()) if event["event"] == "summary"
    )
    made = [read_mask(path).mask for path in sorted(folder.glob("*.exr"))]
    truths = [read_mask(path).mask for path in sorted(clip.alphas[0].parent.glob("*.exr"))]
    sad = float(np.mean([score(a, t).sad for a, t in zip(made, truths, strict=True)]))
    return float(summary["stage_seconds"]["matte"]), sad, dtssd(made, truths)


if __name__ == "__main__":
    sys.exit(main())
