"""How the server gets at the bytes of a ring: a file with `pread`, sealed memory by a mapping.

Touching a mapping that its owner cut short would kill the process. `pread` and `pwrite` report
that as a short read, at half the speed. Sealed memory cannot be cut short (`F_SEAL_SHRINK`), so
that it is mapped. Either way what was read is the server's own: the client may change its memory
meanwhile without harm.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import sys
from pathlib import Path
from typing import Protocol

import numpy as np

from airoto.errors import BadRequestError, OutOfSpaceError
from airoto.ring_layout import MEMORY_NAME

_BLOCK = 512  # bytes in which stat counts


class Access(Protocol):
    """Copies stretches of an open ring. For any number of threads."""

    def read(self, memory: memoryview, start: int) -> None:
        """Fill all of `memory` with what begins at `start`.

        Raises:
            BadRequestError: the ring was cut short.
        """
        ...

    def write(self, data: memoryview, start: int) -> None:
        """Write all of `data` where `start` is.

        Raises:
            BadRequestError: the ring was cut short.
            OutOfSpaceError: the client did not reserve the space, and there is none.
        """
        ...

    def close(self) -> None: ...


class FileAccess:
    """Reads and writes a plain file that its owner may cut short at any moment."""

    def __init__(self, file: int, name: str, size: int) -> None:
        self._file = file
        self._name = name
        self._size = size

    def read(self, memory: memoryview, start: int) -> None:
        while len(memory):
            count = os.preadv(self._file, [memory], start)
            if count == 0:
                raise cut_short(self._name, self._size)
            memory, start = memory[count:], start + count

    def write(self, data: memoryview, start: int) -> None:
        if os.fstat(self._file).st_size < self._size:
            raise cut_short(self._name, self._size)
        try:
            while len(data):
                count = os.pwritev(self._file, [data], start)
                data, start = data[count:], start + count
        except OSError as exc:
            if exc.errno in (errno.ENOSPC, errno.EDQUOT):
                raise OutOfSpaceError(
                    f"no space left for the ring {self._name}", path=self._name
                ) from exc
            raise

    def close(self) -> None:
        os.close(self._file)


class MappedAccess:
    """Maps sealed memory."""

    def __init__(self, file: int, name: str, size: int) -> None:
        """
        Raises:
            BadRequestError: it may not be written to.
        """
        self._file = file
        try:
            self._mapping = mmap.mmap(file, size)
        except OSError as exc:
            raise BadRequestError(f"the ring {name} cannot be mapped: {exc.strerror}") from exc
        self._bytes = np.frombuffer(self._mapping, np.uint8)

    def read(self, memory: memoryview, start: int) -> None:
        target = np.frombuffer(memory, np.uint8)
        np.copyto(target, self._bytes[start : start + target.size])

    def write(self, data: memoryview, start: int) -> None:
        source = np.frombuffer(data, np.uint8)
        np.copyto(self._bytes[start : start + source.size], source)

    def close(self) -> None:
        del self._bytes
        self._mapping.close()
        os.close(self._file)


def open_file(path: Path) -> int:
    """The descriptor of a ring's file.

    Raises:
        BadRequestError: it is not there, or a link.
    """
    try:
        return os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as exc:
        raise BadRequestError(
            f"the ring {path.name} cannot be opened in {path.parent}: {exc.strerror}"
        ) from exc


def open_memory(process: int, number: int, name: str) -> int:
    """A descriptor of our own for sealed memory that another process has open.

    The system allows that for processes of one user.

    Raises:
        BadRequestError: it cannot be opened, or is not a ring, or not sealed, or its space is
            not set aside.
    """
    if sys.platform != "linux":
        raise BadRequestError(f"the ring {name} is sealed memory, which is Linux's alone")
    path = Path(f"/proc/{process}/fd/{number}")
    where = f"file {number} of process {process}"
    try:
        # Looked at first: opening a device or a pipe might do something.
        target = str(path.readlink())
        if not target.startswith(f"/memfd:{MEMORY_NAME} "):
            raise BadRequestError(f"the ring {name}: {where} is {target}, not a ring's memory")
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as exc:
        raise BadRequestError(
            f"the ring {name}: {where} cannot be opened from here: {exc.strerror}"
        ) from exc
    try:
        _check_sealed(file, name, where)
    except BaseException:
        os.close(file)
        raise
    return file


def cut_short(name: str, size: int) -> BadRequestError:
    """The error for a ring that has not its bytes any more."""
    return BadRequestError(
        f"the ring {name} was cut short: it no longer has {size} bytes", hint="make a new ring"
    )


def _check_sealed(file: int, name: str, where: str) -> None:
    """Refuse memory that could be cut short, or that might find no space when it is touched."""
    if sys.platform != "linux":
        return
    try:
        seals = fcntl.fcntl(file, fcntl.F_GET_SEALS)
    except OSError as exc:
        raise BadRequestError(
            f"the ring {name}: {where} is not of a kind that can be sealed"
        ) from exc
    if not seals & fcntl.F_SEAL_SHRINK:
        raise BadRequestError(f"the ring {name}: {where} is not sealed: it could be cut short")
    found = os.fstat(file)
    if found.st_blocks * _BLOCK < found.st_size:
        raise BadRequestError(
            f"the ring {name}: of {found.st_size} bytes {found.st_blocks * _BLOCK} are set aside"
        )
