"""Direct solution of a matting system, island by island.

Unknown pixels that are coupled, through others too, are an island. Most are bands along an edge,
a few pixels wide: numbered along the band (Cuthill and McKee), their matrix has its entries
close to the diagonal, and LAPACK factorises it exactly in less time than an incomplete
factorisation takes. Wide islands are left to others.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.linalg import lapack
from scipy.sparse.csgraph import connected_components, reverse_cuthill_mckee

Vector = npt.NDArray[np.float64]

# Distance from the diagonal up to which the exact factorisation is the quicker one.
_WIDEST = 256
# Entries of the band of one island: 256 MB.
_MOST_ENTRIES = 2**25


def solve_narrow(
    matrix: sparse.csr_matrix, right_side: Vector
) -> tuple[Vector, npt.NDArray[np.bool_]]:
    """Solve a symmetric system of unknown pixels, as far as it falls into narrow islands.

    Returns:
        the solution, 0 where there is none, and (n,) bool, where there is one: not in islands
        too wide, nor in those whose part of the matrix is not positive definite.
    """
    solution = np.zeros_like(right_side)
    solved = np.zeros(len(right_side), np.bool_)
    count, island = connected_components(matrix, connection="strong")
    order = reverse_cuthill_mckee(matrix, symmetric_mode=True)
    order = order[np.argsort(island[order], kind="stable")]
    ends = np.cumsum(np.bincount(island, minlength=count))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    for first, last in zip([0, *ends[:-1]], ends, strict=True):
        members = order[first:last]
        width = _width(matrix.indptr, matrix.indices, members, place)
        if width > _WIDEST or len(members) * (width + 1) > _MOST_ENTRIES:
            continue
        band = np.zeros((len(members), width + 1))
        _fill(band, matrix.indptr, matrix.indices, matrix.data, members, place)
        factor, failed = lapack.dpbtrf(band.T, lower=1, overwrite_ab=1)
        if failed:
            continue
        part, _ = lapack.dpbtrs(factor, right_side[members], lower=1)
        if np.isfinite(part).all():
            solution[members] = part
            solved[members] = True
    return solution, solved


@numba.njit(cache=True, nogil=True)
def _width(starts, columns, members, place):  # type: ignore[no-untyped-def]
    """The greatest distance of an entry from the diagonal."""
    width = 0
    for row in members:
        for at in range(starts[row], starts[row + 1]):
            width = max(width, place[row] - place[columns[at]])
    return width


@numba.njit(cache=True, nogil=True)
def _fill(band, starts, columns, values, members, place):  # type: ignore[no-untyped-def]
    """The lower half as LAPACK wants it: `band[j, i - j]` is the entry (i, j)."""
    for column, row in enumerate(members):
        for at in range(starts[row], starts[row + 1]):
            below = place[columns[at]] - place[row]
            if below >= 0:
                band[column, below] = values[at]
