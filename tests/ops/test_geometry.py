"""Windows, formats and the mapping between a plate and the picture of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airoto_server.ops.geometry import Format, Window, place, scale_window, working_for

sides = st.integers(-300, 300)
windows = st.builds(
    lambda x, y, w, h: Window(x, y, x + w, y + h),
    sides,
    sides,
    st.integers(0, 200),
    st.integers(0, 200),
)


@st.composite
def formats(draw: st.DrawFn) -> Format:
    width, height = draw(st.integers(1, 5000)), draw(st.integers(1, 5000))
    x, y = draw(st.integers(-500, 500)), draw(st.integers(-500, 500))
    data = Window(x, y, x + draw(st.integers(1, 6000)), y + draw(st.integers(1, 6000)))
    aspect = draw(st.sampled_from([0.5, 0.9, 1.0, 1.1, 2.0]))
    return Format(width, height, aspect, draw(st.sampled_from([None, data])))


@given(windows, windows)
def test_intersection_and_union_hold_what_they_say(a: Window, b: Window) -> None:
    common, both = a.intersect(b), a.union(b)
    assert a.contains(common)
    assert b.contains(common)
    assert both.contains(a)
    assert both.contains(b)
    shared = {(x, y) for x in range(a.x_min, a.x_max) for y in (a.y_min, b.y_min)} & {
        (x, y) for x in range(b.x_min, b.x_max) for y in (a.y_min, b.y_min)
    }
    rows = max(0, min(a.y_max, b.y_max) - max(a.y_min, b.y_min))
    assert common.is_empty == (not shared or rows == 0)


def test_a_window_moves_and_grows() -> None:
    window = Window(2, 3, 10, 7)
    assert (window.width, window.height, window.area) == (8, 4, 32)
    assert window.shifted(-2, 1) == Window(0, 4, 8, 8)
    assert window.grown(2) == Window(0, 1, 12, 9)
    assert window.grown(-2).is_empty


def test_slices_pick_the_window_out_of_an_array() -> None:
    origin = Window(-2, -1, 6, 4)
    pixels = np.arange(origin.area).reshape(origin.height, origin.width)
    picked = pixels[Window(-1, 2, 3, 4).slices(origin)]
    assert picked.shape == (2, 4)
    assert picked[0, 0] == 3 * origin.width + 1


def test_a_window_outside_an_array_has_no_slices() -> None:
    with pytest.raises(ValueError, match="outside"):
        Window(0, 0, 3, 3).slices(Window(1, 0, 3, 3))


@given(windows, windows)
def test_placed_pixels_keep_their_position(src: Window, dst: Window) -> None:
    rows, columns = np.mgrid[src.y_min : src.y_max, src.x_min : src.x_max]
    pixels = (rows * 1000.0 + columns).reshape(src.height, src.width)
    placed = place(pixels, src, dst, fill=-7777777.0)
    assert placed.shape == (dst.height, dst.width)
    common = src.intersect(dst)
    inside = placed[common.slices(dst)]
    expected = np.add.outer(
        np.arange(common.y_min, common.y_max) * 1000.0, np.arange(common.x_min, common.x_max)
    )
    if not common.is_empty:
        assert np.array_equal(inside, expected)
    assert (placed != -7777777.0).sum() == common.area


def test_pixels_that_do_not_fit_their_window_are_refused() -> None:
    with pytest.raises(ValueError, match="do not cover"):
        place(np.zeros((3, 4)), Window(0, 0, 3, 4), Window(0, 0, 1, 1))


@pytest.mark.parametrize(
    "bad", [(0, 10, 1.0), (10, -1, 1.0), (10, 10, 0.0), (10, 10, float("nan"))]
)
def test_an_impossible_format_is_refused(bad: tuple[int, int, float]) -> None:
    with pytest.raises(ValueError, match=r"positive"):
        Format(*bad)


def test_a_format_without_data_window_has_its_display_window() -> None:
    assert Format(10, 6).data == Window(0, 0, 10, 6)
    assert Format(10, 6) == Format(10, 6, 1.0, Window(0, 0, 10, 6))
    with pytest.raises(ValueError, match="empty data window"):
        Format(10, 6, 1.0, Window(3, 3, 3, 9))


@given(formats(), st.integers(0, 2048), st.floats(-6000, 6000), st.floats(-6000, 6000))
def test_to_plate_undoes_to_picture(f: Format, size: int, x: float, y: float) -> None:
    working = working_for(f, size)
    back = working.to_plate(*working.to_picture(x, y))
    assert back == pytest.approx((x, y), abs=1e-6)


@given(formats(), st.integers(0, 2048))
def test_the_picture_covers_the_data_window_and_less_than_a_pixel_more(
    f: Format, size: int
) -> None:
    working = working_for(f, size)
    left, top = working.to_picture(f.data.x_min, f.data.y_min)
    right, bottom = working.to_picture(f.data.x_max, f.data.y_max)
    assert -1e-6 <= left < 1
    assert -1e-6 <= top < 1
    assert -1 < right - working.width <= 1e-6
    assert -1 < bottom - working.height <= 1e-6


@given(formats(), st.integers(0, 2048))
def test_neither_axis_is_enlarged_and_the_long_side_is_as_asked(f: Format, size: int) -> None:
    working = working_for(f, size)
    assert working.scale_x <= 1
    assert working.scale_y <= 1
    long_side = max(working.display_width, working.display_height)
    assert size == 0 or long_side <= size
    if size and size <= min(f.width, f.height):
        assert long_side == size


@given(formats(), st.integers(0, 2048))
def test_overscan_moves_the_picture_but_never_its_scale(f: Format, size: int) -> None:
    bare = working_for(Format(f.width, f.height, f.pixel_aspect), size)
    over = working_for(f, size)
    assert (bare.scale_x, bare.scale_y) == (over.scale_x, over.scale_y)
    a, b = bare.to_picture(100.5, 20.5), over.to_picture(100.5, 20.5)
    # The grids differ by whole pixels.
    assert b[0] - a[0] == pytest.approx(-over.window.x_min, abs=1e-6)
    assert b[1] - a[1] == pytest.approx(-over.window.y_min, abs=1e-6)


@pytest.mark.parametrize(
    ("aspect", "size", "expected"),
    [
        (1.0, 1024, (1024, 576)),
        (1.0, 0, (1920, 1080)),
        (1.0, 4096, (1920, 1080)),
        (2.0, 0, (1920, 540)),
        (2.0, 960, (960, 270)),
        (0.5, 540, (480, 540)),
    ],
)
def test_pictures_have_square_pixels(aspect: float, size: int, expected: tuple[int, int]) -> None:
    working = working_for(Format(1920, 1080, aspect), size)
    assert (working.width, working.height) == expected
    assert working.scale_x / working.scale_y == pytest.approx(aspect, rel=1e-3)


def test_a_negative_working_size_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        working_for(Format(10, 10), -1)


@given(windows, st.sampled_from([0.25, 1 / 3, 0.5, 1.0]))
def test_a_scaled_window_loses_no_pixel_and_gains_less_than_one(w: Window, scale: float) -> None:
    scaled = scale_window(w, scale)
    for now, before in ((scaled.x_min, w.x_min), (scaled.y_min, w.y_min)):
        assert -1e-5 <= before * scale - now < 1
    for now, before in ((scaled.x_max, w.x_max), (scaled.y_max, w.y_max)):
        assert -1e-5 <= now - before * scale < 1
