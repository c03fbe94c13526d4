"""A ring of shared memory: one file that this process makes, fills and removes.

Standard library only. Its bytes are described in `airoto.ring_layout`. The server attaches
the file by name; frames and mattes then travel as the places of blocks in it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os
import secrets
import threading
from pathlib import Path
from typing import Any

from airoto.ring_layout import (
    NONCE_BYTES,
    PAGE,
    SUFFIX,
    BlockHead,
    Shape,
    block_bytes,
    pack_block_head,
    pack_file_head,
    pages,
    shape_of,
)
from airoto_client.link import Message

_ATTEMPTS = 3


class Block:
    """A stretch of the ring that holds one plane, until it is released.

    Attributes:
        ring: where it lies.
        view: its bytes, writable; rows top to bottom, channels interleaved, little-endian.
            `numpy.frombuffer(block.view, numpy.float16).reshape(h, w, c)` are its pixels.
    """

    def __init__(self, ring: Ring, offset: int, generation: int, plane: Message) -> None:
        self.ring = ring
        self._plane = plane
        self.offset = offset
        self.generation = generation
        self.size = shape_of(plane).nbytes
        self.view = ring.memory[offset + PAGE : offset + PAGE + self.size]

    def message(self) -> Message:
        """The `RingPlane` that tells the server where it is."""
        return {
            "ring": self.ring.name,
            "generation": str(self.generation),
            "offset": str(self.offset),
            "size": str(self.size),
            "plane": self._plane,
        }

    def release(self) -> None:
        """Let the ring use the place again; the view is not to be used any more."""
        self.ring.release(self)


class Ring:
    """A ring; for any number of threads. Close it, or its file goes with the server.

    The file is locked as long as this process lives, so that a server can tell when it died.
    Its space is set aside at once: a file system that is full shows here, and not as a signal
    (SIGBUS) in the middle of a copy.
    """

    def __init__(self, folder: Path, size: int) -> None:
        """
        Args:
            folder: the server's `ring_folder`.
            size: bytes of the file, in whole pages; of pixels it takes a little less.

        Raises:
            OSError: the folder is not there, may not be written to, or has not enough space.
        """
        self.size = pages(size)
        self.nonce = secrets.token_bytes(NONCE_BYTES)
        self._lock = threading.Lock()
        self._blocks: list[Block] = []
        self._cursor = PAGE
        self._generation = 0
        self._closed = False
        self.path, self._file = _locked_file(folder, self.size, self.nonce)
        self._mapping = mmap.mmap(self._file, self.size)
        self.memory = memoryview(self._mapping)

    @property
    def name(self) -> str:
        """The file's name, by which the server knows it."""
        return self.path.name

    def block(self, plane: Message) -> Block | None:
        """Set a block aside for a plane; None where there is no room for it now.

        Args:
            plane: a `RawPlane` message as a dict.
        """
        shape = shape_of(plane)
        with self._lock:
            if self._closed:
                return None
            offset = self._room(block_bytes(shape.nbytes))
            if offset is None:
                return None
            self._generation += 1
            block = Block(self, offset, self._generation, plane)
            self._write_head(block, self._generation, shape)
            self._blocks.append(block)
            self._cursor = offset + block_bytes(shape.nbytes)
            return block

    def release(self, block: Block) -> None:
        """See `Block.release`; releasing a block twice does no harm."""
        with self._lock:
            if block not in self._blocks:
                return
            self._blocks.remove(block)
            if not self._closed:
                self._write_head(block, 0, Shape(0, 0, 0, 0))

    def close(self) -> None:
        """Remove the file. Views that are still in use stay good; may be called twice."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        with contextlib.suppress(OSError):  # the server is gone, and its folder too
            self.path.unlink()
        self.memory.release()
        with contextlib.suppress(BufferError):  # a view is in use: it goes with the last one
            self._mapping.close()
        os.close(self._file)

    def _room(self, size: int) -> int | None:
        """Where so many bytes are free: behind the last block, else from the beginning."""
        used = sorted(
            (block.offset, block.offset + block_bytes(block.size)) for block in self._blocks
        )
        starts = sorted({PAGE, *(end for _, end in used)})
        following = [self._cursor, *(start for start in starts if start > self._cursor)]
        for start in (*following, *starts):
            end = start + size
            if end <= self.size and all(end <= low or high <= start for low, high in used):
                return start
        return None

    def _write_head(self, block: Block, generation: int, shape: Shape) -> None:
        head = pack_block_head(BlockHead(generation, block.size, shape))
        self.memory[block.offset : block.offset + len(head)] = head


def _locked_file(folder: Path, size: int, nonce: bytes) -> tuple[Path, int]:
    """A new file with its space set aside and its head written, locked by us.

    It gets its name when it is whole and locked, so that nobody takes it for abandoned.
    """
    for attempt in range(_ATTEMPTS):
        path = folder / f"{secrets.token_hex(16)}{SUFFIX}"
        new = path.with_suffix(".new")
        file = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            _set_aside(file, size)
            os.pwrite(file, pack_file_head(size, nonce), 0)
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
            return path, file
    raise AssertionError("the last attempt returns or raises")


def _set_aside(file: int, size: int) -> None:
    """Space for the whole file, or an error."""
    reserve: Any = getattr(os, "posix_fallocate", None)
    if reserve is not None:
        reserve(file, 0, size)
        return
    zeros = bytes(1024 * 1024)  # macOS: what is written is there
    for start in range(0, size, len(zeros)):
        os.pwrite(file, zeros[: size - start], start)


def is_full(exc: OSError) -> bool:
    """Whether a ring could not be made because there is no space for it."""
    return exc.errno in (errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EFBIG)
