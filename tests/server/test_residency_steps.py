"""Residency under thousands of random steps, and under real threads: in its budget, never stuck."""

from __future__ import annotations

import faulthandler
import random
import threading
from contextlib import ExitStack

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from airoto.errors import EngineError, TooLargeError
from airoto_server.residency.residency import Residency
from airoto_server.residency.simulated import SimulatedOutOfMemoryError
from airoto_server.residency.table import Tier

from .residency_engines import SizedEngine, Workshop

SIZES = (5, 12, 20, 33, 47, 60, 120)
DEVICE = 100
HOST = 80
LIMIT = 90

specs = st.integers(0, len(SIZES) - 1)
lanes = st.sampled_from(("gpu0", "gpu1", "click"))
sessions = st.sampled_from(("a", "b", "c"))


class Steps(RuleBasedStateMachine):
    """One thread plays all lanes; whoever would have to wait is refused instead."""

    def __init__(self) -> None:
        super().__init__()
        self.workshop = Workshop(DEVICE, HOST)
        self.specs = [self.workshop.spec(size, f"e{i}") for i, size in enumerate(SIZES)]
        self.leases: dict[str, tuple[ExitStack, SizedEngine]] = {}
        self.taken: dict[str, int] = {}
        self.busy: set[str] = set()
        self.limit = 0

    @initialize(limited=st.booleans(), headroom=st.sampled_from((0, 10)))
    def open(self, limited: bool, headroom: int) -> None:
        self.limit = LIMIT if limited else DEVICE
        self.residency = Residency(
            "sim",
            memory=self.workshop.device,
            host=self.workshop.host,
            limit_bytes=LIMIT if limited else 0,
            headroom_bytes=headroom,
            wait_seconds=0.0,
        )

    @rule(index=specs, lane=lanes)
    def lease(self, index: int, lane: str) -> None:
        if lane in self.leases:
            return
        stack = ExitStack()
        try:
            engine = stack.enter_context(self.residency.lease(self.specs[index], lane))
        except EngineError as exc:
            if "no room" not in exc.message:
                raise
            return
        assert isinstance(engine, SizedEngine)
        self.leases[lane] = (stack, engine)

    @rule(lane=lanes)
    def end(self, lane: str) -> None:
        if lane in self.leases:
            self.leases.pop(lane)[0].close()

    @rule(index=specs)
    def fail_to_load(self, index: int) -> None:
        name = self.specs[index].facts.name
        self.workshop.faults[name] = ValueError("damaged")
        try:
            with self.residency.lease(self.specs[index]):
                pass
        except EngineError as exc:
            if "damaged" not in exc.message and "no room" not in exc.message:
                raise
        finally:
            del self.workshop.faults[name]

    @rule(index=specs, pinned=st.booleans())
    def pin(self, index: int, pinned: bool) -> None:
        self.residency.pin(self.specs[index], pinned)

    @rule(name=sessions, size=st.integers(0, 60), busy=st.booleans())
    def account(self, name: str, size: int, busy: bool) -> None:
        """A session's tracker memory becomes `size`, if it can be had."""
        self.busy.discard(name)
        if busy:
            self.busy.add(name)
        try:
            self.residency.run(lambda: self._take(name, size))
            self.residency.account(name, size, offload=lambda: self._offload(name))
        except TooLargeError:
            self._take(name, 0)
            self.residency.account(name, 0)

    @rule(size=st.integers(1, 120))
    def work(self, size: int) -> None:
        """Work in pieces, halved until they fit."""

        def piece(part: int) -> int:
            self.workshop.device.allocate(part)
            self.workshop.device.free(part)
            return part

        try:
            done = self.residency.run(
                lambda: piece(size),
                lambda attempt: (lambda: piece(size >> attempt)) if size >> attempt else None,
            )
        except TooLargeError:
            assert self.workshop.device.free_bytes() == 0
        else:
            assert 0 < done <= size

    @precondition(lambda self: not self.leases)
    @rule()
    def close_all(self) -> None:
        self.residency.close()
        held = {each.who for each in self.residency.holdings()}
        assert held == {f"session {name}" for name, size in self.taken.items() if size}

    def _take(self, name: str, size: int) -> None:
        grows = size - self.taken.get(name, 0)
        if grows > 0:
            self.workshop.device.allocate(grows)
        else:
            self.workshop.device.free(-grows)
        self.taken[name] = size

    def _offload(self, name: str) -> int:
        if name not in self.busy:
            self._take(name, 0)
        return self.taken[name]

    @invariant()
    def books_agree_with_the_device(self) -> None:
        if not hasattr(self, "residency"):
            return
        on_device = [each for each in self.residency.holdings() if each.tier is Tier.DEVICE]
        on_host = [each for each in self.residency.holdings() if each.tier is Tier.HOST]
        assert sum(each.bytes for each in on_device) == self.workshop.device.used_bytes()
        assert sum(each.bytes for each in on_host) == self.workshop.host.used_bytes()
        assert self.workshop.device.used_bytes() <= self.limit
        leased = sum(len(each.leases) for each in on_device)
        assert leased == len(self.leases)
        for _, engine in self.leases.values():
            assert engine.alive
            assert engine.place == "sim"

    def teardown(self) -> None:
        for stack, _ in self.leases.values():
            stack.close()


