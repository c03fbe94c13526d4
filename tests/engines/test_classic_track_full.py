"""The classic tracker as a whole; what every tracker must do is in the compliance suite."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from airoto_server.engines.classic.track_frame import Frame
from airoto_server.engines.classic.track_run import ClassicRun
from airoto_server.engines.classic.track_settings import Settings
from airoto_server.engines.classic_tracker_full import SPECS
from airoto_server.engines.registry import LoadOptions, Role
from airoto_server.engines.roles import Tracker
from airoto_server.ops.parallel import limit_libraries

from .scenes import Mask, Picture, disc, iou, moving_disc, texture

SHAPE = (96, 128)
limit_libraries()


def follow(
    pictures: list[Picture],
    keyframes: Mapping[int, Mapping[int, Mask]],
    settings: Settings | None = None,
) -> list[dict[int, tuple[Mask, float]]]:
    numbers = sorted({number for masks in keyframes.values() for number in masks})
    run = ClassicRun(numbers, settings=settings or Settings(), seed=1)
    answers = []
    for frame, picture in enumerate(pictures):
        answer = run.step(frame, picture, keyframes.get(frame))
        answers.append({n: (tracked.mask, tracked.confidence) for n, tracked in answer.items()})
    run.close()
    return answers


def panned(frames: int, pole: slice | None = None) -> tuple[list[Picture], list[Mask]]:
    """A textured disc before a wall that the camera pans along, and perhaps behind a pole."""
    wall = texture((96, 400), (0.35, 0.45, 0.35), 5)
    skin = texture((96, 128), (0.7, 0.35, 0.25), 6)
    pictures, masks = [], []
    for frame in range(frames):
        mask = disc(SHAPE, (50 + frame, 48), 14)
        back = wall[:, 3 * frame : 3 * frame + SHAPE[1]]
        picture = np.where(mask[..., None] > 0, np.roll(skin, frame, axis=1), back)
        if pole is not None:
            picture[:, pole] = 0.15
            mask[:, pole] = 0
        pictures.append(picture.astype(np.float32))
        masks.append(mask)
    return pictures, masks


def crossing(frames: int) -> tuple[list[Picture], list[Mask]]:
    """A disc that touches its like, goes on, and is hidden for some frames."""
    skin = texture(SHAPE, (0.6, 0.42, 0.33), 6)
    back = texture(SHAPE, (0.45, 0.45, 0.35), 5)
    pictures, masks = [], []
    for frame in range(frames):
        mask, like = disc(SHAPE, (30 + 3 * frame, 48), 12), disc(SHAPE, (60, 48), 12)
        hidden = frames // 2 <= frame < frames // 2 + 5
        if hidden:
            mask[:] = 0
        both = np.maximum(mask, like)[..., None] > 0
        pictures.append(np.where(both, np.roll(skin, 3 * frame, axis=1), back).astype(np.float32))
        masks.append(mask)
    return pictures, masks


def test_the_engine_is_offered_as_a_tracker_before_the_simple_one() -> None:
    (spec,) = SPECS
    assert (spec.role, spec.facts.name, spec.rank) == (Role.TRACKER, "classic", 1)
    assert isinstance(spec.load(LoadOptions()), Tracker)


def test_importing_the_engine_loads_nothing_heavy() -> None:
    code = (
        "import sys; import airoto_server.engines.classic_tracker_full;"
        "sys.exit('numba' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# `refine` has no say in a pass.
@pytest.mark.parametrize(
    "switch", [field.name for field in dataclasses.fields(Settings) if field.name != "refine"]
)
def test_every_switch_leaves_something_out_and_the_rest_works(switch: str) -> None:
    pictures, masks = crossing(24)
    less = dataclasses.replace(Settings(), **{switch: False})
    without = follow(pictures, {0: {1: masks[0]}}, less)
    together = follow(pictures, {0: {1: masks[0]}})
    assert iou(without[2][1][0], masks[2]) > 0.5
    pairs = zip(together, without, strict=True)
    assert any(not np.array_equal(a[1][0], b[1][0]) or a[1][1] != b[1][1] for a, b in pairs)


def test_an_object_is_found_again_on_the_other_side_of_a_pole() -> None:
    pictures, masks = panned(50, slice(70, 78))
    answers = follow(pictures, {0: {1: masks[0]}})
    assert iou(answers[-1][1][0], masks[-1]) > 0.7


def test_confidence_falls_while_the_object_is_hidden_and_recovers() -> None:
    pictures, masks = moving_disc(12)
    hidden = [texture(SHAPE, (0.25, 0.45, 0.5), 1)] * 6
    answers = follow(pictures[:6] + hidden + pictures[6:], {0: {1: masks[0]}})
    confidences = [answer[1][1] for answer in answers]
    assert min(confidences[:6]) > 0.6
    assert max(confidences[8:12]) < 0.3
    assert not (answers[11][1][0] > 0.5).any()
    assert confidences[-1] > 0.6
    assert iou(answers[-1][1][0], masks[-1]) > 0.8


def pausing(frames: int, pause: range) -> tuple[list[Picture], list[Mask]]:
    """A textured disc that swings out, stands still for some frames and comes back."""
    wall = texture(SHAPE, (0.35, 0.45, 0.35), 5)
    skin = texture((96, 400), (0.7, 0.35, 0.25), 6)
    pictures, masks, x = [], [], 30
    for frame in range(frames):
        if frame not in pause:
            x += 4 if frame < pause.start else -4
        mask = disc(SHAPE, (x, 48), 10)
        moved = skin[:, 200 - x : 200 - x + SHAPE[1]]
        pictures.append(np.where(mask[..., None] > 0, moved, wall).astype(np.float32))
        masks.append(mask)
    return pictures, masks


def test_an_object_that_is_doubted_while_it_pauses_is_known_to_stand_still() -> None:
    pictures, masks = pausing(22, range(12, 22))
    run = ClassicRun([1], settings=Settings(), seed=1)
    known = run._objects[1]
    for frame in range(12):
        answer = run.step(frame, pictures[frame], {1: masks[0]} if frame == 0 else None)
    moving = known.moving
    assert moving > 0.1
    for frame in range(12, 22):
        known.frames_unsure = 1
        answer = run.step(frame, pictures[frame])
    assert known.moving < 0.5 * moving
    assert iou(answer[1].mask, masks[-1]) > 0.7


def test_what_looks_like_a_lost_object_is_not_learnt_as_background() -> None:
    run = ClassicRun([1], settings=Settings(), seed=1)
    pictures, masks = moving_disc(6)
    for frame, picture in enumerate(pictures):
        run.step(frame, picture, {1: masks[0]} if frame == 0 else None)
    gone = texture(SHAPE, (0.25, 0.45, 0.5), 1)
    for frame in range(6, 10):
        run.step(frame, gone)
    # Far from where it was lost, so that it is seen and not found.
    back, mask = gone.copy(), disc(SHAPE, (110, 80), 9)
    back[mask > 0] = pictures[0][masks[0] > 0][: int((mask > 0).sum())]
    known = run._objects[1]
    answer = run.step(10, back)
    assert known.frames_unsure
    assert not (answer[1].mask > 0.5).any()
    assert known.lookalike is not None
    small = mask > 0
    assert known.lookalike[small].mean() > 0.8
    assert run._memory is not None
    learnt = run._memory._lab[small]
    assert np.abs(learnt - Frame.of(back).lab[small]).max(axis=1).mean() > 20


def test_an_equal_object_beside_it_is_kept_out_by_competition() -> None:
    skin = texture((96, 256), (0.7, 0.35, 0.25), 6)
    back = texture(SHAPE, (0.35, 0.45, 0.35), 5)
    pictures, left, right = [], [], []
    for frame in range(8):
        one, two = disc(SHAPE, (40 + frame, 48), 14), disc(SHAPE, (75, 48), 14)
        two[one > 0] = 0
        both = np.maximum(one, two)[..., None] > 0
        pictures.append(np.where(both, skin[:, : SHAPE[1]], back).astype(np.float32))
        left.append(one)
        right.append(two)
    answers = follow(pictures, {0: {1: left[0], 2: right[0]}})
    for answer, one, two in zip(answers, left, right, strict=True):
        assert iou(answer[1][0], one) > 0.7
        assert iou(answer[2][0], two) > 0.7
        assert (answer[1][0] + answer[2][0]).max() <= 1 + 1e-5


def test_what_another_keyframe_teaches_changes_the_answer_for_the_better() -> None:
    pictures, masks = moving_disc(8)
    # From the fourth frame on, half of the disc has another colour.
    painted = []
    for frame, (picture, mask) in enumerate(zip(pictures, masks, strict=True)):
        columns = np.arange(SHAPE[1])[None, :] > 44 + 2 * frame
        blue = texture(SHAPE, (0.2, 0.2, 0.8), 9)
        new = (mask > 0) & columns & (frame > 3)
        painted.append(np.where(new[..., None], blue, picture).astype(np.float32))
    scores = []
    for taught in (False, True):
        run = ClassicRun([1], settings=Settings(), seed=1)
        if taught:
            run.condition(7, painted[7], {1: masks[7]})
        for frame in range(6):
            answer = run.step(frame, painted[frame], {1: masks[0]} if frame == 0 else None)
        scores.append(iou(answer[1].mask, masks[5]))
    assert scores[1] >= scores[0]
    assert scores[1] > 0.85


def test_evidence_tells_the_object_from_its_surroundings() -> None:
    pictures, masks = moving_disc(6)
    run = ClassicRun([1], settings=Settings(), seed=1)
    for frame, picture in enumerate(pictures):
        answer = run.step(frame, picture, {1: masks[0]} if frame == 0 else None)[1]
    run.close()
    assert answer.evidence is not None
    evidence = cv2.resize(answer.evidence, (SHAPE[1], SHAPE[0]), interpolation=cv2.INTER_NEAREST)
    inside = masks[-1] > 0.5
    around = cv2.dilate(masks[-1], np.ones((9, 9))) > 0.5
    assert (evidence[inside] > 0).mean() > 0.9
    assert (evidence[around & ~inside] < 0).mean() > 0.8


def test_small_objects_are_not_eaten_by_their_short_boundary() -> None:
    pictures, masks = moving_disc(20, step=(0.5, 0.0), radius=6)
    answers = follow(pictures, {0: {1: masks[0]}})
    assert iou(answers[-1][1][0], masks[-1]) > 0.7


def test_a_pass_on_another_thread_gives_the_same_bits() -> None:
    pictures, masks = panned(5)
    here = follow(pictures, {0: {1: masks[0]}})
    cv2.setRNGSeed(12345)
    with ThreadPoolExecutor(1) as pool:
        there = pool.submit(follow, pictures, {0: {1: masks[0]}}).result()
    for one, other in zip(here, there, strict=True):
        np.testing.assert_array_equal(one[1][0], other[1][0])


def read(folder: Path, clip: str, frame: int) -> tuple[Picture, Mask]:
    picture = cv2.imread(str(folder / "frames" / clip / f"{frame:05d}.jpg"))
    mask = cv2.imread(str(folder / "masks" / clip / f"{frame:05d}.png"), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    assert mask is not None
    rgb = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).astype(np.float32) / 255
    return rgb, (mask > 127).astype(np.float32)


def test_a_swan_is_followed_over_real_frames(shared_data: Path) -> None:
    run = ClassicRun([1], settings=Settings(), seed=0)
    for frame in range(8):
        picture, truth = read(shared_data / "davis16", "blackswan", frame)
        answer = run.step(frame, picture, {1: truth} if frame == 0 else None)
    assert iou(answer[1].mask, truth) > 0.9


@pytest.mark.slow
def test_a_cyclist_is_found_again_behind_trees(shared_data: Path) -> None:
    run = ClassicRun([1], settings=Settings(), seed=0)
    scores = []
    for frame in range(80):
        picture, truth = read(shared_data / "davis16", "bmx-trees", frame)
        answer = run.step(frame, picture, {1: truth} if frame == 0 else None)
        scores.append(iou(answer[1].mask, truth))
    assert np.mean(scores[54:]) > 0.3
