"""How far the boundary of the classic tracker's masks lies from the truth on a large plate.

    .venv/bin/python tests/benchmarks/plate_boundary.py                       # 1920x1080
    .venv/bin/python tests/benchmarks/plate_boundary.py --size 3840x2160 --frames 5

The sample clip, its exact first mask given, rendered three times: masks as they were tracked, masks
whose boundary the plate's pixels decide, and mattes. Frames that were tracked are compared with
exact alpha, both cut at one half.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from airoto.wire import messages as pb
from airoto.wire import recipe as recipes
from airoto_server.app.sample import SamplePaths, make_sample
from airoto_server.engines import classic_tracker_full
from airoto_server.ops.imagefile import read_mask
from airoto_server.ops.parallel import limit_libraries
from airoto_server.ops.score import boundary_distance, jf
from airoto_server.scheduler.cancel import Cancel
from airoto_server.sessions.render import render
from airoto_server.sessions.workshop import Settings, Workshop

_SPEC = classic_tracker_full.SPECS[0]
_WAYS = {"mask, not refined": "none", "mask": "none", "matte": "classic"}


def shot(sample: SamplePaths, folder: Path, matter: str) -> pb.Recipe:
    """The sample's recipe, begun from the exact mask of its first frame."""
    wanted = recipes.to_dict(recipes.read(sample.recipe))
    wanted["plate"]["path"] = str(sample.acescg)
    wanted["objects"][0]["prompts"] = [
        {"frame": sample.first, "mask": {"path": str(alphas(sample)[0])}}
    ]
    wanted["track"] = {"engine": "classic"}
    wanted["matte"] = {"engine": matter}
    wanted["output"] = {"path": str(folder / "hero.####.exr")}
    return recipes.from_dict(wanted)


def alphas(sample: SamplePaths) -> list[Path]:
    """Files of the exact alpha, by frame."""
    return sorted(sample.alphas[0].parent.glob("*.exr"))


def main() -> None:
    """Make the clip, render it, print a line for each way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", default="1920x1080", metavar="WxH")
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--clip", type=Path, metavar="DIR", help="a sample clip of that size")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="where the masks go")
    options = parser.parse_args()
    limit_libraries()
    width, height = (int(side) for side in options.size.split("x"))
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        clip = options.clip or folder / "sample"
        sample = make_sample(clip.resolve(), frames=options.frames, width=width, height=height)
        truths = [read_mask(path).mask > 0.5 for path in alphas(sample)[1:]]
        for name, matter in _WAYS.items():
            edges = None if name.endswith("not refined") else _SPEC.edges
            classic_tracker_full.SPECS = (dataclasses.replace(_SPEC, edges=edges),)
            out = folder / name
            out.mkdir()
            request = pb.RenderRequest(recipe=shot(sample, out, matter))
            workshop = Workshop(Settings(threads=2))
            began = time.monotonic()
            try:
                render(workshop, request, Cancel(), lambda _: None)
            finally:
                workshop.close()
            seconds = (time.monotonic() - began) / options.frames
            masks = [read_mask(path).mask for path in sorted(out.glob("*.exr"))[1:]]
            cut = [mask > 0.5 for mask in masks]
            away = np.mean([boundary_distance(a, b) for a, b in zip(cut, truths, strict=True)])
            j, f = np.mean([jf(a, b) for a, b in zip(cut, truths, strict=True)], axis=0)
            print(
                f"{name}: boundary {away:.2f} pixels, J {j:.3f}, F {f:.3f}, {seconds:.2f} s/frame"
            )
            if options.pictures:
                options.pictures.mkdir(parents=True, exist_ok=True)
                picture = np.rint(masks[-1] * 255).astype(np.uint8)
                cv2.imwrite(str(options.pictures / f"{name}.png"), picture)


if __name__ == "__main__":
    main()
