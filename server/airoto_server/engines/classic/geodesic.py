"""Distances that grow where they cross colour edges."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.csgraph import dijkstra

# Pixels that one unit of colour difference in Lab is worth.
_EDGE_COST = 3.0


def neighbour_graph(lab: npt.NDArray[np.float32]) -> sparse.csr_matrix:
    """8-connected graph over the pixels of (H, W, 3) Lab; lengths in pixels."""
    height, width = lab.shape[:2]
    index = np.arange(height * width, dtype=np.int32).reshape(height, width)
    first, second, length = [], [], []
    for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
        here = slice(0, height - dy), slice(max(0, -dx), width - max(0, dx))
        there = slice(dy, height), slice(max(0, dx), width - max(0, -dx))
        difference = np.linalg.norm(lab[here] - lab[there], axis=2)
        first.append(index[here].ravel())
        second.append(index[there].ravel())
        length.append((np.hypot(dy, dx) + _EDGE_COST * difference).ravel())
    ends = np.concatenate(first), np.concatenate(second)
    return sparse.csr_matrix((np.concatenate(length), ends), shape=(height * width, height * width))


def distance_from(
    graph: sparse.csr_matrix,
    pixels: npt.NDArray[np.intp],
    shape: tuple[int, int],
) -> npt.NDArray[np.float64]:
    """Shortest way (H, W) from any of the rows and columns (N, 2); infinite from none."""
    if len(pixels) == 0:
        return np.full(shape, np.inf)
    sources = np.unique(pixels[:, 0] * shape[1] + pixels[:, 1])
    distances: npt.NDArray[np.float64] = dijkstra(
        graph, directed=False, indices=sources, min_only=True
    ).reshape(shape)
    return distances
