"""The boundary between object and surroundings: short, and along edges of the picture.

The binary Markov random field of graph cut segmentation (Boykov and Jolly, ICCV 2001) solved
as its convex relaxation, a weighted total variation whose minimum, cut at one half, is a
minimum cut (Chan, Esedoglu and Nikolova, 2006); by the first-order primal-dual method with
diagonal step sizes of Pock and Chambolle (ICCV 2011). Unlike with max-flow, stopping early is
harmless and the answer is already soft.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from airoto_server.engines.classic.track_frame import squared_length

Plane = npt.NDArray[np.float32]

# Cost between pixels of equal colour, a pixel apart, and how often the solution is improved.
STRENGTH, ITERATIONS = 7.0, 40
# Sigma in pixels that takes the stairs out of the boundary.
BLUR = 1.0
# A short boundary must not eat objects of fewer pixels a side than this.
_FULL_STRENGTH_SIZE = 40.0
# To the right, down, and both diagonals.
_OFFSETS = ((0, 1), (1, 0), (1, 1), (1, -1))
# Balance between the steps of both sides: soft values are of order one, costs some times that.
_DUAL_STEP = 8.0
# Steps that go over the picture together.
_AT_ONCE = 8


def edge_costs(lab: Plane, strength: float) -> Plane:
    """What it costs to part neighbours, (4, h, w) float32: to the right, down, diagonals.

    Args:
        lab: (h, w, 3) float32.
        strength: cost between pixels of equal colour, a pixel apart.
    """
    height, width = lab.shape[:2]
    costs = np.zeros((4, height, width), np.float32)
    there = []
    for plane, (down, right) in zip(costs, _OFFSETS, strict=True):
        if height > down and width > abs(right):
            here, beside = _pair(height, width, down, right)
            plane[here] = squared_length(lab[here] - lab[beside])
            there.append((plane[here], strength / float(np.hypot(down, right))))
    pairs = sum(part.size for part, _ in there)
    mean = float(costs.sum(dtype=np.float64)) / max(pairs, 1)
    beta = np.float32(-1 / (2 * max(mean, 1e-3)))
    for part, most in there:
        np.exp(np.multiply(part, beta, out=part), out=part)
        part *= np.float32(most)
    return costs


def solve(evidence: Plane, costs: Plane, iterations: int) -> Plane:
    """Soft mask (h, w) float32, 0 to 1, above one half on the object's side of the cut.

    Args:
        evidence: (h, w) float32, log-odds of object over surroundings.
        costs: (4, h, w) float32 of `edge_costs`.
        iterations: steps; the boundary settles within some dozens.
    """
    evidence, costs = np.ascontiguousarray(evidence), np.ascontiguousarray(costs)
    soft: Plane = _primal_dual(evidence, costs, iterations)
    return soft


def share_for(area: float) -> float:
    """How much of the full cost holds for an object of so many pixels, 0 to 1."""
    return min(1.0, float(np.sqrt(area)) / _FULL_STRENGTH_SIZE)


def _pair(
    height: int, width: int, down: int, right: int
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    rows, rows_beside = slice(0, height - down), slice(down, height)
    if right >= 0:
        return (rows, slice(0, width - right)), (rows_beside, slice(right, width))
    return (rows, slice(-right, width)), (rows_beside, slice(0, width + right))


@numba.njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]  # no type information
def _primal_dual(evidence: Plane, costs: Plane, iterations: int) -> Plane:
    """`solve`, in loops over whole rows, which compile to vector instructions.

    A rim of one pixel around everything, whose duals stay zero, saves asking for the edges.
    """
    height, width = evidence.shape
    soft = np.zeros((height + 2, width + 2), np.float32)
    ahead = np.zeros((height + 2, width + 2), np.float32)
    duals = np.zeros((4, height + 2, width + 2), np.float32)
    for y in range(height):
        for x in range(width):
            soft[y + 1, x + 1] = np.float32(evidence[y, x] > 0)
            ahead[y + 1, x + 1] = soft[y + 1, x + 1]
    for first in range(0, iterations, _AT_ONCE):
        steps = min(_AT_ONCE, iterations - first)
        # A step may work on a row as soon as the step before has left the row below: the front
        # moves down, each step two rows behind the one before, and what they share stays in
        # the cache. The numbers are those of one step after the other.
        for front in range(1, height + 1 + 2 * (steps - 1)):
            for step in range(steps):
                y = front - 2 * step
                if 1 <= y <= height:
                    _row(y, evidence, costs, soft, ahead, duals)
    return soft[1:-1, 1:-1].copy()


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _row(y, evidence, costs, soft, ahead, duals):  # type: ignore[no-untyped-def]
    """One step on a row: its four duals, then its soft values."""
    width = evidence.shape[1]
    zero, one = np.float32(0), np.float32(1)
    rise, fall = np.float32(0.5 * _DUAL_STEP), np.float32(0.125 / _DUAL_STEP)
    here, below = ahead[y], ahead[y + 1]
    right, down, slant, back = duals[0, y], duals[1, y], duals[2, y], duals[3, y]
    cap_right, cap_down = costs[0, y - 1], costs[1, y - 1]
    cap_slant, cap_back = costs[2, y - 1], costs[3, y - 1]
    for x in range(1, width + 1):
        cap = cap_right[x - 1]
        right[x] = max(min(right[x] + rise * (here[x + 1] - here[x]), cap), -cap)
    for x in range(1, width + 1):
        cap = cap_down[x - 1]
        down[x] = max(min(down[x] + rise * (below[x] - here[x]), cap), -cap)
    for x in range(1, width + 1):
        cap = cap_slant[x - 1]
        slant[x] = max(min(slant[x] + rise * (below[x + 1] - here[x]), cap), -cap)
    for x in range(1, width + 1):
        cap = cap_back[x - 1]
        back[x] = max(min(back[x] + rise * (below[x - 1] - here[x]), cap), -cap)
    over, over_slant, over_back = duals[1, y - 1], duals[2, y - 1], duals[3, y - 1]
    now, likely = soft[y], evidence[y - 1]
    for x in range(1, width + 1):
        gain = right[x] + down[x] + slant[x] + back[x] + likely[x - 1]
        loss = right[x - 1] + over[x] + over_slant[x - 1] + over_back[x + 1]
        after = min(max(now[x] + fall * (gain - loss), zero), one)
        here[x] = after + after - now[x]
        now[x] = after
