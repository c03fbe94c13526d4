"""Two passes as one answer."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from airoto_server.engines.roles import Tracked
from airoto_server.sessions.blending import blended

from ..engines.scenes import Mask, disc, iou, texture

SHAPE = (96, 128)
# The object, and what the two passes make of it: a part of it, and too much.
TRUTH = disc(SHAPE, (64, 48), 24)
RIGHT_HALF, LEFT_HALF = TRUTH.copy(), TRUTH.copy()
RIGHT_HALF[:, :64] = 0
LEFT_HALF[:, 64:] = 0
BESIDE = disc(SHAPE, (104, 48), 12)
LOOKS = np.where(TRUTH > 0.5, 48, -48).astype(np.int8)[::2, ::2]
PICTURE = np.where(
    TRUTH[..., None] > 0.5,
    texture(SHAPE, (0.7, 0.3, 0.2), 1),
    texture(SHAPE, (0.3, 0.5, 0.4), 2),
).astype(np.float32)


def both(forward: Mask, backward: Mask, *, evidence: bool = True, weight: float = 0.5) -> Tracked:
    looks = LOOKS if evidence else None
    return blended(
        Tracked(forward, 0.5, looks), Tracked(backward, 0.5, looks), weight, SHAPE, PICTURE
    )


def test_distance_and_confidence_share_the_answer_where_there_is_no_evidence() -> None:
    answer = both(TRUTH, RIGHT_HALF, evidence=False, weight=0.75)
    assert answer.mask[48, 50] == pytest.approx(0.75, abs=1e-4)
    assert answer.mask[48, 80] == 1.0
    assert answer.confidence == pytest.approx(0.5)


def test_where_passes_disagree_evidence_decides() -> None:
    answer = both(np.maximum(RIGHT_HALF, BESIDE), LEFT_HALF)
    assert iou(answer.mask, TRUTH) > 0.95


def test_no_trace_is_left_of_what_was_decided_against() -> None:
    soft = [cv2.GaussianBlur(mask, (0, 0), 1.5) for mask in (np.maximum(TRUTH, BESIDE), TRUTH)]
    answer = both(*soft).mask
    assert answer[:, 95:].max() < 0.02
    filled = both(cv2.GaussianBlur(RIGHT_HALF, (0, 0), 1.5), soft[1]).mask
    assert filled[48, 50:80].min() > 0.98


def test_what_both_passes_say_stays_whatever_evidence_says() -> None:
    answer = both(BESIDE, np.maximum(BESIDE, LEFT_HALF)).mask
    assert iou(answer[:, 85:], BESIDE[:, 85:]) > 0.95, "both say that there is something"
    assert iou(answer[:, :64], LEFT_HALF[:, :64]) > 0.9
    assert not (answer[:, 67:85] > 0.5).any(), "both say that there is nothing"
    same = both(BESIDE, BESIDE)
    np.testing.assert_allclose(same.mask, BESIDE, atol=1e-4)


def test_close_to_a_keyframe_its_pass_is_believed() -> None:
    wrong, right = np.maximum(TRUTH, BESIDE), TRUTH
    assert iou(both(wrong, right, weight=0.5).mask, right) > 0.95
    assert iou(both(wrong, right, weight=0.999).mask, wrong) > 0.95


@pytest.mark.parametrize("lacking", ["forward", "backward", "picture"])
def test_where_something_is_missing_distance_decides_alone(lacking: str) -> None:
    answer = blended(
        Tracked(TRUTH, 0.5, None if lacking == "forward" else LOOKS),
        Tracked(BESIDE, 0.5, None if lacking == "backward" else LOOKS),
        0.75,
        SHAPE,
        None if lacking == "picture" else PICTURE,
    )
    np.testing.assert_allclose(answer.mask, 0.75 * TRUTH + 0.25 * BESIDE, atol=1e-4)


@pytest.mark.parametrize("way", ["ahead", "back", "both"])
def test_no_evidence_is_given_on(way: str) -> None:
    known = Tracked(TRUTH, 0.5, LOOKS)
    ahead, back = known if way != "back" else None, known if way != "ahead" else None
    answer = blended(ahead, back, 0.5, SHAPE, PICTURE)
    assert answer.evidence is None
    assert iou(answer.mask, TRUTH) > 0.95
