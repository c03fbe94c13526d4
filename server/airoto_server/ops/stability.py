"""Holding the edges of mattes steady over time.

What a place is in a frame is compared with what it was a few frames before and after. Places
travel along dense flow, and a neighbour counts as far as flow and colour agree (`ops.motion`). With
that
- the unknown band of a trimap is widened where neighbours say other than it does
  (`steady_trimap`), and where the edge moves fast (`motion_reach`);
- alpha in the unknown band is averaged along the motion (`steady_alpha`).
Nothing becomes foreground or background by a neighbour's word: a disagreement makes pixels
unknown, and the matter decides on them from the frame's own picture.

All of it is a function of a frame and its neighbours, so shots may be cut anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from airoto_server.ops.geometry import Window, place
from airoto_server.ops.grid import Grid, Pixels, Values, sampled, values_at
from airoto_server.ops.motion import Band, Motion, Trail
from airoto_server.ops.nonzero import box_of
from airoto_server.ops.part import Mask, Part
from airoto_server.ops.trimap import edge_pixels

# Neighbours to either side that a trimap, and an alpha, are compared with.
TRIMAP_RADIUS = 2
ALPHA_RADIUS = 2

# Trust from which a neighbour has a say about the band.
_TRUSTED = 0.3
# Trimaps differ by this where they disagree; less is interpolation.
_DISAGREE = 0.1
# Difference of alphas at which a neighbour's weight has fallen to 1/e.
_ALPHA_SCALE = np.float32(0.5)
# Look pixels over which the object's own motion is gathered around its edge, and beyond which
# nothing counts.
_GATHER = 4.0
_GATHERED = 20


def motion_reach(mask: Mask, size: tuple[int, int], motions: Sequence[Motion]) -> Part:
    """How far an object moves until the next frame, in look pixels, near its edge.

    The band of a moving edge is made that wide to either side: with a shutter that is open all
    the time motion blur covers half of it, and a tracked mask lags by about as much again.

    Args:
        mask: (H, W) float32 of the picture that engines see.
        size: height and width of the look, which may be smaller.
        motions: from the frame to those beside it; where they were not measured nothing moves.
    """
    if mask.shape != size:
        small = cv2.resize(mask, (size[1], size[0]), interpolation=cv2.INTER_AREA)
        mask = np.asarray(small, np.float32)
    frame = Window.sized(size[1], size[0])
    area = box_of(edge_pixels(mask)).grown(_GATHERED).intersect(frame)
    reach = np.zeros((area.height, area.width), np.float32)
    if not motions or area.is_empty:
        return Part(area, reach)
    inside = (mask[area.slices(frame)] >= 0.5).astype(np.float32)
    near = cv2.GaussianBlur(inside, (0, 0), _GATHER) + np.float32(1e-6)
    for motion in motions:
        # The object's own motion: beyond its edge flow is as likely the background's.
        x, y = cv2.split(place(motion.there, motion.window, area))
        speed = inside * cv2.magnitude(x, y)
        reach += cv2.GaussianBlur(speed, (0, 0), _GATHER) / near / np.float32(len(motions))
    return Part(area, reach)


def reach_at(reach: Part, edge: Pixels, grid: Grid) -> Values:
    """`motion_reach` of chosen pixels (N,), in pixels of the window, in row order."""
    if reach.window.is_empty:
        return np.zeros(np.count_nonzero(edge), np.float32)
    corner = np.array([reach.window.x_min, reach.window.y_min], np.float32)
    return sampled(reach.values, grid.points(edge) - corner) / np.float32(max(grid.scale))


def steady_trimap(
    trimap: Part,
    asked: Pixels,
    band: Band,
    neighbours: Sequence[tuple[Part, Trail]],
    grid: Grid,
) -> Mask:
    """A trimap that is unknown, too, where trusted neighbours say other than it does.

    Args:
        trimap: 0, 0.5, 1, over any part of the output window.
        asked: (H, W) bool over that part: where it may change.
        band: where it is compared, pixel of the look by pixel.
        neighbours: trimaps, each with the trail of the band's pixels. One without any
            foreground says nothing: its object was lost, or has not begun.
        grid: from the output window to the look.

    Returns:
        (H, W) float32 over the part.
    """
    steady = trimap.values.copy()
    if band.window.is_empty:
        return steady
    points = band.points
    said = values_at(trimap, grid.places(points))
    differs = np.zeros(said.shape, np.bool_)
    for other, trail in neighbours:
        if not other.window.is_empty:
            theirs = values_at(other, grid.places(trail.places))
            differs |= (trail.trust > _TRUSTED) & (np.abs(theirs - said) > _DISAGREE)
    plane = np.zeros(band.pixels.shape, np.bool_)
    plane[band.pixels] = differs
    rows, columns = grid.nearest(trimap.window)
    high, wide = band.window.height, band.window.width
    rows, columns = rows - band.window.y_min, columns - band.window.x_min
    down, across = _within(rows, high), _within(columns, wide)
    disputed = plane[np.ix_(rows[down], columns[across])]
    steady[down, across][disputed & asked[down, across]] = 0.5
    return steady


def _within(places: npt.NDArray[np.intp], size: int) -> slice:
    """Which of rising places are from 0 to below `size`."""
    return slice(*(int(at) for at in np.searchsorted(places, (0, size))))


@dataclass(frozen=True)
class Neighbour:
    """What a frame's alpha is averaged with.

    Attributes:
        alpha, trimap: of the neighbour.
        trail: of the frame's own unknown pixels.
    """

    alpha: Part
    trimap: Part
    trail: Trail


def steady_alpha(
    alpha: Mask, unknown: Pixels, neighbours: Sequence[Neighbour], grid: Grid, strength: float
) -> Mask:
    """Alpha averaged along the motion, where it is unknown in both frames.

    A neighbour's weight falls with distrust of the trail and with the difference of alphas, so
    that what the neighbour shows differently (an object that passed, a strand that moved on its
    own) leaves no ghost.

    Args:
        alpha: (H, W) float32, 0 to 1; only its unknown pixels may change.
        unknown: (H, W) bool.
        grid: of the neighbours' planes; `alpha` may be a part of such a plane.
        strength: 0 to 1, the weight of a neighbour that is trusted wholly; a frame's own is 1.
    """
    own = alpha[unknown]
    total, weights = own.copy(), np.ones_like(own)
    for one in neighbours:
        places = grid.places(one.trail.places)
        theirs = values_at(one.alpha, places)
        weight = one.trail.trust * np.exp(-np.square((theirs - own) / _ALPHA_SCALE))
        weight *= np.float32(strength) * (np.abs(values_at(one.trimap, places) - 0.5) < 0.25)
        total += weight * theirs
        weights += weight
    steady = alpha.copy()
    steady[unknown] = np.clip(total / weights, 0.0, 1.0)
    return steady
