"""One lane per device: whose turn it is.

A job takes the lane for one frame (or one window of a large frame) at a time, so that a
click waits for at most one frame of a running propagation, and two jobs share fairly.
"""

from __future__ import annotations

import enum
import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from airoto.errors import BusyError
from airoto_server.scheduler.cancel import Cancel


class Urgency(enum.IntEnum):
    """Lower goes first."""

    CLICK = 0
    BATCH = 1


@dataclass(order=True)
class _Waiting:
    urgency: Urgency
    served: int
    number: int
    client: str = field(compare=False)


class Lane:
    """A fair lock for a device: clicks first, then whoever has had the fewest turns.

    Args:
        device: `cpu`, `cuda:0`; for messages.
        max_waiting: turns that may be waited for at once; beyond that BusyError.
    """

    def __init__(self, device: str, *, max_waiting: int = 256) -> None:
        self.device = device
        self._max_waiting = max_waiting
        self._condition = threading.Condition()
        self._numbers = itertools.count()
        self._waiting: list[_Waiting] = []
        self._busy = False
        self._served: dict[str, int] = {}
        self._jobs: dict[str, int] = {}

    @contextmanager
    def job(self, client: str) -> Iterator[None]:
        """Make a client's turns count against each other while it has jobs.

        A newcomer starts level with the least served of those present; otherwise it would
        hold everyone up until it had caught up.
        """
        with self._condition:
            self._jobs[client] = self._jobs.get(client, 0) + 1
            if client not in self._served:
                self._served[client] = min(self._served.values(), default=0)
        try:
            yield
        finally:
            with self._condition:
                self._jobs[client] -= 1
                if not self._jobs[client]:
                    del self._jobs[client]
                    self._served.pop(client, None)

    @contextmanager
    def turn(self, client: str, cancel: Cancel, urgency: Urgency = Urgency.BATCH) -> Iterator[None]:
        """Hold the lane for one short piece of work.

        Raises:
            CancelledError: `cancel` was set while waiting.
            BusyError: too many are waiting.
        """
        me = self._enqueue(client, urgency)
        cancel.on_set(self._wake)
        try:
            with self._condition:
                while self._busy or min(self._waiting) is not me:
                    if cancel.is_set:
                        break
                    self._condition.wait()
                self._waiting.remove(me)
                if cancel.is_set:
                    self._condition.notify_all()
                    cancel.check()
                self._busy = True
        finally:
            cancel.forget(self._wake)
        try:
            yield
        finally:
            with self._condition:
                self._busy = False
                if client in self._served:
                    self._served[client] += 1
                self._condition.notify_all()

    @property
    def waiting(self) -> int:
        """Turns that are waited for now."""
        with self._condition:
            return len(self._waiting)

    def _enqueue(self, client: str, urgency: Urgency) -> _Waiting:
        with self._condition:
            if len(self._waiting) >= self._max_waiting:
                raise BusyError(
                    f"{len(self._waiting)} calls are waiting for {self.device} already",
                    hint="try again in a moment",
                    retry_after=5.0,
                )
            me = _Waiting(urgency, self._served.get(client, 0), next(self._numbers), client)
            self._waiting.append(me)
            return me

    def _wake(self) -> None:
        with self._condition:
            self._condition.notify_all()
