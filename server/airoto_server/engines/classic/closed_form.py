"""Closed-form matting: alpha of the unknown pixels as the solution of a linear system.

Levin, Lischinski and Weiss, "A Closed-Form Solution to Natural Image Matting" (PAMI 2008),
solved exactly where unknown pixels form narrow bands, else iteratively with PyMatting's
incomplete Cholesky factorisation. The known pixels are eliminated, so they stay exact and cost
nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from pymatting.preconditioner.ichol import ichol
from scipy import sparse

from airoto.errors import EngineError
from airoto_server.engines.classic.matting_islands import solve_narrow
from airoto_server.engines.classic.matting_laplacian import unknown_system

Vector = npt.NDArray[np.float64]

# Pixels on each side of an unknown one that share one of its 3x3 neighbourhoods.
_COUPLING = 2
# Of the right-hand side: tighter ones no longer change alpha by a thousandth.
_TOLERANCE = 1e-5
_MOST_ITERATIONS = 2000
# A residual with which alpha is still of use, where the iterations ran out.
_USABLE = 1e-2
# Added to the diagonal of the factorisation, which fails on many pictures without.
_SHIFTS = (1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0)
# Room for the factor, in entries per entry of the matrix; it was at most 4 on real trimaps.
_FILL = 8


def solve_alpha(
    picture: npt.NDArray[np.float32], trimap: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Alpha (H, W) float32, 0 to 1, equal to `trimap` where that is 0 or 1.

    Args:
        picture: (H, W, 3) float32, display-referred sRGB, 0 to 1; at least 3 x 3 pixels.
        trimap: (H, W) float32: 0, 1, or anything between for unknown.

    Raises:
        EngineError: nothing is known, or the system could not be solved.
    """
    unknown = (trimap > 0) & (trimap < 1)
    if not unknown.any():
        return trimap.copy()
    rows, columns = _around(unknown)
    alpha = trimap.copy()
    alpha[rows, columns] = _solve(picture[rows, columns], trimap[rows, columns])
    return alpha


def _around(unknown: npt.NDArray[np.bool_]) -> tuple[slice, slice]:
    """The bounding box of the unknown pixels and of all that they are coupled to."""
    spans = []
    for axis in (1, 0):
        hits = np.flatnonzero(unknown.any(axis=axis))
        side = unknown.shape[1 - axis]
        first = max(0, min(int(hits[0]) - _COUPLING, side - 3))
        spans.append(slice(first, min(side, int(hits[-1]) + 1 + _COUPLING)))
    return spans[0], spans[1]


def _solve(
    picture: npt.NDArray[np.float32], trimap: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    unknown = (trimap > 0) & (trimap < 1)
    if unknown.all():
        raise EngineError("nothing in the trimap is known, so nothing can be solved for")
    matrix, right_side = unknown_system(picture, trimap)
    solution, solved = solve_narrow(matrix, right_side)
    if not solved.all():
        rest = ~solved
        solution[rest] = _iterate(matrix[rest][:, rest], right_side[rest])
    alpha = trimap.copy()
    alpha[unknown] = np.clip(solution, 0, 1)
    return alpha


def _iterate(matrix: sparse.csr_matrix, right_side: Vector) -> Vector:
    try:
        factor = ichol(matrix.tocsc(), shifts=_SHIFTS, max_nnz=_FILL * matrix.nnz + 64)
    except ValueError as error:
        raise EngineError(
            f"the matting system of {matrix.shape[0]} pixels could not be factorised"
        ) from error
    solution, residual = conjugate_gradients(matrix, right_side, factor)
    # Written so that NaN fails too.
    if not residual <= _USABLE:
        raise EngineError(
            f"the matting system of {matrix.shape[0]} pixels did not converge: "
            f"relative residual {residual:.1e} after {_MOST_ITERATIONS} iterations"
        )
    return solution


def conjugate_gradients(
    matrix: sparse.csr_matrix, right_side: Vector, precondition: Callable[[Vector], Vector]
) -> tuple[Vector, float]:
    """Solve a symmetric positive definite system.

    Sums are numpy's own, not those of BLAS, whose order depends on the number of threads.

    Returns:
        the solution and its residual, relative to the right-hand side.
    """
    goal = _norm(right_side)
    solution = np.zeros_like(right_side)
    if goal == 0:
        return solution, 0.0
    remainder = right_side.copy()
    step = correction = precondition(remainder)
    energy = _inner(remainder, correction)
    for _ in range(_MOST_ITERATIONS):
        image = matrix.dot(step)
        length = energy / _inner(step, image)
        solution += length * step
        remainder -= length * image
        if _norm(remainder) <= _TOLERANCE * goal:
            break
        correction = precondition(remainder)
        previous, energy = energy, _inner(remainder, correction)
        step = correction + (energy / previous) * step
    return solution, _norm(remainder) / goal


def _inner(first: Vector, second: Vector) -> float:
    return float(np.sum(first * second))


def _norm(vector: Vector) -> float:
    return float(np.sqrt(_inner(vector, vector)))
