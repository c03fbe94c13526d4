"""Content in chunks: one header, then parts of at most 1 MiB, checked as they arrive."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Union

from airoto.errors import BadRequestError, TooLargeError
from airoto.wire.channel import CHUNK_BYTES
from airoto.wire.messages import Chunk, EncodedFile, PixelType, PlaneHeader, RawPlane

Content = Union[EncodedFile, RawPlane]
Buffer = Union[bytes, bytearray, memoryview]

_SHA256 = re.compile(r"[0-9a-f]{64}")
_FILE_NAME = re.compile(r"[^/\\\x00-\x1f\x7f]{1,255}")
_PIXEL_BYTES = {PixelType.PIXEL_TYPE_HALF: 2, PixelType.PIXEL_TYPE_FLOAT: 4}
_MAX_SIDE = 65536
_MAX_CHANNELS = 64


def sha256_of_file(path: Path) -> str:
    """Lower-case hex SHA-256 of a file's bytes.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while True:
            part = file.read(CHUNK_BYTES)
            if not part:
                return digest.hexdigest()
            digest.update(part)


def chunks_of_bytes(content: Content, data: Buffer, *, sha256: str = "") -> Iterator[Chunk]:
    """`data` as chunks; it is copied only part by part.

    Args:
        content: what the bytes are.
        data: any C-contiguous buffer (`memoryview(array)`).
        sha256: lower-case hex of the data, where it is known already.
    """
    view = memoryview(data)
    # A buffer with a zero side cannot be cast.
    flat = view.cast("B") if view.nbytes else memoryview(b"")
    digest = sha256 or hashlib.sha256(flat).hexdigest()
    yield Chunk(header=_header(content, flat.nbytes, digest))
    for start in range(0, flat.nbytes, CHUNK_BYTES):
        yield Chunk(data=bytes(flat[start : start + CHUNK_BYTES]))


def chunks_of_file(
    path: Path, *, content: Content | None = None, sha256: str = ""
) -> Iterator[Chunk]:
    """A file's bytes as chunks. Without `sha256` the file is read twice.

    Args:
        path: the file.
        content: what the bytes are; None: an encoded file of that name.
        sha256: lower-case hex of the file, where it is known already.

    Raises:
        OSError: it cannot be read.
        BadRequestError: it changed its length meanwhile.
    """
    digest = sha256 or sha256_of_file(path)
    size = path.stat().st_size
    yield Chunk(header=_header(content or EncodedFile(name=path.name), size, digest))
    left = size
    with path.open("rb") as file:
        while left:
            part = file.read(min(CHUNK_BYTES, left))
            if not part:
                break
            left -= len(part)
            yield Chunk(data=part)
        if left or file.read(1):
            raise BadRequestError(
                f"{path} changed while it was being read", hint="try again", path=str(path)
            )


def _header(content: Content, size: int, sha256: str) -> PlaneHeader:
    if isinstance(content, EncodedFile):
        return PlaneHeader(encoded=content, size=size, sha256=sha256)
    return PlaneHeader(raw=content, size=size, sha256=sha256)


class Collector:
    """Writes the parts of one stream to a file and checks order, size and digest on the way.

    After an error the sink holds a part of the content; the caller throws it away.

    Attributes:
        header: what arrives, once its header has.
        received: bytes of content so far.
    """

    def __init__(self, sink: IO[bytes], *, max_bytes: int) -> None:
        """
        Args:
            sink: a file open for writing in binary.
            max_bytes: largest content to accept.
        """
        self.header: PlaneHeader | None = None
        self.received = 0
        self._sink = sink
        self._max_bytes = max_bytes
        self._digest = hashlib.sha256()

    def add(self, chunk: Chunk) -> None:
        """Take the next part.

        Raises:
            BadRequestError: it does not belong here.
            TooLargeError: the header announces more than `max_bytes`.
            OSError: the sink cannot be written.
        """
        part = chunk.WhichOneof("part")
        if part == "header":
            if self.header is not None:
                raise BadRequestError("the stream has a second header")
            check_header(chunk.header, max_bytes=self._max_bytes)
            self.header = chunk.header
        elif part == "data":
            self._add_data(chunk.data)
        else:
            raise BadRequestError("the stream has a chunk with neither header nor data")

    def _add_data(self, data: bytes) -> None:
        if self.header is None:
            raise BadRequestError("the stream has data before its header")
        if not 0 < len(data) <= CHUNK_BYTES:
            raise BadRequestError(f"a chunk has {len(data)} bytes; allowed: 1 to {CHUNK_BYTES}")
        if self.received + len(data) > self.header.size:
            raise BadRequestError(
                f"the stream has more than the {self.header.size} bytes that it announced"
            )
        self._sink.write(data)
        self._digest.update(data)
        self.received += len(data)

    def finish(self) -> PlaneHeader:
        """The header, now that all parts have arrived.

        Raises:
            BadRequestError: the content is not whole, or not what was announced.
        """
        if self.header is None:
            raise BadRequestError("the stream ended before its header")
        if self.received != self.header.size:
            raise BadRequestError(
                f"the stream ended after {self.received} of {self.header.size} bytes"
            )
        if self._digest.hexdigest() != self.header.sha256:
            raise BadRequestError(
                f"the content's sha256 is {self._digest.hexdigest()}, "
                f"announced was {self.header.sha256}"
            )
        return self.header


def check_header(header: PlaneHeader, *, max_bytes: int) -> None:
    """Refuse a header that contradicts itself or announces too much.

    Raises:
        BadRequestError: a field is wrong; the message names it.
        TooLargeError: `size` is above `max_bytes`.
    """
    if header.size > max_bytes:
        raise TooLargeError(f"content of {header.size} bytes; allowed: at most {max_bytes}")
    if not _SHA256.fullmatch(header.sha256):
        raise BadRequestError(f"sha256 {header.sha256!r} is not 64 lower-case hex digits")
    content = header.WhichOneof("content")
    if content == "encoded":
        name = header.encoded.name
        if not _FILE_NAME.fullmatch(name) or name in (".", ".."):
            raise BadRequestError(f"{name!r} is no file name; allowed: a name without a folder")
    elif content == "raw":
        _check_plane(header.raw, header.size)
    else:
        raise BadRequestError("the header says neither encoded file nor raw plane")


def _check_plane(plane: RawPlane, size: int) -> None:
    if not (0 < plane.width <= _MAX_SIDE and 0 < plane.height <= _MAX_SIDE):
        raise BadRequestError(
            f"a plane of {plane.width} x {plane.height} pixels; allowed: 1 to {_MAX_SIDE} a side"
        )
    if not 0 < plane.channels <= _MAX_CHANNELS:
        raise BadRequestError(
            f"a plane of {plane.channels} channels; allowed: 1 to {_MAX_CHANNELS}"
        )
    if plane.pixel_type not in _PIXEL_BYTES:
        raise BadRequestError("the plane's pixel type is not known; allowed: half, float")
    if not 0 <= plane.pixel_aspect < float("inf"):
        raise BadRequestError(f"the plane's pixel aspect is {plane.pixel_aspect}")
    if plane.display_width < 0 or plane.display_height < 0:
        raise BadRequestError("the plane's display window is negative")
    expected = plane.width * plane.height * plane.channels * _PIXEL_BYTES[plane.pixel_type]
    if size != expected:
        raise BadRequestError(
            f"a plane of {plane.width} x {plane.height} x {plane.channels} has "
            f"{expected} bytes, announced were {size}"
        )
