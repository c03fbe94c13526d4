"""Decoded frames and embeddings: shared by content, bounded, and let go when nobody calls."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from airoto.wire import recipe as recipes
from airoto_server.app.sample import SamplePaths
from airoto_server.engines.null import NullMatter, NullSegmenter
from airoto_server.engines.registry import Role
from airoto_server.engines.roles import MatteResult, Picture, Trimap
from airoto_server.ops.part import Part
from airoto_server.sessions.embeddings import Embeddings
from airoto_server.sessions.idle import IdleTimer
from airoto_server.sessions.matting import FrameMatting
from airoto_server.sessions.pipeline import overlapped
from airoto_server.sessions.shared_frames import SharedFrames
from airoto_server.sessions.shot import open_shot
from airoto_server.sessions.workshop import Settings, Workshop

Array = npt.NDArray[np.float32]


class Clock:
    """Time that only a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Maker:
    """Makes arrays of 1 kB and counts them."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def of(self, name: str) -> Any:
        def make() -> Array:
            self.made.append(name)
            return np.zeros(256, np.float32)

        return make


def test_what_is_kept_is_made_once_and_bounded() -> None:
    maker, frames = Maker(), SharedFrames(3 * 1024)
    for name in ("a", "b", "c", "a", "d"):
        frames.get(name, maker.of(name), keep=True)
    gc.collect()
    assert maker.made == ["a", "b", "c", "d"]
    assert frames.use().bytes == 3 * 1024
    frames.get("a", maker.of("a"), keep=True)
    frames.get("b", maker.of("b"), keep=True)  # least recently used, so gone
    assert maker.made == ["a", "b", "c", "d", "b"]


def test_what_a_render_passes_through_lives_only_as_long_as_somebody_has_it() -> None:
    maker, frames = Maker(), SharedFrames(1 << 20)
    mine = frames.get("a", maker.of("a"), keep=False)
    assert frames.get("a", maker.of("a"), keep=False) is mine
    assert frames.use().bytes == 0
    del mine
    gc.collect()
    frames.get("a", maker.of("a"), keep=False)
    assert maker.made == ["a", "a"]


def test_several_who_ask_at_once_wait_for_one() -> None:
    frames, begun, made = SharedFrames(1 << 20), threading.Barrier(5), []

    def make() -> Array:
        time.sleep(0.05)
        made.append(1)
        return np.zeros(4, np.float32)

    def ask(_: int) -> Array:
        begun.wait()
        return frames.get("a", make, keep=False)

    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(ask, range(5)))
    assert len(made) == 1
    assert all(one is answers[0] for one in answers)


def test_a_failure_is_for_those_who_asked_and_is_tried_again() -> None:
    frames = SharedFrames(1 << 20)

    def fail() -> Array:
        raise OSError("no such frame")

    for _ in range(2):
        with pytest.raises(OSError, match="no such frame"):
            frames.get("a", fail, keep=True)
    assert frames.get("a", Maker().of("a"), keep=True) is not None


def test_what_nobody_asks_for_goes() -> None:
    clock, maker = Clock(), Maker()
    frames = SharedFrames(1 << 20, clock=clock)
    told: list[int] = []

    def account(session: str, size: int, *, offload: Any = None) -> None:
        told.append(size)

    embeddings = Embeddings(1 << 20, account, clock=clock)
    picture = np.zeros((8, 8, 3), np.float32)
    for name in ("a", "b"):
        frames.get(name, maker.of(name), keep=True)
        embeddings.get(NullSegmenter(), lambda: picture, content=name, seed=0)
    clock.now = 50
    frames.get("a", maker.of("a"), keep=True)
    embeddings.get(NullSegmenter(), lambda: picture, content="a", seed=0)
    clock.now = 100
    frames.expire(60)
    embeddings.expire(60)
    assert frames.use().entries == 1
    assert embeddings.held_bytes == told[-1] == 16
    clock.now = 1000
    timer = IdleTimer(0.2, [frames.expire, embeddings.expire])
    end = time.monotonic() + 20
    while frames.use().entries or embeddings.held_bytes:
        assert time.monotonic() < end
        time.sleep(0.01)
    timer.close()


def test_a_second_click_by_another_client_decodes_nothing(
    clip: SamplePaths, tmp_path: Path
) -> None:
    from airoto_server.scheduler.cancel import Cancel
    from airoto_server.sessions.single import segment_frame

    recipe = recipes.read(clip.recipe)
    recipe.plate.path = str(clip.acescg)
    recipe.segment.engine = "null"
    workshop = Workshop(Settings(scratch=tmp_path))
    try:
        # The same pixels under another name.
        other = tmp_path / "copy"
        other.mkdir()
        for path in clip.acescg.parent.iterdir():
            (other / path.name).write_bytes(path.read_bytes())
        for folder in (clip.acescg.parent, clip.acescg.parent, other):
            recipe.plate.path = str(folder / clip.acescg.name)
            segment_frame(workshop, recipe, clip.first, (), Cancel())
            gc.collect()
        stats = workshop.shared_frames.use()
        # A frame and its picture, once; the embedding that is there needs neither.
        assert (stats.misses, stats.hits) == (2, 0)
        assert stats.entries == 2
    finally:
        workshop.close()


def test_a_matter_sees_the_same_whether_its_frame_was_tracked_or_not(
    clip: SamplePaths, tmp_path: Path
) -> None:
    class Recorder(NullMatter):
        """Keeps what it is shown."""

        def matte(self, picture: Picture, trimap: Trimap | None, *, seed: int) -> MatteResult:
            seen.append(picture)
            return super().matte(picture, trimap, seed=seed)

    seen: list[Picture] = []
    recipe = recipes.read(clip.recipe)
    recipe.plate.path = str(clip.acescg)
    recipe.segment.engine = recipe.track.engine = "null"
    workshop = Workshop(Settings(scratch=tmp_path))
    try:
        for side in (0, 64):  # the plate's own, and a smaller one
            recipe.processing.working_size = side
            shot = open_shot(workshop, recipe, (), [Role.SEGMENTER, Role.TRACKER])
            plate = shot.frames.plate(clip.first)
            matting = FrameMatting(
                plate,
                window=shot.window,
                working=shot.working,
                scale=1.0,
                colour=shot.frames.colour,
                rules=shot.rules,
                threads=1,
                check=lambda: None,
                shown=partial(shot.frames.shown, clip.first, plate.window),
            )
            trimap = np.zeros((shot.window.height, shot.window.width), np.float32)
            trimap[20:40, 30:60], trimap[24:36, 34:56] = 0.5, 1.0
            assert shot.frames.shown(clip.first, plate.window) is None
            matting.from_trimap(Part.of(trimap), Recorder(), seed=0)
            before, seen = seen, []
            picture = shot.frames.picture(clip.first)
            assert shot.frames.shown(clip.first, plate.window) is (None if side else picture)
            matting.from_trimap(Part.of(trimap), Recorder(), seed=0)
            after, seen = seen, []
            assert before
            for one, other in zip(before, after, strict=True):
                assert np.array_equal(one, other)
    finally:
        workshop.close()


def test_a_finished_frame_is_let_go_and_read_again_by_whoever_asks(
    clip: SamplePaths, tmp_path: Path
) -> None:
    recipe = recipes.read(clip.recipe)
    recipe.plate.path = str(clip.acescg)
    recipe.segment.engine = "null"
    workshop = Workshop(Settings(scratch=tmp_path))
    try:
        frames = open_shot(workshop, recipe, (), [Role.SEGMENTER]).frames
        before = frames.picture(clip.first).copy()
        held = [weakref.ref(frames.plate(clip.first)), weakref.ref(frames.picture(clip.first))]
        frames.let_go(clip.first + 1)
        gc.collect()
        assert all(one() is not None for one in held)
        frames.let_go(clip.first)
        gc.collect()
        assert all(one() is None for one in held)
        assert np.array_equal(frames.picture(clip.first), before)
    finally:
        workshop.close()


# ---- overlapping stages --------------------------------------------------------------


def test_stages_keep_order_errors_and_a_bounded_distance() -> None:
    far: list[int] = []
    taken = 0

    def source() -> Any:
        for number in range(50):
            far.append(number - taken)
            yield number
        raise ValueError("the end")

    got = []

    def take() -> None:
        nonlocal taken
        for number in overlapped(source(), 3, "test"):
            taken = number + 1
            got.append(number)

    with pytest.raises(ValueError, match="the end"):
        take()
    assert got == list(range(50))
    # Three wait, one is being made, one was taken.
    assert max(far) <= 5


def test_leaving_early_closes_the_source_on_its_own_thread() -> None:
    closed = []

    def source() -> Any:
        try:
            yield from range(1000)
        finally:
            closed.append(threading.current_thread().name)

    items = overlapped(source(), 2, "stage")
    assert next(items) == 0
    items.close()
    assert closed == ["stage"]
    assert "stage" not in [thread.name for thread in threading.enumerate()]
