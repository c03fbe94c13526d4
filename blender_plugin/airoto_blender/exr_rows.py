"""Pixels of an uncompressed half-float EXR as Blender writes it, without copying or converting.

`Image.pixels` would give 32-bit floats, and turning them into halves costs more than everything
else. Layout: "OpenEXR File Layout" (openexr.com), scan lines, no compression.
"""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt

from airoto.errors import InternalError

Rows = npt.NDArray[np.float16]

_MAGIC = 20000630
_SINGLE_PART_SCAN_LINES = 2  # the version field: version 2 and none of the flags but long names
_LONG_NAMES = 0x400
_HALF, _NONE, _INCREASING_Y = 1, 0, 0
_LINE_HEAD = 8  # y and bytes of the line, in front of its pixels


def planes_of(data: bytes) -> dict[str, Rows]:
    """Each channel's pixels, (H, W), float16, rows from the top, as views into the file's bytes.

    Raises:
        InternalError: it is another kind of EXR, or damaged; the message says what was found.
    """
    try:
        attributes, at = _header(data)
        names = _channels(attributes["channels"])
        x_min, y_min, x_max, y_max = struct.unpack("<4i", attributes["dataWindow"])
        compression, order = attributes["compression"][0], attributes["lineOrder"][0]
    except (KeyError, IndexError, struct.error, UnicodeDecodeError) as exc:
        raise InternalError(f"what Blender wrote has no readable EXR header: {exc!r}") from exc
    if (compression, order) != (_NONE, _INCREASING_Y):
        raise InternalError(f"an EXR of compression {compression}, line order {order}; allowed: 0")
    width, height = x_max - x_min + 1, y_max - y_min + 1
    stride = _LINE_HEAD + 2 * width * len(names)
    begin = at + 8 * height  # behind the table of the lines' places
    if len(data) < begin + stride * height:
        raise InternalError(f"an EXR of {width}x{height} was cut short at {len(data)} bytes")
    places = np.frombuffer(data, "<u8", height, at)
    if not np.array_equal(places, begin + stride * np.arange(height, dtype=np.uint64)):
        raise InternalError("an EXR whose lines do not lie one behind another")
    lines = np.frombuffer(data, np.uint8, stride * height, begin).reshape(height, stride)
    pixels = lines[:, _LINE_HEAD:].view("<f2").reshape(height, len(names), width)
    return {name: pixels[:, number] for number, name in enumerate(names)}


def _header(data: bytes) -> tuple[dict[str, bytes], int]:
    """Attributes of the header by name, and where it ends."""
    magic, version = struct.unpack_from("<iI", data)
    if magic != _MAGIC or version & ~_LONG_NAMES != _SINGLE_PART_SCAN_LINES:
        raise InternalError(f"no EXR of one part in scan lines: {magic}, {version:#x}")
    found, at = {}, 8
    while data[at]:
        name, at = _text(data, at)
        _kind, at = _text(data, at)
        (size,) = struct.unpack_from("<i", data, at)
        if not 0 <= size <= len(data) - at - 4:
            raise InternalError(f"an EXR whose attribute {name} has {size} bytes")
        found[name] = data[at + 4 : at + 4 + size]
        at += 4 + size
    return found, at + 1


def _channels(data: bytes) -> list[str]:
    """Names of the channels, all of them half, in the order in which they lie."""
    names, at = [], 0
    while data[at]:
        name, at = _text(data, at)
        kind, _linear, x_step, y_step = struct.unpack_from("<iIii", data, at)
        if (kind, x_step, y_step) != (_HALF, 1, 1):
            raise InternalError(f"an EXR whose channel {name} is not half in every pixel")
        names.append(name)
        at += 16
    return names


def _text(data: bytes, at: int) -> tuple[str, int]:
    """A text that ends with a zero, and what comes behind it."""
    end = data.find(0, at)
    if end < 0:
        raise InternalError("an EXR whose header does not end")
    return data[at:end].decode(), end + 1
