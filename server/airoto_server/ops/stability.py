"""Holding the edges of mattes steady over time.

What a place is in a frame is compared with what it was a few frames before and after. Places
travel along dense flow, and a neighbour counts as far as flow and colour agree (`Trail`). With
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
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from airoto_server.ops.flow import Flow, Grey, dense_flow, grey_of
from airoto_server.ops.geometry import Window, Working
from airoto_server.ops.parallel import ordered_map

Mask = npt.NDArray[np.float32]
Values = npt.NDArray[np.float32]
Points = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.bool_]

# Neighbours to either side that a trimap, and an alpha, are compared with.
TRIMAP_RADIUS = 2
ALPHA_RADIUS = 2

# Picture pixels of forward-backward error, and distance of colours (0 to 1 a channel), at
# which trust has fallen to 1/e.
_ERROR_SCALE = np.float32(1.5)
_COLOUR_SCALE = np.float32(0.2)
# Trust from which a neighbour has a say about the band.
_TRUSTED = 0.3
# Trimaps differ by this where they disagree; less is interpolation.
_DISAGREE = 0.1
# Difference of alphas at which a neighbour's weight has fallen to 1/e.
_ALPHA_SCALE = np.float32(0.5)
# Picture pixels over which the object's own motion is gathered around its edge.
_GATHER = 4.0
# Points in a row of the maps that OpenCV samples by; it takes no longer ones than 32767.
_ROW = 4096


@dataclass(frozen=True)
class Look:
    """What flow and trust need of a frame, small enough to keep for several.

    Attributes:
        grey: (H, W) uint8.
        colour: (H, W, 3) uint8, blurred a little against noise.
    """

    grey: Grey
    colour: npt.NDArray[np.uint8]

    @classmethod
    def of(cls, picture: npt.NDArray[np.float32]) -> Look:
        """Of a display-referred picture (H, W, 3) float32, 0 to 1."""
        codes = np.clip(picture * 255.0 + 0.5, 0, 255).astype(np.uint8)
        return cls(grey_of(picture), np.asarray(cv2.blur(codes, (3, 3)), np.uint8))


@dataclass(frozen=True)
class Motion:
    """Flow between two frames, (H, W, 2) float32 in picture pixels: there, and back again."""

    there: Flow
    back: Flow

    @classmethod
    def between(cls, source: Look, target: Look, threads: int) -> Motion:
        """Measured both ways; the answer does not depend on `threads`."""
        pairs = [(source.grey, target.grey), (target.grey, source.grey)]
        return cls(*ordered_map(lambda pair: dense_flow(*pair), pairs, threads))

    @property
    def reversed(self) -> Motion:
        """The same, from the other frame."""
        return Motion(self.back, self.there)


@dataclass(frozen=True)
class Trail:
    """Where points of a frame lie in a neighbour.

    Attributes:
        places: (N, 2) float32, x and y in picture pixels, centres at whole numbers.
        trust: (N,) float32, 0 to 1.
    """

    places: Points
    trust: Values


def follow(points: Points, looks: Sequence[Look], motions: Sequence[Motion]) -> list[Trail]:
    """Trails of points along a run of frames, one for each frame after the first.

    Args:
        points: (N, 2) float32 in picture pixels of the first frame.
        looks: the frames in the order of travel, with time or against it.
        motions: from each to the next.
    """
    high, wide = looks[0].grey.shape
    low, top = np.float32(-0.5), np.array([wide, high], np.float32) - np.float32(0.5)
    places, trust = points, np.ones(len(points), np.float32)
    colour = _at(looks[0].colour, points)
    trails = []
    for look, motion in zip(looks[1:], motions, strict=True):
        step = _at(motion.there, places)
        places = places + step
        error = np.square(step + _at(motion.back, places)).sum(axis=1)
        inside = ((places >= low) & (places <= top)).all(axis=1)
        trust = trust * inside * np.exp(-error / _ERROR_SCALE**2)
        change = (_at(look.colour, places) - colour) / np.float32(255)
        alike = np.exp(-np.square(change).sum(axis=1) / _COLOUR_SCALE**2)
        trails.append(Trail(places, (trust * alike).astype(np.float32)))
    return trails


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

    def points(self, chosen: Pixels) -> Points:
        """Picture points (N, 2) float32 of chosen pixels, in row order."""
        rows, columns = np.nonzero(chosen)
        x = columns * self.scale[0] + self.offset[0]
        y = rows * self.scale[1] + self.offset[1]
        return np.stack([x, y], axis=1).astype(np.float32)

    def places(self, points: Points) -> Points:
        """Places (N, 2) float32 in the window, x and y, of picture points; kept inside it."""
        high, wide = self.shape
        x = np.clip((points[:, 0] - self.offset[0]) / self.scale[0], 0, wide - 1)
        y = np.clip((points[:, 1] - self.offset[1]) / self.scale[1], 0, high - 1)
        return np.stack([x, y], axis=1).astype(np.float32)


@dataclass(frozen=True)
class Part:
    """A plane that is 0 outside a window: what is kept of trimaps and alphas of neighbours.

    Attributes:
        window: in the pixels of the plane; may be empty.
        values: (H, W) float32 over the window.
    """

    window: Window
    values: Mask

    @classmethod
    def of(cls, plane: Mask) -> Part:
        """All of a plane that is not 0."""
        there = plane != 0
        rows, columns = np.flatnonzero(there.any(axis=1)), np.flatnonzero(there.any(axis=0))
        if rows.size == 0:
            return cls(Window(0, 0, 0, 0), np.zeros((0, 0), np.float32))
        window = Window(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
        frame = Window.sized(plane.shape[1], plane.shape[0])
        return cls(window, plane[window.slices(frame)].copy())

    def whole(self, shape: tuple[int, int]) -> Mask:
        """The plane again."""
        plane = np.zeros(shape, np.float32)
        plane[self.window.slices(Window.sized(shape[1], shape[0]))] = self.values
        return plane

    def at(self, places: Points) -> Values:
        """Values (N,) at places of the plane, between pixels interpolated."""
        if self.window.is_empty:
            return np.zeros(len(places), np.float32)
        corner = np.array([self.window.x_min, self.window.y_min], np.float32)
        return _at(self.values, places - corner, outside=cv2.BORDER_CONSTANT)


def motion_reach(mask: Mask, motions: Sequence[Motion]) -> Mask:
    """How far an object moves until the next frame, in picture pixels, near its edge.

    The band of a moving edge is made that wide to either side: with a shutter that is open all
    the time motion blur covers half of it, and a tracked mask lags by about as much again.

    Args:
        mask: (H, W) float32 of the picture.
        motions: from the frame to those beside it.
    """
    reach = np.zeros(mask.shape, np.float32)
    inside = (mask >= 0.5).astype(np.float32)
    near = cv2.GaussianBlur(inside, (0, 0), _GATHER) + np.float32(1e-6)
    for motion in motions:
        # The object's own motion: beyond its edge flow is as likely the background's.
        speed = inside * np.hypot(motion.there[..., 0], motion.there[..., 1])
        reach += cv2.GaussianBlur(speed, (0, 0), _GATHER) / near / np.float32(len(motions))
    return reach


def reach_at(reach: Mask, edge: Pixels, grid: Grid) -> Values:
    """`motion_reach` of chosen pixels (N,), in pixels of the window, in row order."""
    return _at(reach, grid.points(edge)) / np.float32(max(grid.scale))


def steady_trimap(
    trimap: Mask, asked: Pixels, neighbours: Sequence[tuple[Part, Trail]], grid: Grid
) -> Mask:
    """A trimap that is unknown, too, where trusted neighbours say other than it does.

    Args:
        trimap: (H, W) float32: 0, 0.5, 1.
        asked: (H, W) bool: where it may change.
        neighbours: trimaps, each with the trail of the asked pixels. One without any
            foreground says nothing: its object was lost, or has not begun.
    """
    said = trimap[asked]
    differs = np.zeros(said.shape, np.bool_)
    for other, trail in neighbours:
        if not other.window.is_empty:
            theirs = other.at(grid.places(trail.places))
            differs |= (trail.trust > _TRUSTED) & (np.abs(theirs - said) > _DISAGREE)
    steady = trimap.copy()
    steady[asked] = np.where(differs, np.float32(0.5), said)
    return steady


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
        strength: 0 to 1, the weight of a neighbour that is trusted wholly; a frame's own is 1.
    """
    own = alpha[unknown]
    total, weights = own.copy(), np.ones_like(own)
    for one in neighbours:
        places = grid.places(one.trail.places)
        theirs = one.alpha.at(places)
        weight = one.trail.trust * np.exp(-np.square((theirs - own) / _ALPHA_SCALE))
        weight *= np.float32(strength) * (np.abs(one.trimap.at(places) - 0.5) < 0.25)
        total += weight * theirs
        weights += weight
    steady = alpha.copy()
    steady[unknown] = np.clip(total / weights, 0.0, 1.0)
    return steady


def _at(
    plane: npt.NDArray[Any], places: Points, outside: int = cv2.BORDER_REPLICATE
) -> npt.NDArray[np.float32]:
    """Values (N,) or (N, C) of (H, W) or (H, W, C) at places, interpolated."""
    count, channels = len(places), plane.shape[2:]
    if count == 0:
        return np.zeros((0, *channels), np.float32)
    rows = -(-count // _ROW)
    maps = np.zeros((rows * _ROW, 2), np.float32)
    maps[:count] = places
    x, y = (np.ascontiguousarray(side).reshape(rows, _ROW) for side in maps.T)
    found = cv2.remap(plane, x, y, cv2.INTER_LINEAR, borderMode=outside)
    return np.asarray(found, np.float32).reshape(rows * _ROW, *channels)[:count]
