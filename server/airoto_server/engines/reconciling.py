"""Two passes of any tracker that tells its evidence, where they disagree.

The evidence and edges of the picture decide, with the classic tracker's cut.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from airoto_server.engines.classic import track_cut
from airoto_server.engines.classic.resizing import enlarge_mask, shrink
from airoto_server.engines.classic.track_frame import lab_of
from airoto_server.engines.classic.track_object import region_of
from airoto_server.engines.roles import Mask, Picture

Plane = npt.NDArray[np.float32]
Bool = npt.NDArray[np.bool_]

# How sure distance from a keyframe may be, as a probability away from 0 and 1.
_LEAST = 0.0025
# Pixels around a disagreement that the boundary may lean on.
_AROUND = 8
# Pixels beyond a disagreement to which both masks' soft edges reach.
_RIM = 4


def reconciled(ahead: Mask, back: Mask, share: float, log_odds: Plane, picture: Picture) -> Mask:
    """The blend (H, W) of two masks, decided where they disagree.

    By Bayes' rule: the blend is the probability of each pixel before evidence is looked at, and a
    boundary is found that is short and along edges. What both masks say stays.

    Args:
        ahead, back: (H, W) float32, 0 to 1.
        share: of the first, 0 to 1.
        log_odds: (h, w) float32, evidence of both, object over surroundings.
        picture: (H, W, 3) float32, display-referred.
    """
    blend: Mask = np.float32(share) * ahead + np.float32(1 - share) * back
    shape = (log_odds.shape[0], log_odds.shape[1])
    apart = (shrink(ahead, shape) > 0.5) != (shrink(back, shape) > 0.5)
    if not apart.any():
        return blend
    before = shrink(blend, shape)
    region = region_of(_grown(apart, _AROUND))
    likely = np.clip(before[region], _LEAST, 1 - _LEAST)
    odds = np.log(likely / (1 - likely)) + log_odds[region] * apart[region]
    strength = track_cut.STRENGTH * track_cut.share_for(float(before.sum()))
    costs = track_cut.edge_costs(lab_of(shrink(picture, shape)), strength)
    soft = track_cut.solve(odds, costs[:, *region], track_cut.ITERATIONS)
    inside = before > 0.5
    inside[region] = np.where(apart[region], soft > 0.5, inside[region])
    full = (blend.shape[0], blend.shape[1])
    there = enlarge_mask(_grown(apart, _RIM), full, track_cut.BLUR)
    return blend + there * (enlarge_mask(inside, full, track_cut.BLUR) - blend)


def _grown(where: Bool, pixels: int) -> Bool:
    side = 2 * pixels + 1
    return cv2.dilate(where.astype(np.uint8), np.ones((side, side), np.uint8)) > 0
