"""What prompts alone say about each pixel, at three scales, in log-odds of being object."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from airoto_server.engines.classic.prompts import Box, Pixels
from airoto_server.engines.classic.shapes import signed_distance

Evidence = npt.NDArray[np.float32]

# Log-odds that nothing else outweighs.
CERTAIN = 9.0
# Radius around a positive point for a part, an object, and all there is; of the long side.
_RADII = (0.08, 0.16, 0.30)
# The radius is at least this share of the distance between the outermost clicks.
_APART = 0.6
# Beyond so many radii a pixel is background.
_REACH = 2.2
# How much a way across edges counts beside plain distance.
_EDGES = 0.3
# How much it counts that a pixel is nearer to the clicks than to the picture's border, which
# objects seldom reach; limits of its logarithm, and pixels that make short ways alike.
_BORDER, _BORDER_LIMIT, _BORDER_NEAR = 1.5, 1.5, 20.0
# Squared relative radius of the ellipse in a box at which a pixel is as likely as not.
_ELLIPSES = (1.5, 1.0, 0.6)
# Width of the band around an earlier mask that may change; of the long side.
_BANDS = (0.01, 0.02, 0.05)
# Around a point that corrects a box or mask, its neighbourhood out to this way changes sides.
_CORRECTION = 0.1


@dataclass(frozen=True)
class Clues:
    """Prompts on a picture of `shape` (H, W).

    Attributes:
        positive: rows and columns (N, 2) of points on the object.
        negative: those beside it.
        to_positive: (H, W) geodesic distance from the former; infinite if there are none.
        to_negative: from the latter.
        to_border: from the border of the picture.
        box: pixels, or None.
        inside: (H, W) bool, an earlier mask, or None.
    """

    shape: tuple[int, int]
    positive: Pixels
    negative: Pixels
    to_positive: Evidence
    to_negative: Evidence
    to_border: Evidence
    box: Box | None
    inside: npt.NDArray[np.bool_] | None


def candidates(clues: Clues) -> list[Evidence]:
    """Three maps (H, W) from the tightest reading of the prompts to the widest."""
    if clues.inside is not None:
        maps = [_from_mask(clues, clues.inside, band) for band in _BANDS]
    elif clues.box is not None:
        maps = [_from_box(clues, clues.box, reach) for reach in reversed(_ELLIPSES)]
    else:
        maps = [_from_points(clues, radius) for radius in _RADII]
    if clues.inside is not None and clues.box is not None:
        outside = ~_in_box(clues.shape, clues.box)
        for evidence in maps:
            evidence[outside] = -CERTAIN
    for evidence in maps:
        mark(evidence, clues, CERTAIN, -CERTAIN)
    return maps


def mark(plane: Evidence | npt.NDArray[np.uint8], clues: Clues, on: float, off: float) -> None:
    """Write the points into a plane of their picture, as discs; positive ones last."""
    for pixels, value in ((clues.negative, off), (clues.positive, on)):
        for row, column in pixels:
            cv2.circle(plane, (int(column), int(row)), 2, value, cv2.FILLED)
    for pixels, value in ((clues.negative, off), (clues.positive, on)):
        plane[pixels[:, 0], pixels[:, 1]] = value


def _from_points(clues: Clues, radius: float) -> Evidence:
    spots = np.ones(clues.shape, np.uint8)
    spots[clues.positive[:, 0], clues.positive[:, 1]] = 0
    straight = np.asarray(cv2.distanceTransform(spots, cv2.DIST_L2, 5), np.float32)
    # Clicks that lie apart are on one object, which is as large as that.
    apart = float(np.hypot(*np.ptp(clues.positive, axis=0))) if len(clues.positive) else 0.0
    unit = np.float32(max(1.0, radius * max(clues.shape), _APART * apart))
    way = straight + np.float32(_EDGES) * (clues.to_positive - straight)
    evidence: Evidence = np.clip(2 * (1 - way / unit), -2.5, 3.0)
    inner = np.log((clues.to_border + _BORDER_NEAR) / (clues.to_positive + _BORDER_NEAR))
    evidence += np.float32(_BORDER) * np.clip(inner, -_BORDER_LIMIT, _BORDER_LIMIT)
    nearer = clues.to_negative < clues.to_positive
    evidence[nearer] = np.minimum(evidence[nearer], -1)
    evidence[straight > _REACH * unit] = -CERTAIN
    return evidence


def _from_box(clues: Clues, box: Box, reach: float) -> Evidence:
    left, top, right, bottom = box
    rows, columns = np.ogrid[: clues.shape[0], : clues.shape[1]]
    across = (columns - (left + right - 1) / 2) / ((right - left) / 2)
    down = (rows - (top + bottom - 1) / 2) / ((bottom - top) / 2)
    evidence = np.clip(1.5 * (reach - across**2 - down**2), -2.0, 1.5).astype(np.float32)
    _correct(evidence, clues, _CORRECTION * max(clues.shape))
    evidence[~_in_box(clues.shape, box)] = -CERTAIN
    return evidence


def _from_mask(clues: Clues, inside: npt.NDArray[np.bool_], band: float) -> Evidence:
    width = max(1.0, band * max(clues.shape))
    evidence: Evidence = np.clip(np.float32(1.5 / width) * signed_distance(inside), -4, 4)
    _correct(evidence, clues, 8 * width)
    return evidence


def _correct(evidence: Evidence, clues: Clues, reach: float) -> None:
    """Let points change the sides of what is nearest to them, edges counted."""
    wanted = (clues.to_positive < clues.to_negative) & (clues.to_positive < reach)
    unwanted = (clues.to_negative < clues.to_positive) & (clues.to_negative < reach)
    evidence[wanted] = np.maximum(evidence[wanted], 0.5)
    evidence[unwanted] = np.minimum(evidence[unwanted], -0.5)


def _in_box(shape: tuple[int, int], box: Box) -> npt.NDArray[np.bool_]:
    inside = np.zeros(shape, np.bool_)
    left, top, right, bottom = box
    inside[top:bottom, left:right] = True
    return inside
