"""The kept results as one person sees them: all to read, and only so many of their own to write."""

from __future__ import annotations

import threading
from collections import OrderedDict

from airoto_server.storage.store import ResultStore


class ResultShare:
    """A store in which one person's results take no more than their share.

    What they wrote first goes first. Results of others are found as ever: a key is made of the
    plate's pixels, so whoever has the key could make the result. What was written before this
    server began is nobody's.

    Args:
        max_bytes: of what is written through this share; 0: nothing is.
    """

    def __init__(self, store: ResultStore, max_bytes: int) -> None:
        self._store = store
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._written: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._bytes = 0

    def get(self, stage: str, key: str) -> bytes | None:
        """As `ResultStore.get`."""
        return self._store.get(stage, key)

    def has(self, stage: str, key: str) -> bool:
        """As `ResultStore.has`."""
        return self._store.has(stage, key)

    def put(self, stage: str, key: str, content: bytes) -> None:
        """As `ResultStore.put`; what is too large for the share is not kept."""
        if len(content) > self._max_bytes:
            return
        self._store.put(stage, key, content)
        gone = []
        with self._lock:
            self._bytes += len(content) - self._written.pop((stage, key), 0)
            self._written[stage, key] = len(content)
            while self._bytes > self._max_bytes:
                oldest, size = self._written.popitem(last=False)
                self._bytes -= size
                gone.append(oldest)
        for one in gone:
            self._store.drop(*one)

    def drop(self, stage: str, key: str) -> None:
        """As `ResultStore.drop`."""
        with self._lock:
            self._bytes -= self._written.pop((stage, key), 0)
        self._store.drop(stage, key)
