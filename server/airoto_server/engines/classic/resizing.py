"""Between the picture's size and the smaller one that cuts are computed at."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.float32]


def small_shape(shape: tuple[int, ...], long_side: int) -> tuple[int, int]:
    """(H, W) in the proportions of `shape`, with at most that many pixels on the long side."""
    scale = min(1.0, long_side / max(shape[:2]))
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))


def shrink(array: Plane, shape: tuple[int, int]) -> Plane:
    """Area averages of (H, W) or (H, W, C) float32."""
    small = cv2.resize(array, (shape[1], shape[0]), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32).reshape(*shape, *array.shape[2:])


def enlarge_mask(inside: npt.NDArray[np.bool_], shape: tuple[int, int], blur: float) -> Plane:
    """A cut as a soft mask of another shape, 0 to 1.

    Args:
        blur: sigma in pixels of the cut, which takes the stairs out of its boundary.
    """
    soft = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), blur)
    mask = cv2.resize(soft, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    return np.clip(np.asarray(mask, np.float32).reshape(shape), 0, 1)
