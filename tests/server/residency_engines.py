"""Engines of a chosen size on a simulated device, for the tests of residency."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable

from airoto_server.engines.registry import EngineSpec, LoadOptions, Role
from airoto_server.engines.roles import EngineFacts
from airoto_server.residency.simulated import SimulatedDevice


class SizedEngine:
    """Holds `size` bytes of whichever of the devices it is on."""

    def __init__(self, name: str, size: int, devices: dict[str, SimulatedDevice]) -> None:
        self.facts = EngineFacts(name, "1", "a number of bytes", "Apache-2.0")
        self.size = size
        self.devices = devices
        self.place = ""
        self.alive = True
        self.to_device(next(iter(devices)))

    def device(self) -> str:
        return self.place

    def precision(self) -> str:
        return "float32"

    def model_bytes(self) -> int:
        return self.size

    def to_device(self, device: str) -> None:
        self.devices[device].allocate(self.size)
        if self.place:
            self.devices[self.place].free(self.size)
        self.place = device

    def close(self) -> None:
        assert self.alive
        self.alive = False
        self.devices[self.place].free(self.size)


class Workshop:
    """A simulated device and host, and specs of engines that load onto them.

    Attributes:
        loads: how often each engine was loaded.
        faults: errors to raise at the next load of an engine, by name.
        gates: events that a load waits for, by name.
    """

    def __init__(self, device: int, host: int = 0) -> None:
        self.device = SimulatedDevice(device)
        self.host = SimulatedDevice(host, name="host", unified=True)
        self.loads: dict[str, int] = {}
        self.faults: dict[str, Exception] = {}
        self.gates: dict[str, threading.Event] = {}
        self._names = itertools.count()
        self._lock = threading.Lock()

    def spec(
        self, size: int, name: str = "", on_load: Callable[[], None] | None = None
    ) -> EngineSpec:
        """An engine of `size` bytes."""
        name = name or f"engine{next(self._names)}"

        def load(options: LoadOptions) -> SizedEngine:
            with self._lock:
                self.loads[name] = self.loads.get(name, 0) + 1
            if name in self.gates:
                assert self.gates[name].wait(10)
            if on_load is not None:
                on_load()
            if name in self.faults:
                raise self.faults[name]
            return SizedEngine(name, size, {"sim": self.device, "host": self.host})

        facts = EngineFacts(name, "1", "a number of bytes", "Apache-2.0")
        return EngineSpec(Role.MATTER, facts, load)
