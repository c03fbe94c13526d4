"""Windows around the unknown region, for matting engines whose cost grows with area."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt

from airoto_server.ops.geometry import Window

Mask = npt.NDArray[np.float32]

# A window is cut in two where that leaves less than this share of its pixels to work on; more
# windows are more calls.
_WORTH_SPLITTING = 0.7


def windows_around(unknown: npt.NDArray[np.bool_], max_window: int, overlap: int) -> list[Window]:
    """Few, compact windows that together hold every unknown pixel with its surroundings.

    Args:
        unknown: (H, W) bool.
        max_window: the most pixels a window may have on a side.
        overlap: pixels of context around the unknown ones; where the array ends, less.

    Returns:
        windows in array pixels, top to bottom and left to right within each cut. Each unknown
        pixel lies, in at least one window, `overlap` pixels or more from every side that is not
        the array's own. Empty if nothing is unknown.

    Raises:
        ValueError: no room for a pixel between two overlaps.
    """
    if overlap < 0 or max_window <= 2 * overlap:
        raise ValueError(f"a window of {max_window} has no room for an overlap of {overlap}")
    high, wide = unknown.shape
    frame = Window.sized(wide, high)
    core = max_window - 2 * overlap
    return [part.grown(overlap).intersect(frame) for part in _cores(unknown, frame, core, overlap)]


def blend(base: Mask, pieces: Sequence[tuple[Window, Mask]], overlap: int) -> Mask:
    """Windows' answers joined without seams.

    Args:
        base: (H, W) float32, kept where no window lies.
        pieces: windows in pixels of `base`, each with its (height, width) answer.
        overlap: width in pixels of the ramp on which a window fades in from each of its sides
            (sides on the array's own border do not fade).

    Returns:
        (H, W) float32: the one answer where one window lies, weighted means where several do;
        exactly 0 or 1 where all of them say so.
    """
    high, wide = base.shape
    frame = Window.sized(wide, high)
    joined = base.astype(np.float32)
    if all(one.intersect(other).is_empty for (one, _), (other, _) in combinations(pieces, 2)):
        # A weighted mean of one answer is that answer.
        for window, piece in pieces:
            joined[window.slices(frame)] = piece
        return joined
    touched = Window(0, 0, 0, 0)
    for window, _ in pieces:
        touched = touched.union(window)
    total = np.zeros((touched.height, touched.width), np.float64)
    weight = np.zeros_like(total)
    for window, piece in pieces:
        rows = _ramp(window.y_min, window.y_max, high, overlap)
        columns = _ramp(window.x_min, window.x_max, wide, overlap)
        share = rows[:, None] * columns[None, :]
        area = window.slices(touched)
        total[area] += share * piece
        weight[area] += share
    part = joined[touched.slices(frame)]
    part[...] = np.divide(total, weight, out=part.astype(np.float64), where=weight > 0.0)
    return joined


def _ramp(first: int, last: int, size: int, overlap: int) -> npt.NDArray[np.float64]:
    """Weights along one side of a window: up to 1 within `overlap` pixels of each end."""
    position = np.arange(first, last) + 0.5
    ramp = np.ones(last - first)
    if overlap:
        if first > 0:
            ramp = np.minimum(ramp, (position - first) / overlap)
        if last < size:
            ramp = np.minimum(ramp, (last - position) / overlap)
    return ramp


def _cores(
    unknown: npt.NDArray[np.bool_], region: Window, core: int, overlap: int
) -> Iterator[Window]:
    """Disjoint tight boxes of at most core x core around the unknown pixels of `region`."""
    box = _tight(unknown, region)
    if box.is_empty:
        return
    wide = box.width >= box.height
    if max(box.width, box.height) > core:
        _, halves = _cut(unknown, box, core, overlap, across=wide)
    else:
        cuts = [_cut(unknown, box, core, overlap, across=across) for across in (wide, not wide)]
        cost, halves = min(cuts, key=lambda each: each[0])
        if cost > _WORTH_SPLITTING * box.grown(overlap).area:
            yield box
            return
    for half in halves:
        yield from _cores(unknown, half, core, overlap)


def _cut(
    unknown: npt.NDArray[np.bool_], box: Window, core: int, overlap: int, *, across: bool
) -> tuple[float, tuple[Window, ...]]:
    """The cut of a tight box that leaves the fewest pixels to work on, and how many about.

    Where the box is longer than `core`, the cut lies near the one that leaves whole cores.

    Args:
        across: cut between two columns, else between two rows.
    """
    part = unknown[box.slices(Window.sized(unknown.shape[1], unknown.shape[0]))]
    part = part if across else part.T
    length, depth = part.shape[1], part.shape[0]
    if length < 2:
        return np.inf, (box,)
    # Of each line its first and last unknown pixel, so of each cut the tight boxes on both sides.
    filled = part.any(axis=0)
    first = np.where(filled, part.argmax(axis=0), depth)
    last = np.where(filled, depth - part[::-1].argmax(axis=0), 0)
    places = np.arange(length)
    before = np.maximum.accumulate(np.where(filled, places + 1, 0))
    after = np.minimum.accumulate(np.where(filled, places, length)[::-1])[::-1]
    high_before = np.maximum.accumulate(last) - np.minimum.accumulate(first)
    high_after = (np.maximum.accumulate(last[::-1]) - np.minimum.accumulate(first[::-1]))[::-1]

    def pixels(side: npt.NDArray[np.int_]) -> npt.NDArray[np.int_]:
        # With the surroundings of the windows that it will take.
        return side + 2 * overlap * -(-side // core)

    cuts = np.arange(1, length)
    cost = pixels(before[cuts - 1]) * pixels(high_before[cuts - 1])
    cost = cost + pixels(length - after[cuts]) * pixels(high_after[cuts])
    cells = max(2, -(-length // core))
    even = length * (cells // 2) // cells
    far = np.abs(cuts - even)
    if length > core:
        cost = np.where(far > core // 2, np.iinfo(cost.dtype).max, cost)
    best = np.lexsort((far, cost))[0]
    at = int(cuts[best])
    if across:
        at += box.x_min
        halves = (
            Window(box.x_min, box.y_min, at, box.y_max),
            Window(at, box.y_min, box.x_max, box.y_max),
        )
    else:
        at += box.y_min
        halves = (
            Window(box.x_min, box.y_min, box.x_max, at),
            Window(box.x_min, at, box.x_max, box.y_max),
        )
    return float(cost[best]), halves


def _tight(unknown: npt.NDArray[np.bool_], region: Window) -> Window:
    high, wide = unknown.shape
    part = unknown[region.slices(Window.sized(wide, high))]
    rows = np.flatnonzero(part.any(axis=1))
    columns = np.flatnonzero(part.any(axis=0))
    if rows.size == 0:
        return Window(region.x_min, region.y_min, region.x_min, region.y_min)
    return Window(
        region.x_min + int(columns[0]),
        region.y_min + int(rows[0]),
        region.x_min + int(columns[-1]) + 1,
        region.y_min + int(rows[-1]) + 1,
    )
