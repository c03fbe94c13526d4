"""Half channels as the bytes of an OpenEXR file with ZIPS compression.

What mattes are written in unless somebody asks for another compression, on every frame. OpenImageIO
takes three times as long for it, and again half of that to read the file back, which it does not
give as bytes. Mattes have long runs of equal rows; each is compressed once here.

The layout is that of "OpenEXR File Layout" (openexr.com): magic and version, attributes by name,
the place of every row's chunk, the chunks from top to bottom.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from airoto_server.ops.geometry import Window

Half = npt.NDArray[np.float16]

_MAGIC, _VERSION, _LONG_NAMES = 20000630, 2, 0x400
_SHORT_NAME, _LONGEST_NAME = 31, 255
_HALF, _ZIPS, _INCREASING_Y = 1, 2, 0
_LEVEL = 4  # of zlib: what OpenEXR takes
# Rows that are prepared at once: what a processor has at hand.
_BAND = 32


def zips_file(
    channels: Mapping[str, Half],
    window: Window,
    display: tuple[int, int],
    *,
    pixel_aspect: float = 1.0,
    attributes: Mapping[str, str],
) -> bytes:
    """The bytes of the file; they depend on nothing but the arguments and zlib.

    Args:
        channels: by full name, each (H, W) over the window.
        window: the data window, counted from the display window's corner.
        display: width and height of the display window.
        attributes: texts by name.

    Raises:
        ValueError: a channel that does not cover the window, a name that is too long.
    """
    shape = (window.height, window.width)
    for name, plane in channels.items():
        if plane.shape != shape or plane.dtype != np.float16:
            raise ValueError(f"{name}: {plane.dtype} {plane.shape} does not cover {window}")
    header = _header(channels, window, display, pixel_aspect, attributes)
    planes = [channels[name] for name in sorted(channels)]
    chunks: list[bytes] = []
    places = np.empty(window.height, "<u8")
    place = len(header) + places.nbytes
    for index, content in enumerate(_rows(planes)):
        chunk = struct.pack("<ii", window.y_min + index, len(content)) + content
        places[index] = place
        place += len(chunk)
        chunks.append(chunk)
    return b"".join([header, places.tobytes(), *chunks])


def _header(
    channels: Mapping[str, Half],
    window: Window,
    display: tuple[int, int],
    pixel_aspect: float,
    attributes: Mapping[str, str],
) -> bytes:
    listed = [
        name.encode() + b"\0" + struct.pack("<iB3xii", _HALF, 0, 1, 1) for name in sorted(channels)
    ]
    shown = struct.pack("<4i", 0, 0, display[0] - 1, display[1] - 1)
    data = struct.pack("<4i", window.x_min, window.y_min, window.x_max - 1, window.y_max - 1)
    values = {
        "channels": (b"chlist", b"".join(listed) + b"\0"),
        "compression": (b"compression", bytes([_ZIPS])),
        "dataWindow": (b"box2i", data),
        "displayWindow": (b"box2i", shown),
        "lineOrder": (b"lineOrder", bytes([_INCREASING_Y])),
        "pixelAspectRatio": (b"float", struct.pack("<f", pixel_aspect)),
        "screenWindowCenter": (b"v2f", struct.pack("<2f", 0, 0)),
        "screenWindowWidth": (b"float", struct.pack("<f", 1)),
    }
    values |= {name: (b"string", text.encode()) for name, text in attributes.items()}
    longest = max(len(name.encode()) for name in (*values, *channels))
    if longest > _LONGEST_NAME:
        raise ValueError(f"a name of {longest} bytes; allowed: {_LONGEST_NAME}")
    version = _VERSION | (_LONG_NAMES if longest > _SHORT_NAME else 0)
    parts = [struct.pack("<ii", _MAGIC, version)]
    for name, (kind, value) in sorted(values.items()):
        parts.append(name.encode() + b"\0" + kind + b"\0" + struct.pack("<i", len(value)) + value)
    return b"".join([*parts, b"\0"])


def _rows(planes: list[Half]) -> Iterator[bytes]:
    """Every row's compressed pixels; its pixels as they are where that is shorter."""
    last, compressed = b"", b""
    for top in range(0, planes[0].shape[0], _BAND):
        band = [np.ascontiguousarray(plane[top : top + _BAND], "<f2") for plane in planes]
        # A row holds its channels one after the other.
        plain = np.concatenate([part.view(np.uint8) for part in band], axis=1)
        # All low bytes, then all high ones, each as its difference to the one before.
        sorted_bytes = np.concatenate([plain[:, 0::2], plain[:, 1::2]], axis=1)
        steps = sorted_bytes.copy()
        steps[:, 1:] -= sorted_bytes[:, :-1]
        steps[:, 1:] += np.uint8(128)
        for row, prepared in zip(plain, steps, strict=True):
            pixels = row.tobytes()
            if pixels != last:
                packed = zlib.compress(prepared, _LEVEL)
                # Readers tell the two apart by their length.
                last, compressed = pixels, packed if len(packed) < len(pixels) else pixels
            yield compressed
