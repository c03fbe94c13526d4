"""Formats, ranges, boxes: small values."""

from __future__ import annotations


class Format:
    """A picture's canvas, its image area (x, y, r, t) and pixel aspect."""

    def __init__(
        self, width: int, height: int, x: int, y: int, r: int, t: int, pa: float, name: str = ""
    ) -> None:
        self._width, self._height = int(width), int(height)
        self._box = (int(x), int(y), int(r), int(t))
        self._aspect = float(pa)
        self._name = name

    def width(self) -> int:
        return self._width

    def height(self) -> int:
        return self._height

    def pixelAspect(self) -> float:
        return self._aspect

    def name(self) -> str:
        return self._name

    def x(self) -> int:
        return self._box[0]

    def y(self) -> int:
        return self._box[1]

    def r(self) -> int:
        return self._box[2]

    def t(self) -> int:
        return self._box[3]


class FrameRange:
    """First to last, by one."""

    def __init__(self, first: int, last: int) -> None:
        self._first, self._last = first, last

    def first(self) -> int:
        return self._first

    def last(self) -> int:
        return self._last

    def frames(self) -> int:
        return self._last - self._first + 1


class Info:
    """A bounding box."""

    def __init__(self, x: float, y: float, w: float, h: float) -> None:
        self._values = (x, y, w, h)

    def x(self) -> float:
        return self._values[0]

    def y(self) -> float:
        return self._values[1]

    def w(self) -> float:
        return self._values[2]

    def h(self) -> float:
        return self._values[3]
