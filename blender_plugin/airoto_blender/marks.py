"""What is drawn over a plate: prompts as triangles with a colour, in a region's pixels.

No `bpy` here; `overlay` hands the triangles to the graphics card.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from airoto_client.node.state import Box, Point, RotoObject, State

from .geometry import Canvas

Colour = tuple[float, float, float, float]
Place = tuple[float, float]
_DARK: Colour = (0.0, 0.0, 0.0, 0.85)
_LIGHT: Colour = (1.0, 1.0, 1.0, 1.0)
_SIDES = 16
# Pixels of the screen at its usual size.
_RADIUS, _RIM, _LINE = 5.5, 1.5, 1.5


@dataclass(frozen=True)
class Label:
    """Words at a place of the region."""

    at: Place
    text: str
    colour: Colour


@dataclass
class Marks:
    """Everything to be drawn.

    Attributes:
        corners, colours: three of each a triangle, in the order in which they are drawn.
    """

    corners: list[Place] = field(default_factory=list)
    colours: list[Colour] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)

    def triangle(self, *corners: Place, colour: Colour) -> None:
        """One more."""
        self.corners += corners
        self.colours += [colour] * 3

    def rectangle(
        self, left: float, low: float, right: float, high: float, *, colour: Colour
    ) -> None:
        """A filled one."""
        self.triangle((left, low), (right, low), (right, high), colour=colour)
        self.triangle((left, low), (right, high), (left, high), colour=colour)

    def disc(self, at: Place, radius: float, colour: Colour) -> None:
        """A filled circle."""
        ring = [
            (at[0] + radius * math.cos(turn), at[1] + radius * math.sin(turn))
            for turn in (2 * math.pi * step / _SIDES for step in range(_SIDES))
        ]
        for one, two in zip(ring, ring[1:] + ring[:1]):
            self.triangle(at, one, two, colour=colour)

    def frame(self, left: float, low: float, right: float, high: float, *, width: float,
              colour: Colour) -> None:  # fmt: skip
        """A rectangle's edges."""
        half = width / 2
        for y in (low, high):
            self.rectangle(left - half, y - half, right + half, y + half, colour=colour)
        for x in (left, right):
            self.rectangle(x - half, low - half, x + half, high + half, colour=colour)


def marks_of(
    state: State,
    frame: int,
    canvas: Canvas,
    *,
    scale: float = 1.0,
    moving: tuple[int, Place] | None = None,
    rubber: Box | None = None,
) -> Marks:
    """Points and boxes of every object on a frame, the current object's last and strongest.

    Args:
        scale: of the screen's pixels (2 where they are small).
        moving: index of a point of the current object that is being moved, and where it is.
        rubber: a box that is being drawn.
    """
    made = Marks()
    for one in sorted(state.objects, key=lambda other: other.id == state.current):
        prompt = one.prompt(frame)
        is_current = one.id == state.current
        colour = colour_of(one, 1.0 if is_current else 0.45)
        if prompt is None:
            continue
        if prompt.box is not None and not (is_current and rubber is not None):
            _box(made, canvas, prompt.box, colour, scale)
        points = list(prompt.points)
        if is_current and moving is not None and moving[0] < len(points):
            points[moving[0]] = Point(*moving[1], points[moving[0]].positive)
        for point in points:
            _point(made, canvas, point, colour, scale)
        at = _label_place(canvas, points, prompt.box)
        if at is not None:
            words = f"{one.name}: {prompt.text}" if prompt.text else one.name
            made.labels.append(Label((at[0] + 10 * scale, at[1] + 8 * scale), words, colour))
    if rubber is not None:
        _box(made, canvas, rubber, _LIGHT, scale)
    return made


def colour_of(one: RotoObject, alpha: float) -> Colour:
    """An object's colour, `#rrggbb`, as the screen has it."""
    text = one.colour.lstrip("#")
    if len(text) != 6:
        return (1.0, 1.0, 1.0, alpha)
    red, green, blue = (int(text[at : at + 2], 16) / 255 for at in (0, 2, 4))
    return (red, green, blue, alpha)


def _point(made: Marks, canvas: Canvas, point: Point, colour: Colour, scale: float) -> None:
    """A disc with a plus; what is not the object is a ring with a minus."""
    at = canvas.to_region(point.x, point.y)
    radius, arm, half = _RADIUS * scale, 3.0 * scale, 0.75 * scale
    x, y = at
    made.disc(at, radius + _RIM * scale, (*_DARK[:3], colour[3]))
    made.disc(at, radius, colour)
    sign = (*_DARK[:3], colour[3])
    if not point.positive:
        made.disc(at, radius - _RIM * scale, sign)
        sign = colour
    made.rectangle(x - arm, y - half, x + arm, y + half, colour=sign)
    if point.positive:
        made.rectangle(x - half, y - arm, x + half, y + arm, colour=sign)


def _box(made: Marks, canvas: Canvas, box: Box, colour: Colour, scale: float) -> None:
    left, high = canvas.to_region(box.x_min, box.y_min)
    right, low = canvas.to_region(box.x_max, box.y_max)
    shade = (*_DARK[:3], colour[3] * 0.7)
    made.frame(left, low, right, high, width=(_LINE + 2) * scale, colour=shade)
    made.frame(left, low, right, high, width=_LINE * scale, colour=colour)


def _label_place(canvas: Canvas, points: Iterable[Point], box: Box | None) -> Place | None:
    if box is not None:
        return canvas.to_region(box.x_min, box.y_min)
    first = next(iter(points), None)
    return None if first is None else canvas.to_region(first.x, first.y)
