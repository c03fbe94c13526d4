"""Parts of a stream as bytes of the wire, without copying pixels through a message.

An `UploadRequest` or `DownloadResponse` with data in it is, in protobuf's encoding, two short
prefixes and the data. Writing and reading these two by hand, instead of through messages,
halves the processor time of a transfer; the bytes are the same, so any protobuf client can
take part. (https://protobuf.dev/programming-guides/encoding)
"""

from __future__ import annotations

from typing import Union

from airoto.wire.messages import Chunk, UploadRequest

Data = Union[bytes, memoryview]

# A piece of data, or a chunk that has something else to say (header, digest).
Part = Union[Chunk, Data]

# Tags of `UploadRequest.chunk` (as of `DownloadResponse.chunk`) and of `Chunk.data`.
_CHUNK = 0x0A
_DATA = 0x12


def to_wire(part: Part) -> bytes:
    """The bytes of the `UploadRequest` or `DownloadResponse` that carries `part`."""
    if isinstance(part, Chunk):
        return UploadRequest(chunk=part).SerializeToString()
    data_prefix = _prefix(_DATA, len(part))
    return b"".join((_prefix(_CHUNK, len(data_prefix) + len(part)), data_prefix, part))


def from_wire(message: bytes) -> Part:
    """What such a message carries; data is a view of it.

    Raises:
        google.protobuf.message.DecodeError: it is no such message.
    """
    start = _after_prefix(message, 0, _CHUNK)
    start = _after_prefix(message, start, _DATA) if start else 0
    if start:
        return memoryview(message)[start:]
    chunk = UploadRequest.FromString(message).chunk
    return chunk.data if chunk.WhichOneof("part") == "data" else chunk


def _prefix(tag: int, length: int) -> bytes:
    out = bytearray((tag,))
    while length > 0x7F:
        out.append(length & 0x7F | 0x80)
        length >>= 7
    out.append(length)
    return bytes(out)


def _after_prefix(message: bytes, start: int, tag: int) -> int:
    """Where the field's content starts; 0 unless it is that field and fills all the rest."""
    if start >= len(message) or message[start] != tag:
        return 0
    length = 0
    # A length below 2^35 has at most five bytes of seven bits.
    for index, byte in enumerate(message[start + 1 : start + 6]):
        length |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            end_of_prefix = start + 2 + index
            return end_of_prefix if end_of_prefix + length == len(message) else 0
    return 0
