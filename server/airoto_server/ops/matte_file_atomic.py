"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from airoto.errors import FrameUnreadableError, OutOfSpaceError, OutputError

TEMPORARY_PREFIX = ".airoto-"


class WriteFailedError(Exception):
    """A library could not write, or wrote wrongly, and does not know why."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name beside `path` to write to, which takes its place when all went well.

    It is hidden and random, so that no frame pattern matches it, and has the suffix of
    `path`. The bytes are on the disk before the name changes. Whatever goes wrong, nothing
    is left and the old file stays.

    Raises:
        OutOfSpaceError: the disk is full.
        OutputError: it cannot be written, for the reason that the system gives.
    """
    temporary = path.parent / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}{path.suffix}"
    try:
        try:
            yield temporary
        except (WriteFailedError, FrameUnreadableError) as exc:
            # The library does not know why; the system does.
            _write_for_certain(temporary, bytes(1 << 20))
            raise OutputError(f"{path}: cannot be written: {exc}", path=str(path)) from exc
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as exc:
        raise output_error(path, exc) from exc
    finally:
        temporary.unlink(missing_ok=True)


def output_error(path: Path, exc: OSError) -> OutputError:
    """The error for a file or folder that cannot be written."""
    if exc.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutOfSpaceError(f"no space left to write {path}", path=str(path))
    return OutputError(f"{path}: cannot be written: {exc.strerror}", path=str(path))


def try_to_write(folder: Path, suffix: str) -> None:
    """Write a small file there and remove it again.

    Raises:
        OSError: it cannot be done.
    """
    temporary = folder / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}{suffix}"
    try:
        _write_for_certain(temporary, b"AIRoto")
    finally:
        temporary.unlink(missing_ok=True)


def _write_for_certain(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
