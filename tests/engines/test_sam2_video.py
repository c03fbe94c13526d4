"""SAM 2's tracker against a plain loop over transformers' model that forgets nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from airoto.errors import EngineError
from airoto_server.engines import sam2_video
from airoto_server.engines.registry import LoadOptions
from airoto_server.engines.roles import Mask, Picture, Tracked, TrackRun
from airoto_server.engines.sam2_config import Sam2Size

from . import neural_checkpoints as neural

HEIGHT, WIDTH = 72, 120
SIZE = (HEIGHT, WIDTH)
TOLERANCE = 1e-4
FIRST = neural.disc(HEIGHT, WIDTH, 40, 30, 18)
SECOND = neural.disc(HEIGHT, WIDTH, 85, 40, 15)
Keyframes = Mapping[int, Mapping[int, Mask]]


def frames(count: int) -> list[Picture]:
    return [neural.picture(HEIGHT, WIDTH, shift=3 * each) for each in range(count)]


def package_logits(
    size: Sam2Size,
    pictures: Mapping[int, Picture],
    order: list[int],
    keyframes: Mapping[int, Mask],
    reverse: bool = False,
) -> dict[int, torch.Tensor]:
    """The package's own loop for one object: logits (1, 1, H, W) per frame, nothing let go."""
    from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

    model = neural.sam2_model(size)
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    deviation = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    side = size.image_size
    session = Sam2VideoInferenceSession(dtype=torch.float32)
    session.obj_id_to_idx(1)
    answer = {}
    for index in order:
        pixels = torch.from_numpy(pictures[index]).permute(2, 0, 1)[None]
        pixels = torch.nn.functional.interpolate(
            pixels, (side, side), mode="bilinear", antialias=True
        )
        if index in keyframes:
            soft = torch.from_numpy(keyframes[index])[None, None]
            soft = torch.nn.functional.interpolate(
                soft, (side, side), mode="bilinear", antialias=True
            )
            session.add_mask_inputs(0, index, (soft >= 0.5).float())
            session.obj_with_new_inputs = [1]
        output = model(session, frame_idx=index, frame=(pixels - mean) / deviation, reverse=reverse)
        answer[index] = torch.nn.functional.interpolate(output.pred_masks, SIZE, mode="bilinear")
    return answer


def alone(logits: torch.Tensor) -> neural.Array:
    """The share of one object's pixels, as the answer has it."""
    return torch.softmax(torch.cat([torch.zeros_like(logits), logits]), 0)[1, 0].numpy()


def track(
    run: TrackRun, pictures: Mapping[int, Picture], order: list[int], keyframes: Keyframes
) -> dict[int, dict[int, Tracked]]:
    return {each: run.step(each, pictures[each], keyframes.get(each)) for each in order}


def by_number(count: int, first: int = 0) -> dict[int, Picture]:
    return {first + each: picture for each, picture in enumerate(frames(count))}


@pytest.mark.parametrize("second", [True, False], ids=["2.1", "2"])
def test_letting_go_changes_no_bit_of_any_mask(tmp_path: Path, second: bool) -> None:
    size = replace(neural.TINY_SAM2, second=second)
    path = neural.write_meta_sam2(tmp_path / "tiny.pt", neural.sam2_model(size))
    engine = sam2_video.build(size, neural.facts(size.name), LoadOptions(checkpoint=path))
    # 24 frames: more than the 7 memories and 16 pointers that are looked at.
    pictures, order = by_number(24), list(range(24))
    keyframes = {0: FIRST, 11: neural.disc(HEIGHT, WIDTH, 70, 30, 18)}
    expected = package_logits(size, pictures, order, keyframes)
    run = engine.begin([1], seed=0)
    found = track(run, pictures, order, {f: {1: m} for f, m in keyframes.items()})
    assert np.std([found[each][1].mask for each in order]) > 0.05
    for each in order:
        wanted = keyframes[each] if each in keyframes else alone(expected[each])
        assert np.array_equal(found[each][1].mask, wanted), each


def test_a_backward_pass_is_the_packages_reverse_tracking() -> None:
    pictures = by_number(20, first=100)
    order = sorted(pictures, reverse=True)
    # The package stops at frame 0, which is far here.
    expected = package_logits(neural.TINY_SAM2, pictures, order, {order[0]: FIRST}, reverse=True)
    run = neural.tiny_sam2_tracker().begin([1], seed=0)
    found = track(run, pictures, order, {order[0]: {1: FIRST}})
    for each in order[1:]:
        assert neural.disagreement(found[each][1].mask, alone(expected[each])) < TOLERANCE


def test_frame_numbers_may_be_negative_and_change_nothing() -> None:
    engine = neural.tiny_sam2_tracker()
    answers = []
    for first in (-5, 0, 1001):
        pictures = by_number(10, first)
        run = engine.begin([1], seed=0)
        answers.append(track(run, pictures, list(pictures), {first: {1: FIRST}})[first + 9][1])
    assert all(np.array_equal(answers[0].mask, each.mask) for each in answers[1:])


