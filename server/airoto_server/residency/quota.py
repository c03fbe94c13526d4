"""How much tracker memory one person's renders may hold on a device."""

from __future__ import annotations

import threading

from airoto.errors import TooLargeError
from airoto_server.residency.table import as_size


class MemoryQuota:
    """Adds up the sessions of one person.

    Args:
        limit: bytes; None: only the device's own limit counts.
    """

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._held: dict[str, int] = {}

    def hold(self, session: str, size: int) -> None:
        """Say how much a session holds now; 0 when it has let go of everything.

        Raises:
            TooLargeError: with it all sessions together hold more than the limit.
        """
        if self._limit is None:
            return
        with self._lock:
            self._held.pop(session, None)
            if size > 0:
                self._held[session] = size
            total = sum(self._held.values())
        if size > 0 and total > self._limit:
            raise TooLargeError(
                f"your renders hold {as_size(total)} of tracker memory; "
                f"allowed: {as_size(self._limit)}",
                hint="run fewer at a time, track fewer objects, or a smaller working size",
            )
