"""Where pixels are: windows, formats, and the picture that an engine sees of a plate.

Plate coordinates are full-resolution pixels: x to the right, y down, origin at the top-left
corner of the display window, pixel centres at .5. Arrays are rows top to bottom.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

# Products of a window's side and a scale this close to a whole number count as that number.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Window:
    """A half-open rectangle of whole pixels: x_min <= x < x_max, y_min <= y < y_max."""

    x_min: int
    y_min: int
    x_max: int
    y_max: int

    @classmethod
    def sized(cls, width: int, height: int) -> Window:
        """The window of that size at the origin."""
        return cls(0, 0, width, height)

    @property
    def width(self) -> int:
        """Columns; 0 for an empty window."""
        return max(0, self.x_max - self.x_min)

    @property
    def height(self) -> int:
        """Rows; 0 for an empty window."""
        return max(0, self.y_max - self.y_min)

    @property
    def area(self) -> int:
        """Number of pixels."""
        return self.width * self.height

    @property
    def is_empty(self) -> bool:
        """Whether there is no pixel in it."""
        return self.x_max <= self.x_min or self.y_max <= self.y_min

    def intersect(self, other: Window) -> Window:
        """The pixels in both; empty where they do not meet."""
        x_min, y_min = max(self.x_min, other.x_min), max(self.y_min, other.y_min)
        return Window(
            x_min,
            y_min,
            max(x_min, min(self.x_max, other.x_max)),
            max(y_min, min(self.y_max, other.y_max)),
        )

    def union(self, other: Window) -> Window:
        """The smallest window around both; empty ones do not count."""
        if self.is_empty:
            return other
        if other.is_empty:
            return self
        return Window(
            min(self.x_min, other.x_min),
            min(self.y_min, other.y_min),
            max(self.x_max, other.x_max),
            max(self.y_max, other.y_max),
        )

    def shifted(self, dx: int, dy: int) -> Window:
        """Moved by dx to the right and dy down."""
        return Window(self.x_min + dx, self.y_min + dy, self.x_max + dx, self.y_max + dy)

    def grown(self, n: int) -> Window:
        """Larger by n pixels on every side; negative n shrinks."""
        return Window(self.x_min - n, self.y_min - n, self.x_max + n, self.y_max + n)

    def contains(self, other: Window) -> bool:
        """Whether every pixel of `other` lies in this window."""
        return other.is_empty or (
            self.x_min <= other.x_min
            and self.y_min <= other.y_min
            and other.x_max <= self.x_max
            and other.y_max <= self.y_max
        )

    def slices(self, origin: Window) -> tuple[slice, slice]:
        """Rows and columns of this window in an array that covers `origin`.

        Raises:
            ValueError: this window reaches outside `origin`.
        """
        if not origin.contains(self):
            raise ValueError(f"{self} reaches outside {origin}")
        if self.is_empty:
            return slice(0, 0), slice(0, 0)
        return (
            slice(self.y_min - origin.y_min, self.y_max - origin.y_min),
            slice(self.x_min - origin.x_min, self.x_max - origin.x_min),
        )


@dataclass(frozen=True)
class Format:
    """The full-resolution picture area of a plate.

    Attributes:
        width, height: display window in pixels.
        pixel_aspect: pixel width over height.
        data_window: where there are pixels; may reach outside the display window (overscan)
            or stay inside it. None means the display window and is replaced by it.

    Raises:
        ValueError: a size that is not positive, an empty data window.
    """

    width: int
    height: int
    pixel_aspect: float = 1.0
    data_window: Window | None = None

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise ValueError(f"a format needs a positive size, not {self.width}x{self.height}")
        if not (math.isfinite(self.pixel_aspect) and self.pixel_aspect > 0):
            raise ValueError(f"pixel aspect must be positive, not {self.pixel_aspect}")
        if self.data_window is None:
            object.__setattr__(self, "data_window", self.display)
        if self.data.is_empty:
            raise ValueError(f"empty data window {self.data_window}")

    @property
    def display(self) -> Window:
        """The display window."""
        return Window.sized(self.width, self.height)

    @property
    def data(self) -> Window:
        """The data window, always there."""
        return self.data_window or self.display


@dataclass(frozen=True)
class Working:
    """How plate pixels map to the picture that an engine sees.

    The picture has square pixels and covers the format's data window. Its grid is tied to
    the display window, which is exactly `display_width` x `display_height` picture pixels
    large: overscan adds pixels around, and changes none. Where the data window does not end
    on the grid, the outermost picture pixels are partly covered.

    Attributes:
        format: the plate's format.
        display_width, display_height: picture pixels that the display window takes.
    """

    format: Format
    display_width: int
    display_height: int

    @property
    def scale_x(self) -> float:
        """Picture pixels per plate pixel along x; at most 1."""
        return self.display_width / self.format.width

    @property
    def scale_y(self) -> float:
        """Picture pixels per plate pixel along y; at most 1."""
        return self.display_height / self.format.height

    @property
    def window(self) -> Window:
        """The picture in picture pixels counted from the display window's corner."""
        data, across, down = self.format.data, self.display_width, self.display_height
        # Whole-number arithmetic: float products would make 1920 * (1024 / 1920) 1025 wide.
        return Window(
            data.x_min * across // self.format.width,
            data.y_min * down // self.format.height,
            -(-data.x_max * across // self.format.width),
            -(-data.y_max * down // self.format.height),
        )

    @property
    def width(self) -> int:
        """Columns of the picture."""
        return self.window.width

    @property
    def height(self) -> int:
        """Rows of the picture."""
        return self.window.height

    def to_picture(self, x: float, y: float) -> tuple[float, float]:
        """A plate position in picture pixels (0, 0 is the picture's top-left corner)."""
        window = self.window
        return x * self.scale_x - window.x_min, y * self.scale_y - window.y_min

    def to_plate(self, x: float, y: float) -> tuple[float, float]:
        """A picture position in plate pixels; the inverse of `to_picture`."""
        window = self.window
        return (x + window.x_min) / self.scale_x, (y + window.y_min) / self.scale_y


def working_for(plate_format: Format, working_size: int) -> Working:
    """The picture whose display window has a long side of `working_size` square pixels.

    Neither axis is ever enlarged: an anamorphic plate (pixel aspect 2) is squeezed in height,
    not stretched in width. 0 means as large as that allows. The data window has no say, so
    that overscan leaves the scale alone; nor have proxies, which share the plate's format.

    Raises:
        ValueError: a negative size.
    """
    if working_size < 0:
        raise ValueError(f"working size must not be negative: {working_size}")
    aspect = plate_format.pixel_aspect
    scale = min(1.0, 1.0 / aspect)
    if working_size:
        long_side = max(plate_format.width * aspect, plate_format.height)
        scale = min(scale, working_size / long_side)
    return Working(
        plate_format,
        min(plate_format.width, max(1, round(plate_format.width * aspect * scale))),
        min(plate_format.height, max(1, round(plate_format.height * scale))),
    )


def place(pixels: npt.NDArray[Any], src: Window, dst: Window, fill: float = 0) -> npt.NDArray[Any]:
    """Pixels that cover `src`, cropped and padded to cover `dst`.

    Args:
        pixels: (src.height, src.width) or with channels behind, any dtype.
        fill: value of pixels outside `src`.

    Returns:
        (dst.height, dst.width, ...) of the same dtype; `pixels` itself where nothing changes.

    Raises:
        ValueError: `pixels` is not of the size of `src`.
    """
    if not src.is_empty and pixels.shape[:2] != (src.height, src.width):
        raise ValueError(f"pixels of shape {pixels.shape} do not cover {src}")
    if src == dst:
        return pixels
    common = src.intersect(dst)
    if common == dst and not dst.is_empty:
        return pixels[dst.slices(src)]
    placed = np.full((dst.height, dst.width, *pixels.shape[2:]), fill, pixels.dtype)
    placed[common.slices(dst)] = pixels[common.slices(src)]
    return placed


def scale_window(window: Window, scale: float) -> Window:
    """The window in the pixels of a file of that scale (0.5: a half-size proxy).

    Rounded outwards, so that no pixel of the window is lost.
    """
    return Window(
        math.floor(window.x_min * scale + _ROUNDING),
        math.floor(window.y_min * scale + _ROUNDING),
        math.ceil(window.x_max * scale - _ROUNDING),
        math.ceil(window.y_max * scale - _ROUNDING),
    )
