"""An upload on its way into the spool."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from airoto.errors import OutOfSpaceError, TooLargeError
from airoto.wire.chunks import Collector
from airoto.wire.digest import kind_of
from airoto.wire.messages import PlaneHeader, RawPlane
from airoto.wire.parts import Data, Part
from airoto_server.transport.buffers import Bytes
from airoto_server.transport.items import Item
from airoto_server.transport.planes import Plane

if TYPE_CHECKING:
    from airoto_server.transport.spool import Spool


class Receiver:
    """Takes the parts of one upload; made by `Spool.receive`."""

    def __init__(self, spool: Spool, max_bytes: int, max_pixels: int | None) -> None:
        self._spool = spool
        self._max_pixels = max_pixels
        self._path: Path | None = None
        self._file: IO[bytes] | None = None
        self._memory: Bytes | None = None
        self._written = 0
        self._reserved = 0
        self._collector = Collector(self, max_bytes=max_bytes)

    def add(self, part: Part) -> None:
        """Take the next part of the stream.

        Raises:
            BadRequestError, TooLargeError: it does not belong here; no room in the spool.
            OutOfSpaceError: the disk is full.
        """
        with writing(self._spool.folder):
            self._collector.add(part)
            header = self._collector.header
            if header is not None and self._file is None and self._memory is None:
                self._make_room(header)

    def finish(self) -> Item:
        """All chunks are in: check length and digest, and keep the content.

        Raises:
            BadRequestError: it is not whole, or not what was announced.
            OutOfSpaceError: the disk is full.
        """
        header = self._collector.finish()
        if self._file is not None:
            with writing(self._spool.folder):
                self._file.close()
        raw = header.WhichOneof("content") == "raw"
        kind = kind_of(header)
        item = self._spool.keep(
            header.size,
            name="" if raw else header.encoded.name,
            plane=Plane.of(header.raw) if raw else None,
            file=self._path,
            memory=self._memory,
            digests={kind: getattr(header, kind.value)},
        )
        self._path, self._reserved = None, 0
        return item

    def abandon(self) -> None:
        """Let go; an unfinished upload is removed."""
        if self._file is not None:
            with contextlib.suppress(OSError):  # bytes of a file that is thrown away anyway
                self._file.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)
        self._spool.unreserve(self._reserved, in_memory=self._memory is not None)
        self._reserved, self._path, self._memory = 0, None, None

    def write(self, data: Data) -> None:
        """What the collector has checked; it is called after a header has come."""
        if self._file is not None:
            self._file.write(data)
        else:
            assert self._memory is not None
            end = self._written + len(data)
            self._memory[self._written : end] = np.frombuffer(data, np.uint8)
        self._written += len(data)

    def _make_room(self, header: PlaneHeader) -> None:
        if header.WhichOneof("content") == "raw":
            check_pixels(header.raw, self._max_pixels)
            self._memory = self._spool.reserve_memory(header.size)
        if self._memory is None:
            self._spool.reserve(header.size)
        self._reserved = header.size
        if self._memory is not None:
            return
        self._path = self._spool.new_path()
        self._file = self._path.open("xb")
        if header.size and hasattr(os, "posix_fallocate"):
            os.posix_fallocate(self._file.fileno(), 0, header.size)


def check_pixels(plane: RawPlane, limit: int | None) -> None:
    """Refuse a plane by what its header says.

    Raises:
        TooLargeError: it has more pixels than that.
    """
    if limit is not None and plane.width * plane.height > limit:
        raise TooLargeError(
            f"a plane of {plane.width} x {plane.height} pixels; allowed: at most {limit}"
        )


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """A full disk as an error that says where."""
    try:
        yield
    except OSError as exc:
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OutOfSpaceError(
                f"no space left in the server's folder {folder}", path=str(folder)
            ) from exc
        raise
