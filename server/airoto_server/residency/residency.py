"""Which engines are loaded; `lease` is the only way to use one."""

from __future__ import annotations

import copy
import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from airoto.errors import (
    AIRotoError,
    DeviceMemoryError,
    EngineError,
    EngineUnavailableError,
    InternalError,
)
from airoto_server.engines.registry import EngineSpec, LoadOptions, Role, all_specs, find
from airoto_server.engines.roles import Engine
from airoto_server.residency.availability import Availability, Checkpoints, availability
from airoto_server.residency.devices import CpuDevice, Device, open_device
from airoto_server.residency.memory import Memory, release_frames
from airoto_server.residency.table import (
    Entry,
    Holding,
    NoRoomError,
    Offload,
    Room,
    Tier,
    Transition,
    as_size,
    describe,
)

__all__ = ["Availability", "Residency"]

T = TypeVar("T")

# Of the device's memory, what is left free for the work itself.
HEADROOM_SHARE = 16


class Residency:
    """Engines on one device: loaded on first use, kept, and moved out for others.

    Args:
        device: `cpu`, `cuda:0`, `mps`.
        precision: `float32`, `bfloat16` or `float16`.
        checkpoints: where weights come from; without, engines that need some cannot run.
        memory: the device's memory, if it is not to be asked for by name.
        host: where models wait that had to leave the device.
        limit_bytes: what models and sessions may hold on the device; 0 is what is free.
        host_limit_bytes: what models may hold in host memory; 0 is half of what is free.
        headroom_bytes: what is left free on the device for the work itself, where possible;
            None is a sixteenth of it.
        threads: of a network's own on the CPU; 0 is the package's choice.
        wait_seconds: how long a lease waits for others to end when there is no room.

    Raises:
        EngineUnavailableError: this machine has no such device.
    """

    def __init__(
        self,
        device: str = "cpu",
        precision: str = "float32",
        *,
        checkpoints: Checkpoints | None = None,
        memory: Device | None = None,
        host: Device | None = None,
        limit_bytes: int = 0,
        host_limit_bytes: int = 0,
        headroom_bytes: int | None = None,
        threads: int = 0,
        wait_seconds: float = 60.0,
    ) -> None:
        self.device = device
        self.precision = precision
        self._checkpoints = checkpoints
        self._threads = threads
        self._wait_seconds = wait_seconds
        place = memory or open_device(device)
        headroom = place.total_bytes() // HEADROOM_SHARE
        self._memory = Memory(
            place,
            host or CpuDevice(),
            limit=limit_bytes,
            host_limit=host_limit_bytes,
            headroom=headroom if headroom_bytes is None else headroom_bytes,
        )
        self._lanes: set[str] = set()

    @property
    def memory_device(self) -> Device:
        """The memory that models and sessions hold."""
        return self._memory.device

    def availability(self, spec: EngineSpec) -> Availability:
        """Whether `spec` can run here."""
        for role in spec.parts:
            try:
                self.resolve(role, "auto")
            except EngineUnavailableError as exc:
                return Availability(
                    False, f"it is composed of others, and {exc.message}", fix=exc.hint
                )
        return availability(spec, self._checkpoints)

    def place(self, spec: EngineSpec) -> tuple[str, str]:
        """Device and precision of an engine: where it runs, or will when it is loaded."""
        engine = self._memory.entry(spec).engine
        if engine is not None:
            return engine.device(), engine.precision()
        if spec.facts.needs_weights:
            return self.device, self.precision
        # Those without weights are algorithms of the CPU.
        return "cpu", "float32"

    def resolve(
        self, role: Role, name: str, *, allowed: Callable[[EngineSpec], bool] = lambda spec: True
    ) -> EngineSpec:
        """The engine that a recipe's name means; empty or `auto` is the best one here.

        Args:
            allowed: what `auto` may take.

        Raises:
            EngineUnavailableError: unknown, or it cannot run here; says why and what to do.
        """
        if name in ("", "auto"):
            ranked = [
                spec
                for spec in all_specs()
                if spec.role is role
                and spec.rank >= 0
                and allowed(spec)
                and self.availability(spec).available
            ]
            if not ranked:
                raise EngineUnavailableError(
                    f"no {role.value} engine can run here", hint=self._first_fix(role)
                )
            return max(ranked, key=lambda spec: spec.rank)
        spec = find(role, name)
        state = self.availability(spec)
        # Of a composed one the parts are asked for next, as the recipe names them.
        if not state.available and not spec.parts:
            raise EngineUnavailableError(
                f"the {role.value} engine {name!r} cannot run here: {state.reason}",
                hint=state.fix,
            )
        return spec

    def _first_fix(self, role: Role) -> str:
        """What would make the best engine of a role run here."""
        ranked = [spec for spec in all_specs() if spec.role is role and spec.rank >= 0]
        best = max(ranked, key=lambda spec: spec.rank, default=None)
        return "" if best is None else self.availability(best).fix

    @contextmanager
    def lease(self, spec: EngineSpec, lane: str = "") -> Iterator[Engine]:
        """The engine, loaded and safe from being unloaded until the block ends.

        Args:
            lane: who uses it. A named lane holds one lease at a time, so that lanes cannot
                wait for each other in a ring.

        Raises:
            EngineUnavailableError: its weights or packages are missing.
            EngineError: it cannot be loaded, or there is no room; says what is held by whom.
            InternalError: the lane has a lease already.
        """
        self._enter_lane(lane)
        try:
            entry = self._memory.entry(spec)
            self._acquire(entry, lane)
            try:
                engine = entry.engine
                assert engine is not None  # it is leased, so it stays
                yield engine
            finally:
                with self._memory.changed:
                    entry.leases.remove(lane)
                    self._memory.use(entry)
                    self._memory.wake()
        finally:
            self._leave_lane(lane)

    def run(
        self,
        work: Callable[[], T],
        retry_smaller: Callable[[int], Callable[[], T] | None] | None = None,
    ) -> T:
        """Do work on the device; the one place where running out of memory is met.

        First everything that is not in use is moved out and the work is done again, then it
        is done in smaller pieces.

        Args:
            work: inside a lease; done anew, so it must not have effects when it fails.
            retry_smaller: called with 1, 2, ...: the same work in ever smaller pieces, or None
                where they cannot be any smaller.

        Raises:
            DeviceMemoryError: not even the smallest pieces fit; says what is held by whom.
        """
        device = self._memory.device
        tries: Iterator[Callable[[], T] | None] = iter((work, work))
        if retry_smaller is not None:
            tries = itertools.chain(tries, map(retry_smaller, itertools.count(1)))
        last: Exception | None = None
        for attempt in tries:
            if attempt is None:
                break
            if last is not None:
                with self._memory.moving():
                    self._memory.evict_all()
            try:
                return attempt()
            except Exception as exc:
                if not device.is_out_of_memory(exc):
                    raise
                release_frames(exc)
                last = exc
        raise DeviceMemoryError(
            f"the memory of {device.name} is not enough for this work: {self._held()}",
            hint="track or matte fewer objects at a time, or a smaller working size",
        ) from last

    def account(self, session: str, size: int, *, offload: Offload | None = None) -> None:
        """Say how much tracker memory a session holds on the device now.

        Args:
            size: bytes; 0 when it has let go of everything.
            offload: moves what it can off the device and returns the bytes that stay. It is
                called from any thread when others need room, and must not wait for a lock
                that is held around `account`; a session that is busy returns what it holds.

        Raises:
            DeviceMemoryError: the limit is passed, whatever is moved; the session has to let go.
        """
        memory = self._memory
        if size <= 0:
            memory.forget_session(session)
            return
        record = memory.session(session)
        with memory.changed:
            grows = size > record.bytes
            record.bytes = size
            record.offload = offload or record.offload
            memory.use(record)
            if not grows:
                memory.wake()
        if not grows or memory.is_mover():
            return
        with memory.moving():
            memory.make_room(0, last=session)
            if memory.over_limit():
                raise DeviceMemoryError(
                    f"session {session} holds {as_size(size)} of tracker memory, which is more "
                    f"than {memory.device.name} has room for: {self._held()}",
                    hint="track fewer objects at a time, or a smaller working size",
                )

    def pin(self, spec: EngineSpec, pinned: bool = True) -> None:
        """Keep an engine on the device once it is there, or let it go like others."""
        entry = self._memory.entry(spec)
        with self._memory.changed:
            entry.pinned = pinned
            self._memory.wake()

    def holdings(self) -> tuple[Holding, ...]:
        """What is held by whom, on the device and in host memory."""
        return self._memory.holdings()

    def room(self) -> Room:
        """The device's memory, for people to look at."""
        memory = self._memory
        return Room(memory.capacity(), memory.device.free_bytes(), memory.held())

    def close(self) -> None:
        """Unload everything that is not in use."""
        memory = self._memory
        with memory.moving():
            memory.unload_idle()

    def _acquire(self, entry: Entry, lane: str) -> None:
        memory = self._memory
        deadline = time.monotonic() + self._wait_seconds
        while True:
            with memory.changed:
                if entry.tier is Tier.DEVICE and entry.transition is None:
                    entry.leases.append(lane)
                    memory.use(entry)
                    return
                others = entry.transition
                mine = entry.transition = others or Transition()
                freed = memory.freed
            if others is not None:
                self._wait_for(others)
            elif self._bring(entry, mine, lane):
                return
            else:
                self._wait_for_room(entry, freed, deadline)

    def _bring(self, entry: Entry, transition: Transition, lane: str) -> bool:
        """Load it and lease it; False where there is no room as long as others use theirs."""
        memory = self._memory
        error: Exception | None = None
        try:
            with memory.moving():
                memory.bring(entry, lambda: self._load(entry.spec), self._estimate(entry.spec))
            with memory.changed:
                entry.leases.append(lane)
                memory.use(entry)
            return True
        except NoRoomError as exc:
            release_frames(exc)
            busy = any(each.leases or each.who.startswith("session") for each in self.holdings())
            if busy and exc.need <= memory.capacity():
                return False
            error = self._no_room(entry, exc.need)
            raise error from exc
        except AIRotoError as exc:
            error = exc
            raise
        finally:
            memory.settle(entry, transition, error)

    def _wait_for(self, transition: Transition) -> None:
        with self._memory.changed:
            self._memory.changed.wait_for(lambda: transition.done)
        if transition.error is not None:
            # Each waiter raises its own: a traceback belongs to one thread.
            raise copy.copy(transition.error) from transition.error

    def _wait_for_room(self, entry: Entry, freed: int, deadline: float) -> None:
        memory = self._memory
        left = deadline - time.monotonic()
        with memory.changed:
            if left > 0 and memory.changed.wait_for(lambda: memory.freed > freed, timeout=left):
                return
        raise self._no_room(entry, entry.bytes or self._estimate(entry.spec))

    def _no_room(self, entry: Entry, need: int) -> EngineError:
        memory = self._memory
        return EngineError(
            f"there is no room for {entry.who} ({as_size(need)}) on {memory.device.name}, which "
            f"has {as_size(max(0, memory.room()))} of {as_size(memory.capacity())} free: "
            f"{self._held()}",
            hint="wait until other work is done, or choose a smaller engine",
        )

    def _held(self) -> str:
        on_device = [each for each in self.holdings() if each.tier is Tier.DEVICE]
        return f"held by {describe(on_device)}"

    def _estimate(self, spec: EngineSpec) -> int:
        """Size of the checkpoint's files: what a model in float32 takes, nearly."""
        if not spec.facts.needs_weights or self._checkpoints is None:
            return 0
        return self._checkpoints.status(spec.checkpoint).bytes

    def _load(self, spec: EngineSpec) -> Engine:
        state = self.availability(spec)
        if not state.available:
            raise EngineUnavailableError(
                f"the {spec.role.value} engine {spec.facts.name!r} cannot run here: {state.reason}",
                hint=state.fix,
            )
        path = None
        if spec.facts.needs_weights and self._checkpoints is not None:
            path = self._checkpoints.status(spec.checkpoint).path
        try:
            return spec.load(LoadOptions(self.device, self.precision, path, self._threads))
        except AIRotoError:
            raise
        except ImportError as exc:
            raise EngineUnavailableError(
                f"engine {spec.facts.name!r} needs a package that is not installed: {exc}"
            ) from exc
        except Exception as exc:
            if self._memory.device.is_out_of_memory(exc):
                raise
            release_frames(exc)
            raise EngineError(
                f"engine {spec.facts.name!r} could not be loaded: {str(exc) or type(exc).__name__}"
            ) from exc

    def _enter_lane(self, lane: str) -> None:
        if not lane:
            return
        with self._memory.changed:
            if lane in self._lanes:
                raise InternalError(f"lane {lane!r} asks for a second lease")
            self._lanes.add(lane)

    def _leave_lane(self, lane: str) -> None:
        with self._memory.changed:
            self._lanes.discard(lane)
