"""Mattes against their neighbours in time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.float32]


def without_flicker(before: Plane, now: Plane, after: Plane, tolerance: float = 0.1) -> Plane:
    """The frame between two others, where both agree and it differs from both: their mean.

    Source: the one-frame delay of Ke et al., MODNet, AAAI 2022, section 4.2.

    Args:
        before, now, after: (H, W) float32, 0 to 1.
        tolerance: up to which values count as alike.
    """
    flickers = (
        (np.abs(before - after) <= tolerance)
        & (np.abs(now - before) > tolerance)
        & (np.abs(now - after) > tolerance)
    )
    return np.where(flickers, (before + after) * np.float32(0.5), now)
