"""What every tracker must do."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from airoto.errors import EngineError
from airoto_server.engines.registry import Role
from airoto_server.engines.roles import Tracked, Tracker, TrackRun

from .factories import Case, cases
from .scenes import Mask, Picture, disc, iou, moving_disc, texture

TRACKERS = cases(Role.TRACKER)
SHAPE = (96, 128)


@pytest.fixture(params=TRACKERS, ids=[case.name for case in TRACKERS])
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


@pytest.fixture
def engine(case: Case) -> Tracker:
    made = case.make()
    assert isinstance(made, Tracker)
    return made


def follow(
    engine: Tracker,
    pictures: list[Picture],
    keyframes: Mapping[int, Mapping[int, Mask]],
    *,
    backwards: bool = False,
    seed: int = 1,
) -> list[dict[int, Tracked]]:
    """One pass over all pictures; answers in the order of frames."""
    numbers = sorted({number for masks in keyframes.values() for number in masks})
    run = engine.begin(numbers, seed=seed)
    order = range(len(pictures))
    answers: dict[int, dict[int, Tracked]] = {}
    for frame in reversed(order) if backwards else order:
        answers[frame] = run.step(frame, pictures[frame], keyframes.get(frame))
    run.close()
    return [answers[frame] for frame in order]


def assert_well_formed(answer: Mapping[int, Tracked], shape: tuple[int, int]) -> None:
    for tracked in answer.values():
        assert tracked.mask.shape == shape
        assert tracked.mask.dtype == np.float32
        assert tracked.mask.min() >= 0
        assert tracked.mask.max() <= 1
        assert 0 <= tracked.confidence <= 1
        if tracked.evidence is not None:
            assert tracked.evidence.ndim == 2
            assert tracked.evidence.dtype == np.int8
    if answer:
        assert sum(tracked.mask for tracked in answer.values()).max() <= 1 + 1e-5


def test_every_frame_is_answered_with_one_mask_per_object(engine: Tracker) -> None:
    pictures, masks = moving_disc(4)
    answers = follow(engine, pictures, {0: {7: masks[0]}})
    for answer in answers:
        assert list(answer) == [7]
        assert_well_formed(answer, SHAPE)


def test_a_keyframe_is_answered_with_its_own_mask(engine: Tracker) -> None:
    pictures, masks = moving_disc(4)
    drawn = disc(SHAPE, (44, 50), 9) * np.float32(0.75)
    answers = follow(engine, pictures, {0: {1: masks[0]}, 2: {1: drawn}})
    np.testing.assert_array_equal(answers[0][1].mask, masks[0])
    np.testing.assert_array_equal(answers[2][1].mask, drawn)


def test_objects_begin_with_their_first_mask_and_compete(engine: Tracker) -> None:
    pictures, masks = moving_disc(5)
    other = disc(SHAPE, (52, 50), 14)
    other[masks[2] > 0] = 0
    answers = follow(engine, pictures, {0: {1: masks[0]}, 2: {2: other}})
    assert [sorted(answer) for answer in answers] == [[1], [1], [1, 2], [1, 2], [1, 2]]
    for answer in answers:
        assert_well_formed(answer, SHAPE)


def test_two_passes_give_the_same_bits(engine: Tracker) -> None:
    pictures, masks = moving_disc(4)
    keyframes = {0: {1: masks[0], 2: disc(SHAPE, (100, 20), 10)}}
    first, second = (follow(engine, pictures, keyframes) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        for number, tracked in one.items():
            assert tracked.confidence == other[number].confidence
            np.testing.assert_array_equal(tracked.mask, other[number].mask)


def test_passes_that_interleave_do_not_touch_each_other(engine: Tracker) -> None:
    pictures, masks = moving_disc(3)
    alone = follow(engine, pictures, {0: {1: masks[0]}})
    run, other = (engine.begin([1], seed=1) for _ in range(2))
    for frame, picture in enumerate(pictures):
        answer = run.step(frame, picture, {1: masks[0]} if frame == 0 else None)
        other.step(-frame, picture[::-1].copy(), {1: masks[2]} if frame == 0 else None)
        np.testing.assert_array_equal(answer[1].mask, alone[frame][1].mask)


def test_a_pass_may_go_backwards(engine: Tracker) -> None:
    pictures, masks = moving_disc(4)
    answers = follow(engine, pictures, {3: {1: masks[3]}}, backwards=True)
    assert [list(answer) for answer in answers] == [[1]] * 4
    np.testing.assert_array_equal(answers[3][1].mask, masks[3])


@pytest.mark.parametrize("value", [0, 1])
def test_empty_and_full_keyframes_are_tracked(case: Case, engine: Tracker, value: int) -> None:
    pictures, _ = moving_disc(3)
    mask = np.full(SHAPE, value, np.float32)
    answers = follow(engine, pictures, {0: {1: mask}})
    for answer in answers:
        assert_well_formed(answer, SHAPE)
        if value == 0 and (case.segments or answer is answers[0]):
            assert not (answer[1].mask > 0.5).any()
            assert answer[1].confidence <= 1


@pytest.mark.parametrize("shape", [(8, 8), (1, 40), (40, 1), (1, 1), (3, 200)])
def test_tiny_pictures_are_tracked(engine: Tracker, shape: tuple[int, int]) -> None:
    pictures = [texture(shape, (0.5, 0.4, 0.3), seed) for seed in range(3)]
    mask = np.zeros(shape, np.float32)
    mask[: max(1, shape[0] // 2), : max(1, shape[1] // 2)] = 1
    for answer in follow(engine, pictures, {0: {1: mask}}):
        assert_well_formed(answer, shape)


def test_inputs_are_not_changed_and_may_be_strided(engine: Tracker) -> None:
    pictures, masks = moving_disc(3)
    views = []
    for picture in pictures:
        wide = np.zeros((SHAPE[0], SHAPE[1] * 2, 3), np.float32)
        wide[:, ::2] = picture
        views.append(wide[:, ::2])
    mask = masks[0].copy()
    strided = follow(engine, views, {0: {1: mask}})
    packed = follow(engine, pictures, {0: {1: masks[0]}})
    np.testing.assert_array_equal(mask, masks[0])
    for one, other, view, picture in zip(strided, packed, views, pictures, strict=True):
        np.testing.assert_array_equal(view, picture)
        np.testing.assert_array_equal(one[1].mask, other[1].mask)


def test_answers_belong_to_the_caller(engine: Tracker) -> None:
    pictures, masks = moving_disc(3)
    expected = follow(engine, pictures, {0: {1: masks[0]}})
    run = engine.begin([1], seed=1)
    for frame, picture in enumerate(pictures):
        answer = run.step(frame, picture, {1: masks[0].copy()} if frame == 0 else None)
        np.testing.assert_array_equal(answer[1].mask, expected[frame][1].mask)
        answer[1].mask[:] = 0


def test_memory_does_not_grow_with_the_pass(engine: Tracker) -> None:
    shape = (48, 64)
    pictures, masks = moving_disc(100, shape, start=(20, 24), step=(0.2, 0.0), radius=9)
    run = engine.begin([1], seed=0)
    held = []
    for frame, picture in enumerate(pictures):
        run.step(frame, picture, {1: masks[0]} if frame == 0 else None)
        held.append(run.memory_bytes())
    assert held[0] > 0
    assert max(held[30:]) <= max(held[:30])
    run.close()


def test_many_keyframes_do_not_grow_memory_without_bound(case: Case, engine: Tracker) -> None:
    if case.keeps_keyframes:
        pytest.skip("this engine remembers every keyframe")
    shape = (48, 64)
    pictures, masks = moving_disc(40, shape, start=(20, 24), step=(0.2, 0.0), radius=9)
    run = engine.begin([1], seed=0)
    held = []
    for frame, picture in enumerate(pictures):
        run.step(frame, picture, {1: masks[frame]})
        held.append(run.memory_bytes())
    assert max(held[20:]) <= 1.5 * max(held[:20])
    run.close()


def test_closing_twice_lets_go_of_everything(engine: Tracker) -> None:
    pictures, masks = moving_disc(1)
    run = engine.begin([1], seed=0)
    assert isinstance(run, TrackRun)
    run.step(0, pictures[0], {1: masks[0]})
    before = run.memory_bytes()
    run.close()
    run.close()
    assert run.memory_bytes() < before


def test_wrong_input_is_refused(engine: Tracker) -> None:
    pictures, masks = moving_disc(2)
    run = engine.begin([1], seed=0)
    with pytest.raises(EngineError):
        run.step(0, pictures[0], {2: masks[0]})
    with pytest.raises(EngineError):
        run.step(0, pictures[0], {1: masks[0][:50]})
    run.close()


def test_a_picture_with_nan_is_refused(engine: Tracker) -> None:
    pictures, masks = moving_disc(1)
    broken = pictures[0].copy()
    broken[0, 0, 0] = np.nan
    with pytest.raises(EngineError):
        engine.begin([1], seed=0).step(0, broken, {1: masks[0]})


def test_a_picture_of_another_size_is_refused(engine: Tracker) -> None:
    pictures, masks = moving_disc(2)
    run = engine.begin([1], seed=0)
    run.step(0, pictures[0], {1: masks[0]})
    with pytest.raises(EngineError):
        run.step(1, pictures[1][:, :100])


def test_keyframes_elsewhere_can_be_learnt_from(engine: Tracker) -> None:
    pictures, masks = moving_disc(5)
    run = engine.begin([1], seed=0)
    run.condition(4, pictures[4], {1: masks[4]})
    for frame in range(4):
        answer = run.step(frame, pictures[frame], {1: masks[0]} if frame == 0 else None)
        assert_well_formed(answer, SHAPE)
        assert list(answer) == [1]
    run.close()


def seeing(case: Case) -> None:
    if not case.segments:
        pytest.skip("this engine does not look at the picture")


def test_a_moving_object_is_followed_both_ways(case: Case, engine: Tracker) -> None:
    seeing(case)
    pictures, masks = moving_disc(12)
    forward = follow(engine, pictures, {0: {1: masks[0]}})
    backward = follow(engine, pictures, {11: {1: masks[11]}}, backwards=True)
    for answers in (forward, backward):
        scores = [iou(answer[1].mask, mask) for answer, mask in zip(answers, masks, strict=True)]
        assert min(scores) > 0.85
        assert min(answer[1].confidence for answer in answers) > 0.4


def test_an_object_that_leaves_is_gone_and_tracking_goes_on(case: Case, engine: Tracker) -> None:
    seeing(case)
    pictures, masks = moving_disc(24, start=(100, 48), step=(6, 0))
    answers = follow(engine, pictures, {0: {1: masks[0], 2: disc(SHAPE, (30, 40), 10)}})
    assert masks[12].sum() == 0
    for answer in answers[14:]:
        assert not (answer[1].mask > 0.5).any()
        assert answer[1].confidence < 0.3
        assert (answer[2].mask > 0.5).any()


def test_an_object_that_comes_back_is_found_again(case: Case, engine: Tracker) -> None:
    seeing(case)
    out, out_masks = moving_disc(12, start=(100, 48), step=(6, 0))
    pictures, masks = out + out[::-1], out_masks + out_masks[::-1]
    answers = follow(engine, pictures, {0: {1: masks[0]}})
    assert not (answers[12][1].mask > 0.5).any()
    assert iou(answers[-1][1].mask, masks[-1]) > 0.8


def test_two_objects_of_different_colour_stay_apart(case: Case, engine: Tracker) -> None:
    seeing(case)
    pictures, masks = moving_disc(8, start=(36, 48), step=(2, 0))
    blue = texture(SHAPE, (0.15, 0.2, 0.8), 9)
    other = disc(SHAPE, (88, 50), 16)
    both = [
        np.where((other * (1 - mask))[..., None] > 0, blue, picture).astype(np.float32)
        for picture, mask in zip(pictures, masks, strict=True)
    ]
    answers = follow(engine, both, {0: {1: masks[0], 2: other * (1 - masks[0])}})
    for answer, mask in zip(answers, masks, strict=True):
        assert iou(answer[1].mask, mask) > 0.8
        assert iou(answer[2].mask, other * (1 - mask)) > 0.8
