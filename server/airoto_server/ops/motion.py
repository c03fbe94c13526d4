"""What moves where between neighbouring frames: dense flow around edges."""

from __future__ import annotations

import threading
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


class Look:
    """What flow and trust need of a frame, made where somebody looks.

    It is the picture that engines see, divided by a whole number where that is large.

    Attributes:
        frame: all of its pixels.
    """

    def __init__(self, picture: npt.NDArray[np.float32]) -> None:
        """Of a display-referred picture (H, W, 3) float32, 0 to 1."""
        high, wide = look_size(picture.shape[0], picture.shape[1])
        self.frame = Window.sized(wide, high)
        self._picture = picture
        self._known = Window(0, 0, 0, 0)
        self._planes = np.empty((0, 0), np.uint8), np.empty((0, 0, 3), np.uint8)
        # Objects are worked on side by side.
        self._lock = threading.Lock()

    def part(self, window: Window) -> tuple[Grey, Colours]:
        """A part of it: (H, W) uint8, and (H, W, 3) uint8 blurred a little against noise."""
        with self._lock:
            if not self._known.contains(window):
                self._known = self._known.union(window)
                self._planes = self._made(self._known)
            here = window.slices(self._known)
            return self._planes[0][here], self._planes[1][here]

    def _made(self, window: Window) -> tuple[Grey, Colours]:
        (high, wide), frame = self._picture.shape[:2], self.frame
        times = -(-high // frame.height)
        even = (frame.width * times, frame.height * times) == (wide, high)
        # The blur sees one pixel more. A size that is no whole number of pixels is made as a whole.
        around = window.grown(1).intersect(frame) if even else frame
        picture = self._picture
        if even:
            rows, columns = around.slices(frame)
            picture = picture[
                rows.start * times : rows.stop * times, columns.start * times : columns.stop * times
            ]
        codes = cv2.convertScaleAbs(picture, alpha=255.0)
        if codes.shape[:2] != (around.height, around.width):
            size = around.width, around.height
            codes = cv2.resize(codes, size, interpolation=cv2.INTER_AREA)
        grey = np.asarray(cv2.cvtColor(codes, cv2.COLOR_RGB2GRAY), np.uint8)
        colour = np.asarray(cv2.blur(codes, (3, 3)), np.uint8)
        here = window.slices(around)
        return grey[here], colour[here]


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
        window = Window(0, 0, 0, 0) if near.is_empty else _snapped(near, source.frame)
        if window.is_empty:
            nothing = np.zeros((2, 0, 0), np.float32)
            return cls(window, nothing, nothing)
        a, b = (np.ascontiguousarray(look.part(window)[0]) for look in (source, target))
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
