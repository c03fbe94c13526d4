"""Engines that are leased for each call: what is free between calls, and when memory is full."""

from __future__ import annotations

import functools
import gc
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from airoto.errors import TooLargeError
from airoto_server.engines import cutie, sam2_video
from airoto_server.engines.registry import EngineSpec, LoadOptions, Role
from airoto_server.engines.roles import (
    Engine,
    Mask,
    MatteResult,
    Picture,
    Tracked,
    Tracker,
    TrackRun,
)
from airoto_server.residency.leased import LeasedMatter, LeasedTracker
from airoto_server.residency.residency import Residency
from airoto_server.residency.simulated import SimulatedDevice

from ..engines import neural_checkpoints as neural
from .residency_engines import SizedEngine

HEIGHT, WIDTH, FRAMES = 130, 165, 7
FIRST = neural.disc(HEIGHT, WIDTH, 60, 60, 25)
SECOND = neural.disc(HEIGHT, WIDTH, 120, 70, 20)
KEYS: Mapping[int, Mapping[int, Mask]] = {0: {1: FIRST}, 3: {2: SECOND}, 5: {1: FIRST}}


# ---- trackers of the real packages ---------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """A tracker under test; `parts` are modules that take memory at different times of a step."""

    name: str
    spec: Callable[[Path], EngineSpec]
    plain: Callable[[], Tracker]
    parts: tuple[str, ...]


def sam2_spec(folder: Path) -> EngineSpec:
    path = neural.write_safetensors(folder, neural.sam2_model(neural.TINY_SAM2))
    facts = replace(neural.facts("sam2-test"), needs_weights=False)
    options = LoadOptions(checkpoint=path)
    return EngineSpec(
        Role.TRACKER, facts, lambda _: sam2_video.build(neural.TINY_SAM2, facts, options)
    )


def cutie_spec(folder: Path) -> EngineSpec:
    path = neural.write_cutie(folder / "cutie.pth", neural.cutie_model(neural.TINY_CUTIE))
    facts = replace(neural.facts("cutie-test"), needs_weights=False)
    options = LoadOptions(checkpoint=path)
    return EngineSpec(Role.TRACKER, facts, lambda _: cutie.build(neural.TINY_CUTIE, facts, options))


KINDS = (
    Kind(
        "sam2",
        sam2_spec,
        neural.tiny_sam2_tracker,
        ("vision_encoder", "mask_decoder", "memory_encoder"),
    ),
    Kind("cutie", cutie_spec, neural.tiny_cutie, ("pixel_encoder", "mask_decoder", "mask_encoder")),
)


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    return request.param


def pictures() -> list[Picture]:
    return [neural.picture(HEIGHT, WIDTH, shift=3 * each) for each in range(FRAMES)]


def followed(run: TrackRun, between: Callable[[int], object] = lambda frame: None) -> list:
    """The same pass every time: two objects, three keyframes, one of them ahead."""
    run.condition(20, neural.picture(HEIGHT, WIDTH, seed=1), {1: SECOND})
    answers = []
    for frame, picture in enumerate(pictures()):
        between(frame)
        answers.append(run.step(frame, picture, KEYS.get(frame)))
    run.close()
    return answers


@functools.cache
def undisturbed(kind: Kind) -> list:
    """What the engine itself answers."""
    return followed(kind.plain().begin([1, 2], seed=0))


def same(first: Sequence[Mapping[int, Tracked]], second: Sequence[Mapping[int, Tracked]]) -> bool:
    return all(
        one.keys() == other.keys()
        and all(np.array_equal(one[name].mask, other[name].mask) for name in one)
        for one, other in zip(first, second, strict=True)
    )


@contextmanager
def full(engine: Engine, part: str, at: int) -> Iterator[list[int]]:
    """The device is full whenever `part` runs for the `at`-th time; yields its runs so far."""
    runs: list[int] = []

    def fail(*_: object) -> None:
        runs.append(len(runs))
        if len(runs) == at:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    hook = getattr(engine.model, part).register_forward_pre_hook(fail)  # type: ignore[attr-defined]
    try:
        yield runs
    finally:
        hook.remove()


def test_a_pass_goes_on_after_its_engine_was_unloaded_between_any_two_frames(
    kind: Kind, tmp_path: Path
) -> None:
    residency, spec = Residency(), kind.spec(tmp_path)
    tracker = LeasedTracker(residency, spec, "cpu", "job")
    expected = undisturbed(kind)
    loads = []

    def unload(frame: int) -> None:
        residency.close()
        loads.append(residency.holdings())

    found = followed(tracker.begin([1, 2], seed=0), unload)
    assert np.std([answer[1].mask for answer in found]) > 0.05
    assert same(found, expected)
    assert all(not any("tracker" in one.who for one in held) for held in loads)


