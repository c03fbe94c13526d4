"""One installer at a time in a prefix."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from airoto.errors import BusyError
from airoto_install.files import said
from airoto_install.layout import LOCK


@contextlib.contextmanager
def alone(root: Path) -> Iterator[tuple[Path, ...]]:
    """Hold the prefix for as long as the block lasts; the system lets go of it if we die.

    The prefix is made if need be, and goes again if nothing was put into it. The block is told
    which folders were not there.

    Raises:
        BusyError: another installer is at work there.
        OutputError: it cannot be made or written.
    """
    path = root / LOCK
    missing = missing_folders(root)
    try:
        with said("cannot use the prefix", root):
            root.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if not _taken(handle) or not _is_there(handle, path):
                raise BusyError(
                    f"another installer is at work in {root}",
                    hint="wait until it has ended, run again",
                    retry_after=60.0,
                )
            try:
                yield missing
            finally:
                with contextlib.suppress(OSError):
                    path.unlink()
        finally:
            os.close(handle)
    finally:
        for folder in missing:
            with contextlib.suppress(OSError):
                folder.rmdir()


def missing_folders(path: Path) -> tuple[Path, ...]:
    """The folder and those above it that are not there."""
    return tuple(folder for folder in (path, *path.parents) if not folder.exists())


def _taken(handle: int) -> bool:
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is_there(handle: int, path: Path) -> bool:
    """Whether the file we hold is still the one of that name: the one before us removes it."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except OSError:
        return False
