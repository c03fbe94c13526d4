"""Between plate and picture: nothing moves, nothing leaks, every representation agrees."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airoto_server.ops.colour import Colour, ColourSettings, encode_display
from airoto_server.ops.geometry import Format, Window, place, scale_window, working_for
from airoto_server.ops.resample import (
    grow,
    mask_to_picture,
    mask_to_plate,
    shows_plate,
    shrink,
    to_picture,
)

DISPLAY = Colour(ColourSettings("display"))


def texture(width: int, height: int, seed: int = 4) -> np.ndarray:
    """A smooth picture with detail, (H, W, 3), 0 to 1."""
    noise = np.random.default_rng(seed).random((height, width, 3)).astype(np.float32)
    soft = sum(cv2.GaussianBlur(noise, (0, 0), s) * s for s in (2, 6))
    return np.clip((soft - soft.min()) / np.ptp(soft), 0, 1).astype(np.float32)


def disc(window: Window, x: float, y: float, radius: float) -> np.ndarray:
    """An antialiased disc at plate position x, y."""
    rows, columns = np.mgrid[window.y_min : window.y_max, window.x_min : window.x_max] + 0.5
    return np.clip(radius - np.hypot(columns - x, rows - y) + 0.5, 0, 1).astype(np.float32)


def centroid(mask: np.ndarray) -> tuple[float, float]:
    rows, columns = np.mgrid[: mask.shape[0], : mask.shape[1]] + 0.5
    return float((columns * mask).sum() / mask.sum()), float((rows * mask).sum() / mask.sum())


def test_shrinking_agrees_with_opencv_s_area_average() -> None:
    array = texture(120, 90)
    for width, height in ((40, 30), (60, 90), (37, 23)):
        expected = cv2.resize(array, (width, height), interpolation=cv2.INTER_AREA)
        assert np.abs(shrink(array, width, height) - expected).max() < 1e-3


def test_growing_agrees_with_opencv_s_linear_interpolation() -> None:
    array = texture(40, 30)
    expected = cv2.resize(array, (100, 90), interpolation=cv2.INTER_LINEAR)
    assert np.abs(grow(array, 100, 90) - expected).max() < 1e-5


@given(st.integers(8, 90), st.floats(0.05, 1.0))
@settings(max_examples=50)
def test_a_shrunk_ramp_is_the_same_ramp(size: int, share: float) -> None:
    small = max(1, round(size * share))
    ramp = np.repeat((np.arange(size, dtype=np.float32) + 0.5)[None], 3, axis=0)
    result = shrink(ramp, small, 2)[0]
    expected = (np.arange(small) + 0.5) * size / small
    exact = size % small == 0
    assert np.abs(result - expected).max() < (1e-4 if exact else 0.126)


@given(st.integers(4, 60), st.floats(1.0, 5.0), st.booleans())
@settings(max_examples=50)
def test_a_grown_ramp_is_the_same_ramp(size: int, factor: float, smooth: bool) -> None:
    large = round(size * factor)
    ramp = np.repeat((np.arange(size, dtype=np.float32) + 0.5)[None] / size, 4, axis=0)
    result = grow(ramp, large, 9, smooth=smooth)[4]
    positions = (np.arange(large) + 0.5) * size / large
    inside = (positions >= 1.5) & (positions <= size - 1.5)
    assert np.abs(result - positions / size)[inside].max(initial=0) < 1e-5


def test_sizes_keep_their_mean_and_bytes_stay_bytes() -> None:
    array = texture(64, 48)
    assert shrink(array, 16, 12).mean() == pytest.approx(array.mean(), abs=1e-5)
    coded = np.rint(array * 255).astype(np.uint8)
    small = shrink(coded, 16, 12)
    assert small.dtype == np.uint8
    assert np.abs(small - shrink(array, 16, 12) * 255).max() < 1
    assert np.array_equal(shrink(array, 64, 48), array)
    assert np.array_equal(grow(array, 64, 48), array)


def test_the_wrong_direction_is_refused() -> None:
    array = texture(20, 10)
    with pytest.raises(ValueError, match="cannot shrink"):
        shrink(array, 21, 10)
    with pytest.raises(ValueError, match="cannot grow"):
        grow(array, 20, 9)


def test_a_picture_at_full_size_is_the_plate() -> None:
    plate = texture(50, 40)
    working = working_for(Format(50, 40), 0)
    assert np.array_equal(to_picture(plate, Window(0, 0, 50, 40), 1.0, working, DISPLAY), plate)


def test_only_a_frame_on_the_picture_s_own_grid_is_shown_pixel_by_pixel() -> None:
    plate = Window(0, 0, 50, 40)
    assert shows_plate(plate, 1.0, working_for(Format(50, 40), 0))
    assert not shows_plate(plate, 1.0, working_for(Format(50, 40), 25))
    assert not shows_plate(Window(0, 0, 25, 20), 0.5, working_for(Format(50, 40), 0))
    assert not shows_plate(plate, 1.0, working_for(Format(50, 40, 2.0), 0))
    overscanned = working_for(Format(50, 40, data_window=Window(-4, -4, 54, 44)), 0)
    assert shows_plate(Window(-4, -4, 54, 44), 1.0, overscanned)
    assert not shows_plate(plate, 1.0, overscanned)


@given(
    st.integers(-40, 40), st.integers(-40, 40), st.integers(60, 200), st.integers(60, 200),
    st.sampled_from([0, 37, 48, 64]),
)  # fmt: skip
@settings(max_examples=30, deadline=None)
def test_overscan_changes_no_pixel_of_the_display_window(
    x: int, y: int, width: int, height: int, size: int
) -> None:
    data = Window(min(x, 0), min(y, 0), max(x + width, 96), max(y + height, 60))
    everything = texture(data.width, data.height)
    display = Window(0, 0, 96, 60)
    bare, over = working_for(Format(96, 60), size), working_for(Format(96, 60, 1.0, data), size)
    inner = to_picture(everything[display.slices(data)], display, 1.0, bare, DISPLAY)
    outer = to_picture(everything, data, 1.0, over, DISPLAY)
    assert outer.shape == (over.height, over.width, 3)
    cut = outer[bare.window.slices(over.window)]
    assert np.abs(cut - inner).max() < 1e-6


def test_a_half_size_proxy_gives_the_same_picture() -> None:
    plate = texture(400, 240)
    for data in (Window(0, 0, 400, 240), Window(-20, -10, 430, 251)):
        working = working_for(Format(400, 240, 1.0, data), 100)
        full = place(plate, Window(0, 0, 400, 240), data)
        small = scale_window(data, 0.5)
        half = shrink(place(full, data, Window(-20, -10, 430, 252)), 225, 131)
        half = place(half, Window(-10, -5, 215, 126), small)
        a = to_picture(full, data, 1.0, working, DISPLAY)
        b = to_picture(half, small, 0.5, working, DISPLAY)
        assert a.shape == b.shape
        assert np.abs(a - b).mean() < 1e-3


def test_a_smaller_frame_window_is_black_around_and_a_larger_one_cut() -> None:
    working = working_for(Format(64, 64), 32)
    part = to_picture(
        np.ones((20, 24, 3), np.float32), Window(8, 10, 32, 30), 1.0, working, DISPLAY
    )
    expected = np.zeros((32, 32, 3), np.float32)
    expected[5:15, 4:16] = 1
    assert np.abs(part - expected).max() < 1e-6
    larger = texture(100, 90)
    whole = to_picture(larger, Window(-10, -8, 90, 82), 1.0, working, DISPLAY)
    cut = to_picture(larger[8:72, 10:74], Window(0, 0, 64, 64), 1.0, working, DISPLAY)
    assert np.array_equal(whole, cut)
    outside = to_picture(larger, Window(500, 500, 600, 590), 1.0, working, DISPLAY)
    assert not outside.any()


def test_an_anamorphic_plate_is_seen_with_square_pixels() -> None:
    squeezed = Format(200, 200, 2.0)
    rows, columns = np.mgrid[:200, :200] + 0.5
    circle = (np.hypot((columns - 100) * 2, rows - 100) < 60).astype(np.float32)
    working = working_for(squeezed, 200)
    seen = to_picture(np.repeat(circle[..., None], 3, 2), squeezed.data, 1.0, working, DISPLAY)[
        ..., 0
    ]
    wide, high = seen.max(axis=0).sum(), seen.max(axis=1).sum()
    assert (working.width, working.height) == (200, 100)
    assert wide == pytest.approx(high, rel=0.05)


@pytest.mark.parametrize("size", [48, 100, 0])
def test_linear_light_and_jpeg_agree_after_shrinking_too(size: int) -> None:
    view = ColourSettings("ACEScg")
    plate = (texture(300, 200) ** 3 * 2).astype(np.float32)
    plate[40:44, 50:90] = 40  # a highlight
    plate = plate.astype(np.float16)
    coded = np.rint(encode_display(plate, view) * 255).astype(np.float32) / 255
    working = working_for(Format(300, 200), size)
    window = Window(0, 0, 300, 200)
    a = to_picture(plate, window, 1.0, working, Colour(view))
    b = to_picture(coded, window, 1.0, working, DISPLAY)
    assert np.abs(a - b).mean() * 255 < 1
    assert np.abs(a - b).max() * 255 < 3


def test_threads_do_not_change_the_picture() -> None:
    plate = texture(300, 500)
    working = working_for(Format(300, 500), 333)
    window = Window(0, 0, 300, 500)
    one = to_picture(plate, window, 1.0, working, Colour(ColourSettings("ACEScg")), threads=1)
    four = to_picture(plate, window, 1.0, working, Colour(ColourSettings("ACEScg")), threads=4)
    assert np.array_equal(one, four)


def test_pixels_that_do_not_fit_are_refused() -> None:
    working = working_for(Format(20, 10), 0)
    with pytest.raises(ValueError, match="do not cover"):
        to_picture(np.zeros((10, 19, 3), np.float32), Window(0, 0, 20, 10), 1.0, working, DISPLAY)
    with pytest.raises(ValueError, match="is not of this"):
        mask_to_plate(np.zeros((9, 20), np.float32), working, Window(0, 0, 20, 10))


@given(
    st.floats(60, 140), st.floats(50, 110), st.floats(18, 40), st.sampled_from([0, 40, 75, 160]),
    st.sampled_from([0.5, 1.0, 1.5]), st.integers(-30, 20), st.integers(-30, 10),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_a_mask_goes_to_the_picture_and_back_without_moving(
    x: float, y: float, radius: float, size: int, aspect: float, left: int, top: int
) -> None:
    data = Window(left, top, 230, 190)
    working = working_for(Format(200, 160, aspect, data), size)
    mask = disc(data, x, y, radius)
    seen = mask_to_picture(mask, data, working)
    assert seen.shape == (working.height, working.width)
    assert centroid(seen) == pytest.approx(working.to_picture(x, y), abs=0.1)
    back = mask_to_plate(seen, working, data)
    assert back.shape == mask.shape
    assert back.min() >= 0
    assert back.max() <= 1
    there = centroid(mask)
    assert centroid(back) == pytest.approx(there, abs=0.2)
    assert (back > 0.5).sum() == pytest.approx((mask > 0.5).sum(), rel=0.15)


def test_a_mask_at_full_size_comes_back_as_it_is() -> None:
    working = working_for(Format(60, 40), 0)
    mask = np.random.default_rng(0).random((40, 60)).astype(np.float32)
    assert np.array_equal(mask_to_picture(mask, working.format.data, working), mask)
    assert np.array_equal(mask_to_plate(mask, working, working.format.data), mask)


def test_a_window_of_a_mask_is_cut_from_the_whole() -> None:
    working = working_for(Format(200, 160), 64)
    mask = mask_to_picture(
        disc(Window(0, 0, 200, 160), 90, 70, 30), Window(0, 0, 200, 160), working
    )
    whole = mask_to_plate(mask, working, Window(0, 0, 200, 160))
    part = Window(57, 31, 143, 99)
    assert np.array_equal(
        mask_to_plate(mask, working, part), whole[part.slices(Window(0, 0, 200, 160))]
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_what_is_empty_around_a_mask_is_not_worked_on_and_changes_nothing(dtype: type) -> None:
    working = working_for(Format(200, 160), 64)
    window = Window(-9, 3, 204, 150)
    random = np.random.default_rng(1)
    for top, left in ((0, 0), (20, 30), (46, 50)):
        mask = np.zeros((working.height, working.width), np.float32)
        mask[top : top + 5, left : left + 14] = random.random((5, 14)) + 0.01
        # A mask without an empty row or column goes the whole way.
        hair = np.float32(1e-30)
        whole = mask_to_plate(np.maximum(mask, hair), working, window).astype(dtype)
        box = mask_to_plate(mask, working, window, dtype=dtype)
        assert box.dtype == dtype
        assert np.array_equal(np.where(whole > 1e-9, whole, 0), np.where(box > 1e-9, box, 0))
        assert box.max() > 0
    empty = mask_to_plate(np.zeros_like(mask), working, window, dtype=dtype)
    assert empty.shape == (window.height, window.width)
    assert not empty.any()


def test_masks_of_a_proxy_lie_where_the_plate_s_do() -> None:
    working = working_for(Format(200, 160), 100)
    half = disc(Window(0, 0, 100, 80), 45, 35, 15)
    seen = mask_to_picture(half, Window(0, 0, 100, 80), working, scale=0.5)
    assert centroid(seen) == pytest.approx(working.to_picture(90, 70), abs=0.05)
    back = mask_to_plate(seen, working, Window(0, 0, 100, 80), scale=0.5)
    assert np.abs(back - half).max() < 1e-5


def test_beyond_its_window_a_mask_is_empty() -> None:
    working = working_for(Format(40, 40), 20)
    seen = mask_to_picture(np.ones((10, 10), np.float32), Window(10, 10, 20, 20), working)
    expected = np.zeros((20, 20), np.float32)
    expected[5:10, 5:10] = 1
    assert np.abs(seen - expected).max() < 1e-6
