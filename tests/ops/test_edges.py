"""Specks, holes, growing and softening of mattes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from airoto_server.ops.edges import feather, grow, remove_dots, remove_holes

masks = arrays(np.float32, (12, 15), elements=st.floats(0, 1, width=32))


def disc(size: int, radius: float, centre: float | None = None, soft: float = 1.0) -> np.ndarray:
    """A disc whose edge is a ramp `soft` pixels wide."""
    at = size / 2 if centre is None else centre
    y, x = np.mgrid[:size, :size] + 0.5
    return np.clip((radius - np.hypot(x - at, y - at)) / soft + 0.5, 0, 1).astype(np.float32)


@given(masks)
@settings(max_examples=30)
def test_everything_is_a_no_op_at_zero(mask: np.ndarray) -> None:
    for function in (remove_holes, remove_dots, grow, feather):
        same = function(mask, 0)
        assert np.array_equal(same, mask)
        assert same is not mask


@given(masks, st.floats(-3, 3), st.floats(0.1, 3), st.integers(1, 40))
@settings(max_examples=60)
def test_values_stay_between_0_and_1(
    mask: np.ndarray, pixels: float, sigma: float, area: int
) -> None:
    before = mask.copy()
    for result in (
        grow(mask, pixels),
        feather(mask, sigma),
        remove_holes(mask, area),
        remove_dots(mask, area),
    ):
        assert result.dtype == np.float32
        assert result.shape == mask.shape
        assert result.min() >= 0
        assert result.max() <= 1
    assert np.array_equal(mask, before)


@given(masks, st.integers(1, 40))
@settings(max_examples=60)
def test_filling_only_raises_and_cleaning_only_lowers(mask: np.ndarray, area: int) -> None:
    assert (remove_holes(mask, area) >= mask).all()
    assert (remove_dots(mask, area) <= mask).all()


def test_small_holes_and_dots_go_and_large_ones_stay() -> None:
    mask = np.zeros((60, 60), np.float32)
    mask[10:50, 10:50] = 1
    mask[15:18, 15:18] = 0  # a hole of 9
    mask[25:32, 25:32] = 0  # a hole of 49
    mask[2:4, 2:4] = 1  # a dot of 4
    filled = remove_holes(mask, 20)
    assert (filled[15:18, 15:18] == 1).all()
    assert (filled[25:32, 25:32] == 0).all()
    cleaned = remove_dots(filled, 20)
    assert (cleaned[:5, :5] == 0).all()
    assert (cleaned[10:15, 10:50] == 1).all()


def test_a_soft_hole_closes_without_a_seam() -> None:
    mask = 1 - disc(40, 4, soft=3)
    assert mask.min() == 0
    assert (remove_holes(mask, 200) == 1).all()


def test_a_gap_at_the_border_is_no_hole_but_a_speck_there_is_a_dot() -> None:
    mask = np.ones((30, 30), np.float32)
    mask[:3, 10:13] = 0
    assert np.array_equal(remove_holes(mask, 50), mask)
    assert (remove_dots(1 - mask, 50) == 0).all()


@pytest.mark.parametrize("pixels", [-7.5, -2.0, -0.5, 0.25, 0.5, 1.0, 1.5, 4.0, 10.3])
def test_a_disc_grows_by_exactly_so_many_pixels(pixels: float) -> None:
    radius = 20.0
    grown = grow(disc(80, radius), pixels)
    assert np.sqrt(grown.sum() / np.pi) == pytest.approx(radius + pixels, abs=0.15)


@pytest.mark.parametrize("pixels", [-3.0, -1.25, 0.5, 2.0, 5.5])
def test_a_soft_edge_moves_and_keeps_its_softness(pixels: float) -> None:
    ramp = np.clip((40 - np.arange(80, dtype=np.float32)) / 20, 0, 1)
    mask = np.repeat(ramp[None], 20, axis=0)
    grown = grow(mask, pixels)[10]
    expected = np.interp(np.arange(80) - pixels, np.arange(80), ramp)
    assert np.abs(grown - expected).max() < 0.03


def test_feathering_is_a_gaussian_that_keeps_the_border() -> None:
    mask = np.zeros((40, 60), np.float32)
    mask[:, :30] = 1
    soft = feather(mask, 3)
    assert (np.diff(soft[20]) <= 0).all()
    assert soft[20, 27] == pytest.approx(0.797, abs=0.01)  # 2.5 pixels inside: Phi(2.5 / 3)
    assert np.allclose(soft[0], soft[20])
    assert (feather(np.ones((9, 9), np.float32), 2) == 1).all()


def test_negative_areas_and_sigmas_are_refused() -> None:
    mask = np.zeros((4, 4), np.float32)
    for function in (remove_holes, remove_dots, feather):
        with pytest.raises(ValueError, match="negative"):
            function(mask, -1)
