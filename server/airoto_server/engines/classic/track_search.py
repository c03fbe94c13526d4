"""Looking for an object that was lost."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.float32]
Bool = npt.NDArray[np.bool_]

# Evidence beyond these log-odds does not make a place any better or worse.
_LEAST, _MOST = -3.0, 3.0
# Part of its own score that a place must reach to be taken for the object.
LIKENESS = 0.6
# How far the search reaches from where the object was last seen, in sizes of the object, at
# once and per frame since.
_REACH, _REACH_PER_FRAME = 1.5, 0.2


@dataclass(frozen=True)
class Sighting:
    """Where and how the object was last seen well, in working pixels.

    Attributes:
        area: number of pixels, an average over frames.
        score: `window_scores` at the object itself, an average over frames.
        fit: how much it looked like itself where it was drawn, above 0 to 1.
        centre: x, y.
    """

    area: float
    score: float
    fit: float
    centre: tuple[float, float]


def window_scores(odds: Plane, area: float) -> Plane:
    """Mean evidence in the square of that area around each pixel, (h, w) float32."""
    side = max(3, round(float(np.sqrt(area))))
    limited = np.clip(odds, _LEAST, _MOST) - np.float32(_LEAST)
    scores = cv2.blur(limited, (side, side), borderType=cv2.BORDER_REPLICATE)
    return np.asarray(scores, np.float32)


def find(odds: Plane, last: Sighting, frames_lost: int) -> Bool | None:
    """Pixels (h, w) bool of the place that looks like the object; None if there is none.

    Args:
        odds: (h, w) float32, log-odds from all evidence that does not say where it was.
        last: when it was seen well.
        frames_lost: for how long it has not been; the search widens with it.
    """
    if last.score <= 0:
        return None
    scores = window_scores(odds, last.area)
    side = float(np.sqrt(last.area))
    reach = side * (_REACH + _REACH_PER_FRAME * frames_lost)
    columns = np.arange(odds.shape[1], dtype=np.float32)[None, :]
    rows = np.arange(odds.shape[0], dtype=np.float32)[:, None]
    away = np.hypot(columns - last.centre[0], rows - last.centre[1])
    scores = np.where(away <= reach, scores, 0)
    y, x = np.unravel_index(int(scores.argmax()), scores.shape)
    if scores[y, x] < LIKENESS * last.score:
        return None
    near = np.hypot(columns - np.float32(x), rows - np.float32(y)) <= side
    found: Bool = near & (odds > 0)
    return found if found.any() else None
