"""Distances that grow where they cross colour edges.

By raster scans to and fro (Toivanen, New geodesic distance transforms for grey-scale images,
Pattern Recognition Letters 1996; Criminisi, Sharp and Blake, GeoS, ECCV 2008): a few of them come
within a percent or so of the shortest ways on most pictures, in a tenth of the time.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.float32]

# Pixels that one unit of colour difference in Lab is worth.
_EDGE_COST = 3.0
# Scans, each the other way round.
_SCANS = 6


def distance_from(lab: npt.NDArray[np.float32], pixels: npt.NDArray[np.intp]) -> Plane:
    """Length (H, W) float32 of the way from any of the rows and columns (N, 2); infinite from none.

    Args:
        lab: (H, W, 3) float32; lengths are in pixels, plus a cost for each change of colour.
    """
    far = np.full(lab.shape[:2], np.inf, np.float32)
    if len(pixels) == 0:
        return far
    far[pixels[:, 0], pixels[:, 1]] = 0
    distance: Plane = _scan(far, np.ascontiguousarray(lab), np.float32(_EDGE_COST), _SCANS)
    return distance


def rim(shape: tuple[int, int]) -> npt.NDArray[np.intp]:
    """Rows and columns (N, 2) of the pixels on the border of a picture of (H, W)."""
    border = np.ones(shape, np.bool_)
    border[1:-1, 1:-1] = False
    return np.argwhere(border)


@numba.njit(cache=True, nogil=True)
def _scan(distance, lab, edge_cost, scans):  # type: ignore[no-untyped-def]
    height, width = distance.shape
    straight, slant = np.float32(1), np.float32(np.sqrt(2))
    for scan in range(scans):
        back = scan % 2 == 1
        before = 1 if back else -1
        for i in range(height):
            y = height - 1 - i if back else i
            for j in range(width):
                x = width - 1 - j if back else j
                best = distance[y, x]
                for k in range(4):
                    # What this scan has been to: one beside, three in the row before.
                    y_there = y if k == 0 else y + before
                    x_there = x + before if k == 0 else x + k - 2
                    if y_there < 0 or y_there >= height or x_there < 0 or x_there >= width:
                        continue
                    light = lab[y, x, 0] - lab[y_there, x_there, 0]
                    a = lab[y, x, 1] - lab[y_there, x_there, 1]
                    b = lab[y, x, 2] - lab[y_there, x_there, 2]
                    step = straight if k == 0 or k == 2 else slant
                    change = np.sqrt(light * light + a * a + b * b)
                    best = min(best, distance[y_there, x_there] + step + edge_cost * change)
                distance[y, x] = best
    return distance
