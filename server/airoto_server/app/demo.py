"""The demo: the sample clip, two clicks, a real server process, and a score."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from airoto.sequence import Pattern
from airoto.wire import recipe as recipes
from airoto_server.app.sample import SamplePaths, make_sample
from airoto_server.ops import preview
from airoto_server.ops.colour import Colour, ColourSettings
from airoto_server.ops.imagefile import read_frame, read_mask
from airoto_server.ops.parallel import limit_libraries
from airoto_server.ops.score import boundary_distance, dtssd, score


def main(argv: Sequence[str] | None = None) -> int:
    """Make the clip, render its recipe through the command line, compare with the truth."""
    parser = argparse.ArgumentParser(prog="demo", description=main.__doc__)
    parser.add_argument("folder", type=Path, help="where everything goes")
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--size", default="960x540", metavar="WxH")
    options = parser.parse_args(argv)
    limit_libraries()
    width, height = (int(side) for side in options.size.split("x"))
    folder: Path = options.folder.resolve()
    print(f"1. making the sample clip in {folder / 'sample'}", flush=True)
    sample = make_sample(folder / "sample", frames=options.frames, width=width, height=height)
    print("2. pulling its matte from two clicks, through a server of its own", flush=True)
    airoto = [sys.executable, "-m", "airoto_client.cli"]
    previews = folder / "preview"
    done = subprocess.run(
        [*airoto, "render", str(sample.recipe), f"--preview={previews}"], check=False
    )
    if done.returncode:
        return done.returncode
    mattes = sorted((folder / "sample" / "mattes").glob("hero.*.exr"))
    print("3. comparing with the exact alpha", flush=True)
    print(_compared(mattes, sorted(sample.alphas[0].parent.glob("*.exr"))))
    _write_picture(folder / "demo.png", sample, mattes)
    print("\nLook at:")
    print(f"  before, after  {folder / 'demo.png'}")
    print(f"  mattes         {mattes[0].parent}")
    for made in sorted(previews.iterdir()):
        print(f"  {'overlay movie' if made.suffix == '.mp4' else 'contact sheet'}  {made}")
    return 0


def _write_picture(path: Path, sample: SamplePaths, mattes: Sequence[Path]) -> None:
    """The clicks on the first frame, and a later frame's overlay, matte and comp."""
    recipe = recipes.read(sample.recipe)
    view = recipe.plate.colour
    colour = Colour(ColourSettings(view.space, display=view.display, view=view.view))

    def picture(frame: int) -> npt.NDArray[np.float32]:
        return colour.to_display(read_frame(Pattern.parse(str(sample.acescg)).path(frame)).pixels)

    clicked = preview.as_bytes(picture(sample.first))
    for point in recipe.objects[0].prompts[0].points:
        for radius, tint in ((9, (20, 20, 20)), (7, (90, 255, 120))):
            cv2.circle(clicked, (int(point.x), int(point.y)), radius, tint, -1, cv2.LINE_AA)
    later = len(mattes) // 4
    shown = picture(sample.first + later)
    hero = [preview.Matte(_alpha(mattes[later]), preview.tint_for(0), "hero")]
    height, width = shown.shape[:2]
    panels = (
        (clicked, preview.overlay(shown, hero)),
        (preview.matte_picture(hero, height, width), preview.comp(shown, hero)),
    )
    preview.write_png(path, np.vstack([np.hstack(row) for row in panels]))


def _compared(mattes: Sequence[Path], truths: Sequence[Path]) -> str:
    alphas = [_alpha(path) for path in mattes]
    exact = [_alpha(path) for path in truths]
    scores = [score(a, t) for a, t in zip(alphas, exact, strict=True)]
    distance = [boundary_distance(a > 0.5, t > 0.5) for a, t in zip(alphas, exact, strict=True)]
    return (
        f"   over {len(scores)} frames: IoU {np.mean([s.iou for s in scores]):.3f}, "
        f"SAD {np.mean([s.sad for s in scores]):.2f} thousand pixels, "
        f"MSE {np.mean([s.mse for s in scores]):.4f}, "
        f"boundary {np.mean(distance):.2f} pixels off, dtSSD {dtssd(alphas, exact):.3f}"
    )


def _alpha(path: Path) -> npt.NDArray[np.float32]:
    return read_mask(path).mask


if __name__ == "__main__":
    sys.exit(main())
