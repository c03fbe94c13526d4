"""One lane per device: whose turn it is.

A job takes the lane for one frame (or one window of a large frame) at a time, so that a
click waits for at most one frame of a running propagation, and jobs share fairly: first
between clients, then between the jobs of a client, by seconds of the device.
"""

from __future__ import annotations

import enum
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from airoto.errors import BusyError
from airoto_server.scheduler.cancel import Cancel
from airoto_server.scheduler.shares import Shares

# After so many clicks in a row a render that waits gets one frame.
CLICKS_IN_A_ROW = 8

# Seconds over which `load` looks back.
_LOOK_BACK = 60.0


class Urgency(enum.IntEnum):
    """Lower goes first."""

    CLICK = 0
    BATCH = 1


@dataclass(eq=False)
class _Waiting:
    """A turn that is waited for; `granted` and `event` tell its thread that it has it."""

    urgency: Urgency
    number: int
    client: str
    job: str
    event: threading.Event
    granted: bool = False
    waited: float = 0.0


# Told of every turn: urgency, seconds waited for it, seconds it took.
OnTurn = Callable[[Urgency, float, float], None]


def _nobody(urgency: Urgency, waited: float, held: float) -> None:
    """Where nobody wants to know."""


class Turn:
    """The device, for as long as the block lasts; `Lane.turn` makes it."""

    def __init__(self, lane: Lane, me: _Waiting, cancel: Cancel) -> None:
        self._lane = lane
        self._me = me
        self._cancel = cancel

    @property
    def wanted(self) -> bool:
        """Whether to finish what one does and call `give_way`; from any thread."""
        return self._cancel.is_set or self._lane.click_waits

    def give_way(self) -> None:
        """Let those who are more urgent go first, and come back. Only with nothing running.

        Raises:
            CancelledError: the call was cancelled; the lane is free.
        """
        self._cancel.check()
        if self._me.urgency is Urgency.BATCH and self._lane.click_waits:
            self._lane.give_way(self._me, self._cancel)


class Lane:
    """A fair lock for a device.

    Args:
        device: `cpu`, `cuda:0`; for messages.
        max_waiting: clicks that may be waited for at once; beyond that BusyError.
        clock: seconds.
        on_turn: told of every turn that ends.
    """

    def __init__(
        self,
        device: str,
        *,
        max_waiting: int = 32,
        clock: Callable[[], float] = time.monotonic,
        on_turn: OnTurn = _nobody,
    ) -> None:
        self.device = device
        self._max_waiting = max_waiting
        self._clock = clock
        self._on_turn = on_turn
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._waiting: list[_Waiting] = []
        self._holder: _Waiting | None = None
        self._held_from = 0.0
        self._shares = Shares()
        self._clicks_in_a_row = 0
        self._worked: deque[tuple[float, float]] = deque()

    @contextmanager
    def job(self, name: str, client: str = "") -> Iterator[None]:
        """Make the turns of a job count against each other for as long as it is there."""
        with self._lock:
            self._shares.enter(client, name)
        try:
            yield
        finally:
            with self._lock:
                self._shares.leave(client, name)

    @contextmanager
    def turn(self, job: str, cancel: Cancel, urgency: Urgency = Urgency.BATCH) -> Iterator[Turn]:
        """Hold the lane for one short piece of work.

        Raises:
            CancelledError: `cancel` was set while waiting.
            BusyError: too many clicks are waiting.
        """
        me = self._enter(job, cancel, urgency)
        try:
            self._acquire(me, cancel)
            try:
                yield Turn(self, me, cancel)
            finally:
                self._release(me)
        finally:
            with self._lock:
                self._shares.leave(me.client, me.job)

    def give_way(self, me: _Waiting, cancel: Cancel) -> None:
        """For `Turn.give_way`: end this turn and wait for another one."""
        self._release(me)
        with self._lock:
            me.number = next(self._numbers)
        self._acquire(me, cancel)

    @property
    def click_waits(self) -> bool:
        """Whether somebody more urgent than a render waits."""
        return any(each.urgency is Urgency.CLICK for each in tuple(self._waiting))

    @property
    def waiting(self) -> int:
        """Turns that are waited for now."""
        return len(self._waiting)

    @property
    def clicks_waiting(self) -> int:
        """Of those, the single-frame calls."""
        return sum(each.urgency is Urgency.CLICK for each in tuple(self._waiting))

    @property
    def is_busy(self) -> bool:
        """Whether somebody has it."""
        return self._holder is not None

    def load(self) -> float:
        """Share of the last minute in which it worked, 0 to 1."""
        with self._lock:
            now = self._clock()
            since = now - _LOOK_BACK
            self._forget_before(since)
            spans = list(self._worked)
            if self._holder is not None:
                spans.append((self._held_from, now))
        return min(1.0, sum(end - max(start, since) for start, end in spans) / _LOOK_BACK)

    def _enter(self, job: str, cancel: Cancel, urgency: Urgency) -> _Waiting:
        with self._lock:
            if urgency is Urgency.CLICK and self.clicks_waiting >= self._max_waiting:
                raise BusyError(
                    f"{self.clicks_waiting} calls are waiting for {self.device} already",
                    hint="try again in about 5 s",
                    retry_after=5.0,
                )
            me = _Waiting(urgency, next(self._numbers), cancel.client, job, threading.Event())
            self._shares.enter(me.client, me.job)
            return me

    def _acquire(self, me: _Waiting, cancel: Cancel) -> None:
        cancel.check()
        came = self._clock()
        with self._lock:
            me.event.clear()
            self._waiting.append(me)
            self._grant()
        cancel.on_set(me.event.set)
        try:
            me.event.wait()
        finally:
            cancel.forget(me.event.set)
            with self._lock:
                if not me.granted:
                    self._waiting.remove(me)
        me.waited = self._clock() - came
        if cancel.is_set:
            self._release(me)
            cancel.check()

    def _release(self, me: _Waiting) -> None:
        with self._lock:
            if not me.granted:  # the wait for it was cancelled
                return
            now = self._clock()
            held = now - self._held_from
            me.granted = False
            self._shares.charge(me.client, me.job, held)
            self._worked.append((self._held_from, now))
            self._forget_before(now - _LOOK_BACK)
            self._holder = None
            self._grant()
        self._on_turn(me.urgency, me.waited, held)

    def _grant(self) -> None:
        """Hand the lane to whoever is next, if it is free. Needs the lock."""
        if self._holder is not None or not self._waiting:
            return
        clicks = [each for each in self._waiting if each.urgency is Urgency.CLICK]
        batch = [each for each in self._waiting if each.urgency is Urgency.BATCH]
        if clicks and (not batch or self._clicks_in_a_row < CLICKS_IN_A_ROW):
            chosen = min(clicks, key=lambda each: each.number)
            self._clicks_in_a_row += 1
        else:
            chosen = min(batch, key=lambda e: (*self._shares.standing(e.client, e.job), e.number))
            self._clicks_in_a_row = 0
        self._waiting.remove(chosen)
        self._holder = chosen
        self._held_from = self._clock()
        chosen.granted = True
        chosen.event.set()

    def _forget_before(self, when: float) -> None:
        while self._worked and self._worked[0][1] < when:
            self._worked.popleft()
