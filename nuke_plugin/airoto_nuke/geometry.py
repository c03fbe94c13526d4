"""Nuke's pixel coordinates and the recipe's. The one place where Y is flipped.

Nuke counts from the lower-left corner of the format's canvas, y up; a format's image area
(its x, y, r, t) and a bounding box that differs from it move nothing, which is what Nuke's EXR
writer does too (NDK, exrWriter: display window (0, 0) to (width, height), data window from
`height - t`). The recipe counts from the upper-left corner of the display window, y down.
Both are full-size pixels: a proxy only scales what is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from airoto.errors import BadRequestError
from airoto_client.node.state import Box


@dataclass(frozen=True)
class Canvas:
    """The full-size format of a plate as Nuke has it.

    Attributes:
        width, height: of the canvas in pixels.
        pixel_aspect: pixel width over height.
    """

    width: int
    height: int
    pixel_aspect: float = 1.0

    def to_recipe(self, x: float, y: float) -> tuple[float, float]:
        """A point of Nuke's in the recipe's coordinates."""
        return float(x), self.height - float(y)

    def to_nuke(self, x: float, y: float) -> tuple[float, float]:
        """A point of the recipe in Nuke's coordinates."""
        return float(x), self.height - float(y)

    def box_to_recipe(self, x: float, y: float, r: float, t: float) -> Box:
        """A rectangle of Nuke's (x, y, r, t) in the recipe's coordinates."""
        (x_min, y_max), (x_max, y_min) = self.to_recipe(x, y), self.to_recipe(r, t)
        return Box(min(x_min, x_max), min(y_min, y_max), max(x_min, x_max), max(y_min, y_max))

    def box_to_nuke(self, box: Box) -> tuple[float, float, float, float]:
        """A box of the recipe as Nuke has it: x, y, r, t."""
        return box.x_min, self.height - box.y_max, box.x_max, self.height - box.y_min


def sampled_area(canvas: Canvas, bbox: Sequence[float]) -> tuple[float, float, float, float]:
    """The viewer's sampled area in Nuke's full-size pixels: x, y, r, t.

    Args:
        bbox: value of the viewer's `colour_sample_bbox` knob: x, y, r, t, from -1 to 1 over
            the width of the picture as it is shown, both axes in units of that half width.

    Raises:
        BadRequestError: nothing was sampled.
    """
    if len(bbox) != 4:
        raise BadRequestError(
            "nothing is sampled in the viewer", hint="Ctrl-click a pixel of the plate first"
        )
    # As high as wide on the screen, so pixel aspect counts.
    shown = canvas.width * canvas.pixel_aspect / canvas.height

    def across(value: float) -> float:
        return (value * 0.5 + 0.5) * canvas.width

    def up(value: float) -> float:
        return (value * 0.5 * shown + 0.5) * canvas.height

    x, y, r, t = bbox
    return across(min(x, r)), up(min(y, t)), across(max(x, r)), up(max(y, t))


def sampled_point(canvas: Canvas, bbox: Sequence[float]) -> tuple[float, float]:
    """The middle of the viewer's sampled area in Nuke's full-size pixels."""
    x, y, r, t = sampled_area(canvas, bbox)
    return (x + r) / 2, (y + t) / 2
