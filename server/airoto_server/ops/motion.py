"""Where places of a frame lie in its neighbours: dense flow around edges, and trails along it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from airoto_server.ops.flow import Flow, Grey, dense_flow
from airoto_server.ops.geometry import Window
from airoto_server.ops.grid import Grid, Pixels, Points, Values, sampled
from airoto_server.ops.parallel import ordered_map
from airoto_server.ops.part import Part

# Look pixels of forward-backward error, and distance of colours (0 to 1 a channel), at which trust
# has fallen to 1/e.
_ERROR_SCALE = np.float32(1.5)
_COLOUR_SCALE = np.float32(0.2)
# Look pixels around what is looked at that flow has to see, and the grid that its windows lie on:
# pyramids of neighbouring frames then halve the same pixels.
_CONTEXT = 32
_STEP = 32
# Pixels of a look's longer side, at most. Models see no more than that, and so the scales here were
# found at such sizes; only a recipe that asks for a larger picture has one.
_LARGEST = 1024


@dataclass(frozen=True)
class Look:
    """What flow and trust need of a frame, small enough to keep for several.

    It is the picture that engines see, divided by a whole number where that is very large.

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
        high, wide = look_size(picture.shape[0], picture.shape[1])
        if (high, wide) != codes.shape[:2]:
            codes = cv2.resize(codes, (wide, high), interpolation=cv2.INTER_AREA)
        grey = np.asarray(cv2.cvtColor(codes, cv2.COLOR_RGB2GRAY), np.uint8)
        return cls(grey, np.asarray(cv2.blur(codes, (3, 3)), np.uint8))


def look_size(height: int, width: int) -> tuple[int, int]:
    """Height and width of the look of a picture."""
    divisor = -(-max(height, width) // _LARGEST)
    return -(-height // divisor), -(-width // divisor)


@dataclass(frozen=True)
class Motion:
    """Flow between two frames where it is asked for: there, and back again.

    Attributes:
        window: of the look's pixels; may be empty.
        there, back: (H, W, 2) float32 over the window, in look pixels.
    """

    window: Window
    there: Flow
    back: Flow

    @classmethod
    def between(cls, source: Look, target: Look, near: Window, threads: int) -> Motion:
        """Measured both ways; the answer does not depend on `threads`.

        Args:
            near: in look pixels; flow is known there and a little around it.
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
        places: (N, 2) float32, x and y in look pixels, centres at whole numbers.
        trust: (N,) float32, 0 to 1.
    """

    places: Points
    trust: Values


def follow(points: Points, looks: Sequence[Look], motions: Sequence[Motion]) -> list[Trail]:
    """Trails of points along a run of frames, one for each frame after the first.

    Where nobody measured motion nothing is trusted.

    Args:
        points: (N, 2) float32 in look pixels of the first frame.
        looks: the frames in the order of travel, with time or against it.
        motions: from each to the next.
    """
    places, trust = points, np.ones(len(points), np.float32)
    colour = sampled(looks[0].colour, points)
    trails = []
    for look, motion in zip(looks[1:], motions, strict=True):
        corner = motion.corner
        inside = motion.holds(places)
        step = sampled(motion.there, places - corner)
        places = places + step
        inside &= motion.holds(places)
        error = _squared(step + sampled(motion.back, places - corner))
        trust = trust * inside * np.exp(-error / _ERROR_SCALE**2)
        change = (sampled(look.colour, places) - colour) / np.float32(255)
        alike = np.exp(-_squared(change) / _COLOUR_SCALE**2)
        trails.append(Trail(places, (trust * alike).astype(np.float32)))
    return trails


@dataclass(frozen=True)
class Band:
    """Look pixels around an object's edges.

    Attributes:
        window: of the look's pixels; may be empty.
        pixels: (H, W) bool over the window: those that count.
    """

    window: Window
    pixels: Pixels

    @classmethod
    def around(cls, trimap: Part, grid: Grid, reach: int, frame: Window) -> Band:
        """All pixels near what a trimap leaves unknown.

        Args:
            trimap: over the output window, of which `grid` leads to the look.
            reach: how much wider the unknown region may get, in pixels of the trimap.
            frame: the look's.
        """
        unknown = (trimap.values > 0) & (trimap.values < 1)
        if not unknown.any():
            return cls(Window(0, 0, 0, 0), np.zeros((0, 0), np.bool_))
        seen = grid.picture(trimap.window)
        codes = unknown.astype(np.uint8) * np.uint8(255)
        small = cv2.resize(codes, (seen.width, seen.height), interpolation=cv2.INTER_AREA)
        # Two more: the smaller picture's pixels do not end where the look's do.
        x, y = (2 + math.ceil(reach * side) for side in grid.scale)
        seeds = cv2.copyMakeBorder(small, y, y, x, x, cv2.BORDER_CONSTANT, value=0)
        near = cv2.boxFilter(
            (seeds > 0).astype(np.float32),
            cv2.CV_32F,
            (2 * x + 1, 2 * y + 1),
            normalize=False,
            borderType=cv2.BORDER_CONSTANT,
        )
        whole = Window(seen.x_min - x, seen.y_min - y, seen.x_max + x, seen.y_max + y)
        window = whole.intersect(frame)
        return cls(window, near[window.slices(whole)] > 0.5)

    @property
    def points(self) -> Points:
        """The pixels (N, 2) float32, x and y, in row order."""
        rows, columns = np.nonzero(self.pixels)
        found = columns + self.window.x_min, rows + self.window.y_min
        return np.stack(found, axis=1).astype(np.float32)

    def plane(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Values (N, ...) of the pixels, (H, W, ...) over the window; 0 elsewhere."""
        plane = np.zeros((*self.pixels.shape, *values.shape[1:]), np.float32)
        plane[self.pixels] = values
        return plane

    def spread(self, trail: Trail) -> Field:
        """A trail of the pixels as one of any points among them."""
        steps = trail.places - self.points
        return Field(self.window, self.plane(np.concatenate([steps, trail.trust[:, None]], axis=1)))


@dataclass(frozen=True)
class Field:
    """A trail of all that lies in a band: how far, and how much it is trusted.

    Attributes:
        window: of the look's pixels.
        values: (H, W, 3) float32: steps along x and y, trust; 0 outside the band.
    """

    window: Window
    values: npt.NDArray[np.float32]

    def trail(self, points: Points) -> Trail:
        """Of points (N, 2) in look pixels."""
        corner = np.array([self.window.x_min, self.window.y_min], np.float32)
        found = sampled(self.values, points - corner)
        return Trail(points + found[:, :2], found[:, 2])


def _squared(vectors: npt.NDArray[np.float32]) -> Values:
    """Squared lengths (N,) of (N, C); `sum` takes several times as long."""
    return np.asarray(np.einsum("ij,ij->i", vectors, vectors), np.float32)
