"""Folders that only this user may enter."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from airoto.errors import BadRequestError


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
