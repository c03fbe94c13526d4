"""Scores with known answers, and agreement with the official code."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airoto_server.ops import score as scores


def disc(size: int, x: float, y: float, radius: float) -> np.ndarray:
    rows, columns = np.mgrid[:size, :size]
    return (columns - x) ** 2 + (rows - y) ** 2 <= radius**2


def soft_disc(size: int = 64) -> np.ndarray:
    rows, columns = np.mgrid[:size, :size]
    far = np.hypot(columns - size / 2, rows - size / 2)
    return np.clip((size / 3 - far) / 6 + 0.5, 0, 1)


def test_the_truth_itself_has_no_error() -> None:
    truth = soft_disc()
    result = scores.score(truth, truth)
    assert (result.sad, result.mse, result.mad, result.grad, result.conn) == (0, 0, 0, 0, 0)
    assert result.iou == 1
    assert result.pixels == 64 * 64


def test_a_constant_offset_gives_sad_mse_and_mad_by_hand() -> None:
    truth = np.full((50, 40), 0.5)
    result = scores.score(truth + 0.25, truth)
    assert result.sad == pytest.approx(2000 * 0.25 / 1000)
    assert result.mse == pytest.approx(0.0625)
    assert result.mad == pytest.approx(0.25)
    assert result.grad == pytest.approx(0, abs=1e-12)


def test_only_the_unknown_region_of_a_trimap_counts() -> None:
    truth = np.zeros((10, 10))
    alpha = np.ones((10, 10))
    trimap = np.zeros((10, 10))
    trimap[2:4, 5] = 0.5
    trimap[8, :] = 1
    result = scores.score(alpha, truth, trimap)
    assert result.pixels == 2
    assert result.sad == pytest.approx(0.002)
    assert result.mse == pytest.approx(1)


def test_a_trimap_without_unknown_pixels_gives_no_error() -> None:
    result = scores.score(np.ones((8, 8)), np.zeros((8, 8)), np.zeros((8, 8)))
    assert (result.pixels, result.sad, result.mse, result.mad) == (0, 0, 0, 0)


def test_the_gradient_of_a_ramp_is_its_slope_times_the_filter_s_gain() -> None:
    """On a ramp of slope s, the filter answers s * sum(-x * filter): worked out here apart."""
    at = np.arange(-4, 5, dtype=float)
    bell = np.exp(-(at**2) / (2 * 1.4**2))
    kernel = np.outer(bell, -at * bell)
    kernel /= math.sqrt((kernel**2).sum())
    gain = abs((kernel * at[None]).sum())
    columns = np.linspace(0, 1, 101)[None].repeat(60, 0)
    inner = np.zeros((60, 101))
    inner[20:40, 20:80] = 0.5
    result = scores.score(columns, np.zeros((60, 101)), inner)
    assert result.grad == pytest.approx(20 * 60 * (0.01 * gain) ** 2 / 1000, rel=1e-6)


def test_a_detached_island_costs_connectivity_what_it_covers() -> None:
    truth = disc(60, 20, 20, 12).astype(float)
    alpha = truth.copy()
    alpha[50:55, 50:55] = 0.8
    result = scores.score(alpha, truth)
    # The island is connected at level 0 only: 25 pixels lose 0.8 each.
    assert result.conn == pytest.approx(25 * 0.8 / 1000)


def test_connectivity_forgives_differences_below_its_threshold() -> None:
    truth = disc(60, 20, 20, 12).astype(float)
    alpha = truth.copy()
    alpha[50:55, 50:55] = 0.14
    assert scores.score(alpha, truth).conn == 0


def test_iou_is_cut_at_one_half() -> None:
    alpha = np.zeros((4, 4))
    truth = np.zeros((4, 4))
    alpha[0] = [0.5, 0.6, 0.49, 0]
    truth[0] = [1, 0, 1, 0]
    assert scores.score(alpha, truth).iou == pytest.approx(1 / 3)
    assert scores.score(truth * 0, truth * 0).iou == 1


def test_different_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="one size"):
        scores.score(np.zeros((4, 4)), np.zeros((4, 5)))
    with pytest.raises(ValueError, match="one size"):
        scores.score(np.zeros((4, 4)), np.zeros((4, 4)), np.zeros((5, 4)))


def test_a_matte_that_flickers_has_the_temporal_error_of_its_flicker() -> None:
    truth = [np.zeros((10, 10))] * 4
    flicker = [np.full((10, 10), value) for value in (0.0, 0.1, 0.0, 0.1)]
    assert scores.dtssd(flicker, truth) == pytest.approx(10)


def test_a_constant_error_is_no_temporal_error() -> None:
    truth = [soft_disc() * value for value in (0.2, 0.5, 0.9)]
    assert scores.dtssd([t + 0.1 for t in truth], truth) == pytest.approx(0, abs=1e-12)


def test_a_temporal_error_needs_two_frames_and_as_many_truths() -> None:
    with pytest.raises(ValueError, match="two frames"):
        scores.dtssd([np.zeros((4, 4))], [np.zeros((4, 4))])
    with pytest.raises(ValueError, match=r"shorter|longer"):
        scores.dtssd([np.zeros((4, 4))] * 3, [np.zeros((4, 4))] * 2)


def test_half_planes_lie_as_far_apart_as_they_are_shifted() -> None:
    a, b = np.zeros((2, 40, 40), bool)
    a[:, :10] = True
    b[:, :17] = True
    assert scores.boundary_distance(a, b) == pytest.approx(7)
    assert scores.boundary_distance(a, a) == 0


def test_boundary_distance_of_concentric_discs_is_the_difference_of_radii() -> None:
    distance = scores.boundary_distance(disc(201, 100, 100, 60), disc(201, 100, 100, 70))
    assert distance == pytest.approx(10, abs=0.4)


def test_boundary_distance_knows_empty_masks() -> None:
    empty, some = np.zeros((9, 9), bool), disc(9, 4, 4, 2)
    assert scores.boundary_distance(empty, some) == math.inf
    assert scores.boundary_distance(empty, empty) == 0


blobs = st.lists(
    st.tuples(st.integers(-5, 105), st.integers(-5, 65), st.integers(0, 30)), max_size=4
)


@settings(max_examples=40, deadline=None)
@given(blobs, blobs, st.sampled_from([(60, 100), (61, 101), (48, 64)]))
def test_j_and_f_agree_with_the_published_evaluation(
    ours: list[tuple[int, int, int]],
    truth: list[tuple[int, int, int]],
    shape: tuple[int, int],
) -> None:
    evaluator = pytest.importorskip("vos_benchmark.evaluator").Evaluator()

    def mask(blobs: list[tuple[int, int, int]]) -> np.ndarray:
        out = np.zeros(shape, bool)
        rows, columns = np.mgrid[: shape[0], : shape[1]]
        for x, y, radius in blobs:
            out |= (columns - x) ** 2 + (rows - y) ** 2 < radius**2
        return out

    a, b = mask(ours), mask(truth)
    j, f = scores.jf(a, b)
    evaluator.objects_in_gt.add(1)
    evaluator.feed_frame(a.astype(np.uint8), b.astype(np.uint8))
    jaccard, contour = evaluator.conclude()
    assert j == pytest.approx(jaccard[1] / 100)
    assert f == pytest.approx(contour[1] / 100)
