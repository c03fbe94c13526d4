"""Content identities: the SHA-256 of files, remembered as long as a file stays the same."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from pathlib import Path

from airoto.errors import FrameMissingError, FrameUnreadableError
from airoto.wire.chunks import sha256_of_file

Identity = tuple[int, int, int, int, int]

_REMEMBERED = 100_000
# A file changed this recently may change again without its times telling: not remembered.
_SETTLED_SECONDS = 2.0


class ContentIds:
    """`sha256:...` of files. For any number of threads."""

    def __init__(self, *, verify: bool = False) -> None:
        """
        Args:
            verify: trust no times, read every file again (`--verify`).
        """
        self._verify = verify
        self._known: OrderedDict[Identity, str] = OrderedDict()
        self._lock = threading.Lock()

    def of_file(self, path: Path, *, label: str = "") -> str:
        """The identity of a file's bytes: read once, then known by device, inode, size and times.

        Args:
            label: how messages name the file; its path, if empty.

        Raises:
            FrameMissingError: no such file.
            FrameUnreadableError: it cannot be read, or is still being written.
        """
        label = label or str(path)
        try:
            before = _identity(path)
            if not path.is_file():  # a pipe would block
                raise FrameUnreadableError(f"{label}: is not a regular file", path=label)
            with self._lock:
                known = self._known.get(before)
            if known and not self._verify:
                return known
            digest = f"sha256:{sha256_of_file(path)}"
            if _identity(path) != before:
                raise FrameUnreadableError(
                    f"{label}: changed while it was being read", hint="try again", path=label
                )
        except FileNotFoundError as exc:
            raise FrameMissingError(f"{label}: no such file", path=label) from exc
        except OSError as exc:
            raise FrameUnreadableError(
                f"{label}: cannot be read: {exc.strerror}", path=label
            ) from exc
        if time.time() - max(before[3:]) / 1e9 > _SETTLED_SECONDS:
            with self._lock:
                self._known[before] = digest
                while len(self._known) > _REMEMBERED:
                    self._known.popitem(last=False)
        return digest


def combined(*parts: object) -> str:
    """One identity of several: of a movie and a picture's number, of pixels and their place."""
    return f"sha256:{hashlib.sha256(repr(parts).encode()).hexdigest()}"


def _identity(path: Path) -> Identity:
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
