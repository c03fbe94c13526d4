"""The bytes of a ring of shared memory, as client and server both read them.

Standard library only. A ring is a file, plain or sealed memory: one page of head, then blocks.
A block is one page of head and its pixels, so that pixels begin on a page; it begins at `offset`,
wherever the client put it. Everything is little-endian.

| head of the file | |
|---|---|
| 8 bytes | `AIRORING` |
| u32 | version of this layout, 1 |
| u32 | bytes of a page, 4096 |
| u64 | bytes of the file |
| 32 bytes | nonce, which proves that client and server see the same file |

| head of a block | |
|---|---|
| 8 bytes | `AIROBLCK` |
| u64 | generation: number of this use of the block, from 1; 0: nobody uses it |
| u64 | bytes of pixels |
| 4 x u32 | width, height, channels, bytes of a value (2: float16, 4: float32) |
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PAGE = 4096
VERSION = 1
NONCE_BYTES = 32
SUFFIX = ".ring"
# What the system calls sealed memory that is a ring.
MEMORY_NAME = "airoto-ring"

_FILE = struct.Struct("<8sIIQ32s")
_BLOCK = struct.Struct("<8sQQIIII")
_FILE_MAGIC = b"AIRORING"
_BLOCK_MAGIC = b"AIROBLCK"
# Bytes of a value, by the name of the enum in the `.proto` files.
_PIXEL_TYPES = {"PIXEL_TYPE_HALF": 2, "PIXEL_TYPE_FLOAT": 4}
_NAME = re.compile(r"[0-9a-f]{32}\.ring")

FILE_HEAD_BYTES = _FILE.size
BLOCK_HEAD_BYTES = _BLOCK.size


@dataclass(frozen=True)
class Shape:
    """What pixels a block holds.

    Attributes:
        value_bytes: 2 for float16, 4 for float32.
    """

    width: int
    height: int
    channels: int
    value_bytes: int

    @property
    def nbytes(self) -> int:
        """Bytes of the pixels."""
        return self.width * self.height * self.channels * self.value_bytes

    def __str__(self) -> str:
        kind = {2: "half", 4: "float"}.get(self.value_bytes, f"{self.value_bytes}-byte")
        return f"{self.width} x {self.height} x {self.channels} {kind}"


@dataclass(frozen=True)
class BlockHead:
    """The head of a block."""

    generation: int
    size: int
    shape: Shape


def shape_of(plane: Mapping[str, Any]) -> Shape:
    """What pixels a `RawPlane` message has.

    Raises:
        ValueError: it is none.
    """
    sides = [plane.get(name) for name in ("width", "height", "channels")]
    kind = plane.get("pixel_type")
    if not all(isinstance(side, int) and side > 0 for side in sides) or kind not in _PIXEL_TYPES:
        raise ValueError(
            f"a plane needs width, height, channels above 0 and pixel_type "
            f"{' or '.join(_PIXEL_TYPES)}, not {plane}"
        )
    width, height, channels = (int(side) for side in sides if side is not None)
    return Shape(width, height, channels, _PIXEL_TYPES[kind])


def is_ring_name(name: str) -> bool:
    """Whether a ring's file may be called so."""
    return _NAME.fullmatch(name) is not None


def pages(size: int) -> int:
    """`size` rounded up to whole pages, in bytes."""
    return -(-size // PAGE) * PAGE


def block_bytes(size: int) -> int:
    """Bytes that a block with `size` bytes of pixels takes in the file."""
    return PAGE + pages(size)


def pack_file_head(size: int, nonce: bytes) -> bytes:
    """The head of a file of `size` bytes."""
    return _FILE.pack(_FILE_MAGIC, VERSION, PAGE, size, nonce)


def unpack_file_head(data: bytes) -> tuple[int, bytes]:
    """Size and nonce of a file, from its head.

    Raises:
        ValueError: it is no ring, or of another version; the message says so.
    """
    if len(data) < _FILE.size:
        raise ValueError(f"has only {len(data)} bytes, which is no head of a ring")
    magic, version, page, size, nonce = _FILE.unpack_from(data)
    if magic != _FILE_MAGIC:
        raise ValueError("does not begin as a ring does")
    if (version, page) != (VERSION, PAGE):
        raise ValueError(
            f"has layout {version} with pages of {page} bytes; known: {VERSION} with {PAGE}"
        )
    return size, nonce


def pack_block_head(head: BlockHead) -> bytes:
    """The head of a block."""
    shape = head.shape
    return _BLOCK.pack(
        _BLOCK_MAGIC,
        head.generation,
        head.size,
        shape.width,
        shape.height,
        shape.channels,
        shape.value_bytes,
    )


def unpack_block_head(data: bytes) -> BlockHead:
    """A block's head.

    Raises:
        ValueError: no block begins there.
    """
    if len(data) < _BLOCK.size or not data.startswith(_BLOCK_MAGIC):
        raise ValueError("no block begins there")
    _, generation, size, *shape = _BLOCK.unpack_from(data)
    return BlockHead(generation, size, Shape(*shape))
