"""Histogram of the object over colour and rough position in its box.

A bilateral grid in the manner of Maerki et al., Bilateral Space Video Segmentation (CVPR
2016), with counts in place of their graph cut.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.float32]

# Cells over L, a, b, and x, y in the object's box.
SIDES = (14, 12, 12, 4, 4)
# Share of what running counts keep per frame.
_DECAY = 0.97
LIMIT = 3.0
# Examples of a cell below which its answer is drawn towards none.
_DOUBT = 0.5


class Grid:
    """Counts of object and surroundings; of fixed size however many frames it learns from."""

    def __init__(self) -> None:
        self._keyframes = np.zeros((2, *SIDES), np.float32)
        self._running = np.zeros((2, *SIDES), np.float32)
        self._log_ratio = np.zeros(SIDES, np.float32)

    def learn(self, places: Plane, inside: Plane, outside: Plane, *, keyframe: bool) -> None:
        """Add one frame.

        Args:
            places: (N, 5) float32 of `places_of`.
            inside: (N,) float32, weight of each pixel as an example of the object.
            outside: likewise of its surroundings.
            keyframe: whether a person drew the mask; such counts do not fade.
        """
        counts = np.zeros((2, *SIDES), np.float32)
        _splat(places, np.stack([inside, outside], axis=1), counts)
        if keyframe:
            self._keyframes += counts
        else:
            self._running = self._running * np.float32(_DECAY) + counts
        blurred = np.stack([_blur(side) for side in self._keyframes + self._running])
        ratio = np.log(blurred[0] + _DOUBT) - np.log(blurred[1] + _DOUBT)
        self._log_ratio = np.clip(ratio, -LIMIT, LIMIT).astype(np.float32)

    def log_ratio(self, places: Plane) -> Plane:
        """Log of object over surroundings (N,) float32 within +-3."""
        found: Plane = _slice(places, self._log_ratio)
        return found

    def memory_bytes(self) -> int:
        """Memory held, in bytes."""
        return self._keyframes.nbytes + self._running.nbytes + self._log_ratio.nbytes


def places_of(lab: Plane, rows: slice, columns: slice, box: tuple[float, ...]) -> Plane:
    """Coordinates (N, 5) float32 in the grid of the pixels of a region.

    Args:
        lab: (h, w, 3) float32 of the whole frame, as `track_frame.lab_of` gives it.
        rows, columns: of the region; a step thins it out.
        box: x_min, y_min, x_max, y_max of the object in the frame.
    """
    colour = lab[rows, columns]
    height, width = colour.shape[:2]
    places = np.empty((height, width, 5), np.float32)
    places[..., 0] = colour[..., 0] * ((SIDES[0] - 1) / 255)
    # Chroma seldom leaves the middle of its range.
    places[..., 1:3] = (colour[..., 1:] - 192) * ((SIDES[1] - 1) / 160) + (SIDES[1] - 1) / 2
    x = (np.arange(columns.start, columns.stop, columns.step) - box[0]) / max(box[2] - box[0], 1)
    y = (np.arange(rows.start, rows.stop, rows.step) - box[1]) / max(box[3] - box[1], 1)
    places[..., 3] = (x * (SIDES[3] - 1))[None, :]
    places[..., 4] = (y * (SIDES[4] - 1))[:, None]
    np.clip(places, 0, np.asarray(SIDES, np.float32) - np.float32(1.001), out=places)
    return places.reshape(-1, 5)


def _blur(cells: Plane) -> Plane:
    """1-2-1 along every axis, so that near colours and places count as near."""
    quarter, half = np.float32(0.25), np.float32(0.5)
    for axis in range(cells.ndim):
        turned = np.moveaxis(cells, axis, 0)
        padded = np.concatenate([turned[:1], turned, turned[-1:]])
        blurred = quarter * (padded[:-2] + padded[2:]) + half * padded[1:-1]
        cells = np.moveaxis(blurred, 0, axis)
    return np.ascontiguousarray(cells)


@numba.njit(cache=True)
def _corners(place, cells, weights, strides):  # type: ignore[no-untyped-def]
    """The 32 cells around a place, as flat indices, and the share of each."""
    cells[0], weights[0] = 0, np.float32(1)
    filled = 1
    for axis in range(5):
        low = int(place[axis])
        upper = place[axis] - np.float32(low)
        for i in range(filled):
            base, share = cells[i] + low * strides[axis], weights[i]
            cells[i], weights[i] = base, share * (np.float32(1) - upper)
            cells[filled + i], weights[filled + i] = base + strides[axis], share * upper
        filled *= 2


@numba.njit(cache=True)
def _splat(places, values, counts):  # type: ignore[no-untyped-def]
    flat = counts.reshape(2, -1)
    strides = np.array([2304, 192, 16, 4, 1])
    cells, weights = np.zeros(32, np.int64), np.zeros(32, np.float32)
    for n in range(places.shape[0]):
        if values[n, 0] == 0 and values[n, 1] == 0:
            continue
        _corners(places[n], cells, weights, strides)
        for i in range(32):
            flat[0, cells[i]] += weights[i] * values[n, 0]
            flat[1, cells[i]] += weights[i] * values[n, 1]


@numba.njit(cache=True)
def _slice(places, table):  # type: ignore[no-untyped-def]
    flat = table.reshape(-1)
    strides = np.array([2304, 192, 16, 4, 1])
    cells, weights = np.zeros(32, np.int64), np.zeros(32, np.float32)
    found = np.zeros(places.shape[0], np.float32)
    for n in range(places.shape[0]):
        _corners(places[n], cells, weights, strides)
        total = np.float32(0)
        for i in range(32):
            total += weights[i] * flat[cells[i]]
        found[n] = total
    return found
