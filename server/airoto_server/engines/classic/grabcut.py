"""GrabCut on a region of interest, seeded and repeatable."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from airoto_server.ops.seeds import opencv_seeded

Labels = npt.NDArray[np.uint8]

BACKGROUND, FOREGROUND = cv2.GC_BGD, cv2.GC_FGD
MAYBE_BACKGROUND, MAYBE_FOREGROUND = cv2.GC_PR_BGD, cv2.GC_PR_FGD

# GrabCut fits five colour components per side and fails on fewer examples.
_FEWEST = 16


def refine(
    picture: npt.NDArray[np.uint8], labels: Labels, *, iterations: int, seed: int
) -> npt.NDArray[np.bool_]:
    """The object (H, W) bool by iterated graph cuts (Rother et al., SIGGRAPH 2004).

    Args:
        picture: (H, W, 3) uint8.
        labels: (H, W) uint8 of the four constants above. The cut is computed only inside
            the bounding box of what is not sure background, with a margin around it.
        iterations: rounds of fitting colours and cutting.
        seed: of OpenCV's k-means, on the calling thread.
    """
    inside = np.isin(labels, (FOREGROUND, MAYBE_FOREGROUND))
    rows, columns = _region(labels != BACKGROUND)
    region = labels[rows, columns].copy()
    wanted = inside[rows, columns]
    if wanted.sum() < _FEWEST or wanted.size - wanted.sum() < _FEWEST:
        return inside
    opencv_seeded(seed)
    cv2.grabCut(
        np.ascontiguousarray(picture[rows, columns]),
        region,
        (0, 0, 0, 0),  # a box; not looked at in this mode
        np.zeros((1, 65)),
        np.zeros((1, 65)),
        iterations,
        cv2.GC_INIT_WITH_MASK,
    )
    cut = np.zeros(labels.shape, np.bool_)
    cut[rows, columns] = (region == FOREGROUND) | (region == MAYBE_FOREGROUND)
    return cut


def _region(active: npt.NDArray[np.bool_]) -> tuple[slice, slice]:
    """Bounding box of `active`, widened by a fifth so that background colours are in it."""
    spans = []
    for axis in (1, 0):
        hits = np.flatnonzero(active.any(axis=axis))
        if hits.size == 0:
            return slice(0, 0), slice(0, 0)
        first, last = int(hits[0]), int(hits[-1]) + 1
        margin = 4 + (last - first) // 5
        spans.append(slice(max(0, first - margin), min(active.shape[1 - axis], last + margin)))
    return spans[0], spans[1]