MUTANTS: dict[str, Callable[[dict[int, Picture]], dict[int, Picture]]] = {
    "BGR": lambda p: {k: v[..., ::-1] for k, v in p.items()},
    "wrong mean": lambda p: {k: neural.wrong_mean(v) for k, v in p.items()},
    "half a pixel": lambda p: {k: neural.half_pixel(v) for k, v in p.items()},
    "one frame late": lambda p: {k: p[max(k - 1, 0)] for k in p},
}


@pytest.mark.parametrize("mutate", MUTANTS.values(), ids=MUTANTS.keys())
def test_the_comparison_tells_wrong_inputs(
    mutate: Callable[[dict[int, Picture]], dict[int, Picture]],
) -> None:
    pictures, order = by_number(5), list(range(5))
    expected = package_logits(neural.TINY_SAM2, pictures, order, {0: FIRST})
    neural.assert_lively(alone(expected[4]))
    engine = neural.tiny_sam2_tracker()
    right = track(engine.begin([1], seed=0), pictures, order, {0: {1: FIRST}})
    wrong = track(engine.begin([1], seed=0), mutate(pictures), order, {0: {1: FIRST}})
    assert neural.disagreement(right[4][1].mask, alone(expected[4])) < TOLERANCE
    assert neural.disagreement(wrong[4][1].mask, alone(expected[4])) > 10 * TOLERANCE


def test_objects_do_not_change_each_others_logits_and_share_pixels() -> None:
    pictures, order = by_number(8), list(range(8))
    first = package_logits(neural.TINY_SAM2, pictures, order, {0: FIRST})
    second = package_logits(neural.TINY_SAM2, pictures, order[3:], {3: SECOND})
    run = neural.tiny_sam2_tracker().begin([7, 9], seed=0)
    found = track(run, pictures, order, {0: {7: FIRST}, 3: {9: SECOND}})
    assert [sorted(found[each]) for each in (0, 2, 3, 7)] == [[7], [7], [7, 9], [7, 9]]
    for each in order[4:]:
        planes = torch.cat([torch.zeros(1, 1, *SIZE), first[each], second[each]])
        shares = torch.softmax(planes, 0)[1:, 0].numpy()
        for place, name in enumerate((7, 9)):
            assert neural.disagreement(found[each][name].mask, shares[place]) < TOLERANCE
        assert (found[each][7].mask + found[each][9].mask).max() <= 1 + 1e-6
    # On the second one's keyframe the first has what is left.
    assert ((found[3][7].mask + SECOND) <= 1 + 1e-6).all()


def test_the_mask_given_is_the_answer() -> None:
    run = neural.tiny_sam2_tracker().begin([1], seed=0)
    answer = run.step(5, neural.picture(*SIZE), {1: FIRST})
    assert np.array_equal(answer[1].mask, FIRST)
    assert answer[1].confidence == 1.0


def test_nothing_is_answered_before_an_object_begins() -> None:
    run = neural.tiny_sam2_tracker().begin([1], seed=0)
    assert run.step(0, neural.picture(*SIZE)) == {}
    assert sorted(run.step(1, neural.picture(*SIZE), {1: FIRST})) == [1]


def test_a_keyframe_elsewhere_changes_later_frames() -> None:
    pictures, order = by_number(6), list(range(6))
    engine = neural.tiny_sam2_tracker()
    plain = track(engine.begin([1], seed=0), pictures, order, {0: {1: FIRST}})
    run = engine.begin([1], seed=0)
    run.condition(40, neural.picture(HEIGHT, WIDTH, seed=1), {1: SECOND})
    conditioned = track(run, pictures, order, {0: {1: FIRST}})
    assert np.abs(plain[5][1].mask - conditioned[5][1].mask).max() > 0.01
    # The package agrees, given the same keyframes.
    everything = {**pictures, 40: neural.picture(HEIGHT, WIDTH, seed=1)}
    expected = package_logits(neural.TINY_SAM2, everything, [40, *order], {40: SECOND, 0: FIRST})
    assert neural.disagreement(conditioned[5][1].mask, alone(expected[5])) < TOLERANCE


@pytest.mark.parametrize("forward", [True, False])
def test_a_pass_may_begin_beside_its_keyframe(forward: bool) -> None:
    # Directions are known from the second frame on; the first must not suffer.
    pictures = by_number(8, first=20)
    order = sorted(pictures, reverse=not forward)
    keyframe, rest = order[0], order[1:]
    run = neural.tiny_sam2_tracker().begin([1], seed=0)
    run.condition(keyframe, pictures[keyframe], {1: FIRST})
    found = track(run, pictures, rest, {})
    expected = package_logits(
        neural.TINY_SAM2, pictures, order, {keyframe: FIRST}, reverse=not forward
    )
    for each in rest:
        assert neural.disagreement(found[each][1].mask, alone(expected[each])) < TOLERANCE


