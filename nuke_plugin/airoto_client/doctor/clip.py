"""A tiny clip made without any library: a bright disc that wanders over a dark ground, as PNG."""

from __future__ import annotations

import math
import struct
import zlib
from pathlib import Path

FIRST, FRAMES = 1001, 3
WIDTH, HEIGHT, RADIUS = 128, 96, 22
# Of the disc, in pixels.
AREA = math.pi * RADIUS**2


def write(folder: Path) -> Path:
    """Write the frames; returns their pattern.

    Raises:
        OSError: they cannot be written.
    """
    for frame in range(FIRST, FIRST + FRAMES):
        (folder / f"disc.{frame:04d}.png").write_bytes(_png(_rows(frame)))
    return folder / "disc.%04d.png"


def centre(frame: int) -> tuple[int, int]:
    """Of the disc, x and y in pixels from the top-left."""
    return 52 + 6 * (frame - FIRST), 48


def _rows(frame: int) -> list[bytes]:
    cx, cy = centre(frame)
    rows = []
    for y in range(HEIGHT):
        row = bytearray()
        for x in range(WIDTH):
            inside = (x + 0.5 - cx) ** 2 + (y + 0.5 - cy) ** 2 < RADIUS**2
            # Some texture on both sides, as plates have it; the ground's does not move.
            grain = ((x * 7 + y * 13) * 31 % 17) - 8
            own = (((x - cx) * 5 + y * 11) * 29 % 19) - 9
            row += bytes((214 + own, 120 + own, 60 + own) if inside
                         else (36 + grain, 58 + grain, 84 + grain))  # fmt: skip
        rows.append(bytes(row))
    return rows


def _png(rows: list[bytes]) -> bytes:
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
