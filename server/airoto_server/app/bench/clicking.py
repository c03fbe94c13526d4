"""Segmenters against masks: how many simulated clicks a good mask takes.

Number of clicks as in interactive segmentation (Xu et al., Deep Interactive Object Selection,
CVPR 2016; DAVIS's interactive track): each click goes to the centre of the largest error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from airoto_server.app.bench.clips import Bool, Clip, at_working_size, mask_at
from airoto_server.engines.roles import Candidate, Prompts, Segmenter
from airoto_server.ops.score import iou
from airoto_server.ops.stages import clocked, stage

GOAL = 0.90
MOST_CLICKS = 20
_HALF = 0.5


@dataclass(frozen=True)
class Clicked:
    """A segmenter on one object of one frame.

    Attributes:
        ious: after each click, of the best scored candidate; the clicks stop at the goal.
        best_of_first: the best IoU among the first click's candidates.
        box: IoU from the object's box alone.
        seconds: by stage: `embed`, `first click`, `next clicks`, `box`.
        next_clicks: how many of them there were.
        worst: the mask after the first click and the truth.
    """

    clip: str
    frame: int
    number: int
    ious: tuple[float, ...]
    best_of_first: float
    box: float
    seconds: Mapping[str, float]
    next_clicks: int
    worst: tuple[Bool, Bool]

    @property
    def clicks(self) -> int:
        """To the goal; the most there may be, where it is not reached."""
        return len(self.ious) if self.reached else MOST_CLICKS

    @property
    def reached(self) -> bool:
        """Whether the goal was reached."""
        return self.ious[-1] >= GOAL

    def after(self, clicks: int) -> float:
        """IoU after so many clicks, or fewer where the goal was reached before."""
        return self.ious[min(clicks, len(self.ious)) - 1]


def next_click(mask: Bool, truth: Bool) -> tuple[float, float, bool] | None:
    """Where a person would click: x, y in pixels (centres at .5), and whether on the object.

    The pixel furthest inside the largest connected error; None where there is none.
    """
    best_size, place, wanted = 0, (0, 0), False
    for error, on_object in ((truth & ~mask, True), (mask & ~truth, False)):
        count, parts, stats, _ = cv2.connectedComponentsWithStats(error.astype(np.uint8))
        if count < 2:
            continue
        largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
        size = int(stats[largest, cv2.CC_STAT_AREA])
        if size > best_size:
            inside = np.pad((parts == largest).astype(np.uint8), 1)
            depth = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
            row, column = np.unravel_index(int(np.argmax(depth)), depth.shape)
            best_size, place, wanted = size, (int(row), int(column)), on_object
    return (place[1] + 0.5, place[0] + 0.5, wanted) if best_size else None


def click_through(
    segmenter: Segmenter, clip: Clip, frame: int, number: int, *, seed: int = 0
) -> Clicked:
    """Segment an object by simulated clicks until its mask is good, and once by its box."""
    picture = at_working_size(clip.picture(frame), segmenter.facts.working_size)
    truth = clip.truth(frame, number)
    scale = picture.shape[1] / truth.shape[1], picture.shape[0] / truth.shape[0]
    points: list[tuple[float, float]] = []
    labels: list[bool] = []

    def mask_of(candidate: Candidate) -> Bool:
        return np.asarray(mask_at(candidate.mask, truth.shape) > _HALF)

    ious: list[float] = []
    mask = np.zeros_like(truth)
    first, best_of_first = mask, 0.0
    with clocked() as clock:
        with stage("embed"):
            embedding = segmenter.embed(picture, seed=seed)
        while len(ious) < MOST_CLICKS and (not ious or ious[-1] < GOAL):
            click = next_click(mask, truth)
            if click is None:
                break
            points.append((click[0] * scale[0], click[1] * scale[1]))
            labels.append(click[2])
            prompts = Prompts(np.asarray(points, np.float32), np.asarray(labels, np.bool_))
            with stage("next clicks" if ious else "first click"):
                candidates = segmenter.segment(embedding, prompts, seed=seed)
            mask = mask_of(candidates[0])
            if not ious:
                first = mask
                best_of_first = max(iou(mask_of(one), truth) for one in candidates)
            ious.append(iou(mask, truth))
        with stage("box"):
            boxed = segmenter.segment(embedding, Prompts(box=_box(truth, scale)), seed=seed)
    return Clicked(
        clip.name,
        frame,
        number,
        tuple(ious),
        best_of_first,
        iou(mask_of(boxed[0]), truth),
        dict(clock.seconds),
        len(ious) - 1,
        (first, truth),
    )


def frames_to_click(clip: Clip, number: int, count: int) -> list[int]:
    """`count` annotated frames that show an object, evenly spread, its first one among them."""
    seen = [frame for frame in sorted(clip.masks) if clip.truth(frame, number).any()]
    chosen = np.linspace(0, len(seen) - 1, max(1, min(count, len(seen))))
    return [seen[int(at)] for at in chosen]


def _box(truth: Bool, scale: tuple[float, float]) -> tuple[float, float, float, float]:
    rows, columns = np.flatnonzero(truth.any(axis=1)), np.flatnonzero(truth.any(axis=0))
    return (
        float(columns[0]) * scale[0],
        float(rows[0]) * scale[1],
        float(columns[-1] + 1) * scale[0],
        float(rows[-1] + 1) * scale[1],
    )
