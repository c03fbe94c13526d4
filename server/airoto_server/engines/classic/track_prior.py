"""What the mask of the frame before says about this one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.float32]

_WEIGHT = 1.5
# Log-odds per pixel from the carried boundary, more steeply outside, and their limits.
_SLOPE, _OUTSIDE = 0.5, 1.5
_RANGE = (-4.5, 3.0)
# Beyond this share of the object's size, and this many pixels, nothing is believed.
_REACH_SHARE, _REACH_PIXELS = 0.15, 6.0
_FAR_SLOPE = 0.5


def reach_of(area: float) -> float:
    """How far in pixels an object of that area may grow within a frame."""
    return float(_REACH_PIXELS + _REACH_SHARE * np.sqrt(area))


def log_odds(distance: Plane, trust: Plane) -> Plane:
    """Log-odds (h, w) float32 from the carried mask.

    Args:
        distance: signed distance in pixels from the carried boundary, positive inside.
        trust: 0 to 1, in the flow that carried it.
    """
    slope = np.where(distance < 0, np.float32(_SLOPE * _OUTSIDE), np.float32(_SLOPE))
    odds: Plane = np.float32(_WEIGHT) * trust * np.clip(slope * distance, *_RANGE)
    return odds


def far_penalty(distance: Plane, reach: float) -> Plane:
    """Log-odds (h, w) float32, 0 within reach of the carried mask, falling beyond."""
    penalty: Plane = np.float32(_FAR_SLOPE) * np.minimum(distance + np.float32(reach), 0)
    return penalty
