"""Places: planes (2, H, W) float32 of x and y, pixel centres at whole numbers; where to sample."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from airoto_server.ops.geometry import Window

Places = npt.NDArray[np.float32]
Values = npt.NDArray[Any]


def identity(window: Window) -> Places:
    """The places of a window's own pixels."""
    places = np.empty((2, window.height, window.width), np.float32)
    places[0] = np.arange(window.x_min, window.x_max, dtype=np.float32)
    places[1] = np.arange(window.y_min, window.y_max, dtype=np.float32)[:, None]
    return places


def counted_from(window: Window, places: Places) -> Places:
    """Places counted from the first pixel of a window."""
    corner = np.array([window.x_min, window.y_min], np.float32)
    return places - corner[:, None, None]


def inside(window: Window, places: Places) -> npt.NDArray[np.bool_]:
    """Which places (H, W) bool lie in a window's pixels."""
    half, (x, y) = np.float32(0.5), places
    across = (x >= window.x_min - half) & (x <= window.x_max - half)
    return np.asarray(across & (y >= window.y_min - half) & (y <= window.y_max - half), np.bool_)


def sampled(plane: Values, places: Places, outside: float | None = None) -> Values:
    """Values (H, W) or (H, W, C) at places of a plane, interpolated; of the plane's type.

    Args:
        plane: (H, W) or (H, W, C); not of two channels, for which OpenCV rounds places.
        outside: what lies beyond the plane; None: it goes on as it ends.
    """
    mode = cv2.BORDER_REPLICATE if outside is None else cv2.BORDER_CONSTANT
    beyond = 0.0 if outside is None else outside
    x, y = places
    return np.asarray(cv2.remap(plane, x, y, cv2.INTER_LINEAR, borderMode=mode, borderValue=beyond))
