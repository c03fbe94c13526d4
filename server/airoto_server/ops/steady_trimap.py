"""Trimaps that are wider where edges move, or where neighbouring frames say otherwise.

Nothing becomes foreground or background by a neighbour's word: a disagreement makes pixels
unknown, and the matter decides on them from the frame's own picture. All of it is worked out at
the pixels of the look, beyond which motion is not known any better.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from airoto_server.ops.geometry import Window, place
from airoto_server.ops.grid import Grid, Pixels
from airoto_server.ops.motion import Motion
from airoto_server.ops.part import Mask, Part
from airoto_server.ops.places import counted_from, sampled
from airoto_server.ops.trails import Trail
from airoto_server.ops.trimap import UNKNOWN

# Neighbours to either side that a trimap is compared with.
TRIMAP_RADIUS = 2

# Trust from which a neighbour has a say about the band.
_TRUSTED = 0.3
# Trimaps differ by this where they disagree; less is interpolation.
_DISAGREE = 0.1
# Look pixels over which the object's own motion is gathered around its edge.
_GATHER = 4.0


def motion_reach(mask: Part, motions: Sequence[Motion]) -> Mask:
    """How far an object moves until the next frame, in look pixels, near its edge.

    The band of a moving edge is made that wide to either side: with a shutter that is open all
    the time motion blur covers half of it, and a tracked mask lags by about as much again.

    Args:
        mask: at the look's pixels, over all that lies near the edge.
        motions: from the frame to those beside it; where they were not measured nothing moves.

    Returns:
        (H, W) float32 over the mask's window.
    """
    inside = (mask.values >= 0.5).astype(np.float32)
    speed = np.zeros_like(inside)
    if not motions or mask.window.is_empty:
        return speed
    for motion in motions:
        x, y = (place(side, motion.window, mask.window) for side in motion.there)
        speed += cv2.magnitude(x, y)
    # The object's own motion: beyond its edge flow is as likely the background's.
    speed *= inside / np.float32(len(motions))
    near = cv2.GaussianBlur(inside, (0, 0), _GATHER) + np.float32(1e-6)
    return np.asarray(cv2.GaussianBlur(speed, (0, 0), _GATHER) / near, np.float32)


def disputed(trimap: Part, neighbours: Sequence[tuple[Part, Trail]], window: Window) -> Pixels:
    """Where trusted neighbours say other than a trimap does.

    Args:
        trimap: 0, 0.5, 1 at the look's pixels.
        neighbours: trimaps at the look's pixels, each with the trail of those of `window`. One
            without any foreground says nothing: its object was lost, or has not begun.
        window: inside the trimap's.

    Returns:
        (H, W) bool over the trimap's window.
    """
    differs = np.zeros(trimap.values.shape, np.bool_)
    if window.is_empty:
        return differs
    part = window.slices(trimap.window)
    said = trimap.values[part]
    for other, trail in neighbours:
        if other.window.is_empty:
            continue
        theirs = sampled(other.values, counted_from(other.window, trail.places), outside=0.0)
        differs[part] |= (trail.trust > _TRUSTED) & (cv2.absdiff(theirs, said) > _DISAGREE)
    return differs


def widened_pixels(before: Mask, after: Mask) -> Pixels:
    """The unknown pixels (H, W) bool of a widened trimap that are new, or touch new ones.

    Without those that touch them, pixels of the output window would stay known between a band and
    what was added to it.
    """
    unknown = after == UNKNOWN
    new = (unknown & (before != UNKNOWN)).astype(np.uint8)
    return np.asarray(unknown & (cv2.dilate(new, np.ones((3, 3), np.uint8)) > 0), np.bool_)


def with_unknown(trimap: Part, pixels: Pixels, window: Window, grid: Grid) -> Part:
    """A trimap that is unknown, too, at the look's pixels that are chosen.

    Args:
        trimap: over any part of the output window.
        pixels: (H, W) bool over `window`, of the look's pixels.
        grid: from the output window to the look.
    """
    made = trimap.values.copy()
    rows, columns = grid.nearest(trimap.window)
    rows, columns = rows - window.y_min, columns - window.x_min
    down, across = _within(rows, window.height), _within(columns, window.width)
    chosen = pixels[rows[down]][:, columns[across]]
    np.copyto(made[down, across], UNKNOWN, where=chosen)
    return Part(trimap.window, made)


def _within(places: npt.NDArray[np.intp], size: int) -> slice:
    """Which of rising places are from 0 to below `size`."""
    return slice(*(int(at) for at in np.searchsorted(places, (0, size))))
