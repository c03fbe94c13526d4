"""Memory for planes that is used again: fresh memory costs as much time as filling it."""

from __future__ import annotations

import time
import weakref
from collections import deque
from typing import Any

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]


class Buffers:
    """Hands out buffers. One comes back by itself when nobody refers to it any more.

    For any number of threads. There is no lock, since a buffer may come back at any moment,
    in whichever thread drops it.
    """

    def __init__(self, max_spare: int) -> None:
        """
        Args:
            max_spare: bytes that may lie unused.
        """
        self._max_spare = max_spare
        self._spare: deque[Bytes] = deque()
        self._used = time.monotonic()

    def take(self, size: int) -> Bytes:
        """A buffer of that many bytes, with any content."""
        self._used = time.monotonic()
        lease = _Lease(self._found(size))
        # Not at exit, when there is nobody left to use it.
        weakref.finalize(lease, self._come_back, lease.raw).atexit = False
        return np.asarray(lease)

    @property
    def spare_bytes(self) -> int:
        """Bytes that lie unused."""
        return sum(raw.nbytes for raw in tuple(self._spare))

    def expire(self, idle_seconds: float) -> None:
        """Let go of what lies unused, if nobody took a buffer for that long."""
        if time.monotonic() - self._used >= idle_seconds:
            self._spare.clear()

    def _found(self, size: int) -> Bytes:
        for _ in range(len(self._spare)):
            try:
                raw = self._spare.popleft()
            except IndexError:  # another thread was quicker
                break
            if raw.nbytes == size:
                return raw
            self._spare.append(raw)
        return np.empty(size, np.uint8)

    def _come_back(self, raw: Bytes) -> None:
        self._spare.append(raw)
        while self.spare_bytes > self._max_spare:
            try:
                self._spare.popleft()
            except IndexError:
                return


class _Lease:
    """What arrays over a buffer refer to in the end; it ends with the last of them."""

    def __init__(self, raw: Bytes) -> None:
        self.raw = raw

    @property
    def __array_interface__(self) -> dict[str, Any]:
        return self.raw.__array_interface__