# Runs of up to 50 steps, some 5,900 in all; the same ones every time.
Steps.TestCase.settings = settings(
    max_examples=130,
    stateful_step_count=50,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


class TestFiveThousandRandomSteps(Steps.TestCase):  # type: ignore[misc, name-defined]
    """Steps, as pytest finds it."""


@pytest.mark.parametrize("host", [0, 150])
def test_eight_threads_with_more_engines_than_room_all_come_to_an_end(host: int) -> None:
    workshop = Workshop(100, host)
    residency = Residency(
        "sim",
        memory=workshop.device,
        host=workshop.host,
        host_limit_bytes=host or 1,
        headroom_bytes=0,
        wait_seconds=60.0,
    )
    specs = [workshop.spec(size, f"e{size}") for size in (8, 15, 22, 30, 38, 45)]
    faults: list[BaseException] = []
    served = [0] * 8

    def lane(number: int) -> None:
        dice = random.Random(number)
        try:
            for _ in range(60):
                with residency.lease(dice.choice(specs), f"lane{number}") as engine:
                    assert isinstance(engine, SizedEngine)
                    assert engine.alive
                    assert engine.place == "sim"
                    size = dice.randrange(1, 20)
                    residency.run(lambda size=size: _brief(workshop, size), lambda n: lambda: None)
                    assert engine.alive
                    assert engine.place == "sim"
                served[number] += 1
        except BaseException as exc:  # noqa: BLE001 - told to the test's own thread
            faults.append(exc)

    threads = [threading.Thread(target=lane, args=(i,), daemon=True) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    if any(thread.is_alive() for thread in threads):
        faulthandler.dump_traceback()
        pytest.fail("threads are stuck")
    assert faults == []
    assert served == [60] * 8
    assert workshop.device.peak <= 100
    on_device = sum(each.bytes for each in residency.holdings() if each.tier is Tier.DEVICE)
    assert on_device == workshop.device.used_bytes()
    residency.close()
    assert workshop.device.used_bytes() == workshop.host.used_bytes() == 0


def _brief(workshop: Workshop, size: int) -> None:
    """Take room for a moment, as the work of an engine does."""
    workshop.device.allocate(size)
    workshop.device.free(size)


def test_a_simulated_device_takes_nothing_when_it_is_full() -> None:
    device = Workshop(10).device
    device.allocate(7)
    with pytest.raises(SimulatedOutOfMemoryError, match="4 bytes asked for, 3 free"):
        device.allocate(4)
    assert device.used_bytes() == 7
    with pytest.raises(ValueError, match="8 bytes given back, 7 were taken"):
        device.free(8)
