"""Is what was matted a person? A small detector of people looks where the matte is.

A matter of portraits mattes whatever stands out. What tells a person from a camel has to come
from elsewhere: `person_ssd`, whose boxes count as far as the matte fills them, so that a passer-by
behind a camel does not make it a person.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from airoto_server.engines.graph_constants import read_constants
from airoto_server.engines.person_ssd import SIDE, PersonDetector
from airoto_server.engines.roles import Mask, Picture

# How much of a person's box the matte has to fill: arms and legs apart leave most of it empty.
_FILL = 0.2
# Looked at besides the whole picture: squares around the largest parts of the matte, in sides of
# such a part. People are found best where they fill about half the square.
_PARTS, _SQUARES = 3, (1.6, 2.4)
# A part is no smaller than this share of the picture.
_SMALLEST = 0.002
# Nothing is looked for further once this is reached.
_ENOUGH = 0.9
_GREY = 0.5

_Window = tuple[float, float, float, float]


class PersonCheck:
    """Asks a detector of people about a matte.

    Args:
        engine: whose matte it is, for errors.
        path: the detector's frozen graph.

    Raises:
        EngineUnavailableError: the file is damaged or holds another network.
    """

    def __init__(self, engine: str, path: Path) -> None:
        self._detector = PersonDetector(engine, path, read_constants(engine, path))

    def score(self, picture: Picture, alpha: Mask) -> float:
        """How sure the detector is, 0 to 1, that the alpha is at least in part a person's.

        Args:
            picture: display-referred sRGB, of the alpha's size.
        """
        best = 0.0
        for window in _windows(alpha):
            planes = (picture[..., channel] for channel in range(3))
            seen = np.dstack([_cut(plane, window, _GREY) for plane in planes])
            scores, boxes = self._detector.boxes(seen[None])
            filled = _filled(_cut(alpha, window, 0.0), boxes[0]) >= _FILL
            best = max(best, float(scores[0][filled].max(initial=0.0)))
            if best >= _ENOUGH:
                break
        return best


def _windows(alpha: Mask) -> Iterator[_Window]:
    """Corner, width and height in pixels; they may reach over the picture's edge."""
    height, width = alpha.shape
    # As the network was trained: the picture stretched to a square.
    yield 0.0, 0.0, float(width), float(height)
    solid = (alpha > 0.5).astype(np.uint8)
    _, _, facts, _ = cv2.connectedComponentsWithStats(solid)
    parts = facts[1:]
    for place in np.argsort(-parts[:, cv2.CC_STAT_AREA], kind="stable")[:_PARTS]:
        x, y, wide, high, area = (int(each) for each in parts[place])
        if area < _SMALLEST * alpha.size:
            return
        for factor in _SQUARES:
            side = max(wide, high) * factor
            yield x + wide / 2 - side / 2, y + high / 2 - side / 2, side, side


def _cut(plane: npt.NDArray[np.float32], window: _Window, beyond: float) -> npt.NDArray[np.float32]:
    """The window as the network's square, with a value for what lies beyond the picture."""
    rows, down = _overlap(window[1], window[3], plane.shape[0])
    columns, across = _overlap(window[0], window[2], plane.shape[1])
    square = np.full((SIDE, SIDE), beyond, np.float32)
    size = across.stop - across.start, down.stop - down.start
    square[down, across] = cv2.resize(plane[rows, columns], size, interpolation=cv2.INTER_AREA)
    return square


def _overlap(start: float, length: float, side: int) -> tuple[slice, slice]:
    """Along one axis: the pixels of the picture in a window, and where they are in the square."""
    first = min(max(0, int(start)), side - 1)
    last = max(first + 1, min(side, math.ceil(start + length)))
    begin = min(max(0, round((first - start) * SIDE / length)), SIDE - 1)
    end = max(begin + 1, min(SIDE, round((last - start) * SIDE / length)))
    return slice(first, last), slice(begin, end)


def _filled(alpha: Mask, boxes: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Mean alpha in each box; boxes in parts of the side."""
    sums = cv2.integral(alpha, sdepth=cv2.CV_64F)
    x_min, y_min, x_max, y_max = np.rint(np.clip(boxes, 0, 1) * SIDE).astype(np.intp).T
    inside = sums[y_max, x_max] - sums[y_min, x_max] - sums[y_max, x_min] + sums[y_min, x_min]
    return np.asarray(inside / np.maximum((x_max - x_min) * (y_max - y_min), 1), np.float32)
