"""What mouse and keys mean while prompts are picked: a click is a point, a drag is a box.

No `bpy` here: the operator hands in what happened, and gets what is to be done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Callable

from airoto_client.node import state_ops
from airoto_client.node.state import Box, Point, Prompt, State

from .geometry import Canvas, stored

# Pixels of the screen: less is a click with an unsteady hand; nearer is a click on a point.
CLICK = 5.0
REACH = 9.0

Place = tuple[float, float]


@dataclass(frozen=True)
class Edit:
    """A change of a node's state, and what it is called in the undo history."""

    what: str
    change: Callable[[State], State]


@dataclass
class _Press:
    """A mouse button that is held."""

    region: Place
    plate: Place
    negative: bool
    grabbed: int | None
    now: Place
    moved: bool = False


class Picker:
    """One picking, from the first press to the end."""

    def __init__(self) -> None:
        self._press: _Press | None = None

    @property
    def is_dragging(self) -> bool:
        """Whether a box is being drawn or a point moved."""
        return self._press is not None and self._press.moved

    def press(self, canvas: Canvas, at: Place, points: Sequence[Point], *, negative: bool) -> bool:
        """The button goes down.

        Args:
            at: in the region's pixels.
            points: that the current object has on this frame.

        Returns:
            Whether it is for us: on the plate, or on a point.
        """
        plate, grabbed = canvas.to_plate(*at), nearest(canvas, at, points)
        if grabbed is None and not canvas.shows(*plate):
            return False
        self._press = _Press(at, plate, negative, grabbed, plate)
        return True

    def move(self, canvas: Canvas, at: Place) -> bool:
        """The mouse moves; whether that changes what is drawn."""
        if self._press is None:
            return False
        far = max(abs(one - two) for one, two in zip(at, self._press.region)) > CLICK
        self._press.moved = self._press.moved or far
        self._press.now = canvas.to_plate(*at)
        return self._press.moved

    def release(self, canvas: Canvas, at: Place, frame: int) -> Edit | None:
        """The button goes up: what is to be done, or None.

        Raises:
            BadRequestError: a box beside the plate.
        """
        self.move(canvas, at)
        held, self._press = self._press, None
        if held is None:
            return None
        if held.grabbed is not None:
            return self._on_a_point(canvas, held, held.grabbed, frame)
        if held.moved:
            box = canvas.box(held.plate, held.now)
            return Edit("box", lambda state: state_ops.set_box(state, frame, box))
        x, y = stored(held.plate)
        return Edit(
            "click",
            lambda state: state_ops.add_point(state, frame, x, y, positive=not held.negative),
        )

    def erase(self, canvas: Canvas, at: Place, prompt: Prompt, frame: int) -> Edit | None:
        """Take away the point under the mouse, or the box whose edge is there.

        Args:
            prompt: what the current object says on the frame.
        """
        index = nearest(canvas, at, prompt.points)
        if index is not None:
            return Edit("delete point", lambda state: state_ops.delete_point(state, frame, index))
        if prompt.box is not None and on_edge(canvas, at, prompt.box):
            return Edit("delete box", lambda state: state_ops.set_box(state, frame, None))
        return None

    def give_up(self) -> bool:
        """Forget what is being dragged; whether there was anything."""
        held, self._press = self._press, None
        return held is not None

    def rubber(self, canvas: Canvas) -> Box | None:
        """The box that is being drawn."""
        held = self._press
        if held is None or not held.moved or held.grabbed is not None:
            return None
        (x, y), (right, bottom) = held.plate, held.now
        return Box(min(x, right), min(y, bottom), max(x, right), max(y, bottom))

    def moving(self) -> tuple[int, Place] | None:
        """The point that is being moved, and where it is now."""
        held = self._press
        if held is None or not held.moved or held.grabbed is None:
            return None
        return held.grabbed, held.now

    def _on_a_point(self, canvas: Canvas, held: _Press, index: int, frame: int) -> Edit | None:
        if held.moved:
            if not canvas.shows(*held.now):
                return None  # dragged off the plate: it stays where it was
            x, y = stored(held.now)
            return Edit("move point", lambda s: state_ops.move_point(s, frame, index, x, y))
        if held.negative:
            return Edit("flip point", lambda s: state_ops.flip_point(s, frame, index))
        return None


def on_edge(canvas: Canvas, at: Place, box: Box) -> bool:
    """Whether an edge of a box is under the mouse."""
    left, high = canvas.to_region(box.x_min, box.y_min)
    right, low = canvas.to_region(box.x_max, box.y_max)
    x, y = at
    inside = left - REACH <= x <= right + REACH and low - REACH <= y <= high + REACH
    return inside and min(abs(x - left), abs(x - right), abs(y - low), abs(y - high)) <= REACH


def nearest(canvas: Canvas, at: Place, points: Sequence[Point]) -> int | None:
    """Index of the point under the mouse."""
    found, reach = None, REACH
    for index, point in enumerate(points):
        x, y = canvas.to_region(point.x, point.y)
        away = ((x - at[0]) ** 2 + (y - at[1]) ** 2) ** 0.5
        if away <= reach:
            found, reach = index, away
    return found
