"""One ring of shared memory that a client made: what is checked, and what is copied."""

from __future__ import annotations

import fcntl
import hmac
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from airoto.errors import BadRequestError, HandleUnknownError
from airoto.ring_layout import (
    BLOCK_HEAD_BYTES,
    FILE_HEAD_BYTES,
    PAGE,
    BlockHead,
    Shape,
    block_bytes,
    unpack_block_head,
    unpack_file_head,
)
from airoto.wire import messages as pb
from airoto.wire.chunks import check_plane
from airoto_server.transport.copier import Copier
from airoto_server.transport.planes import Plane
from airoto_server.transport.ring_access import (
    Access,
    FileAccess,
    MappedAccess,
    cut_short,
    open_file,
    open_memory,
)


class Ring:
    """An attached ring. For any number of threads."""

    def __init__(self, request: pb.AttachRingRequest, folder: Path, copier: Copier) -> None:
        """
        Args:
            request: what the client says that it is.
            folder: the server's, in which clients make files.
            copier: does the copying.

        Raises:
            BadRequestError: it is not there, or not what the client says.
        """
        self.name = request.ring
        self.size = request.size
        self._copier = copier
        self._users = 0
        self._closed = False
        self._change = threading.Condition()
        self.path: Path | None = None
        if request.process:
            self._file = open_memory(request.process, request.file, self.name)
        else:
            self.path = folder / self.name
            self._file = open_file(self.path)
        try:
            self._check(request.nonce)
            make = FileAccess if self.path else MappedAccess
            self._access: Access = make(self._file, self.name, self.size)
        except BaseException:
            os.close(self._file)
            raise

    def read(self, source: pb.RingPlane, memory: memoryview) -> None:
        """Copy a block's pixels.

        Args:
            memory: as large as the plane is.

        Raises:
            BadRequestError: the block is not what `source` says, or was used again.
            HandleUnknownError: the ring was detached.
        """
        with self._open() as file:
            self._find(file, source)
            start = source.offset + PAGE

            def copy(begin: int, end: int) -> None:
                self._access.read(memory[begin:end], start + begin)

            self._copier.run(copy, len(memory))
            # Whoever used the block again meanwhile wrote its head first.
            self._find(file, source)

    def write(self, target: pb.RingPlane, plane: Plane, data: memoryview) -> None:
        """Copy a plane into a block that the client set aside for it.

        Raises:
            BadRequestError: the block is not what `target` says, or not for such a plane.
            HandleUnknownError: the ring was detached.
            OutOfSpaceError: the client did not reserve the space, and there is none.
        """
        with self._open() as file:
            wanted = Shape(plane.shape[1], plane.shape[0], plane.shape[2], plane.dtype.itemsize)
            found = self._find(file, target).shape
            if found != wanted:
                raise BadRequestError(f"the block is for {found}; the plane is {wanted}")
            start = target.offset + PAGE

            def copy(begin: int, end: int) -> None:
                self._access.write(data[begin:end], start + begin)

            self._copier.run(copy, len(data))

    def is_abandoned(self) -> bool:
        """Whether its client is gone; as long as it lives it holds a lock on the file."""
        try:
            with self._open() as file:
                return take_lock(file)
        except HandleUnknownError:
            return True

    def close(self) -> None:
        """Wait until nobody reads or writes, and let go. May be called twice."""
        with self._change:
            if self._closed:
                return
            self._closed = True
            self._change.wait_for(lambda: self._users == 0)
            self._access.close()

    @contextmanager
    def _open(self) -> Iterator[int]:
        with self._change:
            if self._closed:
                raise unknown_ring(self.name)
            self._users += 1
        try:
            yield self._file
        finally:
            with self._change:
                self._users -= 1
                self._change.notify_all()

    def _check(self, nonce: bytes) -> None:
        """Refuse a file that is not the ring that the client made."""
        name, found = self.name, os.fstat(self._file)
        if not stat.S_ISREG(found.st_mode):
            raise BadRequestError(f"the ring {name} is not a regular file")
        if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
            raise BadRequestError(
                f"the ring {name} belongs to user {found.st_uid} with mode "
                f"{stat.S_IMODE(found.st_mode):o}; allowed: user {os.geteuid()}, mode 600"
            )
        try:
            size, written = unpack_file_head(os.pread(self._file, FILE_HEAD_BYTES, 0))
        except ValueError as exc:
            raise BadRequestError(f"the ring {name} {exc}") from exc
        if not size == found.st_size == self.size:
            raise BadRequestError(
                f"the ring {name} has {found.st_size} bytes; its head says {size}, "
                f"the request {self.size}"
            )
        if not hmac.compare_digest(written, nonce):
            raise BadRequestError(
                f"the ring {name} has another nonce than the request: it is another file"
            )
        if take_lock(self._file):
            raise BadRequestError(f"the ring {name} is not locked by its client")

    def _find(self, file: int, block: pb.RingPlane) -> BlockHead:
        """The head of the block that a message means."""
        check_plane(block.plane, block.size)
        name, last = self.name, self.size - block_bytes(block.size)
        if block.offset % PAGE or not PAGE <= block.offset <= last:
            raise BadRequestError(
                f"offset {block.offset} in the ring {name}; allowed for {block.size} bytes: "
                f"multiples of {PAGE} from {PAGE} to {last}"
            )
        data = os.pread(file, BLOCK_HEAD_BYTES, block.offset)
        if not data:
            raise cut_short(name, self.size)
        try:
            head = unpack_block_head(data)
        except ValueError as exc:
            raise BadRequestError(f"offset {block.offset} in the ring {name}: {exc}") from exc
        if head.generation != block.generation:
            raise BadRequestError(
                f"the block at {block.offset} of the ring {name} is of generation "
                f"{head.generation}, not {block.generation}: it was used again"
            )
        plane = Plane.of(block.plane)
        shape = Shape(plane.shape[1], plane.shape[0], plane.shape[2], plane.dtype.itemsize)
        if (head.size, head.shape) != (block.size, shape):
            raise BadRequestError(
                f"the block at {block.offset} of the ring {name} holds {head.shape} "
                f"in {head.size} bytes, not {shape} in {block.size}"
            )
        return head


def take_lock(file: int) -> bool:
    """Whether nobody holds the lock on an open file; it is not kept."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    fcntl.flock(file, fcntl.LOCK_UN)
    return True


def unknown_ring(name: str) -> HandleUnknownError:
    """The error for a ring that is not attached."""
    return HandleUnknownError(
        f"the ring {name!r} is not attached (any more)", hint="attach it, or make a new one"
    )
