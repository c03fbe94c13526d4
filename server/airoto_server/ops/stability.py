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

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from airoto_server.ops.flow import Flow, Grey, dense_flow
from airoto_server.ops.geometry import Window, Working, place
from airoto_server.ops.nonzero import box_of
from airoto_server.ops.parallel import ordered_map
from airoto_server.ops.trimap import edge_pixels

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
# Picture pixels over which the object's own motion is gathered around its edge, and beyond which
# nothing counts.
_GATHER = 4.0
_GATHERED = 20
# Picture pixels around what is looked at that flow has to see, and the grid that its windows
# lie on: pyramids of neighbouring frames then halve the same pixels.
_CONTEXT = 32
_STEP = 32
# Picture pixels that a mask reaches beyond its own when it is enlarged.
_INTERPOLATED = 3
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
        codes = cv2.convertScaleAbs(picture, alpha=255.0)
        grey = np.asarray(cv2.cvtColor(codes, cv2.COLOR_RGB2GRAY), np.uint8)
        return cls(grey, np.asarray(cv2.blur(codes, (3, 3)), np.uint8))


@dataclass(frozen=True)
class Motion:
    """Flow between two frames where it is asked for: there, and back again.

    Attributes:
        window: of the picture's pixels; may be empty.
        there, back: (H, W, 2) float32 over the window, in picture pixels.
    """

    window: Window
    there: Flow
    back: Flow

    @classmethod
    def between(cls, source: Look, target: Look, near: Window, threads: int) -> Motion:
        """Measured both ways; the answer does not depend on `threads`.

        Args:
            near: in picture pixels; flow is known there and a little around it.
        """
        high, wide = source.grey.shape
        frame = Window.sized(wide, high)
        window = Window(0, 0, 0, 0) if near.is_empty else _snapped(near, frame)
        if window.is_empty:
            nothing = np.zeros((0, 0, 2), np.float32)
            return cls(window, nothing, nothing)
        part = window.slices(frame)
        a, b = (np.ascontiguousarray(look.grey[part]) for look in (source, target))
        return cls(window, *ordered_map(lambda pair: dense_flow(*pair), [(a, b), (b, a)], threads))

    @property
    def corner(self) -> Points:
        """The window's first pixel centre."""
        return np.array([self.window.x_min, self.window.y_min], np.float32)

    def holds(self, places: Points) -> Pixels:
        """Which places lie in the window."""
        x, y, half, window = places[:, 0], places[:, 1], np.float32(0.5), self.window
        across = (x >= window.x_min - half) & (x <= window.x_max - half)
        down = (y >= window.y_min - half) & (y <= window.y_max - half)
        return np.asarray(across & down, np.bool_)

    @property
    def reversed(self) -> Motion:
        """The same, from the other frame."""
        return Motion(self.window, self.back, self.there)


def _snapped(near: Window, frame: Window) -> Window:
    """With context around it, on the grid."""
    grown = near.grown(_CONTEXT)
    low = (side // _STEP * _STEP for side in (grown.x_min, grown.y_min))
    high = (-(-side // _STEP) * _STEP for side in (grown.x_max, grown.y_max))
    return Window(*low, *high).intersect(frame)


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

    Where nobody measured motion nothing is trusted.

    Args:
        points: (N, 2) float32 in picture pixels of the first frame.
        looks: the frames in the order of travel, with time or against it.
        motions: from each to the next.
    """
    places, trust = points, np.ones(len(points), np.float32)
    colour = _at(looks[0].colour, points)
    trails = []
    for look, motion in zip(looks[1:], motions, strict=True):
        corner = motion.corner
        inside = motion.holds(places)
        step = _at(motion.there, places - corner)
        places = places + step
        inside &= motion.holds(places)
        error = _squared(step + _at(motion.back, places - corner))
        trust = trust * inside * np.exp(-error / _ERROR_SCALE**2)
        change = (_at(look.colour, places) - colour) / np.float32(255)
        alike = np.exp(-_squared(change) / _COLOUR_SCALE**2)
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

    def part(self, window: Window) -> Grid:
        """Of a part of the window, counted from its corner."""
        x, y = self.offset
        offset = x + window.x_min * self.scale[0], y + window.y_min * self.scale[1]
        return Grid((window.height, window.width), self.scale, offset)

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
        window = box_of(plane != 0)
        frame = Window.sized(plane.shape[1], plane.shape[0])
        return cls(window, plane[window.slices(frame)].copy())

    def shifted(self, dx: int, dy: int) -> Part:
        """The same values elsewhere."""
        return Part(self.window.shifted(dx, dy), self.values)

    def over(self, window: Window) -> Mask:
        """What the plane holds in a window of it, (H, W) float32."""
        return place(self.values, self.window, window)

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


def motion_reach(mask: Mask, motions: Sequence[Motion]) -> Part:
    """How far an object moves until the next frame, in picture pixels, near its edge.

    The band of a moving edge is made that wide to either side: with a shutter that is open all
    the time motion blur covers half of it, and a tracked mask lags by about as much again.

    Args:
        mask: (H, W) float32 of the picture.
        motions: from the frame to those beside it; where they were not measured nothing moves.
    """
    frame = Window.sized(mask.shape[1], mask.shape[0])
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
    return _at(reach.values, grid.points(edge) - corner) / np.float32(max(grid.scale))


def steady_trimap(
    trimap: Mask, asked: Pixels, neighbours: Sequence[tuple[Part, Trail]], grid: Grid
) -> Mask:
    """A trimap that is unknown, too, where trusted neighbours say other than it does.

    Args:
        trimap: (H, W) float32: 0, 0.5, 1.
        asked: (H, W) bool: where it may change.
        neighbours: trimaps, each with the trail of the asked pixels. One without any
            foreground says nothing: its object was lost, or has not begun.
        grid: of the neighbours' planes; `trimap` may be a part of such a plane.
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
        grid: of the neighbours' planes; `alpha` may be a part of such a plane.
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


def _squared(vectors: npt.NDArray[np.float32]) -> Values:
    """Squared lengths (N,) of (N, C); `sum` takes several times as long."""
    return np.asarray(np.einsum("ij,ij->i", vectors, vectors), np.float32)


def _at(
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
