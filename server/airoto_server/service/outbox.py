"""Events for one reader, who may read as slowly as it likes."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections import OrderedDict
from collections.abc import Collection
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Outbox(Generic[Item]):
    """A queue from a thread to a coroutine whose writer never waits.

    Args:
        latest: classes of which only the newest unread item is kept.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, latest: Collection[type]) -> None:
        self._loop = loop
        self._latest = frozenset(latest)
        self._lock = threading.Lock()
        self._items: OrderedDict[object, Item] = OrderedDict()
        self._numbers = itertools.count()
        self._arrived = asyncio.Event()

    def put(self, item: Item) -> None:
        """Add an item, from any thread."""
        kind = type(item)
        key: object = kind if kind in self._latest else next(self._numbers)
        with self._lock:
            self._items.pop(key, None)
            self._items[key] = item
        self._loop.call_soon_threadsafe(self._arrived.set)

    async def get(self) -> Item:
        """The oldest item; waits for one."""
        while True:
            with self._lock:
                if self._items:
                    return self._items.popitem(last=False)[1]
                self._arrived.clear()
            await self._arrived.wait()

    def __len__(self) -> int:
        return len(self._items)
