"""Planes of the output window beside the picture that engines see, and beside smaller ones."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from airoto_server.ops.geometry import Window, Working
from airoto_server.ops.nonzero import box_of
from airoto_server.ops.part import Mask, Part

Values = npt.NDArray[np.float32]
Points = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.bool_]

# Picture pixels that a mask reaches beyond its own when it is enlarged.
_INTERPOLATED = 3
# Points in a row of the maps that OpenCV samples by; it takes no longer ones than 32767.
_ROW = 4096


@dataclass(frozen=True)
class Grid:
    """From the pixels of an output window to those of the picture, counted from their corners.

    Attributes:
        shape: rows and columns of the window.
        scale: picture pixels per pixel of the window, along x and y.
        offset: picture position of the window's first pixel centre.
    """

    shape: tuple[int, int]
    scale: tuple[float, float]
    offset: tuple[float, float]

    @classmethod
    def of(cls, working: Working, window: Window, file_scale: float) -> Grid:
        """Of a window in the pixels of files of that scale."""
        x, y = working.scale_x / file_scale, working.scale_y / file_scale
        corner = working.window
        offset = (
            (window.x_min + 0.5) * x - corner.x_min - 0.5,
            (window.y_min + 0.5) * y - corner.y_min - 0.5,
        )
        return cls((window.height, window.width), (x, y), offset)

    def part(self, window: Window) -> Grid:
        """Of a part of the window, counted from its corner."""
        x, y = self.offset
        offset = x + window.x_min * self.scale[0], y + window.y_min * self.scale[1]
        return Grid((window.height, window.width), self.scale, offset)

    def resized(self, x: float, y: float) -> Grid:
        """To the pixels of a picture that is that many times as wide and high."""
        scale = self.scale[0] * x, self.scale[1] * y
        offset = (self.offset[0] + 0.5) * x - 0.5, (self.offset[1] + 0.5) * y - 0.5
        return Grid(self.shape, scale, offset)

    def around(self, mask: Mask, margin: int) -> Window:
        """The part of the window in which a mask of the picture is not 0, and a margin."""
        box = box_of(mask != 0)
        if box.is_empty:
            return box
        box = box.grown(_INTERPOLATED)
        x = [(at - self.offset[0]) / self.scale[0] for at in (box.x_min, box.x_max - 1)]
        y = [(at - self.offset[1]) / self.scale[1] for at in (box.y_min, box.y_max - 1)]
        low, high = (math.floor(x[0]), math.floor(y[0])), (math.ceil(x[1]), math.ceil(y[1]))
        whole = Window.sized(self.shape[1], self.shape[0])
        return Window(*low, high[0] + 1, high[1] + 1).grown(margin).intersect(whole)

    def points(self, chosen: Pixels) -> Points:
        """Picture points (N, 2) float32 of chosen pixels, in row order."""
        rows, columns = np.nonzero(chosen)
        x = columns * self.scale[0] + self.offset[0]
        y = rows * self.scale[1] + self.offset[1]
        return np.stack([x, y], axis=1).astype(np.float32)

    def nearest(self, window: Window) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """The picture's rows and columns nearest to those of a part of the window."""
        rows = np.arange(window.y_min, window.y_max) * self.scale[1] + self.offset[1]
        columns = np.arange(window.x_min, window.x_max) * self.scale[0] + self.offset[0]
        return np.rint(rows).astype(np.intp), np.rint(columns).astype(np.intp)

    def picture(self, window: Window) -> Window:
        """The picture pixels that a part of the window lies in, counted from its corner."""
        x = [at * self.scale[0] + self.offset[0] for at in (window.x_min, window.x_max - 1)]
        y = [at * self.scale[1] + self.offset[1] for at in (window.y_min, window.y_max - 1)]
        low, high = (math.floor(x[0]), math.floor(y[0])), (math.ceil(x[1]), math.ceil(y[1]))
        return Window(*low, high[0] + 1, high[1] + 1)

    def places(self, points: Points) -> Points:
        """Places (N, 2) float32 in the window, x and y, of picture points; kept inside it."""
        high, wide = self.shape
        x = np.clip((points[:, 0] - self.offset[0]) / self.scale[0], 0, wide - 1)
        y = np.clip((points[:, 1] - self.offset[1]) / self.scale[1], 0, high - 1)
        return np.stack([x, y], axis=1).astype(np.float32)


def values_at(part: Part, places: Points) -> Values:
    """Values (N,) at places of a part's plane, between pixels interpolated."""
    if part.window.is_empty:
        return np.zeros(len(places), np.float32)
    corner = np.array([part.window.x_min, part.window.y_min], np.float32)
    return sampled(part.values, places - corner, outside=cv2.BORDER_CONSTANT)


def sampled(
    plane: npt.NDArray[Any], places: Points, outside: int = cv2.BORDER_REPLICATE
) -> npt.NDArray[np.float32]:
    """Values (N,) or (N, C) of (H, W) or (H, W, C) at places, interpolated."""
    count, channels = len(places), plane.shape[2:]
    if count == 0 or plane.size == 0:
        return np.zeros((count, *channels), np.float32)
    rows = -(-count // _ROW)
    maps = np.zeros((rows * _ROW, 2), np.float32)
    maps[:count] = places
    x, y = (np.ascontiguousarray(side).reshape(rows, _ROW) for side in maps.T)
    found = cv2.remap(plane, x, y, cv2.INTER_LINEAR, borderMode=outside)
    return np.asarray(found, np.float32).reshape(rows * _ROW, *channels)[:count]
