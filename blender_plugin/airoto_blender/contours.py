"""Where a matte crosses one half, as closed polygons; and which of them are one piece over time.

numpy, no `bpy`. Marching squares over the pixels' centres, with crossings interpolated.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Matte = npt.NDArray[np.float32]

_LEVEL = 0.5
# Sides of a square of four pixels: top, right, bottom, left. By which corners lie inside (top left
# 8, top right 4, bottom right 2, bottom left 1): from which side to which, inside on the right.
_T, _R, _B, _L = range(4)
_SIDES: dict[int, tuple[tuple[int, int], ...]] = {
    1: ((_L, _B),), 2: ((_B, _R),), 3: ((_L, _R),), 4: ((_R, _T),), 6: ((_B, _T),),
    7: ((_L, _T),), 8: ((_T, _L),), 9: ((_T, _B),), 11: ((_T, _R),), 12: ((_R, _L),),
    13: ((_R, _B),), 14: ((_B, _L),),
}  # fmt: skip
# Two opposite corners: they are joined where the middle of the square lies inside.
_JOINED = {5: ((_L, _T), (_R, _B)), 10: ((_T, _R), (_B, _L))}
_APART = {5: ((_R, _T), (_L, _B)), 10: ((_T, _L), (_B, _R))}


def contours(matte: Matte, smallest: float = 0.0) -> list[Floats]:
    """Closed polygons (M, 2) in pixels from the top left, inside on the right hand of their way:
    what surrounds has a positive `area`, a hole a negative one.

    Args:
        matte: (H, W), float32, 0 to 1, rows from the top.
        smallest: pieces and holes of fewer square pixels are left out.
    """
    values = _bordered(matte)
    following = _segments(values)
    found = []
    while following:
        start, place = following.popitem()
        way = [start]
        while place != start:
            way.append(place)
            place = following.pop(place)
        polygon = _places(np.array(way, np.int64), values)
        if abs(area(polygon)) >= max(smallest, 1e-9):
            found.append(polygon)
    return sorted(found, key=lambda one: -abs(area(one)))


def area(polygon: Floats) -> float:
    """Square pixels; negative for a hole."""
    x, y = polygon[:, 0], polygon[:, 1]
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)


def tracked(frames: Sequence[list[Floats]]) -> list[list[Floats | None]]:
    """Pieces over time: for each its polygon on every frame, None where it is not there.

    A polygon goes on in the nearest one of its kind (piece or hole) whose box meets its own.
    """
    pieces: list[list[Floats | None]] = []
    for number, polygons in enumerate(frames):
        pairs = []
        for piece, known in enumerate(pieces):
            last = next((one for one in reversed(known) if one is not None), None)
            for index, polygon in enumerate(polygons):
                if last is not None and _may_be(last, polygon):
                    pairs.append((_apart(last, polygon), piece, index))
        taken: dict[int, int] = {}
        for _, piece, index in sorted(pairs):
            if piece not in taken and index not in taken.values():
                taken[piece] = index
        for piece, known in enumerate(pieces):
            known.append(polygons[taken[piece]] if piece in taken else None)
        new = [one for index, one in enumerate(polygons) if index not in taken.values()]
        pieces += [[*[None] * number, one] for one in new]
    return pieces


def _bordered(matte: Matte) -> Floats:
    """A matte with a row more on each side, so that what leaves the picture is cut at its edge."""
    values = np.pad(matte.astype(np.float64), 1, mode="edge")
    border = np.ones(values.shape, bool)
    border[1:-1, 1:-1] = False
    mirrored = np.minimum(1 - values[border], np.nextafter(_LEVEL, 0))
    values[border] = np.where(values[border] >= _LEVEL, mirrored, 0)
    return values


def _segments(values: Floats) -> dict[int, int]:
    """From crossing to crossing; crossings are numbered by the side of a square they lie on."""
    inside = values >= _LEVEL
    kind = inside[:-1, :-1] * 8 + inside[:-1, 1:] * 4 + inside[1:, 1:] * 2 + inside[1:, :-1] * 1
    rows, columns = np.nonzero((kind > 0) & (kind < 15))
    middle = (
        values[rows, columns]
        + values[rows, columns + 1]
        + values[rows + 1, columns]
        + values[rows + 1, columns + 1]
    ) / 4 >= _LEVEL
    width, count = values.shape[1], values.size
    at = rows * width + columns
    sides = np.stack([at, count + at + 1, at + width, count + at])
    found: dict[int, int] = {}
    for which, joined, here in zip(kind[rows, columns], middle, sides.T.tolist()):
        pairs = _SIDES.get(int(which)) or (_JOINED if joined else _APART)[int(which)]
        for begin, end in pairs:
            found[here[begin]] = here[end]
    return found


def _places(way: npt.NDArray[np.int64], values: Floats) -> Floats:
    """Crossings as places in pixels of the matte without its border."""
    upright = way >= values.size
    row, column = np.divmod(way % values.size, values.shape[1])
    here = values[row, column]
    there = values[row + upright, column + ~upright]
    part = (_LEVEL - here) / (there - here)
    x, y = column + part * ~upright, row + part * upright
    return np.stack([x - 0.5, y - 0.5], axis=1)  # centres at .5, less the border


def _may_be(one: Floats, other: Floats) -> bool:
    low = np.maximum(one.min(axis=0), other.min(axis=0))
    high = np.minimum(one.max(axis=0), other.max(axis=0))
    return (area(one) > 0) == (area(other) > 0) and bool((low <= high).all())


def _apart(one: Floats, other: Floats) -> float:
    sizes = [np.sqrt(abs(area(polygon))) for polygon in (one, other)]
    return float(np.linalg.norm(one.mean(axis=0) - other.mean(axis=0)) + abs(sizes[0] - sizes[1]))
