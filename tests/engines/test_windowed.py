"""Matting in windows must not differ from matting at once."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest

from airoto.errors import EngineError
from airoto_server.engines.classic_matter import ClosedFormMatter
from airoto_server.engines.null import NullMatter
from airoto_server.engines.roles import MatteResult
from airoto_server.engines.windowed import matte_in_windows
from airoto_server.ops.geometry import Window

from .scenes import Mask, Picture, soft_disc


class SmallWindows(ClosedFormMatter):
    """Closed form in windows that are small beside the pictures of these tests."""

    max_window: ClassVar[int] = 96
    overlap: ClassVar[int] = 24

    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []

    def matte(self, picture: Picture, trimap: Mask | None, *, seed: int) -> MatteResult:
        self.seen.append((picture.shape[0], picture.shape[1]))
        return super().matte(picture, trimap, seed=seed)


class WholePicture(NullMatter):
    """Needs no trimap and says a quarter everywhere."""

    needs_trimap: ClassVar[bool] = False

    def matte(self, picture: Picture, trimap: Mask | None, *, seed: int) -> MatteResult:
        assert trimap is None
        return MatteResult(np.full(picture.shape[:2], 0.25, np.float32))


def cutter(picture: Picture, asked: list[Window]):
    def picture_of(window: Window) -> Picture:
        asked.append(window)
        return picture[window.y_min : window.y_max, window.x_min : window.x_max]

    return picture_of


def test_windows_agree_with_the_whole_picture() -> None:
    picture, truth, trimap = soft_disc((240, 320))
    engine = SmallWindows()
    asked: list[Window] = []
    alpha = matte_in_windows(engine, cutter(picture, asked), trimap, seed=0, threads=1)
    whole = ClosedFormMatter().matte(picture, trimap, seed=0).alpha
    unknown = trimap == 0.5
    assert len(asked) > 3
    assert np.abs(alpha - whole)[unknown].mean() < 0.005
    assert np.abs(alpha - truth)[unknown].mean() < 0.05
    np.testing.assert_array_equal(alpha[~unknown], trimap[~unknown])


def test_the_number_of_threads_does_not_change_a_bit() -> None:
    picture, _, trimap = soft_disc((240, 320))
    alphas = [
        matte_in_windows(SmallWindows(), cutter(picture, []), trimap, seed=0, threads=threads)
        for threads in (1, 2, 4)
    ]
    np.testing.assert_array_equal(alphas[0], alphas[1])
    np.testing.assert_array_equal(alphas[0], alphas[2])


def test_nothing_is_asked_for_away_from_the_unknown_region() -> None:
    picture, _, trimap = soft_disc((240, 320))
    asked: list[Window] = []
    matte_in_windows(SmallWindows(), cutter(picture, asked), trimap, seed=0, threads=1)
    covered = np.zeros(trimap.shape, np.bool_)
    for window in asked:
        covered[window.y_min : window.y_max, window.x_min : window.x_max] = True
    assert covered[trimap == 0.5].all()
    assert not covered[:10, :10].any()


def test_a_trimap_without_unknown_asks_for_nothing() -> None:
    _, _, trimap = soft_disc((240, 320))
    trimap[trimap == 0.5] = 0
    asked: list[Window] = []
    picture = np.zeros((240, 320, 3), np.float32)
    alpha = matte_in_windows(SmallWindows(), cutter(picture, asked), trimap, seed=0, threads=2)
    assert asked == []
    np.testing.assert_array_equal(alpha, trimap)


def test_an_unknown_region_wider_than_a_window_is_solved_at_a_smaller_size() -> None:
    picture, truth, _ = soft_disc((130, 160))
    rows, columns = np.ogrid[:130, :160]
    distance = np.hypot(columns - 80, rows - 65)
    wide = np.where(distance < 8, 1, np.where(distance > 64, 0, 0.5)).astype(np.float32)
    engine = SmallWindows()
    alpha = matte_in_windows(engine, cutter(picture, []), wide, seed=0, threads=1)
    assert max(max(size) for size in engine.seen) <= engine.max_window
    assert np.abs(alpha - truth)[wide == 0.5].mean() < 0.1
    np.testing.assert_array_equal(alpha[wide != 0.5], wide[wide != 0.5])


def test_a_trimap_with_nothing_known_is_refused() -> None:
    picture, _, trimap = soft_disc()
    with pytest.raises(EngineError, match="known"):
        matte_in_windows(
            SmallWindows(), cutter(picture, []), np.full_like(trimap, 0.5), seed=0, threads=1
        )


def test_an_engine_without_trimap_gets_the_whole_picture_once() -> None:
    picture, _, trimap = soft_disc((240, 320))
    asked: list[Window] = []
    alpha = matte_in_windows(WholePicture(), cutter(picture, asked), trimap, seed=0, threads=2)
    assert asked == [Window(0, 0, 320, 240)]
    unknown = trimap == 0.5
    assert (alpha[unknown] == 0.25).all()
    np.testing.assert_array_equal(alpha[~unknown], trimap[~unknown])


def test_null_alpha_is_a_half_where_unknown() -> None:
    picture, _, trimap = soft_disc((240, 320))
    alpha = matte_in_windows(NullMatter(), cutter(picture, []), trimap, seed=0, threads=1)
    np.testing.assert_array_equal(alpha, trimap)


class Clicks:
    """Somebody who wants the device so many times."""

    def __init__(self, clicks: int) -> None:
        self.left = clicks
        self.ways = 0

    @property
    def wanted(self) -> bool:
        return self.left > 0

    def give_way(self) -> None:
        self.ways += 1
        self.left -= 1


@pytest.mark.parametrize("threads", [1, 3])
def test_giving_way_between_windows_changes_nothing(threads: int) -> None:
    trimap = np.full((300, 2600), 0.5, np.float32)
    trimap[:20], trimap[-20:] = 0, 1
    picture = np.random.default_rng(3).random((300, 2600, 3), np.float32)

    def picture_of(window: Window) -> Picture:
        return picture[window.slices(Window.sized(2600, 300))]

    alone = matte_in_windows(NullMatter(), picture_of, trimap, seed=1, threads=threads)
    clicks = Clicks(2)
    shared = matte_in_windows(
        NullMatter(), picture_of, trimap, seed=1, threads=threads, pause=clicks
    )
    assert clicks.ways == 2
    np.testing.assert_array_equal(alone, shared)
