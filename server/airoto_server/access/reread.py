"""Files that a running server reads again once they have changed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from airoto.errors import BadRequestError

_log = logging.getLogger(__name__)

_T = TypeVar("_T")


class Reread(Generic[_T]):
    """What a file that decides who is let in says now. For any number of threads.

    Args:
        read: reads it; raises `BadRequestError` where that cannot be.
    """

    def __init__(self, path: Path, read: Callable[[], _T]) -> None:
        """
        Raises:
            BadRequestError: it cannot be read.
        """
        self._path = path
        self._read = read
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int] | None = _stamp_of(path)
        self._found: _T | None = read()

    def current(self) -> _T | None:
        """What it says; None while it cannot be read, which is tried again at every call."""
        stamp = _stamp_of(self._path)
        with self._lock:
            if stamp != self._stamp:
                try:
                    self._found, self._stamp = self._read(), stamp
                except BadRequestError as exc:
                    _log.error("nobody is let in: %s", exc.message)
                    self._found = self._stamp = None
            return self._found


def _stamp_of(path: Path) -> tuple[int, int, int]:
    """What differs once a file has other content; zeros where there is none."""
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_ino, found.st_size, found.st_mtime_ns)
