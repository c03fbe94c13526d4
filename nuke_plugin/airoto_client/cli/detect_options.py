"""Options of `detect` and `roto`: how text becomes boxes."""

from __future__ import annotations

import argparse

from airoto.errors import BadRequestError
from airoto.wire.messages import Recipe


def add_detect_options(parser: argparse.ArgumentParser) -> None:
    """How text becomes boxes."""
    group = parser.add_argument_group("text", "0 means the default.")
    group.add_argument("--engine-detect", "--detect", default="", metavar="ENGINE")
    group.add_argument(
        "--box-threshold", type=float, default=0.0, metavar="SCORE", help="of a box: 0.35"
    )
    group.add_argument(
        "--text-threshold", type=float, default=0.0, metavar="SCORE", help="of a word: 0.25"
    )
    group.add_argument(
        "--max-overlap", type=float, default=0.0, metavar="IOU", help="of two boxes: 0.8"
    )
    group.add_argument("--max-objects", type=int, default=0, metavar="N", help="the best N")


def set_detect_options(recipe: Recipe, options: argparse.Namespace) -> None:
    """What `add_detect_options` reads, where it says something."""
    if options.engine_detect:
        recipe.detect.engine = options.engine_detect
    for name in ("box_threshold", "text_threshold", "max_overlap", "max_objects"):
        value = getattr(options, name)
        if value > 0:
            setattr(recipe.detect, name, value)
        elif value:
            option = f"--{name.replace('_', '-')}"
            raise BadRequestError(f"{option} cannot be negative")
