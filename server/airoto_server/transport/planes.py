"""Raw planes: what their bytes mean, in numpy's terms and in the wire's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from airoto.wire import messages as pb
from airoto_server.ops.geometry import Window

Array = npt.NDArray[np.float16] | npt.NDArray[np.float32]

_DTYPES: dict[int, np.dtype[Any]] = {
    pb.PixelType.PIXEL_TYPE_HALF: np.dtype("<f2"),
    pb.PixelType.PIXEL_TYPE_FLOAT: np.dtype("<f4"),
}


@dataclass(frozen=True)
class Plane:
    """What a raw plane's bytes mean: rows top to bottom, channels interleaved.

    Attributes:
        shape: rows, columns, channels.
        dtype: little-endian float16 or float32.
        window: the pixels it covers, counted from the display window's corner.
        display: width and height of the display window.
        pixel_aspect: pixel width over height.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    window: Window
    display: tuple[int, int]
    pixel_aspect: float = 1.0

    @property
    def nbytes(self) -> int:
        """Bytes of its pixels."""
        height, width, channels = self.shape
        return height * width * channels * self.dtype.itemsize

    @classmethod
    def of(cls, raw: pb.RawPlane) -> Plane:
        """From the wire's form, which `airoto.wire.chunks` has checked."""
        return cls(
            shape=(raw.height, raw.width, raw.channels),
            dtype=_DTYPES[raw.pixel_type],
            window=Window(raw.x, raw.y, raw.x + raw.width, raw.y + raw.height),
            display=(raw.display_width or raw.width, raw.display_height or raw.height),
            pixel_aspect=raw.pixel_aspect or 1.0,
        )

    def to_wire(self) -> pb.RawPlane:
        """In the wire's form."""
        height, width, channels = self.shape
        half = self.dtype.itemsize == 2
        kind = pb.PixelType.PIXEL_TYPE_HALF if half else pb.PixelType.PIXEL_TYPE_FLOAT
        return pb.RawPlane(
            width=width,
            height=height,
            channels=channels,
            pixel_type=kind,
            x=self.window.x_min,
            y=self.window.y_min,
            display_width=self.display[0],
            display_height=self.display[1],
            pixel_aspect=self.pixel_aspect,
        )


def as_plane(
    array: Array, window: Window, display: tuple[int, int], pixel_aspect: float
) -> tuple[Plane, npt.NDArray[Any]]:
    """Pixels, (H, W) or (H, W, C), float16 or float32, as a plane: C-contiguous (H, W, C)."""
    shaped: npt.NDArray[Any] = array[:, :, None] if array.ndim == 2 else array
    if shaped.dtype.kind != "f" or shaped.dtype.itemsize > 4:
        raise ValueError(f"planes are float16 or float32, not {shaped.dtype}")
    dtype = np.dtype("<f2" if shaped.dtype.itemsize == 2 else "<f4")
    height, width, channels = shaped.shape
    plane = Plane((height, width, channels), dtype, window, display, pixel_aspect)
    return plane, np.ascontiguousarray(shaped, dtype)
