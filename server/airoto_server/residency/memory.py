"""Room on a device: bringing models in, and moving others out for them.

One thread at a time moves models (`moving`); others go on using what is there. The mover
holds no lock while it loads, and never waits for a lease to end, so nothing can wait in a ring.
"""

from __future__ import annotations

import itertools
import logging
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from airoto_server.engines.registry import EngineSpec, Role
from airoto_server.engines.roles import Engine
from airoto_server.residency.devices import Device
from airoto_server.residency.table import (
    Entry,
    Holding,
    NoRoomError,
    Session,
    Tier,
    Transition,
)

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Memory:
    """Models and sessions on a device, and models that wait in host memory.

    Args:
        host: where models go that have to leave; None drops them. A unified device has none.
        limit: bytes that models and sessions may hold on the device; 0 is what is free.
        host_limit: the same for models in host memory.
        headroom: bytes to leave free on the device for the work itself, where possible.
    """

    def __init__(
        self, device: Device, host: Device | None, *, limit: int, host_limit: int, headroom: int
    ) -> None:
        self.device = device
        self.changed = threading.Condition()
        # Counts what might have made room: leases that ended, memory given back.
        self.freed = 0
        self._host = None if device.unified else host
        self._limit = limit
        self._host_limit = host_limit
        self._headroom = headroom
        self._entries: dict[tuple[Role, str], Entry] = {}
        self._sessions: dict[str, Session] = {}
        self._uses = itertools.count(1)
        self._mover: int | None = None

    def entry(self, spec: EngineSpec) -> Entry:
        """The record of an engine."""
        with self.changed:
            return self._entries.setdefault((spec.role, spec.facts.name), Entry(spec))

    def session(self, name: str) -> Session:
        """The record of a session."""
        with self.changed:
            return self._sessions.setdefault(name, Session(name))

    def forget_session(self, name: str) -> None:
        """It holds nothing any more."""
        with self.changed:
            if self._sessions.pop(name, None) is not None:
                self.wake()

    def use(self, used: Entry | Session) -> None:
        """It goes out last from now on."""
        with self.changed:
            used.used = next(self._uses)

    def wake(self) -> None:
        """Tell those who wait for room that there may be some. Needs the lock."""
        self.freed += 1
        self.changed.notify_all()

    def holdings(self) -> tuple[Holding, ...]:
        """Everything that is held now, on both tiers."""
        with self.changed:
            entries = [each.holding() for each in self._entries.values() if each.engine]
            return (*entries, *(each.holding() for each in self._sessions.values() if each.bytes))

    def held(self, tier: Tier = Tier.DEVICE) -> int:
        """Bytes that models and sessions hold on a tier."""
        return sum(each.bytes for each in self.holdings() if each.tier is tier)

    def over_limit(self) -> bool:
        """Whether more is held than was allowed."""
        return bool(self._limit) and self.held() > self._limit

    def capacity(self) -> int:
        """Bytes that there could be for one model if everything else were gone."""
        total = self.device.total_bytes()
        return min(total, self._limit) if self._limit else total

    @contextmanager
    def moving(self) -> Iterator[None]:
        """Be the one who moves models; waits for the one who does now."""
        with self.changed:
            while self._mover is not None:
                self.changed.wait()
            self._mover = threading.get_ident()
        try:
            yield
        finally:
            with self.changed:
                self._mover = None
                self.changed.notify_all()

    def is_mover(self) -> bool:
        """Whether this thread is the one."""
        return self._mover == threading.get_ident()

    def bring(self, entry: Entry, load: Callable[[], Engine], estimate: int) -> None:
        """Put a model on the device. For the mover, with the entry in transition.

        Args:
            estimate: its size in bytes while nobody has measured it, or 0.

        Raises:
            NoRoomError: it does not fit beside what cannot be moved; nothing is left of it.
        """
        if entry.tier is Tier.DEVICE:
            return
        need = entry.bytes or max(estimate, entry.at_least)
        if need and not self.make_room(need, entry):
            raise NoRoomError(need)
        self._place(entry, load, need)
        self.make_room(0, entry)
        if self.over_limit():
            self.drop(entry)
            raise NoRoomError(entry.bytes)

    def make_room(self, need: int, spare: Entry | None = None, last: str = "") -> bool:
        """Move others out until `need` bytes are free. For the mover.

        Args:
            spare: the model that stays.
            last: the session that is asked to move only after all others.

        Returns:
            whether they are free now.
        """
        deaf: set[str] = set()
        if need and self.room() - self._headroom < need:
            self.device.release()  # what is kept of freed memory goes before anyone has to
        if need > self.room() + self._movable(spare):
            # Moving everything out would help nobody.
            return False
        while self.room() - self._headroom < need:
            if not self.evict_one(spare) and not self._offload_one(deaf, last):
                break
        return self.room() >= need

    def evict_all(self) -> None:
        """Move out whatever is not in use, and ask every session. For the mover."""
        while self.evict_one(None):
            pass
        deaf: set[str] = set()
        while self._offload_one(deaf, ""):
            pass
        self.device.release()

    def evict_one(self, spare: Entry | None) -> bool:
        """Move out the model whose last use is longest ago; False if all are in use."""
        with self.changed:
            victims = self._idle(spare)
            if not victims:
                return False
            victim = min(victims, key=lambda each: each.used)
            transition = victim.transition = Transition()
        try:
            if not self._to_host(victim):
                self.drop(victim)
        finally:
            self.settle(victim, transition, None)
        return True

    def settle(self, entry: Entry, transition: Transition, error: Exception | None) -> None:
        """End a transition and tell everyone."""
        with self.changed:
            transition.done, transition.error = True, error
            entry.transition = None
            self.changed.notify_all()

    def drop(self, entry: Entry) -> None:
        """Unload a model altogether; its measured size is remembered. For the mover."""
        with self.changed:
            engine, entry.engine, entry.tier = entry.engine, None, Tier.NONE
        if engine is None:
            return
        _close(engine, entry.who)
        del engine
        self.device.release()
        with self.changed:
            self.wake()

    def unload_idle(self) -> None:
        """Drop everything that is not in use, pinned or not, on both tiers. For the mover."""
        with self.changed:
            idle = self._on(Tier.DEVICE) + self._on(Tier.HOST)
            taken = [(each, Transition()) for each in idle if not each.leases]
            for entry, transition in taken:
                entry.transition = transition
        for entry, transition in taken:
            self.drop(entry)
            self.settle(entry, transition, None)

    def _place(self, entry: Entry, load: Callable[[], Engine], need: int) -> None:
        # A method of its own: no frame may keep the engine when it has to go again.
        engine = entry.engine
        if engine is not None:
            self._until_it_fits(entry, need, partial(_move, engine, self.device.name))
            size = entry.bytes
        else:
            before = self.device.used_bytes()
            engine = self._until_it_fits(entry, need, load)
            # What loading needed besides the model.
            self.device.release()
            size = _measure(engine, self.device.used_bytes() - before)
        with self.changed:
            entry.engine, entry.bytes, entry.tier = engine, size, Tier.DEVICE

    def _idle(self, spare: Entry | None) -> list[Entry]:
        return [
            each
            for each in self._on(Tier.DEVICE)
            if not each.leases and not each.pinned and each is not spare
        ]

    def _movable(self, spare: Entry | None) -> int:
        with self.changed:
            models = sum(each.bytes for each in self._idle(spare))
            return models + sum(each.bytes for each in self._sessions.values() if each.offload)

    def _on(self, tier: Tier) -> list[Entry]:
        return [
            each for each in self._entries.values() if each.tier is tier and each.transition is None
        ]

    def room(self) -> int:
        """Bytes that are free on the device now; below zero where the limit is passed."""
        free = self.device.free_bytes()
        return min(free, self._limit - self.held()) if self._limit else free

    def _until_it_fits(self, entry: Entry, need: int, work: Callable[[], T]) -> T:
        deaf: set[str] = set()
        while True:
            try:
                return work()
            except Exception as exc:
                if not self.device.is_out_of_memory(exc):
                    self.drop(entry)
                    raise
                release_frames(exc)
            # The failed load's leftovers go before anyone else has to.
            self.device.release()
            if not self.evict_one(entry) and not self._offload_one(deaf, ""):
                self.drop(entry)
                entry.at_least = self.device.free_bytes() + 1
                raise NoRoomError(max(need, entry.at_least))

    def _offload_one(self, deaf: set[str], last: str) -> bool:
        """Ask the session that was quiet longest to move its memory; False if none is left."""
        with self.changed:
            asked = [
                each
                for each in self._sessions.values()
                if each.bytes and each.offload is not None and each.name not in deaf
            ]
            if not asked:
                return False
            session = min(asked, key=lambda each: (each.name == last, each.used))
            offload = session.offload
        deaf.add(session.name)
        if offload is None:
            return False
        stays = offload()
        with self.changed:
            if stays < session.bytes:
                session.bytes = max(0, stays)
                self.wake()
        return True

    def _to_host(self, entry: Entry) -> bool:
        host, engine = self._host, entry.engine
        if host is None or not callable(getattr(engine, "to_device", None)):
            return False
        while self._host_room(host) < entry.bytes:
            waiting = self._on(Tier.HOST)
            if not waiting:
                return False
            self.drop(min(waiting, key=lambda each: each.used))
        try:
            _move(engine, host.name)
        except Exception:  # noqa: BLE001 - an engine's own code; whatever it is, the model goes
            # It has to leave the device in any case; it is loaded again when it is wanted.
            _log.exception("%s could not be moved to host memory, it is unloaded", entry.who)
            return False
        self.device.release()
        with self.changed:
            entry.tier = Tier.HOST
            self.wake()
        return True

    def _host_room(self, host: Device) -> int:
        # Half of what is free: the host has frames to hold, too.
        free = host.free_bytes() // 2
        held = self.held(Tier.HOST)
        return min(host.free_bytes(), self._host_limit - held) if self._host_limit else free


def release_frames(error: BaseException) -> None:
    """Let go of what a failed call's frames hold; half a model may hang there."""
    traceback.clear_frames(error.__traceback__)


def _measure(engine: Engine, difference: int) -> int:
    measure = getattr(engine, "model_bytes", None)
    return int(measure()) if callable(measure) else max(0, difference)


def _move(engine: Engine | None, device: str) -> None:
    engine.to_device(device)  # type: ignore[union-attr] # optional; callers have looked for it


def _close(engine: Engine | None, who: str) -> None:
    close = getattr(engine, "close", None)
    if not callable(close):
        return
    try:
        close()
    except Exception:  # noqa: BLE001 - an engine's own code; logged, and the model goes anyway
        # The caller wants room for something else, and must not fail for this.
        _log.exception("%s did not close cleanly", who)
