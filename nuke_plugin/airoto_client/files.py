"""Local files: read with errors for people, written whole or not at all. Standard library only."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from airoto.errors import (
    FrameMissingError,
    FrameUnreadableError,
    OutOfSpaceError,
    OutputError,
    OutputExistsError,
    PlateError,
)

_BLOCK = 1024 * 1024
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def read_error(exc: OSError, path: Path, frame: int | None = None) -> PlateError:
    """What a failed read of an input means."""
    if isinstance(exc, FileNotFoundError):
        return FrameMissingError(f"{path} is not there", path=str(path), frame=frame)
    why = exc.strerror or str(exc)
    return FrameUnreadableError(f"{path} cannot be read: {why}", path=str(path), frame=frame)


def write_error(exc: OSError, path: Path) -> OutputError:
    """What a failed write of a result means."""
    if exc.errno in _NO_SPACE:
        return OutOfSpaceError(
            f"{path} cannot be written: the disk is full",
            path=str(path),
            hint="free some space and run the same command again; finished frames are kept",
        )
    return OutputError(f"{path} cannot be written: {exc.strerror or exc}", path=str(path))


def sha256_of(path: Path, *, offset: int = 0, length: int | None = None) -> str:
    """Lower-case hex SHA-256 of a file, or of a stretch of it."""
    digest = hashlib.sha256()
    left = length
    try:
        with path.open("rb") as file:
            file.seek(offset)
            while left is None or left > 0:
                block = file.read(_BLOCK if left is None else min(_BLOCK, left))
                if not block:
                    break
                digest.update(block)
                left = None if left is None else left - len(block)
    except OSError as exc:
        raise read_error(exc, path) from exc
    return digest.hexdigest()


@contextlib.contextmanager
def atomic_file(path: Path, *, replace: bool = True) -> Iterator[IO[bytes]]:
    """A file open for writing that takes its name only when the block ends well.

    Folders above it are made. Where the block raises, nothing is left and the error goes on.

    Args:
        replace: False refuses to put it in the place of a file that is there.

    Raises:
        OutputError, OutOfSpaceError, OutputExistsError: it cannot be written.
    """
    if not replace and path.exists():
        raise OutputExistsError(f"{path} is there already", path=str(path))
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = temporary.open("xb")
    except OSError as exc:
        raise write_error(exc, path) from exc
    try:
        with file:
            yield file
        temporary.replace(path)
    except OSError as exc:
        raise write_error(exc, path) from exc
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def existing_folder(path: Path) -> Path:
    """The nearest folder at or above `path` that is there."""
    for folder in (path, *path.parents):
        if folder.is_dir():
            return folder
    return Path(path.anchor or ".")
