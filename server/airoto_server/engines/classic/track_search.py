"""Looking for an object that was lost."""

from __future__ import annotations

import dataclasses
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
_REACH, _REACH_PER_FRAME = 2.5, 0.6
# Share of the averages that stays from one good frame to the next.
_KEPT = 0.9
# How much better another place must look than one that is doubted.
_BETTER = 1.3


@dataclass(frozen=True)
class Sighting:
    """Where and how the object was last seen well, in working pixels.

    Attributes:
        area: number of pixels, an average over frames.
        score: best of `window_scores` at the object, an average over frames.
        fit: `fit_of` the object, an average over frames.
        centre: x, y.
    """

    area: float
    score: float
    fit: float
    centre: tuple[float, float]

    @classmethod
    def of(cls, odds: Plane, inside: Bool) -> Sighting:
        """What evidence (h, w) float32 says of a mask (h, w) bool that is not empty."""
        area = float(inside.sum())
        score = float(window_scores(odds, area)[inside].max())
        return cls(area, score, fit_of(odds, inside), centre_of(inside))

    def health(self, odds: Plane, inside: Bool) -> float:
        """How much a mask looks like what was seen before, 0 to 1."""
        score = float(window_scores(odds, self.area)[inside].max())
        alike = min(fit_of(odds, inside) / self.fit, score / max(self.score, 1e-3))
        return min(1.0, alike)

    def panned(self, to_previous: npt.NDArray[np.float32]) -> Sighting:
        """The same place in the scene, a frame later.

        Args:
            to_previous: (h, w, 2) float32 of the camera, x and y from where a thing is now.
        """
        height, width = to_previous.shape[:2]
        column, row = (
            int(np.clip(at, 0, size - 1))
            for at, size in zip(self.centre, (width, height), strict=True)
        )
        x, y = to_previous[row, column]
        centre = (
            float(np.clip(self.centre[0] - x, 0, width - 1)),
            float(np.clip(self.centre[1] - y, 0, height - 1)),
        )
        return dataclasses.replace(self, centre=centre)

    def follow(self, now: Sighting) -> Sighting:
        """The averages with another good frame in them."""
        area, score, fit = (
            _KEPT * before + (1 - _KEPT) * new
            for before, new in (
                (self.area, now.area),
                (self.score, now.score),
                (self.fit, now.fit),
            )
        )
        return Sighting(area, score, fit, now.centre)


def fit_of(odds: Plane, inside: Bool) -> float:
    """How likely the pixels of a mask that is not empty are the object's, 0 to 1."""
    return float((1 / (1 + np.exp(-odds[inside]))).mean())


def centre_of(inside: Bool) -> tuple[float, float]:
    """x, y of the middle of the box of a mask that is not empty."""
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    return float(columns[0] + columns[-1]) / 2, float(rows[0] + rows[-1]) / 2


def window_scores(odds: Plane, area: float) -> Plane:
    """Mean evidence in the square of that area around each pixel, (h, w) float32."""
    side = max(3, round(float(np.sqrt(area))))
    limited = np.clip(odds, _LEAST, _MOST) - np.float32(_LEAST)
    scores = cv2.blur(limited, (side, side), borderType=cv2.BORDER_REPLICATE)
    return np.asarray(scores, np.float32)


def find(odds: Plane, last: Sighting, frames_lost: int, doubted: Bool, others: Bool) -> Bool | None:
    """Pixels (h, w) bool of the place that looks like the object; None if there is none.

    Args:
        odds: (h, w) float32, log-odds from all evidence that does not say where it was.
        last: when it was seen well.
        frames_lost: for how long it has not been; the search widens with it.
        doubted: (h, w) bool, where the object is taken to be without being well seen; may be
            empty. Another place has to look clearly better.
        others: (h, w) bool, where objects that compete with this one are.
    """
    odds = np.where(others, np.float32(_LEAST), odds)
    scores = window_scores(odds, last.area)
    least = LIKENESS * last.score
    if doubted.any():
        least = max(least, _BETTER * float(scores[doubted].max()))
    side = float(np.sqrt(last.area))
    reach = side * (_REACH + _REACH_PER_FRAME * frames_lost)
    columns = np.arange(odds.shape[1], dtype=np.float32)[None, :]
    rows = np.arange(odds.shape[0], dtype=np.float32)[:, None]
    away = np.hypot(columns - last.centre[0], rows - last.centre[1])
    scores = np.where((away <= reach) & ~doubted, scores, 0)
    y, x = np.unravel_index(int(scores.argmax()), scores.shape)
    if scores[y, x] <= least:
        return None
    near = np.hypot(columns - np.float32(x), rows - np.float32(y)) <= side
    found: Bool = near & (odds > 0)
    return found if found.any() else None
