"""The classic engines on real pictures, and on as many processors as there are."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from airoto_server.engines.classic_matter import ClosedFormMatter
from airoto_server.engines.classic_segmenter import ClassicSegmenter
from airoto_server.engines.classic_tracker import GrabCutTracker
from airoto_server.engines.roles import Prompts
from airoto_server.engines.windowed import matte_in_windows
from airoto_server.ops.parallel import limit_libraries

from .scenes import Mask, Picture, disc, iou, moving_disc, texture


@pytest.fixture(autouse=True)
def single_threaded_libraries() -> None:
    limit_libraries()


def read_picture(path: Path) -> Picture:
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB).astype(np.float32) / 255


def read_mask(path: Path) -> Mask:
    return (cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) > 127).astype(np.float32)


@pytest.fixture
def on_one_processor() -> Iterator[Callable[[], None]]:
    """A switch that leaves this process one processor until the test ends."""
    if not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2:
        pytest.skip("this needs two processors, and a way to give one up")
    before = os.sched_getaffinity(0)
    yield lambda: os.sched_setaffinity(0, {min(before)})
    os.sched_setaffinity(0, before)


def test_masks_do_not_depend_on_the_number_of_processors(
    on_one_processor: Callable[[], None],
) -> None:
    pictures, masks = moving_disc(5, (240, 320), start=(100, 120), radius=40)
    prompts = Prompts(points=np.float32([[100, 120], [250, 30]]), labels=np.array([True, False]))

    def results() -> list[Mask]:
        segmenter = ClassicSegmenter()
        found = segmenter.segment(segmenter.embed(pictures[0], seed=0), prompts, seed=0)
        run = GrabCutTracker().begin([1, 2], seed=0)
        tracked = []
        for frame, picture in enumerate(pictures):
            given = {1: masks[0], 2: disc((240, 320), (250, 60), 20)} if frame == 0 else None
            tracked += [answer.mask for answer in run.step(frame, picture, given).values()]
        return [candidate.mask for candidate in found] + tracked

    many = results()
    on_one_processor()
    for one, other in zip(results(), many, strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_object_behind_another_is_gone_and_comes_back() -> None:
    pictures, masks = moving_disc(30, (96, 192), start=(30, 48), step=(4.5, 0.0), radius=14)
    bar = np.zeros((96, 192), np.bool_)
    bar[:, 75:120] = True
    wood = texture((96, 192), (0.85, 0.8, 0.3), 8)
    run = GrabCutTracker().begin([1], seed=0)
    answers = []
    for frame, picture in enumerate(pictures):
        seen = np.where(bar[..., None], wood, picture).astype(np.float32)
        given = {1: masks[0]} if frame == 0 else None
        answers.append(run.step(frame, seen, given)[1])
    visible = [np.where(bar, 0, mask).astype(np.float32) for mask in masks]
    hidden = [frame for frame, mask in enumerate(visible) if mask.sum() == 0]
    assert hidden
    assert not (answers[hidden[-1]].mask > 0.5).any()
    assert answers[hidden[-1]].confidence < 0.3
    assert iou(answers[28].mask, visible[28]) > 0.8


@pytest.mark.parametrize(("clip", "floor"), [("blackswan", 0.85), ("camel", 0.8)])
def test_a_real_clip_is_tracked(shared_data: Path, clip: str, floor: float) -> None:
    folder = shared_data / "davis16"
    run = GrabCutTracker().begin([1], seed=0)
    scores = []
    for frame in range(12):
        picture = read_picture(folder / "frames" / clip / f"{frame:05d}.jpg")
        truth = read_mask(folder / "masks" / clip / f"{frame:05d}.png")
        answer = run.step(frame, picture, {1: truth} if frame == 0 else None)
        scores.append(iou(answer[1].mask, truth))
    assert np.mean(scores[1:]) > floor


@pytest.mark.parametrize(("clip", "floor"), [("breakdance", 0.65), ("car-shadow", 0.7)])
def test_a_box_finds_a_real_object(shared_data: Path, clip: str, floor: float) -> None:
    folder = shared_data / "davis16"
    picture = read_picture(folder / "frames" / clip / "00000.jpg")
    truth = read_mask(folder / "masks" / clip / "00000.png")
    rows, columns = np.nonzero(truth)
    box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    segmenter = ClassicSegmenter()
    found = segmenter.segment(segmenter.embed(picture, seed=0), Prompts(box=box), seed=0)
    assert iou(found[0].mask, truth) > floor


def test_one_click_on_a_real_face_finds_the_head(shared_data: Path) -> None:
    picture = read_picture(shared_data / "photos" / "skimage_astronaut.png")
    segmenter = ClassicSegmenter()
    prompts = Prompts(points=np.float32([[220, 120]]), labels=np.array([True]))
    best = segmenter.segment(segmenter.embed(picture, seed=0), prompts, seed=0)[0].mask > 0.5
    head = disc((512, 512), (225, 100), 78) > 0
    assert (best & head).sum() / (best | head).sum() > 0.6


def test_closed_form_matting_of_a_real_picture(shared_data: Path) -> None:
    folder = shared_data / "alphamatting"
    picture = read_picture(folder / "image" / "GT05.png")
    alpha = cv2.imread(str(folder / "alpha" / "GT05.png"), cv2.IMREAD_GRAYSCALE) / 255
    levels = cv2.imread(str(folder / "trimap1" / "GT05.png"), cv2.IMREAD_GRAYSCALE)
    trimap = np.where(levels == 0, 0, np.where(levels == 255, 1, 0.5)).astype(np.float32)
    found = matte_in_windows(
        ClosedFormMatter(),
        lambda window: picture[window.y_min : window.y_max, window.x_min : window.x_max],
        trimap,
        seed=0,
        threads=2,
    )
    unknown = trimap == 0.5
    # Plain PyMatting on the whole picture reaches 1264.
    assert np.abs(found - alpha)[unknown].sum() < 1.01 * 1264


def test_the_matting_system_is_that_of_pymatting_for_the_unknown_pixels() -> None:
    from pymatting.laplacian.cf_laplacian import cf_laplacian

    from airoto_server.engines.classic.matting_laplacian import unknown_system

    random = np.random.default_rng(0)
    picture = random.random((23, 31, 3)).astype(np.float32)
    trimap = random.choice([0, 0.5, 0.5, 1], (23, 31)).astype(np.float32)
    matrix, right_side = unknown_system(picture, trimap)
    unknown = trimap.ravel() == 0.5
    rows = cf_laplacian(picture.astype(np.float64)).tocsr()[unknown]
    known = trimap.ravel()[~unknown].astype(np.float64)
    assert abs(matrix - rows[:, unknown]).max() < 1e-12
    np.testing.assert_allclose(right_side, -rows[:, ~unknown] @ known, atol=1e-12)


def test_narrow_bands_are_solved_exactly_and_wide_regions_are_left() -> None:
    from airoto_server.engines.classic.matting_islands import solve_narrow
    from airoto_server.engines.classic.matting_laplacian import unknown_system

    picture = texture((400, 700), (0.4, 0.5, 0.6), seed=3)
    trimap = np.zeros((400, 700), np.float32)
    trimap[20:380, 20:300] = 0.5  # 280 wide: two of its rows are more than is done directly
    trimap[40:300, 400:409], trimap[40:300, 409:] = 0.5, 1
    trimap[320:330, 500:620] = 0.5
    matrix, right_side = unknown_system(picture, trimap)
    solution, solved = solve_narrow(matrix, right_side)
    columns = np.nonzero(trimap == 0.5)[1]
    np.testing.assert_array_equal(solved, columns >= 400)
    np.testing.assert_allclose((matrix @ solution)[solved], right_side[solved], atol=1e-9)
    assert not solution[~solved].any()


def test_a_matte_of_narrow_and_wide_regions_is_that_of_each_alone() -> None:
    from airoto_server.engines.classic.closed_form import solve_alpha

    picture = texture((330, 620), (0.4, 0.5, 0.6), seed=4)
    both = np.zeros((330, 620), np.float32)
    both[10:180, 10:180], both[180:190, 10:180] = 0.5, 1
    both[40:300, 400:409], both[40:300, 409:600] = 0.5, 1
    wide, narrow = both.copy(), both.copy()
    wide[:, 350:] = np.where(both[:, 350:] == 1, 1, 0)
    narrow[:, :350] = 0
    made = solve_alpha(picture, both)
    np.testing.assert_allclose(made[:, 360:], solve_alpha(picture, narrow)[:, 360:], atol=1e-6)
    np.testing.assert_allclose(made[:, :340], solve_alpha(picture, wide)[:, :340], atol=1e-6)
