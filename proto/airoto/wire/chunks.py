"""Content in chunks: one header, then parts of at most 1 MiB, checked as they arrive."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, Union

from airoto.errors import BadRequestError, TooLargeError
from airoto.wire.channel import CHUNK_BYTES
from airoto.wire.digest import Kind, Running, checked, kind_of, running
from airoto.wire.messages import (
    Chunk,
    DigestKind,
    EncodedFile,
    PixelType,
    PlaneHeader,
    RawPlane,
)
from airoto.wire.parts import Data, Part

Content = Union[EncodedFile, RawPlane]
Buffer = Union[bytes, bytearray, memoryview]

_FILE_NAME = re.compile(r"[^/\\\x00-\x1f\x7f]{1,255}")
_PIXEL_BYTES = {PixelType.PIXEL_TYPE_HALF: 2, PixelType.PIXEL_TYPE_FLOAT: 4}
_MAX_SIDE = 65536
_MAX_CHANNELS = 64


def sha256_of_file(path: Path) -> str:
    """Lower-case hex SHA-256 of a file's bytes.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while part := file.read(CHUNK_BYTES):
            digest.update(part)
    return digest.hexdigest()


def chunks_of_bytes(
    content: Content, data: Buffer, *, kind: Kind = Kind.SHA256, known: str = ""
) -> Iterator[Part]:
    """`data` as the parts of a stream: views, it is not copied.

    Args:
        content: what the bytes are.
        data: any C-contiguous buffer (`memoryview(array)`), not changed until all is sent.
        kind: of digest.
        known: the digest in lower-case hex, where it is known already.
    """
    view = memoryview(data)
    # A buffer with a zero side cannot be cast.
    flat = view.cast("B") if view.nbytes else memoryview(b"")
    yield Chunk(header=_header(content, flat.nbytes, kind, known))
    starts = range(0, flat.nbytes, CHUNK_BYTES)
    parts = (flat[start : start + CHUNK_BYTES] for start in starts)
    yield from _parts_and_digest(parts, kind, known)


def chunks_of_file(
    path: Path,
    *,
    content: Content | None = None,
    kind: Kind = Kind.SHA256,
    known: str = "",
) -> Iterator[Part]:
    """A file's bytes as the parts of a stream.

    Args:
        path: the file.
        content: what the bytes are; None: an encoded file of that name.
        kind: of digest.
        known: the digest in lower-case hex, where it is known already.

    Raises:
        OSError: it cannot be read.
        BadRequestError: it changed its length meanwhile.
    """
    size = path.stat().st_size
    yield Chunk(header=_header(content or EncodedFile(name=path.name), size, kind, known))
    yield from _parts_and_digest(_file_parts(path, size), kind, known)


def _file_parts(path: Path, size: int) -> Iterator[bytes]:
    left = size
    with path.open("rb") as file:
        while left:
            part = file.read(min(CHUNK_BYTES, left))
            if not part:
                break
            left -= len(part)
            yield part
        if left or file.read(1):
            raise BadRequestError(
                f"{path} changed while it was being read", hint="try again", path=str(path)
            )


def _parts_and_digest(parts: Iterator[Data], kind: Kind, known: str) -> Iterator[Part]:
    """The parts, and their digest after them where it is not known."""
    if known:
        yield from parts
        return
    digest = running(kind)
    for part in parts:
        digest.update(part)
        yield part
    last = Chunk()
    setattr(last, kind.value, digest.hexdigest())
    yield last


def _header(content: Content, size: int, kind: Kind, known: str) -> PlaneHeader:
    if isinstance(content, EncodedFile):
        header = PlaneHeader(encoded=content, size=size)
    else:
        header = PlaneHeader(raw=content, size=size)
    if kind is Kind.BLAKE3:
        header.digest_kind = DigestKind.DIGEST_KIND_BLAKE3
    setattr(header, kind.value, known)
    return header


class Sink(Protocol):
    """Where content goes: a file, or anything else that can be written to."""

    def write(self, data: Data) -> object:
        """Take the next bytes, all of them."""
        ...


