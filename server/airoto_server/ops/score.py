"""How good a matte is, against the truth.

Alpha errors follow Rhemann et al., A perceptually motivated online benchmark for image
matting (CVPR 2009), scaled as alphamatting.com lists them; temporal error follows Erofeev et
al., Perceptually motivated benchmark for video matting (BMVC 2015); J and F follow Perazzi et
al., A benchmark dataset and evaluation methodology for video object segmentation (CVPR 2016).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.floating]
Truths = npt.NDArray[np.bool_]

GRADIENT_SIGMA = 1.4
CONNECTIVITY_STEP = 0.1
CONNECTIVITY_THRESHOLD = 0.15
BOUNDARY = 0.008
_HALF = 0.5


@dataclass(frozen=True)
class Scores:
    """Errors of an alpha against the truth; all but `iou` are better when smaller.

    Attributes:
        sad: sum of absolute differences, in thousands of pixels.
        mse: mean squared difference.
        mad: mean absolute difference.
        grad: sum of squared differences of the gradients' lengths, in thousands.
        conn: connectivity error, in thousands of pixels.
        iou: intersection over union of both, cut at one half, over the whole picture; 1 where
            both are empty.
        pixels: how many pixels counted (for all but `iou`).
    """

    sad: float
    mse: float
    mad: float
    grad: float
    conn: float
    iou: float
    pixels: int


def score(alpha: Plane, truth: Plane, trimap: Plane | None = None) -> Scores:
    """Errors of `alpha` against `truth`, both (H, W), 0 to 1.

    Args:
        trimap: (H, W), 0 background, 1 foreground, anything between unknown: only there errors
            count. None: everywhere.

    Raises:
        ValueError: shapes differ.
    """
    _same_shape(alpha, truth)
    made, true = alpha.astype(np.float64), truth.astype(np.float64)
    if trimap is None:
        counts = np.ones(true.shape, bool)
    else:
        _same_shape(trimap, truth)
        counts = (trimap > 0) & (trimap < 1)
    pixels = int(counts.sum())
    difference = (made - true)[counts]
    gradient = (_gradient(made) - _gradient(true))[counts]
    return Scores(
        sad=float(np.abs(difference).sum()) / 1000,
        mse=float(np.square(difference).sum()) / max(pixels, 1),
        mad=float(np.abs(difference).sum()) / max(pixels, 1),
        grad=float(np.square(gradient).sum()) / 1000,
        conn=_connectivity(made, true, counts) / 1000,
        iou=iou(made >= _HALF, true >= _HALF),
        pixels=pixels,
    )


def iou(mask: Truths, truth: Truths) -> float:
    """Intersection over union of two (H, W) masks; 1 where both are empty."""
    _same_shape(mask, truth)
    union = int((mask | truth).sum())
    return float((mask & truth).sum()) / union if union else 1.0


def dtssd(alphas: Iterable[Plane], truths: Iterable[Plane]) -> float:
    """Temporal error, times 100: how much more or less mattes flicker than the truth does.

    The mean over neighbouring frames of the root mean square, over the picture, of the
    difference between both changes. Frames (H, W), 0 to 1, are taken one by one.

    Raises:
        ValueError: shapes or numbers of frames differ, or there are fewer than two.
    """
    errors = []
    before: tuple[Plane, Plane] | None = None
    for alpha, truth in zip(alphas, truths, strict=True):
        _same_shape(alpha, truth)
        now = (alpha.astype(np.float64), truth.astype(np.float64))
        if before is not None:
            change = (now[0] - before[0]) - (now[1] - before[1])
            errors.append(math.sqrt(float(np.square(change).mean())))
        before = now
    if not errors:
        raise ValueError("a temporal error needs at least two frames")
    return 100 * sum(errors) / len(errors)


def boundary_distance(mask_a: Truths, mask_b: Truths) -> float:
    """Mean distance in pixels from either mask's boundary to the other's, both ways averaged.

    A boundary is the masks' pixels that touch the outside (the picture's edge is no outside).
    Infinite where one mask has a boundary and the other has none; 0 where neither has.

    Raises:
        ValueError: shapes differ.
    """
    _same_shape(mask_a, mask_b)
    a, b = _outline(mask_a), _outline(mask_b)
    if not a.any() and not b.any():
        return 0.0
    if not a.any() or not b.any():
        return math.inf
    return 0.5 * (float(_distance_to(b)[a].mean()) + float(_distance_to(a)[b].mean()))


def jf(mask: Truths, truth: Truths, bound: float = BOUNDARY) -> tuple[float, float]:
    """DAVIS's region similarity J (the IoU) and boundary accuracy F, each 0 to 1.

    Args:
        bound: how far apart boundaries may lie, as a fraction of the picture's diagonal.

    Raises:
        ValueError: shapes differ.
    """
    j = iou(mask, truth)
    reach = math.ceil(bound * math.hypot(*mask.shape))
    ours, theirs = _davis_boundary(mask), _davis_boundary(truth)
    if not ours.any() and not theirs.any():
        return j, 1.0
    if not ours.any() or not theirs.any():
        return j, 0.0
    disc = _disc(reach)
    precision = float((ours & _dilated(theirs, disc)).sum()) / float(ours.sum())
    recall = float((theirs & _dilated(ours, disc)).sum()) / float(theirs.sum())
    if precision + recall == 0:
        return j, 0.0
    return j, 2 * precision * recall / (precision + recall)


def _same_shape(a: npt.NDArray[np.generic], b: npt.NDArray[np.generic]) -> None:
    if a.shape != b.shape or a.ndim != 2:
        raise ValueError(f"both must be (H, W) and of one size, not {a.shape} and {b.shape}")


# ---- alpha -------------------------------------------------------------------------


def _gradient(alpha: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Length of the gradient under a Gaussian of sigma 1.4.

    The filters are the benchmark's: as long as the Gaussian's derivative is above 0.01, each
    of unit energy in two dimensions.
    """
    sigma, epsilon = GRADIENT_SIGMA, 1e-2
    half = math.ceil(sigma * math.sqrt(-2 * math.log(math.sqrt(2 * math.pi) * sigma * epsilon)))
    at = np.arange(-half, half + 1, dtype=np.float64)
    bell = np.exp(-(at**2) / (2 * sigma**2)) / (sigma * math.sqrt(2 * math.pi))
    slope = -at * bell / sigma**2
    across = np.outer(bell, slope)
    across /= math.sqrt(float(np.square(across).sum()))
    gx = cv2.filter2D(alpha, -1, across, borderType=cv2.BORDER_REPLICATE)
    gy = cv2.filter2D(alpha, -1, across.T.copy(), borderType=cv2.BORDER_REPLICATE)
    return np.asarray(np.hypot(gx, gy), np.float64)


