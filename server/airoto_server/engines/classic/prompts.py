"""Prompts as pixels, and what of them is refused."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from airoto.errors import EngineError
from airoto_server.engines.classic.checks import check_plane
from airoto_server.engines.roles import Prompts

Pixels = npt.NDArray[np.intp]
Box = tuple[int, int, int, int]


def check_prompts(prompts: Prompts, shape: tuple[int, int]) -> None:
    """Refuse prompts that say nothing about a picture of that (H, W).

    Raises:
        EngineError: values that are no numbers, points without labels, a mask of another
            size, or neither a positive point inside the picture, nor a box that meets it,
            nor a mask.
    """
    if prompts.points.shape != (len(prompts.labels), 2):
        raise EngineError(
            f"points are {prompts.points.shape} with {len(prompts.labels)} labels; "
            "allowed: (N, 2) with N labels"
        )
    if not np.isfinite(prompts.points).all():
        raise EngineError("a point has a coordinate that is no number")
    if prompts.mask is not None:
        check_plane("mask", prompts.mask, shape)
    if prompts.box is not None and box_pixels(prompts.box, shape) is None:
        raise EngineError(
            f"the box {prompts.box} does not meet the picture (0, 0, {shape[1]}, {shape[0]})"
        )
    positive = point_pixels(prompts, shape, wanted=True)
    if prompts.box is None and prompts.mask is None and len(positive) == 0:
        raise EngineError("prompts need a positive point inside the picture, a box or a mask")


def point_pixels(prompts: Prompts, shape: tuple[int, int], *, wanted: bool) -> Pixels:
    """Rows and columns (N, 2) of the positive (or negative) points in a picture of (H, W).

    Points outside the picture belong to no pixel and are left out.
    """
    pixels: Pixels = np.floor(prompts.points[prompts.labels == wanted, ::-1]).astype(np.intp)
    inside = ((pixels >= 0) & (pixels < np.array(shape))).all(axis=1)
    return pixels[inside]


def box_pixels(box: tuple[float, float, float, float], shape: tuple[int, int]) -> Box | None:
    """First column and row, and those after the last, of the pixels that a box touches.

    None if the box lies outside a picture of (H, W), is empty, or is no box.
    """
    if not np.isfinite(box).all() or box[0] >= box[2] or box[1] >= box[3]:
        return None
    left, top = max(0, int(np.floor(box[0]))), max(0, int(np.floor(box[1])))
    right, bottom = min(shape[1], int(np.ceil(box[2]))), min(shape[0], int(np.ceil(box[3])))
    if left >= right or top >= bottom:
        return None
    return left, top, right, bottom
