"""One ring of shared memory that a client made, as the server reads and writes it.

The server never maps the file: touching a mapping that its owner cut short would kill the
process. `pread` and `pwrite` report that as a short read, at the speed of a copy, and what was
read is the server's own: the client may change its memory meanwhile without harm.
"""

from __future__ import annotations

import errno
import fcntl
import hmac
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from airoto.errors import BadRequestError, HandleUnknownError, OutOfSpaceError
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


class Ring:
    """An attached ring. For any number of threads."""

    def __init__(self, path: Path, size: int, nonce: bytes, copier: Copier) -> None:
        """
        Args:
            copier: does the copying.
            path: the file, in the server's folder for rings.
            size: bytes that it has, as the client says.
            nonce: what its head holds, as the client says.

        Raises:
            BadRequestError: it is not there, or not what the client says.
        """
        self.path = path
        self.size = size
        self._copier = copier
        self._users = 0
        self._closed = False
        self._change = threading.Condition()
        try:
            self._file = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as exc:
            raise BadRequestError(
                f"the ring {path.name} cannot be opened in {path.parent}: {exc.strerror}"
            ) from exc
        try:
            self._check(nonce)
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
                while begin < end:
                    count = os.preadv(file, [memory[begin:end]], start + begin)
                    if count == 0:
                        raise self._cut_short()
                    begin += count

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
            if os.fstat(file).st_size < self.size:
                raise self._cut_short()
            start = target.offset + PAGE

            def copy(begin: int, end: int) -> None:
                while begin < end:
                    begin += os.pwritev(file, [data[begin:end]], start + begin)

            try:
                self._copier.run(copy, len(data))
            except OSError as exc:
                if exc.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise OutOfSpaceError(
                        f"no space left for the ring {self.path}", path=str(self.path)
                    ) from exc
                raise

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
            os.close(self._file)

    @contextmanager
    def _open(self) -> Iterator[int]:
        with self._change:
            if self._closed:
                raise unknown_ring(self.path.name)
            self._users += 1
        try:
            yield self._file
        finally:
            with self._change:
                self._users -= 1
                self._change.notify_all()

    def _check(self, nonce: bytes) -> None:
        """Refuse a file that is not the ring that the client made."""
        name, found = self.path.name, os.fstat(self._file)
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
        name, last = self.path.name, self.size - block_bytes(block.size)
        if block.offset % PAGE or not PAGE <= block.offset <= last:
            raise BadRequestError(
                f"offset {block.offset} in the ring {name}; allowed for {block.size} bytes: "
                f"multiples of {PAGE} from {PAGE} to {last}"
            )
        data = os.pread(file, BLOCK_HEAD_BYTES, block.offset)
        if not data:
            raise self._cut_short()
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

    def _cut_short(self) -> BadRequestError:
        return BadRequestError(
            f"the ring {self.path.name} was cut short: it no longer has {self.size} bytes",
            hint="make a new ring",
        )


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
