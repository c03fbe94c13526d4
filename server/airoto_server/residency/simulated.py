"""A device that is only a number, and an engine that only takes room on it.

They keep to what is true of real ones: an allocation that does not fit fails and takes
nothing. Tests and benchmarks of residency run on them.
"""

from __future__ import annotations

import threading


class SimulatedOutOfMemoryError(RuntimeError):
    """A simulated device is full."""


class SimulatedDevice:
    """A device with a budget in bytes; safe to use from several threads.

    Attributes:
        peak: the most that was ever allocated at once, in bytes.
    """

    def __init__(self, total: int, *, name: str = "sim", unified: bool = False) -> None:
        self.name = name
        self.unified = unified
        self.peak = 0
        self._total = total
        self._used = 0
        self._lock = threading.Lock()

    def total_bytes(self) -> int:
        return self._total

    def free_bytes(self) -> int:
        return self._total - self._used

    def used_bytes(self) -> int:
        return self._used

    def release(self) -> None:
        """Nothing is kept for reuse."""

    def is_out_of_memory(self, error: BaseException) -> bool:
        return isinstance(error, SimulatedOutOfMemoryError)

    def allocate(self, size: int) -> None:
        """Take `size` bytes.

        Raises:
            SimulatedOutOfMemoryError: they are not free; nothing is taken.
        """
        with self._lock:
            if size > self._total - self._used:
                raise SimulatedOutOfMemoryError(
                    f"{self.name}: {size} bytes asked for, {self._total - self._used} free"
                )
            self._used += size
            self.peak = max(self.peak, self._used)

    def free(self, size: int) -> None:
        """Give `size` bytes back.

        Raises:
            ValueError: more than were taken.
        """
        with self._lock:
            if size > self._used:
                raise ValueError(f"{size} bytes given back, {self._used} were taken")
            self._used -= size
