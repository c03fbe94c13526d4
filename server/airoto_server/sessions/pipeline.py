"""Stages of work that overlap, each on a thread of its own, with bounded queues between them."""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from collections.abc import Generator
from typing import Generic, TypeVar

Item = TypeVar("Item")


def overlapped(
    source: Generator[Item, None, None], ahead: int, name: str
) -> Generator[Item, None, None]:
    """The items of `source`, made on another thread, at most `ahead` that nobody took yet.

    Order and errors are those of the source. Close it where it is left early: it waits until
    the source has ended its item, and closes it.

    Args:
        name: of the thread.
    """
    queue = _Queue[Item](ahead)
    context = contextvars.copy_context()

    def run() -> None:
        error: BaseException | None = None
        try:
            for item in source:
                if not queue.put(item):
                    break
        except BaseException as exc:  # noqa: BLE001 - raised where the items are taken
            error = exc
        finally:
            source.close()
            queue.end(error)

    thread = threading.Thread(target=context.run, args=(run,), name=name)
    thread.start()
    try:
        yield from queue.items()
    finally:
        queue.abandon()
        thread.join()


class _Queue(Generic[Item]):
    """A bounded queue with an end."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._waiting: deque[Item] = deque()
        self._changed = threading.Condition()
        self._ended = self._abandoned = False
        self._error: BaseException | None = None

    def put(self, item: Item) -> bool:
        """Wait for room; False where nobody takes any more."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._waiting) < self._room or self._abandoned)
            if not self._abandoned:
                self._waiting.append(item)
                self._changed.notify_all()
            return not self._abandoned

    def end(self, error: BaseException | None) -> None:
        """There is no more."""
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify_all()

    def abandon(self) -> None:
        """Nobody takes any more."""
        with self._changed:
            self._abandoned = True
            self._waiting.clear()
            self._changed.notify_all()

    def items(self) -> Generator[Item, None, None]:
        """Whatever is put, until the end."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._waiting) or self._ended)
                if not self._waiting:
                    if self._error is not None:
                        raise self._error
                    return
                item = self._waiting.popleft()
                self._changed.notify_all()
            yield item
