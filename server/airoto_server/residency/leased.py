"""Engines that are leased for each call alone, and let go of between calls.

Jobs use these as they would use the engines themselves. Between two calls nothing is held:
another job may get its engine onto the device while a frame is written, or while a client
takes its time. Every call is where a full memory is met: others are moved out, a matter's
window is cut into smaller ones, and only then it is an error that says what is held by whom.

Whoever calls holds the device's turn (`scheduler.lane`), so that a lane has one lease at a
time; engines that allow several threads at once (`concurrent`) are leased by each of them.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Generic, TypeVar, cast

from airoto_server.engines.registry import EngineSpec
from airoto_server.engines.roles import (
    Candidate,
    Detection,
    Detector,
    Engine,
    EngineFacts,
    Mask,
    Matter,
    MatteResult,
    MovableRun,
    Picture,
    Prompts,
    Segmenter,
    Tracked,
    Tracker,
    TrackRun,
    Trimap,
)
from airoto_server.engines.windowed import matte_piecewise
from airoto_server.residency.residency import Residency

E = TypeVar("E", bound=Engine)
T = TypeVar("T")

# What a caller is told where memory was short and the work was done in smaller pieces.
Told = Callable[[str], None]


class _Leased(Generic[E]):
    """What the four roles share.

    Args:
        lane: who uses it, for messages; holds one lease at a time.
    """

    def __init__(self, residency: Residency, spec: EngineSpec, lane: str) -> None:
        self._residency = residency
        self._spec = spec
        self._lane = "" if spec.facts.concurrent else lane
        self._known: dict[str, Any] = {}

    @property
    def facts(self) -> EngineFacts:
        """What it says of itself; loads nothing."""
        return self._spec.facts

    def device(self) -> str:
        """Where it runs; loads it once."""
        return str(self._look("device", lambda engine: engine.device()))

    def precision(self) -> str:
        """What it computes in; loads it once."""
        return str(self._look("precision", lambda engine: engine.precision()))

    def _call(
        self,
        work: Callable[[E], T],
        smaller: Callable[[E, int], Callable[[], T] | None] | None = None,
    ) -> T:
        with self._residency.lease(self._spec, self._lane) as leased:
            engine = cast(E, leased)
            self._known.setdefault("device", engine.device())
            self._known.setdefault("precision", engine.precision())
            pieces = None if smaller is None else partial(smaller, engine)
            return self._residency.run(lambda: work(engine), pieces)

    def _look(self, name: str, ask: Callable[[E], Any]) -> Any:
        if name not in self._known:
            # Whoever asks what it is need not have the lane's turn.
            with self._residency.lease(self._spec) as leased:
                self._known[name] = ask(cast(E, leased))
        return self._known[name]


class LeasedDetector(_Leased[Detector]):
    """A `Detector`."""

    def detect(
        self, picture: Picture, text: str, *, box_threshold: float, text_threshold: float
    ) -> list[Detection]:
        """As `Detector.detect`."""
        return self._call(
            lambda engine: engine.detect(
                picture, text, box_threshold=box_threshold, text_threshold=text_threshold
            )
        )


class LeasedSegmenter(_Leased[Segmenter]):
    """A `Segmenter`; embeddings outlive the lease."""

    def embed(self, picture: Picture, *, seed: int) -> Any:
        """As `Segmenter.embed`."""
        return self._call(lambda engine: engine.embed(picture, seed=seed))

    def embedding_bytes(self, embedding: Any) -> int:
        """As `Segmenter.embedding_bytes`."""
        return self._call(lambda engine: engine.embedding_bytes(embedding))

    def segment(self, embedding: Any, prompts: Prompts, *, seed: int) -> list[Candidate]:
        """As `Segmenter.segment`."""
        return self._call(lambda engine: engine.segment(embedding, prompts, seed=seed))


class LeasedMatter(_Leased[Matter]):
    """A `Matter`; a window that does not fit the memory is matted in smaller ones.

    Args:
        told: hears of that.
    """

    def __init__(self, residency: Residency, spec: EngineSpec, lane: str, told: Told) -> None:
        super().__init__(residency, spec, lane)
        self._told = told

    @property
    def needs_trimap(self) -> bool:
        """As `Matter.needs_trimap`."""
        return bool(self._look("needs_trimap", lambda engine: engine.needs_trimap))

    @property
    def max_window(self) -> int:
        """As `Matter.max_window`."""
        return int(self._look("max_window", lambda engine: engine.max_window))

    @property
    def overlap(self) -> int:
        """As `Matter.overlap`."""
        return int(self._look("overlap", lambda engine: engine.overlap))

    def matte(self, picture: Picture, trimap: Trimap | None, *, seed: int) -> MatteResult:
        """As `Matter.matte`."""

        def smaller(engine: Matter, count: int) -> Callable[[], MatteResult] | None:
            side = engine.max_window >> count
            if trimap is None or side <= 2 * engine.overlap:
                return None

            def pieces() -> MatteResult:
                alpha = matte_piecewise(engine, picture, trimap, side, seed=seed)
                self._told(f"memory was short: matted in windows of {side} pixels")
                return MatteResult(alpha)

            return pieces

        return self._call(lambda engine: engine.matte(picture, trimap, seed=seed), smaller)


class LeasedTracker(_Leased[Tracker]):
    """A `Tracker`; what its passes remember is accounted to `session`.

    Args:
        hold: told of the memory of each pass, and may refuse it.
    """

    def __init__(
        self,
        residency: Residency,
        spec: EngineSpec,
        lane: str,
        session: str,
        hold: Callable[[str, int], None] = lambda *_: None,
    ) -> None:
        super().__init__(residency, spec, lane)
        self._session = session
        self._hold = hold
        self._passes = itertools.count(1)

    def begin(self, object_ids: Sequence[int], *, seed: int) -> LeasedRun:
        """As `Tracker.begin`; the pass itself begins with its first frame."""
        name = f"{self._session} pass {next(self._passes)}"
        return LeasedRun(self, object_ids, seed, name)


class LeasedRun:
    """A `TrackRun` whose engine may be unloaded, and whose memory moved, between its steps."""

    def __init__(
        self, tracker: LeasedTracker, object_ids: Sequence[int], seed: int, session: str
    ) -> None:
        self._tracker = tracker
        self._object_ids = object_ids
        self._seed = seed
        self._session = session
        self._engine: Tracker | None = None
        self._run: TrackRun | None = None
        self._away = False
        # Held while a step runs or memory moves; whoever asks for room never waits for it.
        self._busy = threading.Lock()

    def condition(self, frame: int, picture: Picture, masks: Mapping[int, Mask]) -> None:
        """As `TrackRun.condition`."""
        self._step(lambda run: run.condition(frame, picture, masks))

    def step(
        self, frame: int, picture: Picture, masks: Mapping[int, Mask] | None = None
    ) -> dict[int, Tracked]:
        """As `TrackRun.step`."""
        return self._step(lambda run: run.step(frame, picture, masks))

    def memory_bytes(self) -> int:
        """As `TrackRun.memory_bytes`."""
        return 0 if self._run is None else self._run.memory_bytes()

    def close(self) -> None:
        """As `TrackRun.close`."""
        with self._busy:
            run, self._run, self._engine = self._run, None, None
        if run is not None:
            run.close()
        self._tracker._hold(self._session, 0)
        self._tracker._residency.account(self._session, 0)

    def _step(self, work: Callable[[TrackRun], T]) -> T:
        residency = self._tracker._residency

        def leased(engine: Tracker) -> T:
            return work(self._resumed(engine))

        with self._busy:
            answer = self._tracker._call(leased)
            held = self.memory_bytes()
        residency.account(self._session, held, offload=self._move_out)
        self._tracker._hold(self._session, held)
        return answer

    def _resumed(self, engine: Tracker) -> TrackRun:
        """The run with this instance of the engine, its memory on the device."""
        run = self._run
        if run is None:
            run = self._run = engine.begin(self._object_ids, seed=self._seed)
        elif engine is not self._engine and isinstance(run, MovableRun):
            run.resume(engine)
        self._engine = engine
        if self._away and isinstance(run, MovableRun):
            run.to_device(engine.device())
            self._away = False
        return run

    def _move_out(self) -> int:
        """Move the memory to the host, for others who need room; the bytes that stay."""
        if not self._busy.acquire(blocking=False):
            return self.memory_bytes()
        try:
            run: object = self._run
            if isinstance(run, MovableRun) and not self._tracker._residency.memory_device.unified:
                if not self._away:
                    run.to_device("cpu")
                    self._away = True
                return 0
            return self.memory_bytes()
        finally:
            self._busy.release()
