"""Dense optical flow between neighbouring frames, and what to trust of it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from airoto_server.ops.flow import Grey, dense_flow
from airoto_server.ops.parallel import ordered_map

Plane = npt.NDArray[np.float32]

# Pixels of forward-backward error at which trust in a vector has fallen to 1/e.
_ERROR_SCALE = 1.5


@dataclass(frozen=True)
class Motion:
    """How the current frame came out of the previous one.

    Attributes:
        to_previous: (H, W, 2) float32, x and y in pixels: where each pixel of the current
            frame was in the previous one.
        trust: (H, W) float32, 0 to 1, from forward-backward agreement.
    """

    to_previous: npt.NDArray[np.float32]
    trust: Plane


def measure_motion(previous: Grey, current: Grey) -> Motion:
    """Flow both ways, side by side, and their agreement."""
    to_previous, to_current = ordered_map(
        lambda pair: dense_flow(*pair), [(current, previous), (previous, current)], 0
    )
    there_and_back = to_previous + warp(to_current, to_previous)
    squared = np.einsum("hwc,hwc->hw", there_and_back, there_and_back)
    trust = np.exp(-squared / np.float32(_ERROR_SCALE**2))
    return Motion(to_previous, trust.astype(np.float32))


def warp(
    plane: npt.NDArray[np.float32], to_previous: npt.NDArray[np.float32], outside: float = 0.0
) -> npt.NDArray[np.float32]:
    """`plane` of the previous frame as seen in the current one; `outside` where it left."""
    height, width = plane.shape[:2]
    columns = np.arange(width, dtype=np.float32)[None, :]
    rows = np.arange(height, dtype=np.float32)[:, None]
    warped = cv2.remap(
        plane,
        to_previous[..., 0] + columns,
        to_previous[..., 1] + rows,
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(outside,) * 4,
    )
    return np.asarray(warped, np.float32).reshape(plane.shape)
