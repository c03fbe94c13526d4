"""How far an answer can be trusted."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.float32]
Bool = npt.NDArray[np.bool_]

# Pixels around a mask within which what looks like the object speaks against it.
_AROUND = 12


def expected_overlap(odds: Plane, inside: Bool, carried: Bool) -> float:
    """A guess at the intersection over union with the truth, 0 to 1, of a mask (h, w) bool.

    What looks like the object inside, over that and the rest of the mask and what looks like
    it close by; less where the mask is not the one that the flow carried here.

    Args:
        odds: (h, w) float32, log-odds from what does not depend on where the object was.
        carried: (h, w) bool, the mask of the frame before, carried along.
    """
    if not inside.any():
        return 0.0
    side = 2 * _AROUND + 1
    close = cv2.dilate(inside.astype(np.uint8), np.ones((side, side), np.uint8)) > 0
    likely = 1 / (1 + np.exp(-odds))
    agreed = float(likely[inside].sum())
    overlap = agreed / (float(inside.sum()) + float(likely[close & ~inside].sum()))
    steady = float((inside & carried).sum()) / float((inside | carried).sum())
    return overlap * float(np.sqrt(steady))
