"""Draws the icons beside this file: `python make_icons.py`. Standard library only."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

SIZE = 24
SAMPLES = 4
ORANGE, BLUE, GREY, WHITE = (255, 154, 60), (60, 127, 180), (128, 128, 128), (240, 240, 240)

# (x, y) from 0 to 1, y down, to a colour with opacity 0 to 1.
Paint = Callable[[float, float], tuple[tuple[int, int, int], float]]
_CLEAR = (WHITE, 0.0)


def _blob(x: float, y: float) -> float:
    """Distance to the outline of a soft shape; negative inside."""
    angle = math.atan2(y - 0.52, x - 0.48)
    return math.hypot(x - 0.48, y - 0.52) - 0.33 - 0.05 * math.sin(3 * angle + 0.6)


def roto(x: float, y: float) -> tuple[tuple[int, int, int], float]:
    """A shape with its outline and a click."""
    if math.hypot(x - 0.45, y - 0.5) < 0.1:
        return WHITE, 1.0
    distance = _blob(x, y)
    if abs(distance) < 0.05:
        return ORANGE, 1.0
    return (ORANGE, 0.45) if distance < 0 else _CLEAR


def matte(x: float, y: float) -> tuple[tuple[int, int, int], float]:
    """A shape whose edge fades out."""
    return WHITE, max(0.0, min(1.0, 0.5 - _blob(x, y) / 0.22))


def trimap(x: float, y: float) -> tuple[tuple[int, int, int], float]:
    """White inside, grey band, nothing outside."""
    distance = _blob(x, y)
    if distance < -0.12:
        return WHITE, 1.0
    return (GREY, 1.0) if distance < 0.08 else _CLEAR


def detect(x: float, y: float) -> tuple[tuple[int, int, int], float]:
    """A box around a shape."""
    edge = max(abs(x - 0.5), abs(y - 0.5))
    if 0.38 < edge < 0.46:
        return BLUE, 1.0
    return (ORANGE, 0.8) if _blob(0.5 + (x - 0.5) * 1.5, 0.5 + (y - 0.5) * 1.5) < 0 else _CLEAR


ICONS: dict[str, Paint] = {
    "AIRoto": roto,
    "AIMatte": matte,
    "AITrimap": trimap,
    "AIDetect": detect,
}


def png(paint: Paint) -> bytes:
    """An icon as an RGBA PNG file's bytes."""
    rows = bytearray()
    for row in range(SIZE):
        rows.append(0)
        for column in range(SIZE):
            rows += bytes(_pixel(paint, column, row))
    head = struct.pack(">IIBBBBB", SIZE, SIZE, 8, 6, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(bytes(rows), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _pixel(paint: Paint, column: int, row: int) -> tuple[int, int, int, int]:
    """One pixel, from several samples."""
    total = [0.0, 0.0, 0.0]
    opacity = 0.0
    for index in range(SAMPLES * SAMPLES):
        x = (column + (index % SAMPLES + 0.5) / SAMPLES) / SIZE
        y = (row + (index // SAMPLES + 0.5) / SAMPLES) / SIZE
        colour, alpha = paint(x, y)
        opacity += alpha
        total = [have + part * alpha for have, part in zip(total, colour)]
    if opacity == 0:
        return 0, 0, 0, 0
    red, green, blue = (round(part / opacity) for part in total)
    return red, green, blue, round(255 * opacity / SAMPLES**2)


def _chunk(name: bytes, data: bytes) -> bytes:
    check = zlib.crc32(name + data) & 0xFFFFFFFF
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", check)


if __name__ == "__main__":
    for title, how in ICONS.items():
        (Path(__file__).parent / f"{title}.png").write_bytes(png(how))
