"""Looking for an object that was lost, by its colours."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from airoto_server.engines.classic.colour_model import LIMIT

Plane = npt.NDArray[np.float32]
Bool = npt.NDArray[np.bool_]

# Part of the keyframe's own score that a place must reach.
_LIKENESS = 0.6
# How far the search reaches from where the object was lost, in sizes of the object, at
# once and per frame since.
_REACH, _REACH_PER_FRAME = 1.5, 0.25


def window_score(log_ratio: Plane, area: float) -> Plane:
    """How object-like the square of that area around each pixel is, 0 to 1, (H, W) float32."""
    side = max(3, round(float(np.sqrt(area))))
    likely = np.clip(log_ratio / LIMIT, -1, 1)
    score: Plane = cv2.blur(likely, (side, side), borderType=cv2.BORDER_REFLECT)
    return np.maximum(score, 0)


def find_again(
    log_ratio: Plane,
    *,
    area: float,
    own_score: float,
    centre: tuple[float, float],
    frames_lost: int,
) -> Bool | None:
    """Pixels of the place that looks like the object, or None if there is none.

    Args:
        log_ratio: (H, W) float32 of the object's colour model on this frame.
        area: pixels of the object when it was last seen well.
        own_score: best `window_score` on a keyframe.
        centre: x, y where it was last seen.
        frames_lost: for how long; the search widens with it.
    """
    score = window_score(log_ratio, area)
    side = float(np.sqrt(area))
    reach = side * (_REACH + _REACH_PER_FRAME * frames_lost)
    columns = np.arange(score.shape[1], dtype=np.float32)[None] - centre[0]
    rows = np.arange(score.shape[0], dtype=np.float32)[:, None] - centre[1]
    score = np.where(np.hypot(columns, rows) <= reach, score, 0)
    y, x = np.unravel_index(int(score.argmax()), score.shape)
    if score[y, x] < _LIKENESS * own_score or own_score <= 0:
        return None
    near = np.hypot(columns + centre[0] - x, rows + centre[1] - y) <= side
    again: Bool = near & (log_ratio > 0)
    return again
