"""Which renders run: a bounded queue in front of the lanes, fair between clients.

Renders that run share their device frame by frame (`lane`). Only so many may run at once,
since each holds frames and tracker memory; the others wait here and are told their place.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from airoto.errors import BusyError
from airoto_server.scheduler.cancel import Cancel

# Seconds after which a waiting render is told its place again.
_TELL_EVERY = 2.0

# What is said where nobody can estimate, and the bounds of what is said, in seconds.
_UNKNOWN_WAIT, _SHORTEST_WAIT, _LONGEST_WAIT = 30.0, 1.0, 600.0

# How much the last render counts in the mean length of renders.
_NEWEST = 0.3


@dataclass(frozen=True)
class Place:
    """Where a render stands.

    Attributes:
        position: 1 is next, 0 begins now.
        running: renders that run.
        wait_seconds: estimated; negative while unknown.
    """

    position: int
    running: int
    wait_seconds: float


@dataclass(eq=False)
class Job:
    """A render that waits or runs; what it tells of itself is for people to look at.

    Attributes:
        device: empty while it waits.
        seconds_left: estimated; negative while unknown.
        most: renders of this client that may run and wait; 0: as many as fit.
        submitted, started: by the queue's clock; `started` is 0 while it waits.
    """

    name: str
    client: str = ""
    request_id: str = ""
    recipe_hash: str = ""
    total: int = 0
    done: int = 0
    stage: str = ""
    seconds_left: float = -1.0
    device: str = ""
    submitted: float = 0.0
    started: float = 0.0
    number: int = 0
    most: int = 0

    def tell(self, stage: str, done: int, seconds_left: float) -> None:
        """How far it is."""
        self.stage, self.done, self.seconds_left = stage, done, seconds_left


OnPlace = Callable[[Place], None]


class Admission:
    """Lets renders run, as many at a time on each device as it may hold.

    A client with nothing running does not wait for the long renders of others: it gets in up
    to twice that number. Otherwise whoever has the fewest running goes first, then who came
    first.

    Args:
        devices: names.
        running: renders at a time on each device.
        waiting: renders that may wait; beyond that BusyError.
        clock: seconds.
    """

    def __init__(
        self,
        devices: Sequence[str],
        *,
        running: int = 4,
        waiting: int = 64,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._devices = tuple(devices)
        self._limit = running
        self._max_waiting = waiting
        self._clock = clock
        self._changed = threading.Condition()
        self._numbers = itertools.count(1)
        self._running: list[Job] = []
        self._waiting: list[Job] = []
        self._mean_seconds = 0.0

    @property
    def most(self) -> int:
        """Renders that there can be at once, running and waiting."""
        return 2 * self._limit * len(self._devices) + self._max_waiting

    @contextmanager
    def admitted(self, job: Job, cancel: Cancel, on_place: OnPlace) -> Iterator[str]:
        """Wait until the job may run, and give the device that it is to run on.

        Args:
            on_place: told from this thread, when the place changes and every few seconds.

        Raises:
            BusyError: too many are waiting.
            CancelledError: `cancel` was set meanwhile.
        """
        self._join(job)
        cancel.on_set(self._wake)
        try:
            self._wait(job, cancel, on_place)
            cancel.check()
            yield job.device
        finally:
            cancel.forget(self._wake)
            self._leave(job)

    def jobs(self) -> list[tuple[Job, Place]]:
        """Every render: those that run, then those that wait, in their order."""
        with self._changed:
            running = [(job, Place(0, len(self._running), 0.0)) for job in self._running]
            return running + [(job, self._place(job)) for job in self._order()]

    def seconds(self, job: Job) -> float:
        """Since it was asked for."""
        return self._clock() - job.submitted

    def running_on(self, device: str) -> int:
        """Renders that run there."""
        with self._changed:
            return sum(job.device == device for job in self._running)

    def _join(self, job: Job) -> None:
        with self._changed:
            theirs = sum(one.client == job.client for one in (*self._running, *self._waiting))
            if 0 < job.most <= theirs:
                raise BusyError(
                    f"{theirs} renders of yours run or wait; allowed: {job.most}",
                    hint=f"try again in about {_UNKNOWN_WAIT:g} s",
                    retry_after=_UNKNOWN_WAIT,
                )
            self._waiting.append(job)
            job.submitted, job.number = self._clock(), next(self._numbers)
            self._admit()
            if not job.device and len(self._waiting) > self._max_waiting:
                seconds = self._wait_estimate(1)
                self._waiting.remove(job)
                wait = min(max(seconds, _SHORTEST_WAIT), _LONGEST_WAIT)
                wait = round(wait if seconds >= 0 else _UNKNOWN_WAIT)
                raise BusyError(
                    f"the server is busy: {len(self._running)} renders run and "
                    f"{len(self._waiting)} wait",
                    hint=f"try again in about {wait} s",
                    retry_after=float(wait),
                )

    def _wait(self, job: Job, cancel: Cancel, on_place: OnPlace) -> None:
        told: Place | None = None
        while not cancel.is_set:
            with self._changed:
                place = self._place(job)
            if place.position or told is not None:
                on_place(place)
            told = place
            if not place.position:
                return
            self._wait_for_change(job, cancel, place.position)

    def _wait_for_change(self, job: Job, cancel: Cancel, position: int) -> None:
        with self._changed:
            self._changed.wait_for(
                lambda: cancel.is_set or self._place(job).position != position, _TELL_EVERY
            )

    def _leave(self, job: Job) -> None:
        with self._changed:
            if job in self._running:
                self._running.remove(job)
                spent = self._clock() - job.started
                older = self._mean_seconds or spent
                self._mean_seconds = older + _NEWEST * (spent - older)
            else:
                self._waiting.remove(job)
            self._admit()
            self._changed.notify_all()

    def _admit(self) -> None:
        """Let in whoever may; needs the lock."""
        while (order := self._order()) and (device := self._room_for(order[0])):
            job = order[0]
            self._waiting.remove(job)
            self._running.append(job)
            job.device, job.started = device, self._clock()
            self._changed.notify_all()

    def _room_for(self, job: Job) -> str:
        """The device with the fewest renders, if it may have one more; else empty."""
        counts = Counter(each.device for each in self._running)
        device = min(self._devices, key=lambda name: counts[name])
        is_new = all(each.client != job.client for each in self._running)
        return device if counts[device] < (2 if is_new else 1) * self._limit else ""

    def _order(self) -> list[Job]:
        """Those that wait, the next one first."""
        running = Counter(each.client for each in self._running)
        ordered: list[Job] = []
        left = sorted(self._waiting, key=lambda job: job.number)
        while left:
            # As if each were let in: a client's second render counts behind another's first.
            job = min(left, key=lambda each: (running[each.client], each.number))
            running[job.client] += 1
            left.remove(job)
            ordered.append(job)
        return ordered

    def _place(self, job: Job) -> Place:
        if job.device:
            return Place(0, len(self._running), 0.0)
        position = self._order().index(job) + 1
        return Place(position, len(self._running), self._wait_estimate(position))

    def _wait_estimate(self, position: int) -> float:
        """Seconds until that many of those who run have ended; negative while unknown."""
        left = sorted(job.seconds_left for job in self._running)
        if not left or left[0] < 0:
            return -1.0
        rounds, at = divmod(position - 1, len(left))
        now = self._clock()
        whole = [now - job.started + job.seconds_left for job in self._running]
        return left[at] + rounds * (self._mean_seconds or sum(whole) / len(whole))

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()
