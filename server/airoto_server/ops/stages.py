"""Where the time of a piece of work goes.

Code names its stages with `stage`; that costs next to nothing unless somebody listens with
`clocked`. A stage inside another counts for itself alone, so the parts add up to the whole.
What runs on other threads counts for the stage that waits for it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Clock:
    """Seconds by stage.

    Attributes:
        seconds: so far, in the order in which stages were first met.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._running: list[str] = []
        self._since = 0.0

    @property
    def total(self) -> float:
        """Seconds of all stages."""
        return sum(self.seconds.values())

    def enter(self, name: str) -> None:
        """Begin a stage; the one around it stands still."""
        self._count()
        self.seconds.setdefault(name, 0.0)
        self._running.append(name)

    def leave(self) -> None:
        """End the innermost stage."""
        self._count()
        self._running.pop()

    def _count(self) -> None:
        now = time.perf_counter()
        if self._running:
            self.seconds[self._running[-1]] += now - self._since
        self._since = now


_listening: ContextVar[Clock | None] = ContextVar("airoto_stages", default=None)


@contextmanager
def clocked() -> Iterator[Clock]:
    """Listen on this thread; the clock tells the seconds of every stage entered meanwhile."""
    clock = Clock()
    token = _listening.set(clock)
    try:
        yield clock
    finally:
        _listening.reset(token)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """What is done in this block belongs to the stage `name`."""
    clock = _listening.get()
    if clock is None:
        yield
        return
    clock.enter(name)
    try:
        yield
    finally:
        clock.leave()
