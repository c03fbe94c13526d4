"""Answers of several passes, and of several objects, as one."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from airoto_server.engines.roles import Picture, Tracked
from airoto_server.ops.geometry import Window
from airoto_server.ops.nonzero import box_of
from airoto_server.sessions.masks import quantised


def blended(
    ahead: Tracked | None,
    back: Tracked | None,
    weight: float,
    shape: tuple[int, ...],
    picture: Picture | None = None,
) -> Tracked:
    """The forward and the backward answer as one, by distance and confidence.

    Where the two disagree, evidence decides, if both have some, and edges of the picture; see
    `reconciling`. Only masks come out, without evidence.

    Args:
        weight: share of the forward answer by distance alone, 0 to 1.
        shape: of the empty mask where there is neither.
        picture: of this frame; None where no pass went forward.
    """
    if ahead is None and back is None:
        return Tracked(np.zeros(shape, np.float32), 1.0)
    if back is None:
        assert ahead is not None
        return Tracked(ahead.mask, ahead.confidence)
    if ahead is None:
        return Tracked(back.mask, back.confidence)
    # Confidence decides together with distance; the small constant keeps two lost passes apart.
    forward = weight * (ahead.confidence + 0.01)
    backward = (1.0 - weight) * (back.confidence + 0.01)
    share = np.float32(forward / (forward + backward))
    if picture is not None and ahead.evidence is not None and back.evidence is not None:
        from airoto_server.engines.reconciling import reconciled

        sixteenths = share * ahead.evidence + (np.float32(1) - share) * back.evidence
        log_odds = np.asarray(sixteenths / 16, np.float32)
        mask = reconciled(ahead.mask, back.mask, float(share), log_odds, picture)
    else:
        mask = share * ahead.mask + (np.float32(1) - share) * back.mask
    return Tracked(
        quantised(mask),
        float(share) * ahead.confidence + (1.0 - float(share)) * back.confidence,
    )


def competing(tracked: dict[int, Tracked]) -> dict[int, Tracked]:
    """The same masks, scaled down where together they would exceed 1.

    Args:
        tracked: masks rounded as `quantised` does.
    """
    masks = {name: one.mask for name, one in tracked.items()}
    boxes = [box_of(mask != 0) for mask in masks.values()]
    shared = Window(0, 0, 0, 0)
    for one, other in combinations(boxes, 2):
        shared = shared.union(one.intersect(other))
    if shared.is_empty:
        return tracked
    high, wide = next(iter(masks.values())).shape
    part = shared.slices(Window.sized(wide, high))
    total = np.sum([mask[part] for mask in masks.values()], axis=0)
    if total.max() <= 1:
        return tracked
    over = np.maximum(total, np.float32(1))
    answer = {}
    for name, own in tracked.items():
        mask = own.mask.copy()
        mask[part] = quantised(mask[part] / over)
        answer[name] = Tracked(mask, own.confidence)
    return answer
