"""Geometry of masks."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.float32]
Bool = npt.NDArray[np.bool_]


def signed_distance(inside: Bool) -> Plane:
    """Pixels to the nearest boundary, positive inside, (H, W) float32.

    Where there is no boundary (all or nothing inside) the distance is that to far outside
    the picture: the sum of its sides.
    """
    far = np.float32(sum(inside.shape))
    depth = cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, 5)
    height = cv2.distanceTransform((~inside).astype(np.uint8), cv2.DIST_L2, 5)
    distance: Plane = np.minimum(depth, far) - np.minimum(height, far)
    return distance


def keep_connected(inside: Bool, anchor: Bool, least_overlap: float) -> Bool:
    """The connected parts of `inside` that meet `anchor` with at least that share of them."""
    count, part_of, stats, _ = cv2.connectedComponentsWithStats(
        inside.astype(np.uint8), connectivity=8
    )
    anchored = np.bincount(part_of.ravel(), anchor.ravel(), minlength=count)
    kept = (anchored > 0) & (anchored >= least_overlap * stats[:, cv2.CC_STAT_AREA])
    kept[0] = False
    result: Bool = kept[part_of]
    return result


def fill_holes(inside: Bool, open_at: npt.NDArray[np.intp], largest: float) -> Bool:
    """`inside` with its holes closed.

    Args:
        open_at: rows and columns (N, 2) of pixels whose holes stay open.
        largest: share of the area of `inside` above which a hole is meant.
    """
    _, part_of, stats, _ = cv2.connectedComponentsWithStats(
        (~inside).astype(np.uint8), connectivity=4
    )
    closed = stats[:, cv2.CC_STAT_AREA] <= largest * np.count_nonzero(inside)
    for rim in (part_of[0], part_of[-1], part_of[:, 0], part_of[:, -1]):
        closed[rim] = False
    closed[part_of[open_at[:, 0], open_at[:, 1]]] = False
    closed[0] = False
    result: Bool = inside | closed[part_of]
    return result


def share_pixels(masks: Mapping[int, Plane], fixed: Mapping[int, Plane]) -> dict[int, Plane]:
    """Let objects compete, so that no pixel belongs to more than one of them.

    Args:
        masks: (H, W) float32 by object; the highest at a pixel wins (the first one given,
            if equal), and the others share what it leaves.
        fixed: masks that are not changed; `masks` get what they leave.

    Returns:
        `masks` changed so that the sum of all is at most 1 (but for where `fixed` overlap).
    """
    if len(masks) + len(fixed) < 2 or not masks:
        return dict(masks)
    stack = np.stack(list(masks.values()))
    room = np.ones(stack.shape[1:], np.float32)
    for mask in fixed.values():
        room -= mask
    stack = np.minimum(stack, np.maximum(room, 0))
    winner = stack.argmax(axis=0)[None]
    best = np.take_along_axis(stack, winner, axis=0)
    rest = stack.sum(axis=0, keepdims=True) - best
    left = np.maximum(room, 0)[None] - best
    scale = np.where(rest > left, left / np.maximum(rest, 1e-6), 1).astype(np.float32)
    shared = stack * np.maximum(scale, 0)
    np.put_along_axis(shared, winner, best, axis=0)
    return dict(zip(masks, shared, strict=True))
