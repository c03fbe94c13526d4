"""The edges of masks and mattes: specks, holes, growing, softening.

Every function takes and gives (H, W) float32, 0 to 1, changes nothing at 0, and leaves its input
alone. Lengths are in pixels, areas in pixels.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.float32]

# Grey levels at which holes are looked for: a soft hole is filled as far as it is small.
_LEVELS = np.arange(1, 9, dtype=np.float32) / 8.0


def remove_holes(mask: Mask, area: float) -> Mask:
    """Fill holes smaller than `area` that do not touch the border.

    A grey area closing (Vincent 1993) at eight levels: below each level, enclosed regions (4
    neighbours) smaller than `area` are raised to it, so soft holes close without a seam.

    Raises:
        ValueError: a negative area.
    """
    return _area_closing(mask, area, connectivity=4, keep_border=True)


def remove_dots(mask: Mask, area: float) -> Mask:
    """Remove loose specks smaller than `area` (8 neighbours), on the border too.

    Raises:
        ValueError: a negative area.
    """
    if area == 0:
        return mask.copy()
    inverse = np.subtract(1.0, mask, dtype=np.float32)
    cleaned = _area_closing(inverse, area, connectivity=8, keep_border=False)
    # What was not touched keeps its bits.
    return np.where(cleaned == inverse, mask, 1.0 - cleaned).astype(np.float32)


def grow(alpha: Mask, pixels: float) -> Mask:
    """Move edges outwards by `pixels`, or inwards where negative; fractions count.

    A grey dilation by a disc with a sub-pixel rim: soft edges move as they are and do not
    harden.
    """
    if pixels == 0:
        return alpha.copy()
    if pixels < 0:
        return np.subtract(1.0, grow(np.subtract(1.0, alpha, dtype=np.float32), -pixels))
    reach = math.ceil(pixels) + 1
    padded = cv2.copyMakeBorder(alpha, reach, reach, reach, reach, cv2.BORDER_REPLICATE)
    inside = math.floor(pixels)
    offset_y, offset_x = np.mgrid[-inside : inside + 1, -inside : inside + 1]
    disc = (offset_x**2 + offset_y**2 <= pixels**2).astype(np.uint8)
    grown = cv2.dilate(padded, disc)
    size = (padded.shape[1], padded.shape[0])
    steps = 8 * max(1, math.ceil(pixels))
    for angle in np.arange(steps) * (2.0 * math.pi / steps):
        move = np.array(
            [[1.0, 0.0, pixels * math.cos(angle)], [0.0, 1.0, pixels * math.sin(angle)]]
        )
        shifted = cv2.warpAffine(
            padded, move, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        np.maximum(grown, shifted, out=grown)
    return np.ascontiguousarray(grown[reach:-reach, reach:-reach])


def feather(alpha: Mask, sigma: float) -> Mask:
    """Soften by a Gaussian of `sigma` pixels; the border goes on as it ends.

    Raises:
        ValueError: a negative sigma.
    """
    if sigma < 0:
        raise ValueError(f"sigma must not be negative: {sigma}")
    if sigma == 0:
        return alpha.copy()
    soft = cv2.GaussianBlur(alpha, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return np.clip(soft, 0.0, 1.0).astype(np.float32)


def _area_closing(mask: Mask, area: float, *, connectivity: int, keep_border: bool) -> Mask:
    if area < 0:
        raise ValueError(f"an area must not be negative: {area}")
    closed = mask.copy()
    if area == 0:
        return closed
    high, wide = mask.shape
    for level in _LEVELS:
        below = (closed < level).astype(np.uint8)
        _, labels, stats, _ = cv2.connectedComponentsWithStats(below, connectivity=connectivity)
        small = stats[:, cv2.CC_STAT_AREA] < area
        small[0] = False  # label 0 is what is not below the level
        if keep_border:
            left, top = stats[:, cv2.CC_STAT_LEFT], stats[:, cv2.CC_STAT_TOP]
            right = left + stats[:, cv2.CC_STAT_WIDTH]
            bottom = top + stats[:, cv2.CC_STAT_HEIGHT]
            small &= (left > 0) & (top > 0) & (right < wide) & (bottom < high)
        closed[small[labels]] = level
    return closed
