"""Closed Bezier outlines as pixels: Blender's masks without Blender. numpy, no `bpy`.

Coverage is exact in x and sampled on `_ROWS` lines in each row of pixels: where outlines cross a
line is turned into steps, and steps are summed up along it.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Lines = npt.NDArray[np.int64]
Matte = npt.NDArray[np.float32]

# Lines in each row of pixels.
_ROWS = 8
# Pixels between neighbours on a flattened curve; off by less than 1/100 of a pixel on a circle of
# 50 pixels.
_STEP = 2.0
_MOST_STEPS = 512


class Fill(enum.Enum):
    """Which places lie inside several outlines."""

    ANY = "any"  # those that one of them holds
    ODD = "odd"  # those that an odd number of them holds: Blender 5.0 where it makes holes
    WINDING = "winding"  # those that all of them together wind round: so 5.2; a hole runs backwards


@dataclass(frozen=True)
class Layer:
    """One layer of a mask on one frame.

    Attributes:
        outlines: of each spline (N, 3, 2): left handle, point, right handle, in plate pixels from
            the top left; always taken as closed.
        blend: how the layer joins those below it, in Blender's words.
        fill: which places lie inside.
        alpha: 0 to 1.
    """

    outlines: tuple[Floats, ...]
    blend: str = "MERGE_ADD"
    fill: Fill = Fill.ANY
    invert: bool = False
    alpha: float = 1.0


_BLENDS: dict[str, Callable[[Matte, Matte], Matte]] = {
    "MERGE_ADD": lambda below, new: below + new * (1 - below),
    "MERGE_SUBTRACT": lambda below, new: below - new * below,
    "ADD": lambda below, new: below + new,
    "SUBTRACT": lambda below, new: below - new,
    "LIGHTEN": np.maximum,
    "DARKEN": np.minimum,
    "MUL": lambda below, new: below * new,
    "DIFFERENCE": lambda below, new: np.abs(below - new),
}


def rasterised(layers: tuple[Layer, ...], size: tuple[int, int]) -> Matte:
    """A mask's pixels: (H, W), float32, 0 to 1, rows from the top.

    Args:
        layers: from the lowest to the highest.
        size: width and height in pixels.
    """
    found = np.zeros((size[1], size[0]), np.float32)
    for layer in layers:
        new = coverage([flattened(one) for one in layer.outlines], size, layer.fill)
        if layer.blend != "REPLACE":
            new = new * np.float32(layer.alpha)
        if layer.invert:
            new = 1 - new
        if layer.blend == "REPLACE":
            found = found * np.float32(1 - layer.alpha) + new * np.float32(layer.alpha)
        else:
            found = _BLENDS[layer.blend](found, new)
        found = np.clip(found, 0, 1)
    return found


def flattened(outline: Floats) -> Floats:
    """A closed outline as the corners of a polygon, (M, 2), in the same units."""
    parts = []
    ends = np.roll(outline, -1, axis=0)
    for here, there in zip(outline, ends):
        control = np.array([here[1], here[2], there[0], there[1]])
        length = np.linalg.norm(np.diff(control, axis=0), axis=1).sum()
        steps = int(np.clip(np.ceil(length / _STEP), 1, _MOST_STEPS))
        t = (np.arange(steps) / steps)[:, None]
        s = 1 - t
        parts.append(
            s**3 * control[0]
            + 3 * s**2 * t * control[1]
            + 3 * s * t**2 * control[2]
            + t**3 * control[3]
        )
    return np.concatenate(parts) if parts else np.zeros((0, 2))


def coverage(polygons: list[Floats], size: tuple[int, int], fill: Fill) -> Matte:
    """How much of each pixel lies in the polygons: (H, W), float32, 0 to 1.

    Args:
        polygons: (M, 2) corners each, in pixels from the top left; closed.
        size: width and height.
        fill: which places are inside. A polygon that crosses itself holds what it winds round.
    """
    if fill is Fill.WINDING:
        return _winding(polygons, size)
    found = np.zeros((size[1], size[0]), np.float32)
    for polygon in polygons:
        new = _winding([polygon], size)
        odd = fill is Fill.ODD
        found = found + new - 2 * found * new if odd else np.maximum(found, new)
    return found


def _crossings(polygon: Floats, size: tuple[int, int]) -> tuple[Lines, Floats, Floats]:
    """Where a polygon's edges cross the lines: number of the line, x, and 1 or -1 by direction."""
    start, end = polygon * (1, _ROWS), np.roll(polygon, -1, axis=0) * (1, _ROWS)
    way = np.where(start[:, 1] < end[:, 1], 1.0, -1.0)
    low, high = np.minimum(start[:, 1], end[:, 1]), np.maximum(start[:, 1], end[:, 1])
    # Line n lies at n + 0.5; an edge holds its lower end and not its upper one.
    first = np.clip(np.ceil(low - 0.5), 0, size[1] * _ROWS).astype(np.int64)
    last = np.clip(np.ceil(high - 0.5), 0, size[1] * _ROWS).astype(np.int64)
    counts = last - first
    edge = np.repeat(np.arange(len(polygon)), counts)
    line = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + first[edge]
    along = (line + 0.5 - start[edge, 1]) / (end[edge, 1] - start[edge, 1])
    x = start[edge, 0] + along * (end[edge, 0] - start[edge, 0])
    return line, np.clip(x, 0, size[0]), way[edge]


def _winding(polygons: list[Floats], size: tuple[int, int]) -> Matte:
    """Inside where polygons wind round a place at all, however often."""
    crossings = [_crossings(one, size) for one in polygons if len(one) > 2]
    if not crossings:
        return np.zeros((size[1], size[0]), np.float32)
    line = np.concatenate([one[0] for one in crossings])
    x, way = (np.concatenate([one[at] for one in crossings]) for at in (1, 2))
    order = np.lexsort((x, line))
    line, x, way = line[order], x[order], way[order]
    winds = np.round(np.cumsum(way))  # back at 0 behind every line
    inside = (winds != 0).astype(np.float64)
    before = np.concatenate([[0.0], inside[:-1]])
    return _summed(line, x, inside - before, size)


def _summed(line: Lines, x: Floats, step: Floats, size: tuple[int, int]) -> Matte:
    """Steps along lines as pixels: a step at x counts for what of a pixel lies right of it."""
    width, height = size
    row, column = line // _ROWS, np.floor(x).astype(np.int64)
    part = x - column
    at = row * (width + 2) + column
    steps = np.bincount(at, step * (1 - part), minlength=height * (width + 2))
    steps += np.bincount(at + 1, step * part, minlength=height * (width + 2))
    found = np.cumsum(steps.reshape(height, width + 2), axis=1)[:, :width] / _ROWS
    return np.clip(found, 0, 1).astype(np.float32)


def keyed(samples: Floats, tolerance: float = 1e-6) -> list[int]:
    """Where something that moves in straight lines between keys must have keys.

    Args:
        samples: (F, K) values of each frame; Blender tells no script where a mask's keys lie.
        tolerance: that values may be off, in their own units.

    Returns:
        Numbers of frames, rising; empty where nothing moves.
    """
    if len(samples) < 2:
        return []
    moves = np.abs(np.diff(samples, axis=0)).max(axis=1, initial=0) > tolerance
    bends = np.abs(np.diff(samples, n=2, axis=0)).max(axis=1, initial=0) > tolerance
    found = [0] if moves[0] else []
    found += [int(one) + 1 for one in np.flatnonzero(bends)]
    return [*found, len(samples) - 1] if moves[-1] else found
