"""How much a mask looks like an object, without knowing the answer."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from airoto_server.engines.classic.colour_model import CELLS, Bins

Bool = npt.NDArray[np.bool_]

# Weights of boundary contrast, colour separation and compactness.
_CONTRAST, _SEPARATION, _COMPACTNESS = 0.45, 0.35, 0.20
# What each share of the picture's border that the mask takes up costs.
_BORDER_COST = 0.8
# Masks below the one share of the picture, or above the other, are marked down.
_SMALL, _LARGE = 0.01, 0.40


def edge_strength(lab: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Colour gradient (H, W), 0 to 1, where 1 is that of the strongest twentieth."""
    gradient = np.zeros(lab.shape[:2], np.float32)
    for dx, dy in ((1, 0), (0, 1)):
        change = cv2.Sobel(lab, cv2.CV_32F, dx, dy)
        gradient += np.sum(change.reshape(lab.shape) ** 2, axis=2)
    gradient = np.sqrt(gradient)
    strong = max(float(np.quantile(gradient, 0.95)), 1e-3)
    strength: npt.NDArray[np.float32] = np.minimum(gradient / np.float32(strong), np.float32(1))
    return strength


def score(inside: Bool, edges: npt.NDArray[np.float32], bins: Bins) -> float:
    """Trust in a mask, 0 to 1: does its boundary lie on edges, do its colours differ from
    those around it, is it compact, does it stay clear of the picture's border?
    """
    area = int(inside.sum())
    if area == 0 or area == inside.size:
        return 0.0
    mask = inside.astype(np.uint8)
    square = np.ones((3, 3), np.uint8)
    boundary = cv2.dilate(mask, square) != cv2.erode(mask, square)
    contrast = float(edges[boundary].mean())

    reach = max(5, int(0.35 * np.sqrt(area)))
    away = cv2.distanceTransform((~inside).astype(np.uint8), cv2.DIST_L2, 5)
    around = (np.asarray(away) <= reach) & ~inside
    ours, theirs = (
        np.bincount(bins[where], minlength=CELLS) / max(1, int(where.sum()))
        for where in (inside, around)
    )
    separation = 1 - float(np.minimum(ours, theirs).sum())

    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    perimeter = sum(cv2.arcLength(outline, True) for outline in outlines)
    compactness = min(1.0, 4 * np.pi * area / max(perimeter, 1.0) ** 2)

    rim = [inside[0], inside[-1], inside[:, 0], inside[:, -1]]
    border = sum(int(side.sum()) for side in rim) / sum(side.size for side in rim)
    share = area / inside.size
    size = min(1.0, (share / _SMALL) ** 0.3) * (1 - max(0.0, share - _LARGE))
    looks = (
        _CONTRAST * contrast
        + _SEPARATION * separation
        + _COMPACTNESS * float(np.sqrt(compactness))
        - _BORDER_COST * border
    )
    return float(np.clip(looks, 0, 1) * size)
