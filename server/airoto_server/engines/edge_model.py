"""A mask's boundary on a picture larger than the one that the mask was made for."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from airoto_server.engines.roles import Mask, Picture
from airoto_server.ops.geometry import Window

# Along one axis, a position `p` of large pixels lies at `p * scale + offset` on the planes.
Axis = tuple[float, float]

# Longest side of what is decided at once.
_TILE = 128
# How crisp the boundary is: log-odds are multiplied by this before they are a coverage.
_CRISP = 4.0


@dataclass(frozen=True)
class EdgeModel:
    """What decides the boundary of a mask, pixel by pixel of a larger picture.

    The log-odds of object over surroundings are what a pixel's colour says, at most `most`
    either way, and what its place says. The planes change slowly, and are interpolated.

    Attributes:
        shape: (h, w) of the planes, if they covered the whole picture that the mask is of.
        window: the part of it that they cover; beyond it the mask is right.
        planes: (height, width, 5) float32, log-odds by red, green and blue (display-referred,
            0 to 1), a constant to be added, and those of the place.
        most: how much colour can say.
        sure: log-odds of the place beyond which the mask is right, whatever the colour.
    """

    shape: tuple[int, int]
    window: Window
    planes: npt.NDArray[np.float32]
    most: float
    sure: float

    def decide(
        self, mask: Mask, picture_of: Callable[[Window], Picture], down: Axis, across: Axis
    ) -> Mask:
        """The mask with its boundary decided.

        Args:
            mask: (H, W) float32, 0 to 1, brought to the large picture or a part of it.
            picture_of: the picture of a window of `mask`, (height, width, 3) float32,
                display-referred; asked for only around the boundary, a tile at a time.
            down, across: where rows and columns of `mask` lie on the whole planes.

        Returns:
            (H, W) float32, 0 to 1.
        """
        decided = mask.copy()
        whole = Window.sized(mask.shape[1], mask.shape[0])
        box = Window(
            math.floor((self.window.x_min - across[1]) / across[0]),
            math.floor((self.window.y_min - down[1]) / down[0]),
            math.ceil((self.window.x_max - across[1]) / across[0]),
            math.ceil((self.window.y_max - down[1]) / down[0]),
        ).intersect(whole)
        undecided = np.abs(self.planes[..., 4]) <= self.sure
        for top in range(box.y_min, box.y_max, _TILE):
            for left in range(box.x_min, box.x_max, _TILE):
                tile = Window(left, top, min(left + _TILE, box.x_max), min(top + _TILE, box.y_max))
                rows = self._beneath(down, tile.y_min, tile.y_max, self.window.y_min)
                columns = self._beneath(across, tile.x_min, tile.x_max, self.window.x_min)
                if not undecided[rows, columns].any():
                    continue
                _decide(
                    self.planes,
                    np.ascontiguousarray(picture_of(tile), np.float32),
                    decided[tile.slices(whole)],
                    (down[0], tile.y_min * down[0] + down[1] - self.window.y_min),
                    (across[0], tile.x_min * across[0] + across[1] - self.window.x_min),
                    np.float32(self.most),
                    np.float32(self.sure),
                )
        return decided

    def over_whole(self, mask: Mask, picture: Picture) -> Mask:
        """As `decide`, with the whole of a picture, (H, W, 3), at hand."""
        whole = Window.sized(mask.shape[1], mask.shape[0])
        down, across = (
            (small / large, 0.0) for small, large in zip(self.shape, mask.shape, strict=True)
        )
        return self.decide(mask, lambda part: picture[part.slices(whole)], down, across)

    @staticmethod
    def _beneath(axis: Axis, start: int, stop: int, first: int) -> slice:
        """The planes' rows or columns that large ones are interpolated from."""
        low = math.floor(start * axis[0] + axis[1]) - first - 1
        high = math.ceil(stop * axis[0] + axis[1]) - first + 1
        return slice(max(0, low), max(0, high))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _decide(planes, picture, mask, down, across, most, sure):  # type: ignore[no-untyped-def]
    """Decide a tile in place; positions are those of pixel centres, 0.5 for the first."""
    height, width, count = planes.shape
    crisp, one = np.float32(_CRISP), np.float32(1)
    left = np.empty(mask.shape[1], np.int64)
    share = np.empty(mask.shape[1], np.float32)
    for x in range(mask.shape[1]):
        u = min(max((x + 0.5) * across[0] + across[1] - 0.5, 0.0), width - 1.0)
        left[x] = min(int(u), max(width - 2, 0))
        share[x] = u - left[x]
    first, last = left[0], min(left[-1] + 1, width - 1)
    row = np.zeros((width, count), np.float32)
    for y in range(mask.shape[0]):
        v = min(max((y + 0.5) * down[0] + down[1] - 0.5, 0.0), height - 1.0)
        top = min(int(v), max(height - 2, 0))
        below, part = min(top + 1, height - 1), np.float32(v - top)
        for x in range(first, last + 1):
            for c in range(count):
                row[x, c] = (one - part) * planes[top, x, c] + part * planes[below, x, c]
        for x in range(mask.shape[1]):
            here, beside = row[left[x]], row[min(left[x] + 1, width - 1)]
            near, far = one - share[x], share[x]
            place = near * here[4] + far * beside[4]
            if abs(place) > sure:
                continue
            colour = near * here[3] + far * beside[3]
            for c in range(3):
                colour += (near * here[c] + far * beside[c]) * picture[y, x, c]
            odds = max(min(colour, most), -most) + place
            mask[y, x] = one / (one + np.exp(-crisp * odds))
