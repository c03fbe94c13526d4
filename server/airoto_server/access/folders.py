"""Folders that only this user may enter, and files that one process at a time changes."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from airoto.errors import BadRequestError, OutputError


def private_folder(folder: Path, option: str) -> None:
    """Make a folder of mode 0700, or see that the one that is there is closed.

    Args:
        option: what names another one, for the error's hint.

    Raises:
        BadRequestError: it belongs to somebody else or is open to others.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = folder.stat()
    if found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise BadRequestError(
            f"{folder} must belong to you and be closed to others (mode 700), "
            f"but its mode is {stat.S_IMODE(found.st_mode):o} and its owner {found.st_uid}",
            hint=f"chmod 700 {folder}, or name another folder with {option}",
            path=str(folder),
        )


@contextmanager
def changing(path: Path) -> Iterator[None]:
    """Hold a file for a change of it: two at once could bring back what one of them took out.

    Raises:
        OutputError: its folder cannot be written.
    """
    lock = path.with_name(f".{path.name}.lock")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as exc:
        raise OutputError(f"{path} cannot be written: {exc.strerror}", path=str(path)) from exc
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