def _connectivity(
    made: npt.NDArray[np.float64], true: npt.NDArray[np.float64], counts: Truths
) -> float:
    """Sum of differences of how far pixels are connected to what both agree on.

    At each level, the source region is the largest 4-connected piece where both alphas reach
    it; a pixel is connected up to the level at which it drops out.
    """
    connected = np.full(true.shape, -1.0)
    levels = np.arange(0, 1 + CONNECTIVITY_STEP / 2, CONNECTIVITY_STEP)
    for before, level in pairwise(levels):
        # The levels are sums of 0.1 in floating point; 1.0 itself must still reach 1.
        both = ((made >= level - 1e-9) & (true >= level - 1e-9)).astype(np.uint8)
        kinds, labels, stats, _ = cv2.connectedComponentsWithStats(both, connectivity=4)
        largest = np.zeros(true.shape, bool)
        if kinds > 1:
            largest = labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
        connected[(connected == -1) & ~largest] = before
    connected[connected == -1] = 1.0

    def degree(alpha: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        lost = alpha - connected
        return np.asarray(1 - lost * (lost >= CONNECTIVITY_THRESHOLD), np.float64)

    return float(np.abs(degree(made) - degree(true))[counts].sum())


# ---- boundaries ----------------------------------------------------------------------


def _outline(mask: Truths) -> Truths:
    """Pixels of the mask with one of the four neighbours outside it."""
    padded = np.pad(mask, 1, mode="edge")
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return np.asarray(mask & ~inner, np.bool_)


def _distance_to(outline: Truths) -> npt.NDArray[np.float32]:
    """Distance in pixels of every pixel to the nearest of the outline."""
    away = np.where(outline, 0, 255).astype(np.uint8)
    distance = cv2.distanceTransform(away, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(distance, np.float32)


def _davis_boundary(mask: Truths) -> Truths:
    """Pixels that differ from the right, lower or lower right neighbour (DAVIS's seg2bmap)."""
    padded = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    right, below, diagonal = padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]
    edge = (mask ^ right) | (mask ^ below) | (mask ^ diagonal)
    edge[-1, :] = mask[-1, :] ^ right[-1, :]
    edge[:, -1] = mask[:, -1] ^ below[:, -1]
    edge[-1, -1] = False
    return np.asarray(edge, np.bool_)


def _disc(radius: int) -> npt.NDArray[np.uint8]:
    at = np.arange(-radius, radius + 1)
    return (at[:, None] ** 2 + at[None] ** 2 <= radius**2).astype(np.uint8)


def _dilated(mask: Truths, disc: npt.NDArray[np.uint8]) -> Truths:
    return np.asarray(cv2.dilate(mask.astype(np.uint8), disc), np.bool_)
