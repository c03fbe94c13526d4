"""A token by which a caller tells a job to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable

from airoto.errors import AIRotoError, CancelledError


class Cancel:
    """One call: set once, from any thread; a job looks at it between frames and windows.

    Attributes:
        client: who asks (`user@host`), for fair shares; calls of one client share.
        request_id: the call's id in logs.
    """

    def __init__(self, client: str = "", request_id: str = "") -> None:
        self.client = client
        self.request_id = request_id
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], None]] = []
        self._reason: AIRotoError | None = None

    @property
    def is_set(self) -> bool:
        return self._event.is_set()

    def set(self, reason: AIRotoError | None = None) -> None:
        """Ask for a stop and wake everyone who waits with this token.

        Args:
            reason: what `check` raises; None: CancelledError. The first one counts.
        """
        with self._lock:
            if not self._event.is_set():
                self._reason = reason
            self._event.set()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def on_set(self, callback: Callable[[], None]) -> None:
        """Call `callback` once when set; at once if it is set already."""
        with self._lock:
            if not self._event.is_set():
                self._callbacks.append(callback)
                return
        callback()

    def forget(self, callback: Callable[[], None]) -> None:
        """Take a callback back."""
        with self._lock:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

    def check(self) -> None:
        """Raise the reason if set."""
        if self._event.is_set():
            raise self._reason or CancelledError("the work was cancelled")
