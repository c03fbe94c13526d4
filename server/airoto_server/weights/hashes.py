"""sha256 of large files, computed once and remembered.

A file is known by device and inode, and taken to be the same for as long as size, mtime and
ctime are. The memory is a small JSON file in the user's cache, never beside the weights, which
may be on a read-only share. Losing it costs nothing but hashing again.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

CHUNK = 1 << 20


def default_memory() -> Path:
    """The file in the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "airoto" / "weights-hashes.json"


class HashMemory:
    """Hashes of files, remembered in `path`; safe to use from several threads.

    Args:
        path: the JSON file, or None to remember within this process alone.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._known: dict[str, list[int | str]] = _read(path)

    def sha256(self, path: Path, progress: Callable[[int], None] | None = None) -> str:
        """The file's sha256 in lower-case hex.

        Args:
            progress: called with the number of bytes of each piece that was read.

        Raises:
            OSError: it cannot be read.
        """
        before = _identity(path)
        with self._lock:
            found = self._known.get(_key(before))
        if found is not None and found[:-1] == list(before[2:]):
            return str(found[-1])
        digest = hashlib.sha256()
        with path.open("rb") as stream:
            while piece := stream.read(CHUNK):
                digest.update(piece)
                if progress is not None:
                    progress(len(piece))
        # A file that is being written right now has no hash worth remembering.
        if _identity(path) == before:
            self._remember(before, digest.hexdigest())
        return digest.hexdigest()

    def remember(self, path: Path, sha256: str) -> None:
        """Keep a hash that was computed while the file was written."""
        self._remember(_identity(path), sha256)

    def forget(self) -> None:
        """Hash everything again."""
        with self._lock:
            self._known = {}
            if self._path is not None:
                self._path.unlink(missing_ok=True)

    def _remember(self, identity: tuple[int, ...], sha256: str) -> None:
        with self._lock:
            # Another process may have learnt something since.
            self._known = _read(self._path) | self._known
            self._known[_key(identity)] = [*identity[2:], sha256]
            if self._path is not None:
                _write(self._path, self._known)


def _identity(path: Path) -> tuple[int, ...]:
    stat = path.stat()
    return (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


def _key(identity: tuple[int, ...]) -> str:
    return f"{identity[0]}:{identity[1]}"


def _read(path: Path | None) -> dict[str, list[int | str]]:
    if path is None:
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        # It is a memory, not a record: without it, files are hashed again.
        return {}
    if not isinstance(content, dict):
        return {}
    return {
        key: value
        for key, value in content.items()
        if isinstance(value, list) and len(value) == 4 and isinstance(value[3], str)
    }


def _write(path: Path, content: dict[str, list[int | str]]) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(content, indent=0), encoding="utf-8")
        temporary.replace(path)
    except OSError:
        # A cache that cannot be written is no reason to refuse work.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
