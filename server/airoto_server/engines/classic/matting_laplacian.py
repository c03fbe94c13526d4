"""The system of closed-form matting, built for the unknown pixels alone.

The matting Laplacian of Levin, Lischinski and Weiss (PAMI 2008) over 3 x 3 neighbourhoods.
Neighbourhoods without an unknown pixel are never looked at, so that the cost is that of the
unknown pixels and not of the picture.
"""

from __future__ import annotations

import cv2
import numba
import numpy as np
import numpy.typing as npt
from scipy import sparse

Vector = npt.NDArray[np.float64]

# Added to the covariance of colours, as PyMatting has it.
_EPSILON = 1e-7
# An unknown pixel shares neighbourhoods with those up to two away.
_REACH = 2
_SIDE = 2 * _REACH + 1


def unknown_system(
    picture: npt.NDArray[np.float32], trimap: npt.NDArray[np.float32]
) -> tuple[sparse.csr_matrix, Vector]:
    """The matrix over the unknown pixels, in rows of the picture, and the right-hand side.

    Args:
        picture: (H, W, 3) float32, at least 3 x 3.
        trimap: (H, W) float32; anything between 0 and 1 is unknown, and something is.
    """
    unknown = (trimap > 0) & (trimap < 1)
    rows, columns = np.nonzero(unknown)
    number = np.full((trimap.shape[0] + 2 * _REACH, trimap.shape[1] + 2 * _REACH), -1, np.int32)
    inner = number[_REACH:-_REACH, _REACH:-_REACH]
    inner[unknown] = np.arange(len(rows), dtype=np.int32)
    touched = cv2.dilate(unknown.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    touched[[0, -1]] = touched[:, [0, -1]] = False
    stencil = _stencil(picture, np.argwhere(touched), inner, len(rows))

    known = np.zeros(number.shape)
    known[_REACH:-_REACH, _REACH:-_REACH] = np.where(unknown, 0, trimap)
    starts, neighbours, values, right_side = _coupled(stencil, rows, columns, number, known)
    size = len(rows)
    return sparse.csr_matrix((values, neighbours, starts), shape=(size, size)), right_side


@numba.njit(cache=True, nogil=True)
def _coupled(stencil, rows, columns, number, known):  # type: ignore[no-untyped-def]
    """Rows of a sparse matrix, of entries with unknown pixels; known ones go to the right."""
    starts = np.zeros(len(rows) + 1, np.int32)
    neighbours = np.empty(stencil.size, np.int32)
    values = np.empty(stencil.size)
    right_side = np.zeros(len(rows))
    kept = 0
    for n in range(len(rows)):
        for at in range(_SIDE * _SIDE):
            value = stencil[n, at]
            y, x = rows[n] + at // _SIDE, columns[n] + at % _SIDE
            if number[y, x] < 0:
                right_side[n] -= value * known[y, x]
            elif value != 0:
                neighbours[kept] = number[y, x]
                values[kept] = value
                kept += 1
        starts[n + 1] = kept
    return starts, neighbours[:kept], values[:kept], right_side


@numba.njit(cache=True, nogil=True)
def _stencil(picture, centres, number, count):  # type: ignore[no-untyped-def]
    """Entries (count, 25) of each unknown pixel with the 5 x 5 pixels around it."""
    found = np.zeros((count, _SIDE * _SIDE))
    colours = np.zeros((9, 3))
    turned = np.zeros((9, 3))
    for n in range(centres.shape[0]):
        y, x = centres[n]
        mean = np.zeros(3)
        for k in range(9):
            for c in range(3):
                colours[k, c] = picture[y + k // 3 - 1, x + k % 3 - 1, c]
                mean[c] += colours[k, c] / 9
        a = b = c_ = d = e = f = 0.0
        for k in range(9):
            for c in range(3):
                colours[k, c] -= mean[c]
            red, green, blue = colours[k]
            a += red * red / 9
            b += red * green / 9
            c_ += red * blue / 9
            d += green * green / 9
            e += green * blue / 9
            f += blue * blue / 9
        a, d, f = a + _EPSILON / 9, d + _EPSILON / 9, f + _EPSILON / 9
        # The inverse of the symmetric matrix ((a, b, c), (b, d, e), (c, e, f)) by cofactors.
        first, second, third = d * f - e * e, c_ * e - b * f, b * e - c_ * d
        scale = 1 / (a * first + b * second + c_ * third)
        middle, side, last = a * f - c_ * c_, b * c_ - a * e, a * d - b * b
        for k in range(9):
            red, green, blue = colours[k]
            turned[k, 0] = scale * (first * red + second * green + third * blue)
            turned[k, 1] = scale * (second * red + middle * green + side * blue)
            turned[k, 2] = scale * (third * red + side * green + last * blue)
        for k in range(9):
            y_here, x_here = y + k // 3 - 1, x + k % 3 - 1
            row = number[y_here, x_here]
            if row < 0:
                continue
            for m in range(9):
                alike = (
                    turned[k, 0] * colours[m, 0]
                    + turned[k, 1] * colours[m, 1]
                    + turned[k, 2] * colours[m, 2]
                )
                at = (m // 3 - k // 3 + _REACH) * _SIDE + m % 3 - k % 3 + _REACH
                found[row, at] += (1.0 if k == m else 0.0) - (1 + alike) / 9
    return found
