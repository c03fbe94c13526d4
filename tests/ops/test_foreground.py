"""Foreground colour under a matte."""

from __future__ import annotations

import numpy as np
import pytest

from airoto_server.ops.foreground import estimate_foreground, warm
from airoto_server.ops.parallel import ordered_map

RED = np.array([0.8, 0.1, 0.05], np.float32)
BLUE = np.array([0.05, 0.2, 0.9], np.float32)


def composite(gain: float = 1.0, offset: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """A soft red disc over blue, in linear light; and its alpha."""
    y, x = np.mgrid[:120, :160] + 0.5
    alpha = np.clip((35 - np.hypot(x - 80, y - 60)) / 14 + 0.5, 0, 1).astype(np.float32)
    rgb = alpha[..., None] * RED + (1 - alpha[..., None]) * BLUE
    return (rgb * gain + offset).astype(np.float32), alpha


@pytest.mark.parametrize(("gain", "offset"), [(1.0, 0.0), (40.0, 0.0), (0.01, 0.0), (1.0, -0.3)])
def test_the_background_goes_out_of_mixed_pixels_in_any_range(gain: float, offset: float) -> None:
    rgb, alpha = composite(gain, offset)
    foreground = estimate_foreground(rgb, alpha)
    mixed = (alpha > 0.02) & (alpha < 1)
    truth = RED * gain + offset
    error = np.abs(foreground - truth)[mixed].mean() / gain
    assert error < 0.02
    assert np.abs(rgb - truth)[mixed].mean() / gain > 0.2  # the plate itself is far off


def test_elsewhere_the_plate_stays_as_it_is() -> None:
    rgb, alpha = composite()
    before = rgb.copy()
    foreground = estimate_foreground(rgb, alpha)
    assert foreground.dtype == np.float32
    assert np.array_equal(foreground[alpha == 1], rgb[alpha == 1])
    assert np.array_equal(foreground[:, :20], rgb[:, :20])
    assert np.array_equal(rgb, before)


def test_foreground_colour_reaches_a_little_beyond_the_matte() -> None:
    rgb, alpha = composite()
    foreground = estimate_foreground(rgb, alpha)
    just_outside = (alpha == 0) & (np.roll(alpha, 3, axis=1) > 0)
    assert np.abs(foreground - RED)[just_outside].mean() < 0.1


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_matte_without_mixed_pixels_gives_the_plate_back(value: float) -> None:
    rgb, alpha = composite()
    assert np.array_equal(estimate_foreground(rgb, np.full_like(alpha, value)), rgb)


def test_half_floats_are_taken() -> None:
    rgb, alpha = composite()
    half = estimate_foreground(rgb.astype(np.float16), alpha)
    assert np.abs(half - estimate_foreground(rgb, alpha)).max() < 2e-3


def test_calls_from_several_threads_give_one_answer() -> None:
    rgb, alpha = composite()
    alone = estimate_foreground(rgb, alpha)
    for answer in ordered_map(lambda _: estimate_foreground(rgb, alpha), range(6), 3):
        assert np.array_equal(answer, alone)


def test_colour_and_alpha_of_different_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        estimate_foreground(np.zeros((4, 5, 3), np.float32), np.zeros((5, 4), np.float32))


def test_warming_runs() -> None:
    warm()
