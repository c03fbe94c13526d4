"""A server inside the tests' own process, and engines whose steps the tests hold and let go."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import sys
import tempfile
import threading
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import grpc
import pytest

from airoto.wire.channel import parse_target, server_options
from airoto.wire.methods import generic_handler
from airoto_client.grpc_link import GrpcLink
from airoto_server.engines import registry
from airoto_server.engines.null import SPECS, NullRun, NullSegmenter, NullTracker
from airoto_server.engines.registry import EngineSpec, LoadOptions, Role
from airoto_server.engines.roles import Candidate, EngineFacts, Mask, Picture, Prompts, Tracked
from airoto_server.residency.residency import Residency
from airoto_server.residency.simulated import SimulatedDevice
from airoto_server.service.audit import Audit
from airoto_server.service.gate import Gate, OwnersDoor
from airoto_server.service.servicer import Servicer
from airoto_server.sessions.workshop import Settings, Workshop

PATIENCE = 60.0
_FACTS = dataclasses.replace(SPECS[0].facts, name="held", concurrent=False)


class Desk:
    """What held engines do, in their order; each step waits until it is let go.

    Attributes:
        order: `step` of a tracker (with its device and seed), `click` of a segmenter.
    """

    def __init__(self) -> None:
        self.order: list[str] = []
        self._allowed = 0
        self._begun = 0
        self._changed = threading.Condition()

    def enter(self, what: str) -> None:
        """For an engine: write it down, wait until it may end."""
        with self._changed:
            self.order.append(what)
            self._begun += 1
            mine = self._begun
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: self._allowed >= mine, PATIENCE)

    def let(self, steps: int) -> None:
        """Let so many more steps end, in the order in which they begin."""
        with self._changed:
            self._allowed += steps
            self._changed.notify_all()

    def wait_for(self, steps: int) -> list[str]:
        """Wait until so many have begun."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.order) >= steps, PATIENCE), self.order
            return list(self.order)


class _HeldRun(NullRun):
    def __init__(self, object_ids: Sequence[int], enter: Callable[[], None]) -> None:
        super().__init__(object_ids)
        self._enter = enter

    def step(
        self, frame: int, picture: Picture, masks: Mapping[int, Mask] | None = None
    ) -> dict[int, Tracked]:
        self._enter()
        return super().step(frame, picture, masks)


def _engines(desk: Desk) -> tuple[EngineSpec, ...]:
    class HeldTracker(NullTracker):
        facts: ClassVar[EngineFacts] = _FACTS

        def __init__(self, options: LoadOptions) -> None:
            self._where = options.device

        def device(self) -> str:
            return self._where

        def begin(self, object_ids: Sequence[int], *, seed: int) -> NullRun:
            return _HeldRun(object_ids, lambda: desk.enter(f"step {self._where} {object_ids[0]}"))

    class HeldSegmenter(NullSegmenter):
        facts: ClassVar[EngineFacts] = _FACTS

        def __init__(self, options: LoadOptions) -> None:
            pass

        def segment(self, embedding: object, prompts: Prompts, *, seed: int) -> list[Candidate]:
            desk.enter("click")
            return super().segment(embedding, prompts, seed=seed)  # type: ignore[arg-type]

    return (
        EngineSpec(Role.TRACKER, _FACTS, HeldTracker, rank=-1),
        EngineSpec(Role.SEGMENTER, _FACTS, HeldSegmenter, rank=-1),
    )


@contextlib.contextmanager
def held_engines() -> Iterator[Desk]:
    """While the block lasts there are a tracker and a segmenter called `held`."""
    desk = Desk()
    module = types.ModuleType("airoto_held_engines")
    module.SPECS = _engines(desk)  # type: ignore[attr-defined]
    before = registry.MODULES
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, module.__name__, module)
        patch.setattr(registry, "MODULES", (*before, module.__name__))
        yield desk


class Served:
    """A server on a Unix socket, on threads of this process."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        target = parse_target(f"unix:{folder / 's.sock'}")
        self.target = str(target)
        self._address = target.address
        self._settings = settings
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        assert self._started.wait(PATIENCE)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()

        def residency(name: str) -> Residency:
            return Residency(name, memory=SimulatedDevice(1 << 30, name=name))

        with (
            contextlib.closing(Workshop(self._settings, open_residency=residency)) as self.workshop,
            contextlib.closing(Servicer(self.workshop)) as self.servicer,
        ):
            gate = Gate(OwnersDoor(), Audit())
            server = grpc.aio.server(interceptors=(gate,), options=server_options())
            server.add_generic_rpc_handlers((generic_handler(self.servicer),))
            server.add_insecure_port(self._address)
            await server.start()
            self._started.set()
            await self._stop.wait()
            self.servicer.stop_jobs()
            await server.stop(0.5)

    def stop(self) -> None:
        """End it; every call ends with it."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()


@contextlib.contextmanager
def served(**settings: object) -> Iterator[Served]:
    """A server with these settings."""
    with tempfile.TemporaryDirectory(prefix="airoto-") as folder:
        one = Served(Path(folder), Settings(scratch=Path(folder), threads=2, **settings))  # type: ignore[arg-type]
        try:
            yield one
        finally:
            one.stop()


def as_client(served: Served, name: str) -> GrpcLink:
    """A link of another artist."""
    link = GrpcLink(served.target)
    link._client = name
    return link
