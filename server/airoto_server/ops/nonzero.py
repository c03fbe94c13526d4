"""Planes that are 0 nearly everywhere, as masks and mattes are: work where they are not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from airoto_server.ops.geometry import Window


def box_of(pixels: npt.NDArray[np.bool_]) -> Window:
    """The smallest window around chosen pixels (H, W) bool; an empty one where there are none."""
    rows = np.flatnonzero(pixels.any(axis=1))
    if rows.size == 0:
        return Window(0, 0, 0, 0)
    columns = np.flatnonzero(pixels[rows[0] : rows[-1] + 1].any(axis=0))
    return Window(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def blocks_of(pixels: npt.NDArray[np.bool_], side: int) -> list[Window]:
    """Windows that hold all chosen pixels (H, W) bool: blocks of that side, joined along rows."""
    high, wide = pixels.shape
    if not pixels.size:
        return []
    rows, columns = np.arange(0, high, side), np.arange(0, wide, side)
    held = np.logical_or.reduceat(np.logical_or.reduceat(pixels, rows, axis=0), columns, axis=1)
    found = []
    for top, row in zip(rows.tolist(), held, strict=True):
        ends = np.flatnonzero(np.diff(row, prepend=False, append=False)).reshape(-1, 2)
        for left, right in (ends * side).tolist():
            found.append(Window(left, top, min(right, wide), min(top + side, high)))
    return found


def where_not_0(
    function: Callable[[npt.NDArray[Any]], npt.NDArray[Any]],
    plane: npt.NDArray[Any],
    dtype: npt.DTypeLike,
) -> npt.NDArray[Any]:
    """`function(plane)`, (H, W) of `dtype`, where that takes pixels one by one and leaves 0 so."""
    made = np.zeros(plane.shape, dtype)
    part = box_of(plane != 0).slices(Window.sized(plane.shape[1], plane.shape[0]))
    made[part] = function(plane[part])
    return made
