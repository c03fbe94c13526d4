"""Looking after a folder of results: how large it is, and removing what is not needed.

Works on the folder alone, while servers read and write it. Nothing is touched whose name is
not that of an entry.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

TEMPORARY = ".writing-"

_STAGE = re.compile(r"[a-z]{1,32}")
_KEY = re.compile(r"[0-9a-f]{64}")
_BLOCK = 4096
_LOCK = ".prune"

# Half-written files of a server that was killed are removed when they are this old.
_ABANDONED_SECONDS = 3600.0

# Where entries have to go, so many of them that it is some time until the next time.
_DOWN_TO = 7 / 8


@dataclass(frozen=True)
class Entry:
    """One result: occupied bytes, and when it was last used (seconds since 1970)."""

    path: Path
    stage: str
    bytes: int
    used: float


@dataclass
class Usage:
    """What a folder holds, in all and by stage (entries, bytes)."""

    entries: int = 0
    bytes: int = 0
    stages: dict[str, tuple[int, int]] = field(default_factory=dict)
    oldest: float | None = None

    def add(self, entry: Entry) -> None:
        """Count an entry."""
        self.entries += 1
        self.bytes += entry.bytes
        count, size = self.stages.get(entry.stage, (0, 0))
        self.stages[entry.stage] = (count + 1, size + entry.bytes)
        self.oldest = entry.used if self.oldest is None else min(self.oldest, entry.used)


def occupied(size: int) -> int:
    """Bytes that a file of that size takes on a disk."""
    return -(-size // _BLOCK) * _BLOCK


def entries(folder: Path) -> Iterator[Entry]:
    """All entries of a folder."""
    for path in _files(folder):
        if _KEY.fullmatch(path.name):
            with contextlib.suppress(OSError):  # removed meanwhile
                found = path.stat()
                stage = path.parent.parent.name
                yield Entry(path, stage, occupied(found.st_size), found.st_mtime)


def usage(folder: Path) -> Usage:
    """How much a folder holds."""
    made = Usage()
    for entry in entries(folder):
        made.add(entry)
    return made


def prune(folder: Path, max_bytes: int, *, now: float, older_than: float | None = None) -> Usage:
    """Remove the least recently used entries until the rest fits well; what is left.

    Of several that prune at once, one works and the others leave it to that one.

    Args:
        now: seconds since 1970.
        older_than: also remove what was not used for so many seconds.
    """
    left = Usage()
    with _alone(folder) as alone:
        if not alone:
            return usage(folder)
        for path in _files(folder):
            if path.name.startswith(TEMPORARY):
                with contextlib.suppress(OSError):
                    if now - path.stat().st_mtime > _ABANDONED_SECONDS:
                        path.unlink()
        found = sorted(entries(folder), key=lambda one: (one.used, one.path.name))
        total = sum(one.bytes for one in found)
        bound = max_bytes * _DOWN_TO if total > max_bytes else max_bytes
        for entry in found:
            too_old = older_than is not None and now - entry.used > older_than
            if total > bound or too_old:
                with contextlib.suppress(OSError):
                    entry.path.unlink(missing_ok=True)
                total -= entry.bytes
            else:
                left.add(entry)
    return left


def clear(folder: Path, stage: str = "") -> int:
    """Remove every entry (of one stage); how many."""
    return remove(folder, lambda entry: stage in ("", entry.stage))


def remove(folder: Path, wanted: Callable[[Entry], bool]) -> int:
    """Remove the entries that are not wanted any more; how many.

    Raises:
        OSError: one cannot be removed.
    """
    removed = 0
    for entry in list(entries(folder)):
        if wanted(entry):
            entry.path.unlink(missing_ok=True)
            removed += 1
    return removed


def _files(folder: Path) -> Iterator[Path]:
    """Files that lie where entries do."""
    for stage in _folders(folder):
        if _STAGE.fullmatch(stage.name):
            for part in _folders(stage):
                with contextlib.suppress(OSError):  # removed meanwhile
                    yield from sorted(Path(one.path) for one in os.scandir(part))


def _folders(folder: Path) -> list[Path]:
    with contextlib.suppress(OSError):
        return sorted(
            Path(one.path) for one in os.scandir(folder) if one.is_dir(follow_symlinks=False)
        )
    return []


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Whether nobody else prunes this folder now; holds others off."""
    with (folder / _LOCK).open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        except OSError:
            pass  # a file system without locks: two that prune at once only remove too much
        yield True
