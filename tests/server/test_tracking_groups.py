"""Objects that the classic tracker follows together, each with keyframes of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from airoto_server.engines.classic_tracker_full import ClassicTracker
from airoto_server.engines.roles import Tracked
from airoto_server.ops.parallel import limit_libraries
from airoto_server.sessions.masks import MaskStore
from airoto_server.sessions.tracking import GroupTracking, TrackSettings

from ..engines.scenes import Mask, Picture, disc, iou, texture

SHAPE = (120, 160)
LAST = 33
# Where the red disc is hidden as a whole.
HIDDEN = 17


@pytest.fixture(scope="module", autouse=True)
def _libraries() -> None:
    limit_libraries()


def passing_behind_a_post() -> tuple[list[Picture], dict[int, list[Mask]]]:
    """A red disc (1) goes behind a post and comes out again; a blue one (2) moves below."""
    back = texture(SHAPE, (0.35, 0.45, 0.35), 5)
    post = texture(SHAPE, (0.2, 0.2, 0.22), 7)
    red, blue = texture(SHAPE, (0.7, 0.35, 0.25), 6), texture(SHAPE, (0.3, 0.35, 0.75), 8)
    pictures: list[Picture] = []
    masks: dict[int, list[Mask]] = {1: [], 2: []}
    for frame in range(LAST + 1):
        above, below = disc(SHAPE, (28 + 3 * frame, 38), 14), disc(SHAPE, (40 + frame, 92), 13)
        above[:, 64:98] = 0
        picture = np.where(above[..., None] > 0, np.roll(red, 3 * frame, axis=1), back)
        picture[:64, 64:98] = post[:64, 64:98]
        picture = np.where(below[..., None] > 0, np.roll(blue, frame, axis=1), picture)
        pictures.append(picture.astype(np.float32))
        masks[1].append(above)
        masks[2].append(below)
    return pictures, masks


def tracked(
    folder: Path,
    pictures: Sequence[Picture],
    masks: Mapping[int, Sequence[Mask]],
    keys: Mapping[int, Sequence[int]],
    wanted: Sequence[int],
) -> dict[int, dict[int, Tracked]]:
    drawn = MaskStore(folder / "drawn")
    for frame in {frame for own in keys.values() for frame in own}:
        given = {name: masks[name][frame] for name, own in keys.items() if frame in own}
        drawn.put(frame, {name: Tracked(mask, 1.0) for name, mask in given.items()})

    def in_turn(frames: Sequence[int]) -> Iterator[tuple[int, Picture]]:
        for frame in frames:
            yield frame, pictures[frame]

    group = GroupTracking(
        ClassicTracker(),
        frames=range(len(pictures)),
        keyframes=drawn,
        keys=keys,
        pictures=in_turn,
        turn=nullcontext,
        spill=MaskStore(folder / "spill"),
        settings=TrackSettings(forward=True, backward=False, whole_shot=False, seed=0),
        shape=SHAPE,
        wanted=wanted,
    )
    return dict(group.results())


def test_correcting_one_object_does_not_lose_another_that_is_hidden(tmp_path: Path) -> None:
    pictures, masks = passing_behind_a_post()
    assert not masks[1][HIDDEN].any()
    plain = tracked(tmp_path / "a", pictures, masks, {1: [0], 2: [0]}, [LAST])
    keys = {1: [0], 2: [0, HIDDEN]}
    after = tracked(tmp_path / "b", pictures, masks, keys, range(LAST + 1))
    assert iou(plain[LAST][1].mask, masks[1][LAST]) > 0.8
    assert iou(after[LAST][1].mask, masks[1][LAST]) > 0.8
    assert iou(after[LAST][2].mask, masks[2][LAST]) > 0.8
    # Made alone, as on a farm, a frame is the same to the bit.
    alone = tracked(tmp_path / "c", pictures, masks, keys, [LAST])
    for name, one in alone[LAST].items():
        np.testing.assert_array_equal(one.mask, after[LAST][name].mask)
        assert one.confidence == after[LAST][name].confidence
