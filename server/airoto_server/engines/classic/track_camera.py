"""How the camera moves, and what moves otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from airoto_server.engines.classic.track_frame import squared_length
from airoto_server.engines.classic.track_motion import Motion, carry
from airoto_server.ops.seeds import opencv_seeded

Plane = npt.NDArray[np.float32]
Bool = npt.NDArray[np.bool_]

# Every so many pixels, a vector goes into the fit; fewer than this many do not suffice.
_STRIDE, _FEWEST = 6, 24
_TRUSTED = 0.3
_RANSAC_PIXELS = 1.0
# Parallax that the homography cannot follow varies over this many pixels.
_PARALLAX_SIGMA = 16.0
_PARALLAX_STEP = 4
# Share of the motion against the camera that is kept from frame to frame.
_KEEP = 0.85
# Shares of an object that move: at the one its motion begins to count, at the other it does.
_MOVING = (0.2, 0.6)


@dataclass(frozen=True)
class Camera:
    """The camera's motion between two frames and what moved against it, in working pixels.

    Attributes:
        to_previous: (h, w, 2) float32: where background at each pixel was before.
        still: (h, w) float32, 0 to 1: how well a pixel has followed the camera lately.
        drift: (h, w, 2) float32: motion against the camera gathered over the last frames.
    """

    to_previous: npt.NDArray[np.float32]
    still: Plane
    drift: npt.NDArray[np.float32]


def measure(
    motion: Motion, background: Bool, drift: npt.NDArray[np.float32] | None, *, seed: int
) -> Camera:
    """The camera from how the background moved.

    Args:
        background: (h, w) bool, what is believed not to be of any object.
        drift: of the frame before, or None.
        seed: of the choice of points that the homography is fitted to.
    """
    sure = background & (motion.trust > _TRUSTED)
    rigid = _homography_flow(motion.to_previous, sure, seed=seed)
    apart = motion.to_previous - rigid
    to_previous = rigid + _smooth(apart, (sure * motion.trust).astype(np.float32))
    against = motion.to_previous - to_previous
    gathered = against
    if drift is not None:
        # What was uncovered just now did not move with what covered it.
        kept = np.float32(_KEEP) * motion.trust[..., None]
        gathered = kept * carry(drift, motion.to_previous) + against
    squared = squared_length(gathered)
    typical = float(np.sqrt(np.median(squared[background]))) if background.any() else 0.0
    scale = max(1.0, 2 * typical)
    return Camera(to_previous, np.exp(-squared / np.float32(scale**2)), gathered)


def moving_share(still: Plane, object_share: Plane) -> float:
    """How much of an object moves against the camera, 0 to 1.

    Args:
        object_share: (h, w) float32, 0 to 1, how far each pixel is of the object.
    """
    total = float(object_share.sum())
    return 1 - float((still * object_share).sum()) / total if total else 0.0


def log_odds(still: Plane, moving: float) -> Plane:
    """Log-odds (h, w) float32 that a pixel moves with the object rather than the camera.

    Args:
        moving: `moving_share` of the object. While it stands still, all is zero.
    """
    gate = np.clip((moving - _MOVING[0]) / (_MOVING[1] - _MOVING[0]), 0, 1)
    odds: Plane = np.float32(gate) * (np.float32(0.7) * (1 - still) - np.float32(4) * still)
    return odds


def _homography_flow(
    flow: npt.NDArray[np.float32], sure: Bool, *, seed: int
) -> npt.NDArray[np.float32]:
    height, width = sure.shape
    rows, columns = np.nonzero(sure[::_STRIDE, ::_STRIDE])
    rows, columns = rows * _STRIDE, columns * _STRIDE
    if rows.size < _FEWEST:
        return np.zeros_like(flow)
    vectors = flow[rows, columns]
    here = np.stack([columns, rows], axis=1).astype(np.float32)
    opencv_seeded(seed)
    matrix: Any  # None where no four points agree, which OpenCV's types do not say
    matrix, _ = cv2.findHomography(here, here + vectors, cv2.RANSAC, _RANSAC_PIXELS)
    if matrix is None:
        return np.broadcast_to(np.median(vectors, axis=0), flow.shape).astype(np.float32)
    x, y = np.arange(width)[None, :], np.arange(height)[:, None]
    u, v, w = (row[0] * x + row[1] * y + row[2] for row in matrix)
    w = np.where(np.abs(w) < 1e-6, 1e-6, w)
    return np.stack([u / w - x, v / w - y], axis=2).astype(np.float32)


def _smooth(vectors: npt.NDArray[np.float32], weights: Plane) -> npt.NDArray[np.float32]:
    """Average of the vectors around, by weight (normalised convolution), on a coarse grid."""
    height, width = weights.shape
    size = (max(1, width // _PARALLAX_STEP), max(1, height // _PARALLAX_STEP))
    weighted = np.concatenate([vectors * weights[..., None], weights[..., None]], axis=2)
    coarse = cv2.resize(weighted, size, interpolation=cv2.INTER_AREA)
    coarse = cv2.GaussianBlur(coarse, (0, 0), _PARALLAX_SIGMA / _PARALLAX_STEP)
    coarse = coarse.reshape(size[1], size[0], 3)
    mean = coarse[..., :2] / (coarse[..., 2:] + np.float32(1e-3))
    return np.asarray(cv2.resize(mean, (width, height)), np.float32).reshape(vectors.shape)
