"""What moves where between neighbouring frames: dense flow around edges."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from airoto_server.ops.flow import Grey, dense_flow
from airoto_server.ops.geometry import Window
from airoto_server.ops.parallel import ordered_map

Colours = npt.NDArray[np.uint8]
Flow = npt.NDArray[np.float32]

# Look pixels around what is looked at that flow has to see, and the grid that its windows lie on:
# pyramids of neighbouring frames then halve the same pixels.
_CONTEXT = 16
_STEP = 16
# Pixels of a look's longer side, at most: half of what models see of a plate. The scales here were
# found at such sizes, and twice as many pixels gave mattes that were less steady, not more.
_LARGEST = 640


@dataclass(frozen=True)
class Look:
    """What flow and trust need of a frame, small enough to keep for several.

    It is the picture that engines see, divided by a whole number where that is very large.

    Attributes:
        grey: (H, W) uint8.
        colour: (H, W, 3) uint8, blurred a little against noise.
    """

    grey: Grey
    colour: Colours

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
        there, back: (2, H, W) float32 over the window, along x and y in look pixels.
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
            nothing = np.zeros((2, 0, 0), np.float32)
            return cls(window, nothing, nothing)
        part = window.slices(frame)
        a, b = (np.ascontiguousarray(look.grey[part]) for look in (source, target))
        flows = ordered_map(lambda pair: dense_flow(*pair), [(a, b), (b, a)], threads)
        return cls(window, *(np.ascontiguousarray(np.moveaxis(one, 2, 0)) for one in flows))

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
