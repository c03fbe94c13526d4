"""Planning of tracker passes, and tracking with an engine whose answers tell their history."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airoto_server.engines.roles import EngineFacts, Mask, Picture, Tracked
from airoto_server.sessions.masks import MaskStore, quantised
from airoto_server.sessions.passes import backward_passes, forward_passes, neighbours
from airoto_server.sessions.track_keys import TrackKeys
from airoto_server.sessions.tracking import GroupTracking, TrackSettings

FRAMES = list(range(1001, 1021))
SHAPE = (2, 2)
# Every step that any tracker takes.
STEPS: list[int] = []
# Every keyframe that any pass is conditioned by, with its objects.
CONDITIONS: list[tuple[int, set[int]]] = []


class HistoryRun:
    """A pass whose masks lose 1/64 per step, so that a value tells where it came from."""

    def __init__(self, object_ids: Sequence[int]) -> None:
        self.ids = set(object_ids)
        self.now: dict[int, float] = {}
        self.last: int | None = None

    def condition(self, frame: int, picture: Picture, masks: Mapping[int, Mask]) -> None:
        assert set(masks) <= self.ids
        assert float(picture[0, 0, 0]) == frame
        assert self.last is None, "what conditions a pass comes before its first step"
        CONDITIONS.append((frame, set(masks)))

    def step(
        self, frame: int, picture: Picture, masks: Mapping[int, Mask] | None = None
    ) -> dict[int, Tracked]:
        assert float(picture[0, 0, 0]) == frame
        assert self.last is None or abs(frame - self.last) == 1
        self.last = frame
        STEPS.append(frame)
        self.now = {name: value - 1 / 64 for name, value in self.now.items()}
        self.now |= {name: float(mask[0, 0]) for name, mask in (masks or {}).items()}
        return {
            name: Tracked(np.full(SHAPE, value, np.float32), 0.5)
            for name, value in self.now.items()
        }

    def memory_bytes(self) -> int:
        return 0

    def close(self) -> None:
        self.now = {}


class HistoryTracker:
    facts = EngineFacts("history", "1", "for tests", "Apache-2.0")

    def device(self) -> str:
        return "cpu"

    def precision(self) -> str:
        return "float32"

    def begin(self, object_ids: Sequence[int], *, seed: int) -> HistoryRun:
        return HistoryRun(object_ids)


class Kept:
    """Answers of an earlier job."""

    def __init__(self, answers: Mapping[int, Mapping[int, Tracked]]) -> None:
        self.answers = {frame: dict(answer) for frame, answer in answers.items()}

    def get(self, frame: int) -> dict[int, Tracked] | None:
        return self.answers.get(frame)

    def put(self, frame: int, answer: Mapping[int, Tracked]) -> None:
        assert frame not in self.answers, "what is kept is not made again"
        self.answers[frame] = dict(answer)


def track(
    folder: Path,
    keys: Mapping[int, Sequence[int]],
    wanted: Sequence[int],
    *,
    whole_shot: bool = False,
    forward: bool = True,
    backward: bool = True,
    values: Mapping[tuple[int, int], float] | None = None,
    kept: Mapping[int, Mapping[int, Tracked]] | None = None,
) -> dict[int, dict[int, float]]:
    keyframes = MaskStore(folder / "keys")
    for frame in {frame for own in keys.values() for frame in own}:
        keyframes.put(
            frame,
            {
                name: Tracked(
                    np.full(SHAPE, (values or {}).get((name, frame), 0.9), np.float32), 1.0
                )
                for name, own in keys.items()
                if frame in own
            },
        )

    def pictures(frames: Sequence[int]) -> Iterator[tuple[int, Picture]]:
        for frame in frames:
            yield frame, np.full((*SHAPE, 3), frame, np.float32)

    held: list[bool] = []

    @contextmanager
    def turn() -> Iterator[None]:
        held.append(True)
        yield
        held.pop()

    group = GroupTracking(
        HistoryTracker(),
        frames=FRAMES,
        keyframes=keyframes,
        keys=keys,
        pictures=pictures,
        turn=turn,
        spill=MaskStore(folder / "spill"),
        settings=TrackSettings(forward, backward, whole_shot, seed=0),
        shape=SHAPE,
        wanted=wanted,
        memory=Kept(kept or {}),
    )
    answers: dict[int, dict[int, float]] = {}
    for frame, answer in group.results():
        assert not held, "the device is held while a caller works on an answer"
        answers[frame] = {name: float(one.mask[0, 0]) for name, one in answer.items()}
    return answers


keyframe_sets = st.dictionaries(
    st.integers(1, 3),
    st.lists(st.sampled_from(FRAMES), min_size=1, max_size=4, unique=True).map(sorted),
    min_size=1,
    max_size=3,
)
wanted_sets = st.lists(st.sampled_from(FRAMES), min_size=1, unique=True).map(sorted)


@given(keys=keyframe_sets, wanted=wanted_sets, whole_shot=st.booleans())
def test_passes_reach_every_object_on_every_wanted_frame(
    keys: dict[int, list[int]], wanted: list[int], whole_shot: bool
) -> None:
    ahead = forward_passes(FRAMES, keys, wanted, whole_shot=whole_shot)
    back = backward_passes(FRAMES, keys, wanted, whole_shot=whole_shot)
    for frame in wanted:
        for own in keys.values():
            around = neighbours(own, frame)
            if around.is_key:
                continue
            if around.before is not None:
                assert sum(frame in one.frames for one in ahead) == 1
            if around.after is not None:
                assert sum(frame in one.frames for one in back) == 1


@settings(max_examples=60, deadline=None)
@given(keys=keyframe_sets, wanted=wanted_sets, whole_shot=st.booleans())
def test_a_part_of_the_shot_gets_the_same_masks_as_the_whole(
    tmp_path_factory: pytest.TempPathFactory,
    keys: dict[int, list[int]],
    wanted: list[int],
    whole_shot: bool,
) -> None:
    whole = track(tmp_path_factory.mktemp("whole"), keys, FRAMES, whole_shot=whole_shot)
    part = track(tmp_path_factory.mktemp("part"), keys, wanted, whole_shot=whole_shot)
    assert part == {frame: whole[frame] for frame in wanted}


def test_a_keyframe_keeps_the_mask_that_was_given(tmp_path: Path) -> None:
    masks = track(tmp_path, {1: [1005]}, FRAMES)
    assert masks[1005][1] == pytest.approx(0.9, abs=1e-4)


def test_one_keyframe_reaches_both_ends_of_the_shot(tmp_path: Path) -> None:
    masks = track(tmp_path, {1: [1005]}, FRAMES)
    assert masks[1001][1] == pytest.approx(0.9 - 4 / 64, abs=1e-3)
    assert masks[1020][1] == pytest.approx(0.9 - 15 / 64, abs=1e-3)


def test_forward_only_leaves_frames_before_the_first_keyframe_empty(tmp_path: Path) -> None:
    masks = track(tmp_path, {1: [1005]}, FRAMES, backward=False)
    assert masks[1004][1] == 0.0
    assert masks[1006][1] > 0.8


def test_between_keyframes_both_ways_are_blended_by_distance(tmp_path: Path) -> None:
    values = {(1, 1001): 0.9, (1, 1011): 0.5}
    masks = track(tmp_path, {1: [1001, 1011]}, FRAMES, values=values)
    forward, backward = 0.9 - 2 / 64, 0.5 - 8 / 64
    assert masks[1003][1] == pytest.approx(0.8 * forward + 0.2 * backward, abs=1e-3)


def test_a_correction_changes_only_frames_between_its_neighbouring_keyframes(
    tmp_path: Path,
) -> None:
    keys = {1: [1003, 1009, 1015]}
    before = track(tmp_path / "a", keys, FRAMES)
    after = track(tmp_path / "b", keys, FRAMES, values={(1, 1009): 0.6})
    changed = [frame for frame in FRAMES if before[frame] != after[frame]]
    assert changed == list(range(1004, 1015))


def test_an_object_without_a_prompt_on_a_keyframe_is_carried_across_it(tmp_path: Path) -> None:
    values = {(1, 1001): 0.4, (1, 1010): 0.4, (2, 1001): 0.5}
    masks = track(tmp_path, {1: [1001, 1010], 2: [1001]}, FRAMES, values=values)
    assert masks[1012][2] == pytest.approx(0.5 - 11 / 64, abs=1e-3)
    assert masks[1012][1] == pytest.approx(0.4 - 2 / 64, abs=1e-3)


@pytest.mark.parametrize(
    ("backward", "conditions"),
    [
        # From 1003; from 1005, across which object 3 is carried; from 1010, object 1.
        (False, [(1005, {1}), (1003, {3}), (1010, {2, 3}), (1005, {1})]),
        # From 1010; from 1005, object 3; from 1003, object 2.
        (True, [(1005, {2}), (1010, {3}), (1003, {1, 3}), (1005, {2})]),
    ],
)
def test_a_carried_object_is_known_by_its_own_last_keyframe(
    tmp_path: Path, backward: bool, conditions: list[tuple[int, set[int]]]
) -> None:
    # Objects that are drawn where a pass begins know nothing of what lies behind it.
    keys = {1: [1003, 1005], 2: [1005, 1010], 3: [1003, 1010]}
    CONDITIONS.clear()
    track(tmp_path, keys, FRAMES, forward=not backward, backward=backward)
    assert conditions == CONDITIONS


def test_objects_that_overlap_share_pixels(tmp_path: Path) -> None:
    masks = track(tmp_path, {1: [1001], 2: [1001]}, FRAMES)
    assert all(sum(answer.values()) <= 1.0 + 1e-4 for answer in masks.values())


@given(st.lists(st.floats(0, 1, width=32), min_size=4, max_size=4), st.floats(0, 1))
def test_a_stored_mask_comes_back_as_quantised(
    tmp_path_factory: pytest.TempPathFactory, values: list[float], confidence: float
) -> None:
    store = MaskStore(tmp_path_factory.mktemp("store"))
    mask = np.array(values, np.float32).reshape(2, 2)
    store.put(7, {3: Tracked(mask, confidence)})
    found = store.get(7)
    assert np.array_equal(found[3].mask, quantised(mask))
    assert found[3].confidence == confidence
    assert np.array_equal(quantised(found[3].mask), found[3].mask)


def test_evidence_is_stored_beside_the_mask_of_its_object(tmp_path: Path) -> None:
    store = MaskStore(tmp_path)
    mask = np.full((4, 6), 0.5, np.float32)
    evidence = np.arange(-3, 3, dtype=np.int8).reshape(2, 3)
    store.put(7, {1: Tracked(mask, 0.5), 2: Tracked(mask, 0.25, evidence), 3: Tracked(mask, 1.0)})
    found = store.get(7)
    assert [one.confidence for one in found.values()] == [0.5, 0.25, 1.0]
    assert found[1].evidence is None
    assert found[3].evidence is None
    assert found[2].evidence is not None
    np.testing.assert_array_equal(found[2].evidence, evidence)


def test_a_frame_that_was_not_stored_is_a_key_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        MaskStore(tmp_path).get(1)


@given(
    keys=keyframe_sets,
    wanted=wanted_sets,
    whole_shot=st.booleans(),
    keep=st.sets(st.sampled_from(FRAMES)),
)
@settings(max_examples=60)
def test_what_is_kept_is_not_tracked_again_and_the_rest_stays_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    keys: dict[int, list[int]],
    wanted: list[int],
    whole_shot: bool,
    keep: set[int],
) -> None:
    folder = tmp_path_factory.mktemp("kept")
    STEPS.clear()
    whole = track(folder / "a", keys, wanted, whole_shot=whole_shot)
    first = len(STEPS)
    kept = {
        frame: {
            name: Tracked(np.full(SHAPE, value, np.float32), 0.5) for name, value in answer.items()
        }
        for frame, answer in whole.items()
        if frame in keep
    }
    STEPS.clear()
    again = track(folder / "b", keys, wanted, whole_shot=whole_shot, kept=kept)
    assert again == whole
    assert len(STEPS) <= first
    if keep >= set(wanted):
        assert not STEPS


def test_after_a_break_only_what_is_missing_is_tracked(tmp_path: Path) -> None:
    keys = {1: [1001, 1008, 1016]}
    kept = {frame: {1: Tracked(np.zeros(SHAPE, np.float32), 1.0)} for frame in range(1001, 1011)}
    STEPS.clear()
    track(tmp_path, keys, FRAMES, kept=kept)
    # Both ways from the keyframes around the first missing frame; backward no further than it.
    assert sorted(STEPS) == sorted([*range(1008, 1016), *range(1011, 1017), *range(1016, 1021)])


def chain(
    keys: Mapping[int, Sequence[int]],
    pictures: Mapping[int, str],
    masks: Mapping[tuple[int, int], str],
    settings: TrackSettings,
) -> dict[int, str]:
    made = TrackKeys(
        ("history", "1"),
        frames=FRAMES,
        keys=keys,
        settings=settings,
        picture=lambda frame: pictures.get(frame, f"picture {frame}"),
        keyframe=lambda name, frame: masks.get((name, frame), f"mask {name} {frame}"),
    )
    return {frame: made.of(frame) for frame in FRAMES}


@given(
    keys=keyframe_sets,
    whole_shot=st.booleans(),
    forward=st.booleans(),
    backward=st.booleans(),
    data=st.data(),
)
@settings(max_examples=80)
def test_a_frame_keeps_its_key_only_where_its_answer_stays_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    keys: dict[int, list[int]],
    whole_shot: bool,
    forward: bool,
    backward: bool,
    data: st.DataObject,
) -> None:
    """Another mask on a keyframe, one keyframe more, or one less."""
    name = data.draw(st.sampled_from(sorted(keys)))
    own = keys[name]
    kind = data.draw(st.sampled_from(["value", "add", "remove"]))
    changed, values = dict(keys), {}
    if kind == "value":
        values = {(name, data.draw(st.sampled_from(own))): 0.5}
    elif kind == "add":
        changed[name] = sorted({*own, data.draw(st.sampled_from(FRAMES))})
    elif len(own) > 1:
        changed[name] = [key for key in own if key != data.draw(st.sampled_from(own))] or own
    options = TrackSettings(forward, backward, whole_shot, seed=0)
    before = chain(keys, {}, {}, options)
    after = chain(changed, {}, dict.fromkeys(values, "another"), options)
    folder = tmp_path_factory.mktemp("chain")
    ways = {"whole_shot": whole_shot, "forward": forward, "backward": backward}
    old = track(folder / "old", keys, FRAMES, **ways)
    new = track(folder / "new", changed, FRAMES, values=values, **ways)
    for frame in FRAMES:
        if before[frame] == after[frame]:
            assert old[frame] == new[frame], frame


@given(
    own=st.lists(st.sampled_from(FRAMES), min_size=1, max_size=5, unique=True).map(sorted),
    frame=st.sampled_from(FRAMES),
)
def test_in_memory_mode_segment_a_correction_or_pixel_reaches_its_neighbours_and_no_further(
    own: list[int], frame: int
) -> None:
    options = TrackSettings(True, True, False, seed=0)
    before = chain({1: own}, {}, {}, options)
    around = neighbours(own, frame)
    first, last = around.before or FRAMES[0], around.after or FRAMES[-1]
    pixel = chain({1: own}, {frame: "another"}, {}, options)
    mask = chain({1: sorted({*own, frame})}, {}, {(1, frame): "another"}, options)
    for at in FRAMES:
        if around.is_key:
            continue
        reached = first < at < last or (at == first and around.before is None)
        reached = reached or (at == last and around.after is None)
        assert (before[at] != mask[at]) == reached, at
        assert (before[at] != pixel[at]) <= reached, at
    if not around.is_key:
        assert before[frame] != pixel[frame]


def test_another_engine_seed_or_direction_is_another_key() -> None:
    keys = {1: [1001, 1010]}
    made = {
        chain(keys, {}, {}, TrackSettings(forward, backward, whole, seed))[1005]
        for forward, backward, whole, seed in (
            (True, True, False, 0),
            (True, False, False, 0),
            (False, True, False, 0),
            (True, True, True, 0),
            (True, True, False, 1),
        )
    }
    assert len(made) == 5
