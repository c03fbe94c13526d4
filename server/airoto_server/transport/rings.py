"""The rings of shared memory that clients let the server use, and the folder they lie in."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from airoto.errors import BadRequestError, TooLargeError
from airoto.ring_layout import is_ring_name
from airoto.wire import messages as pb
from airoto_server.transport.copier import Copier
from airoto_server.transport.ring import Ring, take_lock, unknown_ring

# Files here are memory, where the system has such a folder.
_SHARED_MEMORY = Path("/dev/shm")


def memory_folder() -> Path | None:
    """A folder whose files are memory; None where we know of none."""
    usable = _SHARED_MEMORY.is_dir() and os.access(_SHARED_MEMORY, os.W_OK | os.X_OK)
    return _SHARED_MEMORY if usable else None


class Rings:
    """The rings that are attached, and the folder in which clients make them."""

    def __init__(self, folder: Path, *, max_bytes: int, most: int = 32, threads: int = 2) -> None:
        """
        Args:
            folder: made with mode 0700 if it is not there.
            max_bytes: of one ring; 0: there are none.
            most: rings that there may be at once.
            threads: that copy one plane.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = folder
        self.max_bytes = max_bytes
        self._most = most
        self._copier = Copier(threads)
        self._rings: dict[str, Ring] = {}
        self._lock = threading.Lock()

    def attach(self, request: pb.AttachRingRequest) -> None:
        """Use a ring from now on; attaching it twice does no harm.

        Raises:
            BadRequestError, TooLargeError: it cannot be used.
        """
        name, size = request.ring, request.size
        if not is_ring_name(name):
            raise BadRequestError(f"{name!r} is no name of a ring; allowed: 32 hex digits, .ring")
        if size > self.max_bytes:
            raise TooLargeError(f"a ring of {size} bytes; allowed: at most {self.max_bytes}")
        self.sweep()
        ring = Ring(request, self.folder, self._copier)
        with self._lock:
            if len(self._rings) >= self._most and name not in self._rings:
                ring.close()
                raise TooLargeError(f"{self._most} rings are attached already")
            old = self._rings.get(name)
            self._rings[name] = ring
        if old is not None:
            old.close()

    def open(self, name: str) -> Ring:
        """An attached ring.

        Raises:
            HandleUnknownError: it is not attached (any more).
        """
        with self._lock:
            ring = self._rings.get(name)
        if ring is None:
            raise unknown_ring(name)
        return ring

    def detach(self, name: str) -> None:
        """Let go of a ring when nobody uses it any more; detaching it twice does no harm."""
        with self._lock:
            ring = self._rings.pop(name, None)
        if ring is not None:
            ring.close()

    def expire(self, idle_seconds: float) -> None:
        """Let go of rings whose clients are dead, however long they were idle."""
        self.sweep()

    def sweep(self) -> list[str]:
        """Let go of rings whose clients are dead, and remove their files; which ones."""
        with self._lock:
            rings = dict(self._rings)
        removed = []
        for name, ring in rings.items():
            if ring.is_abandoned():
                self.detach(name)
                if ring.path is not None:
                    ring.path.unlink(missing_ok=True)
                removed.append(name)
        for path in self.folder.iterdir():
            if path.name not in rings and _is_abandoned_file(path):
                path.unlink(missing_ok=True)
                removed.append(path.name)
        return removed

    def close(self) -> None:
        """Let go of all rings."""
        with self._lock:
            names = list(self._rings)
        for name in names:
            self.detach(name)
        self._copier.close()


def _is_abandoned_file(path: Path) -> bool:
    try:
        file = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:  # gone meanwhile, or nothing that we made
        return False
    try:
        return take_lock(file)
    finally:
        os.close(file)
