"""What is kept between calls, let go of when nobody calls."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence


class IdleTimer:
    """Looks now and then, on a thread of its own; close it.

    Args:
        idle_seconds: after which something that was not used goes.
        expire: each lets go of what was not used for that long.
    """

    def __init__(self, idle_seconds: float, expire: Sequence[Callable[[float], None]]) -> None:
        self._idle_seconds = idle_seconds
        self._expire = expire
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="airoto-idle", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closed.wait(min(60.0, max(0.05, self._idle_seconds / 4))):
            for one in self._expire:
                one(self._idle_seconds)
