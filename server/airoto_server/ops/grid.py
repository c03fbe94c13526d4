"""Planes of the output window beside the picture that engines see, and beside smaller ones."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from airoto_server.ops.geometry import Window, Working
from airoto_server.ops.nonzero import box_of
from airoto_server.ops.part import Mask, Part

Planes = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.bool_]

# Picture pixels that a mask reaches beyond its own when it is enlarged.
_INTERPOLATED = 3
# Scales and offsets this close to whole numbers count as such.
_WHOLE = 1e-6
# OpenCV is told where pixels come from, not where they go.
_FROM = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP


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

    def seen(self, part: Part, window: Window) -> Mask:
        """A plane of the output window as it is at picture pixels, between its own interpolated.

        Args:
            part: of the output window.
            window: the picture pixels wanted.
        """
        if window.is_empty or part.window.is_empty:
            return np.zeros((window.height, window.width), np.float32)
        x = (window.x_min - self.offset[0]) / self.scale[0] - part.window.x_min
        y = (window.y_min - self.offset[1]) / self.scale[1] - part.window.y_min
        there = np.array([[1 / self.scale[0], 0, x], [0, 1 / self.scale[1], y]])
        size = window.width, window.height
        return np.asarray(cv2.warpAffine(part.values, there, size, flags=_FROM), np.float32)

    def spread(self, planes: Planes, origin: Window, window: Window) -> Planes:
        """Planes of the picture as they are at pixels of the output window, interpolated.

        Args:
            planes: (N, H, W) over `origin`, which is not empty; they go on as they end.
            origin: in picture pixels.
            window: the part of the output window wanted.
        """
        made = np.empty((len(planes), window.height, window.width), np.float32)
        whole = self._whole_pixels(window)
        if whole is not None and not whole[0].intersect(origin).is_empty:
            # Three to seven times as fast where pixels of the window divide those of the picture.
            pixels, over = whole
            cut = pixels.intersect(origin)
            y, x = cut.slices(origin)
            top, bottom = cut.y_min - pixels.y_min, pixels.y_max - cut.y_max
            left, right = cut.x_min - pixels.x_min, pixels.x_max - cut.x_max
            size, (down, across) = (over.width, over.height), window.slices(over)
            for plane, to in zip(planes[:, y, x], made, strict=True):
                grown = cv2.copyMakeBorder(plane, top, bottom, left, right, cv2.BORDER_REPLICATE)
                to[:] = cv2.resize(grown, size)[down, across]
            return made
        corner_x = window.x_min * self.scale[0] + self.offset[0] - origin.x_min
        corner_y = window.y_min * self.scale[1] + self.offset[1] - origin.y_min
        there = np.array([[self.scale[0], 0, corner_x], [0, self.scale[1], corner_y]])
        size = window.width, window.height
        for plane, to in zip(planes, made, strict=True):
            cv2.warpAffine(plane, there, size, to, _FROM, cv2.BORDER_REPLICATE)
        return made

    def _whole_pixels(self, window: Window) -> tuple[Window, Window] | None:
        """Picture pixels around a part of the window, and what they cover of it, if whole pixels.

        There is one more picture pixel than needed on each side, to interpolate with.
        """
        sides = []
        ends = ((window.x_min, window.x_max), (window.y_min, window.y_max))
        for scale, offset, (low, high) in zip(self.scale, self.offset, ends, strict=True):
            count, first = round(1 / scale), (-0.5 - offset) / scale + 0.5
            start = round(first)
            if abs(count * scale - 1) > _WHOLE or abs(first - start) > _WHOLE:
                return None
            begin, end = (low - start) // count - 1, -(-(high - start) // count) + 1
            sides.append((begin, end, begin * count + start, end * count + start))
        (x, x_end, left, right), (y, y_end, top, bottom) = sides
        return Window(x, y, x_end, y_end), Window(left, top, right, bottom)
