"""Decoded frames by content, shared by all calls on one plate.

What a click looked at stays for the next click, bounded in bytes and until nobody has asked
for it for a while. What a render passes through stays only as long as somebody uses it: memory
does not grow with the shot, and two renders side by side still decode a frame once.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from airoto_server.ops.imagefile import Frame
from airoto_server.sessions.watch import StoreUse

T = TypeVar("T")


@dataclass
class _Kept:
    value: Any
    bytes: int
    used: float


class SharedFrames:
    """Frames and pictures under keys that stand for their content. For any number of threads.

    Args:
        max_bytes: of what is kept; least recently used out first.
        clock: seconds.
    """

    def __init__(self, max_bytes: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_bytes = max_bytes
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._alive: weakref.WeakValueDictionary[Hashable, Any] = weakref.WeakValueDictionary()
        self._making: dict[Hashable, Future[Any]] = {}
        self._bytes = self._hits = self._misses = 0

    def get(self, key: Hashable, make: Callable[[], T], *, keep: bool) -> T:
        """The value under a key, made if nobody has it; several who ask at once wait for one.

        Args:
            keep: whether it stays for those who ask later.

        Raises:
            whatever `make` raises.
        """
        with self._lock:
            value = self._alive.get(key)
            if value is not None:
                self._hits += 1
                self._touch(key, value, keep)
                return value  # type: ignore[no-any-return]
            future = self._making.get(key)
            mine = future is None
            if future is None:
                self._misses += 1
                future = self._making[key] = Future()
            else:
                self._hits += 1
        if not mine:
            return future.result()  # type: ignore[no-any-return]
        try:
            value = make()
        except BaseException as exc:
            with self._lock:
                del self._making[key]
            future.set_exception(exc)
            raise
        with self._lock:
            self._alive[key] = value
            self._touch(key, value, keep)
            del self._making[key]
        future.set_result(value)
        return value

    def expire(self, idle_seconds: float) -> None:
        """Let go of what nobody asked for in so many seconds."""
        before = self._clock() - idle_seconds
        with self._lock:
            for key in [key for key, one in self._kept.items() if one.used < before]:
                self._bytes -= self._kept.pop(key).bytes

    def clear(self) -> None:
        """Let go of everything."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0

    def use(self) -> StoreUse:
        """What is kept now."""
        with self._lock:
            return StoreUse(
                "decoded frames",
                len(self._kept),
                self._bytes,
                self._max_bytes,
                self._hits,
                self._misses,
            )

    def _touch(self, key: Hashable, value: Any, keep: bool) -> None:
        """Note that a value was used; keep it, where that is wanted and there is room."""
        if key not in self._kept:
            size = bytes_of(value)
            if not keep or size > self._max_bytes:
                return
            self._kept[key] = _Kept(value, size, 0.0)
            self._bytes += size
        self._kept[key].used = self._clock()
        self._kept.move_to_end(key)
        while self._bytes > self._max_bytes:
            _, dropped = self._kept.popitem(last=False)
            self._bytes -= dropped.bytes


def bytes_of(value: Frame | np.ndarray[Any, Any]) -> int:
    """Memory of a frame or a picture, in bytes."""
    if isinstance(value, Frame):
        return value.pixels.nbytes + (0 if value.alpha is None else value.alpha.nbytes)
    return value.nbytes
