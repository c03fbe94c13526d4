"""Results by key, in files of a folder; safe for any number of threads and servers.

An entry is one file, `stage/ab/abcdef...`, and appears whole or not at all. It holds the
digest of what it holds, so that a damaged one is noticed, removed and made again. Two writers
of one key write the same content, so reading and writing need no lock.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import secrets
import stat
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from airoto_server.storage.upkeep import TEMPORARY, occupied, prune

_log = logging.getLogger(__name__)

_MAGIC = b"AIRESULT"
_HEADER = struct.Struct("<8s32sQ")

# Of the limit: what one server writes before it looks how large the folder really is. Several
# servers together may pass the limit by that much each, for a while.
_SHARE = 16
# An entry's time of use is not written again within so many seconds.
_TOUCHED_SECONDS = 60.0

# Marks a folder as one that backups may leave out (bford.info/cachedir).
_TAG = "CACHEDIR.TAG"
_TAG_TEXT = (
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# Results of AIRoto; may be deleted at any time.\n"
)


class DamagedEntryError(Exception):
    """An entry did not hold what it says; it was removed."""


class StoreFailedError(Exception):
    """The folder cannot be read or written, for the reason that the system gives."""


@dataclass(frozen=True)
class StoreStats:
    """What a store has done since it was opened; bytes as of the last look at the folder."""

    entries: int
    bytes: int
    limit_bytes: int
    hits: int
    misses: int


class ResultStore:
    """A folder of results, bounded in bytes: the least recently used go first.

    Args:
        folder: made if it is not there, with mode 0700; a folder that is there keeps its mode,
            and entries are readable for whom it is.
        max_bytes: that all entries may occupy.
        clock: seconds since 1970.

    Raises:
        OSError: the folder cannot be made or written.
    """

    def __init__(
        self, folder: Path, max_bytes: int, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.folder = folder
        self.max_bytes = max_bytes
        self._clock = clock
        if not folder.is_dir():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        tag = folder / _TAG
        if not tag.exists():
            tag.write_text(_TAG_TEXT)
        self._mode = stat.S_IMODE(folder.stat().st_mode)
        self._lock = threading.Lock()
        self._unlooked: int | None = None  # bytes written since the last look; None: never looked
        self._entries = self._bytes = self._hits = self._misses = 0

    def get(self, stage: str, key: str) -> bytes | None:
        """The content under a key; None where there is none.

        Raises:
            DamagedEntryError: it is not what was written; it was removed.
            StoreFailedError: the folder cannot be read.
        """
        path = self._path(stage, key)
        try:
            data = path.read_bytes()
            age = self._clock() - path.stat().st_mtime
        except FileNotFoundError:
            self._count(hit=False)
            return None
        except OSError as exc:
            raise StoreFailedError(f"{path}: {exc.strerror}") from exc
        content = _content(data)
        if content is None:
            self.drop(stage, key)
            _log.warning("%s was damaged and is removed", path)
            raise DamagedEntryError(str(path))
        if not 0 <= age < _TOUCHED_SECONDS:
            # Somebody else may have removed it meanwhile, or own it.
            with contextlib.suppress(OSError):
                os.utime(path, (self._clock(), self._clock()))
        self._count(hit=True)
        return content

    def has(self, stage: str, key: str) -> bool:
        """Whether there is something under a key, whole or damaged.

        Raises:
            StoreFailedError: the folder cannot be read.
        """
        path = self._path(stage, key)
        try:
            path.stat()
        except FileNotFoundError:
            return False
        except OSError as exc:
            raise StoreFailedError(f"{path}: {exc.strerror}") from exc
        return True

    def put(self, stage: str, key: str, content: bytes) -> None:
        """Keep content under a key, making room where the limit is passed.

        Raises:
            StoreFailedError: it cannot be written; nothing is left of it.
        """
        size = occupied(_HEADER.size + len(content))
        if size > self.max_bytes:
            return
        path = self._path(stage, key)
        temporary = path.parent / f"{TEMPORARY}{secrets.token_hex(8)}"
        header = _HEADER.pack(_MAGIC, hashlib.sha256(content).digest(), len(content))
        try:
            self._make_folders(path)
            try:
                with temporary.open("xb") as file:
                    file.write(header)
                    file.write(content)
                    os.fchmod(file.fileno(), self._mode & 0o666)
                now = self._clock()
                os.utime(temporary, (now, now))
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)
        except OSError as exc:
            raise StoreFailedError(f"{path}: {exc.strerror}") from exc
        self._wrote(size)

    def drop(self, stage: str, key: str) -> None:
        """Forget a key, if it is there."""
        with contextlib.suppress(OSError):
            self._path(stage, key).unlink(missing_ok=True)

    def stats(self) -> StoreStats:
        """What it has done since it was opened."""
        with self._lock:
            return StoreStats(
                self._entries,
                self._bytes + (self._unlooked or 0),
                self.max_bytes,
                self._hits,
                self._misses,
            )

    def _make_folders(self, path: Path) -> None:
        """Those of an entry, as open as the whole folder, whatever the umask."""
        for folder in (path.parent.parent, path.parent):
            if not folder.is_dir():
                with contextlib.suppress(FileExistsError):  # made by another server meanwhile
                    folder.mkdir()
                    folder.chmod(self._mode)

    def _path(self, stage: str, key: str) -> Path:
        return self.folder / stage / key[:2] / key

    def _count(self, *, hit: bool) -> None:
        with self._lock:
            self._hits += hit
            self._misses += not hit

    def _wrote(self, size: int) -> None:
        with self._lock:
            looked = self._unlooked is not None
            self._unlooked = (self._unlooked or 0) + size
            self._entries += 1
            if looked and self._unlooked < self.max_bytes // _SHARE:
                return
            self._unlooked = 0
        usage = prune(self.folder, self.max_bytes, now=self._clock())
        with self._lock:
            self._entries, self._bytes = usage.entries, usage.bytes


def _content(data: bytes) -> bytes | None:
    """What an entry's file holds; None where it is damaged."""
    if len(data) < _HEADER.size:
        return None
    magic, digest, size = _HEADER.unpack_from(data)
    content = data[_HEADER.size :]
    if magic != _MAGIC or len(content) != size or hashlib.sha256(content).digest() != digest:
        return None
    return content


def is_whole(path: Path) -> bool:
    """Whether an entry's file holds what it says.

    Raises:
        OSError: it cannot be read.
    """
    return _content(path.read_bytes()) is not None
