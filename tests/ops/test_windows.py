"""Windows around the unknown region, and joining their answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airoto_server.ops.geometry import Window
from airoto_server.ops.trimap import trimap_fixed
from airoto_server.ops.windows import blend, windows_around


@st.composite
def unknowns(draw: st.DrawFn) -> np.ndarray:
    high, wide = draw(st.integers(1, 120)), draw(st.integers(1, 160))
    rng = np.random.default_rng(draw(st.integers(0, 9999)))
    unknown = np.zeros((high, wide), bool)
    for _ in range(draw(st.integers(0, 5))):
        y, x = rng.integers(0, high), rng.integers(0, wide)
        unknown[y : y + rng.integers(1, 40), x : x + rng.integers(1, 60)] = True
    unknown |= rng.random((high, wide)) < draw(st.sampled_from([0.0, 0.002]))
    return unknown


def ring(size: int, radius: float) -> np.ndarray:
    y, x = np.mgrid[:size, :size] + 0.5
    disc = (np.hypot(x - size / 2, y - size / 2) < radius).astype(np.float32)
    return trimap_fixed(disc, 6, 6) == 0.5


@given(unknowns(), st.integers(0, 12), st.integers(1, 70))
@settings(max_examples=150, deadline=None)
def test_every_unknown_pixel_lies_well_inside_a_window(
    unknown: np.ndarray, overlap: int, core: int
) -> None:
    limit = core + 2 * overlap
    high, wide = unknown.shape
    frame = Window.sized(wide, high)
    inside = np.zeros(unknown.shape, bool)
    for window in windows_around(unknown, limit, overlap):
        assert frame.contains(window)
        assert 0 < window.width <= limit
        assert 0 < window.height <= limit
        well = Window(
            window.x_min + (overlap if window.x_min > 0 else 0),
            window.y_min + (overlap if window.y_min > 0 else 0),
            window.x_max - (overlap if window.x_max < wide else 0),
            window.y_max - (overlap if window.y_max < high else 0),
        )
        inside[well.slices(frame)] = True
        assert unknown[window.slices(frame)].any()
    assert inside[unknown].all()


def test_nothing_unknown_needs_no_window() -> None:
    assert windows_around(np.zeros((50, 50), bool), 64, 8) == []


def test_windows_follow_the_edge_and_leave_the_inside_alone() -> None:
    unknown = ring(1000, 400)
    windows = windows_around(unknown, 512, 16)
    assert sum(window.area for window in windows) < 0.5 * unknown.size
    assert len(windows) <= 16


def test_a_small_unknown_region_is_one_small_window() -> None:
    unknown = np.zeros((500, 500), bool)
    unknown[200:230, 300:340] = True
    assert windows_around(unknown, 512, 10) == [Window(290, 190, 350, 240)]


def test_far_apart_regions_get_windows_of_their_own() -> None:
    unknown = np.zeros((400, 400), bool)
    unknown[10:20, 10:20] = True
    unknown[370:380, 370:380] = True
    assert windows_around(unknown, 512, 8) == [Window(2, 2, 28, 28), Window(362, 362, 388, 388)]


def test_a_window_that_is_all_overlap_is_refused() -> None:
    with pytest.raises(ValueError, match="no room"):
        windows_around(np.ones((4, 4), bool), 16, 8)


@given(unknowns(), st.integers(0, 12), st.integers(1, 70), st.integers(0, 99))
@settings(max_examples=80, deadline=None)
def test_pieces_of_one_matte_join_to_that_matte(
    unknown: np.ndarray, overlap: int, core: int, seed: int
) -> None:
    matte = np.random.default_rng(seed).random(unknown.shape).astype(np.float32)
    matte[::3] = 1
    matte[1::3] = 0
    frame = Window.sized(unknown.shape[1], unknown.shape[0])
    windows = windows_around(unknown, core + 2 * overlap, overlap)
    joined = blend(
        np.full(unknown.shape, -1, np.float32),
        [(window, matte[window.slices(frame)]) for window in windows],
        overlap,
    )
    covered = np.zeros(unknown.shape, bool)
    for window in windows:
        covered[window.slices(frame)] = True
    assert np.array_equal(joined[covered], matte[covered])
    assert (joined[~covered] == -1).all()


def test_windows_apart_keep_their_answers_bit_for_bit_beside_others_that_meet() -> None:
    rng = np.random.default_rng(8)
    windows = [Window(0, 0, 50, 40), Window(60, 2, 97, 33), Window(5, 50, 45, 91)]
    pieces = [(one, rng.random((one.height, one.width), np.float32)) for one in windows]
    base = rng.random((100, 100), np.float32)
    apart = blend(base, pieces, 6)
    meets = Window(90, 90, 100, 100)
    beside = blend(base, [*pieces, *[(meets, np.ones((10, 10), np.float32))] * 2], 6)
    assert np.array_equal(apart[:90], beside[:90])
    for window, piece in pieces:
        assert np.array_equal(apart[window.slices(Window.sized(100, 100))], piece)


def test_a_lone_window_s_answer_is_kept_bit_for_bit() -> None:
    answer = np.random.default_rng(0).random((20, 30)).astype(np.float32)
    joined = blend(np.zeros((60, 60), np.float32), [(Window(10, 5, 40, 25), answer)], 7)
    assert np.array_equal(joined[5:25, 10:40], answer)
    assert joined.sum() == pytest.approx(answer.sum(), rel=1e-5)


def test_disagreeing_windows_fade_into_each_other_without_a_step() -> None:
    left, right = Window(0, 0, 60, 20), Window(40, 0, 100, 20)
    pieces = [
        (left, np.zeros((20, 60), np.float32)),
        (right, np.ones((20, 60), np.float32)),
    ]
    joined = blend(np.zeros((20, 100), np.float32), pieces, 20)
    steps = np.diff(joined[10])
    assert (steps >= 0).all()
    assert steps.max() < 0.1
    assert joined[10, 39] == 0
    assert joined[10, 60] == 1


def test_windows_and_joins_are_repeatable() -> None:
    unknown = ring(300, 100)
    assert windows_around(unknown, 128, 8) == windows_around(unknown.copy(), 128, 8)
