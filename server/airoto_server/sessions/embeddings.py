"""Image embeddings by content, so that a second click does not run the encoder again."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from airoto_server.engines.roles import Picture, Segmenter
from airoto_server.sessions.watch import StoreUse


class Account(Protocol):
    """`Residency.account`."""

    def __call__(
        self, session: str, size: int, *, offload: Callable[[], int] | None = None
    ) -> None: ...


@dataclass
class _Kept:
    embedding: Any
    bytes: int
    used: float


class Embeddings:
    """Least recently used out first, bounded in bytes; shared by all clients.

    Args:
        account: told how much is held, and given a way to have it dropped when models or
            trackers need the room: an embedding can always be made again.
        clock: seconds.
    """

    def __init__(
        self, max_bytes: int, account: Account, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._max_bytes = max_bytes
        self._account = account
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, str, str, int], _Kept] = OrderedDict()
        self._bytes = self._hits = self._misses = 0

    def holds(self, segmenter: Segmenter, *, content: str, seed: int) -> bool:
        """Whether the embedding is there now, so that its picture need not be decoded."""
        with self._lock:
            return _key(segmenter, content, seed) in self._kept

    def get(
        self, segmenter: Segmenter, picture: Callable[[], Picture], *, content: str, seed: int
    ) -> Any:
        """The embedding of a picture, made if it is not there.

        Call it while holding the device. `content` identifies the pixels of `picture`, which is
        called only where they are needed.
        """
        key = _key(segmenter, content, seed)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                self._hits += 1
                self._kept[key].used = self._clock()
                return self._kept[key].embedding
            self._misses += 1
        embedding = segmenter.embed(picture(), seed=seed)
        size = segmenter.embedding_bytes(embedding)
        with self._lock:
            if key not in self._kept and size <= self._max_bytes:
                self._kept[key] = _Kept(embedding, size, self._clock())
                self._bytes += size
                while self._bytes > self._max_bytes:
                    _, dropped = self._kept.popitem(last=False)
                    self._bytes -= dropped.bytes
        self._account("image embeddings", self.held_bytes, offload=self.clear)
        return embedding

    def expire(self, idle_seconds: float) -> None:
        """Let go of what nobody asked for in so many seconds."""
        before = self._clock() - idle_seconds
        with self._lock:
            old = [key for key, one in self._kept.items() if one.used < before]
            for key in old:
                self._bytes -= self._kept.pop(key).bytes
        if old:
            self._account("image embeddings", self.held_bytes, offload=self.clear)

    def clear(self) -> int:
        """Drop all of them; the bytes that are held after it."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0
        return 0

    def use(self) -> StoreUse:
        """What is kept, for people to look at."""
        with self._lock:
            return StoreUse(
                "embeddings",
                len(self._kept),
                self._bytes,
                self._max_bytes,
                self._hits,
                self._misses,
            )

    @property
    def held_bytes(self) -> int:
        """Memory held now."""
        with self._lock:
            return self._bytes


def _key(segmenter: Segmenter, content: str, seed: int) -> tuple[str, str, str, int]:
    return segmenter.facts.name, segmenter.facts.version, content, seed