def test_an_object_that_is_not_there_has_an_empty_mask_and_may_come_back() -> None:
    run = neural.tiny_sam2_tracker().begin([1], seed=0)
    run.step(0, neural.picture(*SIZE), {1: FIRST})
    gone = run.step(1, neural.picture(*SIZE), {1: np.zeros(SIZE, np.float32)})
    assert not gone[1].mask.any()
    back = run.step(2, neural.picture(*SIZE), {1: SECOND})
    assert np.array_equal(back[1].mask, SECOND)
    assert np.isfinite(run.step(3, neural.picture(*SIZE))[1].mask).all()


def test_memory_stops_growing_and_is_counted() -> None:
    run = neural.tiny_sam2_tracker().begin([1, 2], seed=0)
    assert run.memory_bytes() == 0
    sizes = []
    for each in range(60):
        given: dict[int, Mask] | None = {1: FIRST, 2: SECOND} if each == 0 else None
        run.step(each, neural.picture(*SIZE, shift=each), given)
        sizes.append(run.memory_bytes())
    assert sizes[0] > 0
    assert len(set(sizes[16:])) == 1
    # What a frame must leave behind for each object: memory in bfloat16 and a pointer.
    places, channels = 8 * 8, 64
    memories = 2 * 7 * places * channels * 2
    assert memories < sizes[-1] < 3 * memories
    run.close()
    assert run.memory_bytes() == 0


def test_keyframes_alone_make_memory_grow() -> None:
    run = neural.tiny_sam2_tracker().begin([1], seed=0)
    sizes = []
    for each in range(48):
        run.step(each, neural.picture(*SIZE, shift=each), {1: FIRST} if each % 16 == 0 else None)
        sizes.append(run.memory_bytes())
    steps = np.diff([sizes[each] for each in (15, 31, 47)])
    assert steps[0] > 0
    assert steps[0] == steps[1]


def test_what_does_not_fit_a_pass_is_refused() -> None:
    run = neural.tiny_sam2_tracker().begin([1], seed=0)
    picture = neural.picture(*SIZE)
    with pytest.raises(EngineError, match="object 2 was not announced"):
        run.step(0, picture, {2: FIRST})
    with pytest.raises(EngineError, match="mask of object 1 has shape"):
        run.step(1, picture, {1: FIRST[1:]})
    run = neural.tiny_sam2_tracker().begin([1], seed=0)
    run.step(3, picture, {1: FIRST})
    run.step(4, picture)
    with pytest.raises(EngineError, match="goes one way"):
        run.step(3, picture)
    with pytest.raises(EngineError, match="those before it were 120×72"):
        run.step(5, neural.picture(60, 120))


def test_two_passes_of_one_engine_do_not_meet() -> None:
    engine, pictures = neural.tiny_sam2_tracker(), by_number(4)
    lonely = track(engine.begin([1], seed=0), pictures, [0, 1, 2, 3], {0: {1: FIRST}})
    run, other = engine.begin([1], seed=0), engine.begin([1], seed=0)
    for each, picture in pictures.items():
        found = run.step(each, picture, {1: FIRST} if each == 0 else None)
        other.step(each, picture[::-1].copy(), {1: SECOND} if each == 0 else None)
        assert np.array_equal(found[1].mask, lonely[each][1].mask)


def test_every_size_is_listed_as_a_tracker() -> None:
    roles = {spec.role.value for spec in sam2_video.SPECS}
    assert roles == {"tracker"}
    assert len(sam2_video.SPECS) == 8


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "sam2.1-tiny",
        *(neural.large(f"sam2.1-{size}") for size in ("small", "base-plus", "large")),
        *(neural.large(f"sam2-{size}") for size in ("tiny", "small", "base-plus", "large")),
    ],
)
def test_the_true_sizes_agree_with_the_package(tmp_path: Path, name: str) -> None:
    size = neural.sam2_size(name)
    path = neural.write_meta_sam2(tmp_path / f"{name}.pt", neural.sam2_model(size))
    spec = next(spec for spec in sam2_video.SPECS if spec.facts.name == size.name)
    engine: Any = spec.load(LoadOptions(checkpoint=path))
    pictures, order = by_number(3), [0, 1, 2]
    expected = package_logits(size, pictures, order, {0: FIRST})
    neural.assert_lively(alone(expected[2]))
    found = track(engine.begin([1], seed=0), pictures, order, {0: {1: FIRST}})
    for each in order[1:]:
        assert neural.disagreement(found[each][1].mask, alone(expected[each])) < TOLERANCE