class Collector:
    """Writes the parts of one stream to a file and checks order, size and digest on the way.

    After an error the sink holds a part of the content; the caller throws it away.

    Attributes:
        header: what arrives, once its header has.
        received: bytes of content so far.
    """

    def __init__(self, sink: Sink, *, max_bytes: int) -> None:
        """
        Args:
            sink: a file open for writing in binary, or the like.
            max_bytes: largest content to accept.
        """
        self.header: PlaneHeader | None = None
        self.received = 0
        self._sink = sink
        self._max_bytes = max_bytes
        self._kind = Kind.SHA256
        self._digest: Running = running(self._kind)
        self._announced = ""

    def add(self, part: Part) -> None:
        """Take the next part.

        Raises:
            BadRequestError: it does not belong here.
            TooLargeError: the header announces more than `max_bytes`.
            OSError: the sink cannot be written.
        """
        if isinstance(part, Chunk):
            self._add_said(part)
        else:
            self._add_data(part)

    def _add_said(self, chunk: Chunk) -> None:
        said = chunk.WhichOneof("part")
        if said == "header":
            if self.header is not None:
                raise BadRequestError("the stream has a second header")
            check_header(chunk.header, max_bytes=self._max_bytes)
            self.header = chunk.header
            self._kind = kind_of(chunk.header)
            self._digest = running(self._kind)
            self._announced = getattr(chunk.header, self._kind.value)
        elif said == "data":
            self._add_data(chunk.data)
        elif said not in ("sha256", "blake3"):
            raise BadRequestError("the stream has an empty part; allowed: header, data, digest")
        elif said != self._kind.value:
            raise BadRequestError(f"the stream has a {said}; announced was {self._kind.value}")
        elif self._announced:
            raise BadRequestError(f"the stream has a second {said}")
        else:
            self._announced = checked(self._kind, getattr(chunk, said))

    def _add_data(self, data: Data) -> None:
        if self.header is None:
            raise BadRequestError("the stream has data before its header")
        if self._announced and not getattr(self.header, self._kind.value):
            raise BadRequestError(f"the stream has data after its {self._kind.value}")
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
        """The header with the digest in it, now that all parts have arrived.

        Raises:
            BadRequestError: the content is not whole, or not what was announced.
        """
        if self.header is None:
            raise BadRequestError("the stream ended before its header")
        if self.received != self.header.size:
            raise BadRequestError(
                f"the stream ended after {self.received} of {self.header.size} bytes"
            )
        if not self._announced:
            raise BadRequestError(f"the stream ended before its {self._kind.value}")
        digest = self._digest.hexdigest()
        if digest != self._announced:
            raise BadRequestError(
                f"the content's {self._kind.value} is {digest}, announced was {self._announced}"
            )
        setattr(self.header, self._kind.value, digest)
        return self.header


def check_header(header: PlaneHeader, *, max_bytes: int) -> None:
    """Refuse a header that contradicts itself or announces too much.

    Raises:
        BadRequestError: a field is wrong; the message names it.
        TooLargeError: `size` is above `max_bytes`.
    """
    if header.size > max_bytes:
        raise TooLargeError(f"content of {header.size} bytes; allowed: at most {max_bytes}")
    kind = kind_of(header)
    if announced := getattr(header, kind.value):
        checked(kind, announced)
    content = header.WhichOneof("content")
    if content == "encoded":
        name = header.encoded.name
        if not _FILE_NAME.fullmatch(name) or name in (".", ".."):
            raise BadRequestError(f"{name!r} is no file name; allowed: a name without a folder")
    elif content == "raw":
        check_plane(header.raw, header.size)
    else:
        raise BadRequestError("the header says neither encoded file nor raw plane")


def check_plane(plane: RawPlane, size: int) -> None:
    """Refuse a plane that cannot be, or does not have `size` bytes.

    Raises:
        BadRequestError: the message names what is wrong.
    """
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