def test_an_unloaded_engine_leaves_no_weights_behind_a_pass(kind: Kind, tmp_path: Path) -> None:
    residency, spec = Residency(), kind.spec(tmp_path)
    run = LeasedTracker(residency, spec, "cpu", "job").begin([1], seed=0)
    run.step(0, pictures()[0], {1: FIRST})
    with residency.lease(spec) as engine:
        weights = next(engine.model.parameters())  # type: ignore[attr-defined]
    before = weights.untyped_storage().nbytes()
    assert before > 0
    gone = weakref.ref(weights)
    del weights, engine
    residency.close()
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("at", [1, 4])
@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_frame_for_which_memory_was_short_is_made_again_and_nothing_changes(
    kind: Kind, part: int, at: int, tmp_path: Path
) -> None:
    residency, spec = Residency(), kind.spec(tmp_path)
    tracker = LeasedTracker(residency, spec, "cpu", "job")
    expected = undisturbed(kind)
    with residency.lease(spec) as leased:
        engine = leased
    with full(engine, kind.parts[part], at) as runs:
        found = followed(tracker.begin([1, 2], seed=0))
    assert len(runs) > at
    assert same(found, expected)


def test_memory_of_a_pass_moves_to_the_host_and_back_without_changing_a_bit(
    kind: Kind, tmp_path: Path
) -> None:
    # A device that is not the host's memory, as far as residency knows.
    residency = Residency(memory=SimulatedDevice(10**9), host=SimulatedDevice(10**9, name="host"))
    tracker = LeasedTracker(residency, kind.spec(tmp_path), "sim", "job")
    expected = undisturbed(kind)
    asked = []

    def move(frame: int) -> None:
        with residency._memory.moving():
            residency._memory.evict_all()
        asked.append([one.who for one in residency.holdings() if one.who.startswith("session")])

    assert same(followed(tracker.begin([1, 2], seed=0), move), expected)
    assert asked == [[]] * FRAMES


def test_memory_of_a_pass_is_counted_until_it_closes(kind: Kind, tmp_path: Path) -> None:
    residency = Residency()
    run = LeasedTracker(residency, kind.spec(tmp_path), "cpu", "job 7").begin([1], seed=0)
    run.step(0, pictures()[0], {1: FIRST})
    held = {one.who: one.bytes for one in residency.holdings()}
    assert held["session job 7 pass 1"] == run.memory_bytes() > 0
    assert held[f"tracker {kind.name}-test"] > 0
    run.close()
    assert "session job 7 pass 1" not in {one.who for one in residency.holdings()}


# ---- sizes alone ---------------------------------------------------------------------


class SmallWindows(SizedEngine):
    """A matter that has room for windows of `fits` pixels a side."""

    needs_trimap = True
    max_window = 64
    overlap = 4
    fits = 64

    def matte(self, picture: Picture, trimap: Mask | None, *, seed: int) -> MatteResult:
        assert trimap is not None
        if max(trimap.shape) > self.fits:
            raise MemoryError
        return MatteResult(np.where(trimap == 0.5, picture[..., 0], trimap).astype(np.float32))


def matter_of(fits: int) -> tuple[Residency, LeasedMatter, list[str]]:
    device = SimulatedDevice(1000)
    device.is_out_of_memory = lambda error: isinstance(error, MemoryError)  # type: ignore[method-assign]

    def load(options: LoadOptions) -> SmallWindows:
        engine = SmallWindows("small", 100, {"sim": device})
        engine.fits = fits
        return engine

    spec = EngineSpec(Role.MATTER, replace(neural.facts("small"), needs_weights=False), load)
    residency = Residency(memory=device)
    notes: list[str] = []
    return residency, LeasedMatter(residency, spec, "sim", notes.append), notes


def window() -> tuple[Picture, Mask]:
    trimap = np.full((64, 64), 0.5, np.float32)
    trimap[:29], trimap[35:] = 0, 1
    return np.random.default_rng(3).random((64, 64, 3), np.float32), trimap


@pytest.mark.parametrize(("fits", "said"), [(64, []), (32, ["32 pixels"]), (16, ["16 pixels"])])
def test_a_window_that_does_not_fit_is_matted_in_smaller_ones_and_that_is_told(
    fits: int, said: list[str]
) -> None:
    _, matter, notes = matter_of(fits)
    picture, trimap = window()
    alpha = matter.matte(picture, trimap, seed=0).alpha
    np.testing.assert_allclose(alpha, np.where(trimap == 0.5, picture[..., 0], trimap), atol=1e-6)
    assert len(notes) == len(said)
    assert all(part in note for part, note in zip(said, notes, strict=True))


def test_a_window_that_fits_in_no_pieces_is_an_error_that_says_what_is_held_by_whom() -> None:
    residency, matter, _ = matter_of(4)
    residency.account("job 3", 200)
    with pytest.raises(TooLargeError, match=r"matter small .*in use by sim.*session job 3|session"):
        matter.matte(*window(), seed=0)
    # Nothing is broken by it.
    assert not any(one.leases for one in residency.holdings())


def test_nothing_is_leased_between_calls() -> None:
    residency, matter, _ = matter_of(64)
    matter.matte(*window(), seed=0)
    assert [one.leases for one in residency.holdings()] == [()]
    residency.close()
    assert residency.holdings() == ()
    matter.matte(*window(), seed=0)
