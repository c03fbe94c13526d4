"""How far a render is, by counting units of work and timing each kind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from airoto_server.sessions.events import Progress


class Tally:
    """Units of work by stage: how many there will be, are done, and how long one takes.

    For any number of threads.

    Args:
        frames: frames to be made.
        on_unit: told of every piece of work: stage, units, seconds.
    """

    def __init__(
        self, frames: int, on_unit: Callable[[str, int, float], None] = lambda *_: None
    ) -> None:
        self.frames = frames
        self._on_unit = on_unit
        self.frames_done = 0
        self._stage = "plate"
        self._planned: dict[str, int] = {}
        self._done: dict[str, int] = {}
        self._seconds: dict[str, float] = {}
        self._started = time.monotonic()
        self._lock = threading.Lock()

    def plan(self, stage: str, units: int) -> None:
        """Say that a stage has so many more units."""
        with self._lock:
            self._planned[stage] = self._planned.get(stage, 0) + units

    def spare(self, stage: str, units: int) -> None:
        """Say that a stage has so many units less, because they need not be done."""
        with self._lock:
            least = self._done.get(stage, 0)
            self._planned[stage] = max(least, self._planned.get(stage, 0) - units)

    @contextmanager
    def unit(self, stage: str, units: int = 1) -> Iterator[None]:
        """Time one piece of work that counts as so many units."""
        self._stage = stage
        before = time.monotonic()
        try:
            yield
        finally:
            spent = time.monotonic() - before
            with self._lock:
                self._seconds[stage] = self._seconds.get(stage, 0.0) + spent
                self._done[stage] = self._done.get(stage, 0) + units
            self._on_unit(stage, units, spent)

    @property
    def stage_seconds(self) -> dict[str, float]:
        """Seconds of work by stage."""
        return dict(self._seconds)

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    def progress(self) -> Progress:
        """Where the work is now."""
        with self._lock:
            return self._progress()

    def _progress(self) -> Progress:
        left = 0.0
        known = True
        for stage, planned in self._planned.items():
            done = self._done.get(stage, 0)
            if done:
                left += max(0, planned - done) * self._seconds[stage] / done
            elif planned:
                known = False
        spent = sum(self._seconds.values())
        total = sum(self._planned.values())
        by_count = sum(min(self._done.get(s, 0), n) for s, n in self._planned.items())
        fraction = by_count / total if total else 0.0
        if known and spent + left > 0:
            fraction = spent / (spent + left)
        return Progress(
            self._stage, self.frames_done, self.frames, left if known else -1.0, min(1.0, fraction)
        )
