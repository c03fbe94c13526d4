"""Where the bytes of a ring lie: in sealed memory, or in a file of the server's folder.

Standard library only. Sealed memory (Linux) lies in no folder and can be cut short by nobody, its
maker included, so the server may map it. A file serves everywhere else: other systems, and a
server that does not see our process because it runs in a container.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airoto.ring_layout import MEMORY_NAME, SUFFIX, pack_file_head
from airoto_client.link import Message

_ATTEMPTS = 3


@dataclass(frozen=True)
class Store:
    """An open file of a ring: its space is set aside, its head is written, and it is locked.

    Attributes:
        name: by which the server knows it.
        file: its descriptor.
        path: None: it is sealed memory.
    """

    name: str
    file: int
    path: Path | None

    @property
    def where(self) -> Message:
        """What `AttachRing` is told besides name, size and nonce."""
        return {} if self.path else {"process": os.getpid(), "file": self.file}

    def remove(self) -> None:
        """Close it and take its name away; its memory goes with the last who has it open."""
        if self.path is not None:
            with contextlib.suppress(OSError):  # the server is gone, and its folder too
                self.path.unlink()
        os.close(self.file)


def can_seal() -> bool:
    """Whether this system, and this Python, have sealed memory."""
    return hasattr(os, "memfd_create") and hasattr(fcntl, "F_ADD_SEALS")


def sealed_memory(folder: Path, size: int, nonce: bytes) -> Store:
    """Memory whose size is settled.

    Args:
        folder: the server's; it has to have space for as much, since whoever limits its memory
            means ours too.

    Raises:
        OSError: the folder is not there or has not enough space, or the system gives no memory.
    """
    found = os.statvfs(folder)
    if found.f_bavail * found.f_frsize < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    system: Any = os  # of other systems' it has not these names
    locks: Any = fcntl
    file: int = system.memfd_create(MEMORY_NAME, system.MFD_CLOEXEC | system.MFD_ALLOW_SEALING)
    try:
        os.fchmod(file, 0o600)
        _prepare(file, size, nonce)
        seals = locks.F_SEAL_SHRINK | locks.F_SEAL_GROW | locks.F_SEAL_SEAL
        fcntl.fcntl(file, locks.F_ADD_SEALS, seals)
    except BaseException:
        os.close(file)
        raise
    return Store(_new_name(), file, None)


def locked_file(folder: Path, size: int, nonce: bytes) -> Store:
    """A new file in the folder.

    It gets its name when it is whole and locked, so that nobody takes it for abandoned.

    Raises:
        OSError: the folder is not there, may not be written to, or has not enough space.
    """
    for attempt in range(_ATTEMPTS):
        path = folder / _new_name()
        new = path.with_suffix(".new")
        file = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            _prepare(file, size, nonce)
            new.rename(path)
        except FileNotFoundError:
            # A server that swept the folder met the file before it was locked.
            os.close(file)
            if attempt == _ATTEMPTS - 1:
                raise
        except BaseException:
            os.close(file)
            with contextlib.suppress(OSError):
                new.unlink()
            raise
        else:
            return Store(path.name, file, path)
    raise AssertionError("the last attempt returns or raises")


def is_full(exc: OSError) -> bool:
    """Whether a ring could not be made because there is no space for it."""
    return exc.errno in (errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EFBIG)


def _new_name() -> str:
    return f"{secrets.token_hex(16)}{SUFFIX}"


def _prepare(file: int, size: int, nonce: bytes) -> None:
    """Lock it, set its space aside, write its head."""
    fcntl.flock(file, fcntl.LOCK_EX)
    reserve: Any = getattr(os, "posix_fallocate", None)
    if reserve is not None:
        reserve(file, 0, size)
    else:
        zeros = bytes(1024 * 1024)  # macOS: what is written is there
        for start in range(0, size, len(zeros)):
            os.pwrite(file, zeros[: size - start], start)
    os.pwrite(file, pack_file_head(size, nonce), 0)
