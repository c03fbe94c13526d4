"""The foreground's own colour where it mixes with the background.

PyMatting's multi-level estimation: Germer, Uelwer, Conrad, Harmeling, Fast Multi-Level
Foreground Estimation, 2020 (https://arxiv.org/abs/2006.14970).
"""

from __future__ import annotations

import threading
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from airoto_server.ops.geometry import Window

# Foreground colour reaches this many pixels beyond the matte, so that a matte that is grown,
# filtered or scaled later finds it there.
_REACH = 8
# Sure foreground and background around the mixed pixels, from which colours spread.
_CONTEXT = 32

# Its parallel kernels may run in one thread at a time (numba's work queue ends the process else).
_numba_lock = threading.Lock()


def estimate_foreground(
    linear_rgb: npt.NDArray[Any], alpha: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Straight (unpremultiplied) foreground colour of a matte.

    Args:
        linear_rgb: (H, W, 3) float16 or float32, scene-linear light, finite; any range.
        alpha: (H, W) float32, 0 to 1.

    Returns:
        (H, W, 3) float32, scene-linear: estimated where alpha is mixed and for a few pixels
        around on the background's side; the plate everywhere else. A matte without foreground
        or without mixed pixels gives the plate back.

    Raises:
        ValueError: shapes disagree.

    The first call in a process imports PyMatting, which compiles for most of a minute if it
    never ran on this machine (see `warm`).
    """
    if linear_rgb.shape != (*alpha.shape, 3):
        raise ValueError(f"colour {linear_rgb.shape} and alpha {alpha.shape} do not fit together")
    result = np.array(linear_rgb, np.float32)
    mixed = (alpha > 0.0) & (alpha < 1.0)
    if not mixed.any():
        return result
    high, wide = alpha.shape
    rows, columns = np.flatnonzero(mixed.any(axis=1)), np.flatnonzero(mixed.any(axis=0))
    window = Window(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    area = (
        window.grown(_CONTEXT).intersect(Window.sized(wide, high)).slices(Window.sized(wide, high))
    )
    plate, matte = result[area], np.ascontiguousarray(alpha[area], np.float32)
    near = cv2.dilate(mixed[area].astype(np.uint8), np.ones((2 * _REACH + 1,) * 2, np.uint8))
    wanted = (near > 0) & (matte < 1.0)
    plate[wanted] = _solve(plate, matte)[wanted]
    return result


def warm() -> None:
    """Have PyMatting compile and keep its kernels, so that no artist waits for it."""
    ramp = np.linspace(0.0, 1.0, 64, dtype=np.float32).reshape(8, 8)
    estimate_foreground(np.repeat(ramp[:, :, None], 3, axis=2), ramp)


def _solve(
    plate: npt.NDArray[np.float32], matte: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    # Imported here because it is slow, and not needed by everyone.
    from pymatting.foreground.estimate_foreground_ml import estimate_foreground_ml

    # The solver clips to 0 to 1. The equations hold for any offset and gain, so the plate's
    # own range is mapped to that, and nothing below black or above white is lost.
    low, high = float(plate.min()), float(plate.max())
    span = max(high - low, 1e-6)
    with _numba_lock:
        solved = estimate_foreground_ml((plate - low) / span, matte)
    return np.asarray(solved * span + low, np.float32)
