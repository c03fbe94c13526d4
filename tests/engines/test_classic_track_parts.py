"""The parts of the classic tracker, one by one."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import maximum_flow

from airoto_server.engines.classic import (
    track_camera,
    track_cut,
    track_prior,
    track_search,
    track_trees,
)
from airoto_server.engines.classic.shapes import signed_distance
from airoto_server.engines.classic.track_camera import Camera
from airoto_server.engines.classic.track_examples import Examples
from airoto_server.engines.classic.track_frame import LEVELS, WORKING_SIDE, Frame
from airoto_server.engines.classic.track_grid import SIDES, Grid, _slice, places_of
from airoto_server.engines.classic.track_memory import BackgroundMemory
from airoto_server.engines.classic.track_motion import Motion, measure
from airoto_server.engines.classic.track_search import Sighting

from .scenes import disc, texture

Plane = npt.NDArray[np.float32]
OFFSETS = ((0, 1), (1, 0), (1, 1), (1, -1))


def smooth_noise(shape: tuple[int, ...], seed: int, sigma: float) -> Plane:
    noise = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), sigma), np.float32).reshape(shape)


# ---- the cut -----------------------------------------------------------------------------


def edges(costs: Plane) -> list[tuple[tuple[int, int], tuple[int, int], float]]:
    height, width = costs.shape[1:]
    found = []
    for (down, right), plane in zip(OFFSETS, costs, strict=True):
        for y, x in itertools.product(range(height), range(width)):
            if 0 <= y + down < height and 0 <= x + right < width:
                found.append(((y, x), (y + down, x + right), float(plane[y, x])))
    return found


def energy(inside: npt.NDArray[np.bool_], evidence: Plane, costs: Plane) -> float:
    parted = sum(cost for a, b, cost in edges(costs) if inside[a] != inside[b])
    return parted - float(evidence[inside].sum())


def least_energy(evidence: Plane, costs: Plane) -> float:
    """By maximum flow, in thousandths."""
    height, width = evidence.shape
    source, sink = height * width, height * width + 1
    rows, columns, capacities = [], [], []
    for (ya, xa), (yb, xb), cost in edges(costs):
        a, b = ya * width + xa, yb * width + xb
        rows += [a, b]
        columns += [b, a]
        capacities += [round(1000 * cost)] * 2
    for place, odds in enumerate(evidence.ravel()):
        rows.append(source if odds > 0 else place)
        columns.append(place if odds > 0 else sink)
        capacities.append(round(1000 * abs(float(odds))))
    graph = coo_array(
        (np.int32(capacities), (np.int32(rows), np.int32(columns))), shape=(sink + 1, sink + 1)
    ).tocsr()
    flow = maximum_flow(graph, source, sink).flow_value / 1000
    return flow - float(evidence[evidence > 0].sum())


@pytest.mark.parametrize("seed", range(3))
def test_the_cut_is_a_minimum_cut_but_for_a_hundredth(seed: int) -> None:
    shape = (24, 31)
    evidence = 12 * smooth_noise(shape, seed, 1.5)
    costs = track_cut.edge_costs(150 * smooth_noise((*shape, 3), seed + 10, 2), 5.0)
    found = energy(track_cut.solve(evidence, costs, 200) > 0.5, evidence, costs)
    least = least_energy(evidence, costs)
    assert least - 0.1 <= found <= least + 0.01 * abs(least)


def test_a_cut_that_costs_nothing_follows_the_evidence() -> None:
    evidence = smooth_noise((20, 30), 1, 1)
    soft = track_cut.solve(evidence, np.zeros((4, 20, 30), np.float32), 2000)
    np.testing.assert_array_equal(soft > 0.5, evidence > 0)


def test_parting_costs_less_across_an_edge() -> None:
    lab = np.zeros((6, 8, 3), np.float32)
    lab[:, 4:] = 80
    costs = track_cut.edge_costs(lab, 7.0)
    assert costs[0][0, 3] < 0.1 * costs[0][0, 1]
    assert costs[0][0, 1] == pytest.approx(7.0)
    assert costs[2][0, 1] == pytest.approx(7.0 / np.sqrt(2))
    assert not costs[0][:, -1].any()
    assert not costs[3][:, 0].any()


# ---- appearance --------------------------------------------------------------------------


def two_clouds(count: int, seed: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """Samples that no single feature tells apart: both low or both high, or not."""
    random = np.random.default_rng(seed)
    samples = random.integers(0, LEVELS, (count, 5), dtype=np.uint8)
    truth = (samples[:, 1] > 31) == (samples[:, 3] > 31)
    return samples, truth


def test_trees_learn_what_no_single_feature_tells() -> None:
    samples, truth = two_clouds(3000, 1)
    trees = track_trees.fit(samples, truth, np.ones(3000, np.float32), seed=3)
    fresh, answers = two_clouds(1000, 2)
    odds = trees.log_odds(fresh.T.reshape(5, 20, 50)).ravel()
    assert ((odds > 0) == answers).mean() > 0.9
    assert np.abs(odds).max() <= track_trees.LIMIT


def test_trees_answer_what_walking_down_them_gives() -> None:
    samples, truth = two_clouds(500, 4)
    trees = track_trees.fit(samples, truth, np.ones(500, np.float32), seed=5)
    expected = []
    for sample in samples:
        total = 0.0
        for asked, thresholds, leaves in zip(
            trees.features, trees.thresholds, trees.leaves, strict=True
        ):
            answers = "".join(str(int(value)) for value in sample[asked] > thresholds)
            total += float(leaves[int(answers, 2)])
        expected.append(np.clip(total, -3, 3))
    odds = trees.log_odds(samples.T.reshape(5, 10, 50)).ravel()
    np.testing.assert_allclose(odds, expected, atol=1e-4)


def test_the_same_seed_gives_the_same_trees_and_another_gives_others() -> None:
    samples, truth = two_clouds(400, 6)
    weights = np.ones(400, np.float32)
    one, same, other = (track_trees.fit(samples, truth, weights, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(one.leaves, same.leaves)
    assert not np.array_equal(one.leaves, other.leaves)


def test_examples_stay_bounded_and_keep_the_first_keyframe() -> None:
    examples = Examples()
    inside = disc((40, 40), (20, 20), 8) > 0
    held = []
    for frame in range(30):
        features = np.full((6, 40, 40), min(frame, LEVELS - 1), np.uint8)
        features[0] = np.where(inside, 60, 3)
        for keyframe in (True, False):
            examples.learn(features, inside, ~inside, ~inside, keyframe=keyframe, seed=frame)
        held.append(examples.memory_bytes())
    assert max(held[10:]) == held[10]
    assert examples._keyframes[0][0][:, 1].max() == 0
    trees = examples.fit(seed=1)
    assert trees is not None
    assert (trees.log_odds(features)[inside] > 2).all()


def test_trees_wait_until_there_are_examples_of_both_sides() -> None:
    examples = Examples()
    assert examples.fit(seed=1) is None
    nothing, everything = np.zeros((4, 4), np.bool_), np.ones((4, 4), np.bool_)
    features = np.zeros((3, 4, 4), np.uint8)
    examples.learn(features, everything, nothing, nothing, keyframe=True, seed=1)
    assert examples.fit(seed=1) is None


def test_reading_the_grid_is_linear_between_cells() -> None:
    axes = np.meshgrid(*(np.arange(side, dtype=np.float32) for side in SIDES), indexing="ij")
    slopes = (0.3, -0.2, 0.1, 0.5, -0.4)
    table = np.float32(sum(slope * axis for slope, axis in zip(slopes, axes, strict=True)))
    top = np.float32(SIDES) - np.float32(1.001)
    places = np.random.default_rng(1).random((50, 5), np.float32) * top
    np.testing.assert_allclose(_slice(places, table), places @ np.float32(slopes), atol=1e-4)


def test_the_grid_tells_equal_colours_apart_by_their_place() -> None:
    lab = np.full((40, 60, 3), 128, np.float32)
    region = (slice(0, 40), slice(0, 60))
    places = places_of(lab, *region, (0, 0, 60, 40))
    left = (np.arange(60)[None, :] < 30).repeat(40, axis=0).ravel().astype(np.float32)
    grid = Grid()
    grid.learn(places, left, 1 - left, keyframe=True)
    ratio = grid.log_ratio(places).reshape(40, 60)
    assert ratio[:, :10].min() > 1
    assert ratio[:, -10:].max() < -1


# ---- motion ------------------------------------------------------------------------------


def test_what_moves_against_a_moving_camera_is_told_apart() -> None:
    shape = (120, 160)
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    zoomed = np.stack([0.02 * (columns - 80) - 3, 0.02 * (rows - 60) + 1], axis=2)
    front = disc(shape, (80, 60), 15) > 0
    zoomed[front] += np.float32([4, 0])
    motion = Motion(zoomed.astype(np.float32), np.ones(shape, np.float32))
    camera = track_camera.measure(motion, ~front, None, seed=1)
    core = disc(shape, (80, 60), 12) > 0
    away = disc(shape, (80, 60), 25) == 0
    assert camera.still[away].min() > 0.8
    assert camera.still[core].max() < 0.3
    odds = track_camera.log_odds(
        camera.still, track_camera.moving_share(camera.still, front.astype(np.float32))
    )
    assert odds[away].max() < -2
    assert odds[core].min() > -1


def test_an_object_that_stands_still_is_not_punished_for_it() -> None:
    still = np.ones((10, 10), np.float32)
    everything = np.ones((10, 10), np.float32)
    assert not track_camera.log_odds(still, track_camera.moving_share(still, everything)).any()


def test_the_camera_is_guessed_without_enough_background() -> None:
    motion = Motion(np.full((20, 20, 2), 2, np.float32), np.ones((20, 20), np.float32))
    nothing = np.zeros((20, 20), np.bool_)
    camera = track_camera.measure(motion, nothing, None, seed=1)
    assert np.isfinite(camera.to_previous).all()


def test_flow_of_a_shifted_picture_is_its_shift_in_working_pixels() -> None:
    wide = texture((240, 1000), (0.5, 0.4, 0.3), 3)
    wide = np.asarray(cv2.GaussianBlur(wide, (0, 0), 2), np.float32)
    before, after = (np.ascontiguousarray(wide[:, at : at + 900]) for at in (20, 26))
    frames = [Frame.of(picture) for picture in (before, after)]
    assert max(frames[0].shape) == WORKING_SIDE
    motion = measure(*frames)
    inner = motion.to_previous[20:-20, 20:-20]
    assert np.median(inner[..., 0]) == pytest.approx(6 * WORKING_SIDE / 900, abs=0.15)
    assert np.abs(np.median(inner[..., 1])) < 0.15
    assert motion.trust[20:-20, 20:-20].mean() > 0.8


def test_remembered_background_betrays_what_stands_before_it() -> None:
    shape = (60, 80)
    lab = 128 + 200 * smooth_noise((*shape, 3), 1, 2)
    memory = BackgroundMemory(shape)
    assert not memory.log_odds(lab).any()
    memory.learn(lab, np.ones(shape, np.bool_))
    pan = np.zeros((*shape, 2), np.float32)
    pan[..., 0] = 5
    memory.follow(Camera(pan, np.ones(shape, np.float32), pan))
    panned = np.roll(lab, -5, axis=1)
    front = disc(shape, (30, 30), 8) > 0
    panned[front] += 60
    odds = memory.log_odds(panned)
    assert odds[front].min() > 1
    assert odds[:, :74][~front[:, :74]].max() < -1
    assert not odds[:, -5:].any()


# ---- prior and search ----------------------------------------------------------------------


def test_the_prior_falls_outwards_and_far_away_nothing_is_believed() -> None:
    distance = signed_distance(disc((100, 100), (50, 50), 20) > 0)
    trust = np.ones((100, 100), np.float32)
    odds = track_prior.log_odds(distance, trust)
    assert odds[50, 50] > 3 > 0 > odds[50, 75] > odds[50, 79]
    assert np.abs(track_prior.log_odds(distance, 0.1 * trust)).max() < 1
    reach = track_prior.reach_of(float((distance > 0).sum()))
    penalty = track_prior.far_penalty(distance, reach)
    assert not penalty[distance > -reach].any()
    assert penalty[0, 0] < -5


def seen(odds: Plane, inside: npt.NDArray[np.bool_]) -> Sighting:
    return Sighting.of(odds, inside)


def test_a_search_finds_the_object_within_its_widening_reach() -> None:
    shape = (120, 200)
    here, there = disc(shape, (30, 60), 12) > 0, disc(shape, (150, 60), 12) > 0
    last = seen(np.where(here, 3, -3).astype(np.float32), here)
    odds = np.where(there, 3, -3).astype(np.float32)
    nothing = np.zeros(shape, np.bool_)
    assert track_search.find(odds, last, 1, nothing, nothing) is None
    found = track_search.find(odds, last, 40, nothing, nothing)
    assert found is not None
    assert (found & there).sum() > 0.9 * there.sum()
    assert not (found & ~there).any()


def test_a_search_finds_nothing_where_nothing_is_alike() -> None:
    shape = (80, 80)
    here = disc(shape, (40, 40), 12) > 0
    last = seen(np.where(here, 3, -3).astype(np.float32), here)
    weak = np.where(here, 0, -3).astype(np.float32)
    nothing = np.zeros(shape, np.bool_)
    assert track_search.find(weak, last, 5, nothing, nothing) is None


def test_a_doubted_place_is_left_only_for_a_clearly_better_one() -> None:
    shape = (80, 120)
    here, there = disc(shape, (40, 40), 12) > 0, disc(shape, (75, 40), 12) > 0
    last = seen(np.where(here, 3, -3).astype(np.float32), here)
    alike = np.where(here | there, 3, -3).astype(np.float32)
    nothing = np.zeros(shape, np.bool_)
    assert track_search.find(alike, last, 10, here, nothing) is None
    better = np.where(there, 3, np.where(here, -1, -3)).astype(np.float32)
    found = track_search.find(better, last, 10, here, nothing)
    assert found is not None
    assert (found & there).sum() > 0.9 * there.sum()


def test_a_search_does_not_find_what_is_another_object() -> None:
    shape = (80, 120)
    here, there = disc(shape, (40, 40), 12) > 0, disc(shape, (75, 40), 12) > 0
    last = seen(np.where(here, 3, -3).astype(np.float32), here)
    odds = np.where(there, 3, -3).astype(np.float32)
    nothing = np.zeros(shape, np.bool_)
    assert track_search.find(odds, last, 10, nothing, nothing) is not None
    assert track_search.find(odds, last, 10, nothing, there) is None


def test_a_place_that_the_camera_leaves_behind_is_looked_for_where_it_went() -> None:
    shape = (80, 120)
    here = disc(shape, (80, 40), 12) > 0
    last = seen(np.where(here, 3, -3).astype(np.float32), here)
    pan = np.zeros((*shape, 2), np.float32)
    pan[..., 0], pan[..., 1] = 25, -3
    assert last.panned(pan).centre == pytest.approx((55, 43))
    away = last
    for _ in range(9):
        away = away.panned(pan)
    assert away.centre == (0, 67)


def test_features_tell_nothing_of_the_place() -> None:
    tile = texture((40, 40), (0.5, 0.4, 0.6), 2)
    picture = np.tile(tile, (3, 4, 1))
    features = Frame.of(picture).features
    np.testing.assert_array_equal(features[:, 40:80, 40:80], features[:, 40:80, 80:120])
    assert features.max() < LEVELS
