"""A private folder of a running server, and the removal of what dead ones left."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path

_PREFIX = "airoto-server-"
_LOCK = ".lock"


class Scratch:
    """A new folder of mode 0700 that lives as long as this server.

    A lock on a file in it says that the server is alive: the system lets go of the lock
    however the server ends, and a process number that is used again fools nobody.
    """

    def __init__(self, parent: Path | None = None) -> None:
        """
        Args:
            parent: where to make it; None: the system's folder for temporary files.

        Raises:
            OSError: the folder cannot be made.
        """
        base = parent or Path(tempfile.gettempdir())
        base.mkdir(parents=True, exist_ok=True)
        remove_abandoned(base)
        self.folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=base))
        # Nobody may see the lock's file before it is locked.
        new = self.folder / f"{_LOCK}.new"
        self._lock = os.open(new, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        new.rename(self.folder / _LOCK)

    def __enter__(self) -> Scratch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the folder with everything in it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._lock)


def remove_abandoned(base: Path) -> list[Path]:
    """Remove our user's folders in `base` whose server is dead; which ones."""
    removed = []
    for folder in base.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # another user's, or gone meanwhile
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            with (folder / _LOCK).open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
                removed.append(folder)
    return removed
