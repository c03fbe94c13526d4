"""Where a plate's pixels lie in an editor of Blender, and which frame is seen there.

No `bpy` here. Image and Movie Clip Editor both show a picture as the unit square of their 2D view,
origin at the lower left; zoom, pan, pixel aspect and proxy size are in that view already, so two
of its corners say everything. The recipe counts plate pixels from the top left, pixel centres at
.5; a region counts pixels of the screen from the lower left.
"""

from __future__ import annotations

from dataclasses import dataclass

from airoto.errors import BadRequestError
from airoto_client.node.state import Box

# Two sizes are of the same picture where their proportions differ by less.
_SAME_ASPECT = 0.01
# Stored positions are rounded to so many digits after the point: a hundredth of a plate's pixel.
_DIGITS = 2


@dataclass(frozen=True)
class Canvas:
    """A plate as a region of an editor shows it.

    Attributes:
        region: width and height of the region, pixels of the screen.
        seen: left, bottom, right, top of the region in the view's units (the picture is 0 to 1).
        size: width and height of the plate, pixels.
    """

    region: tuple[int, int]
    seen: tuple[float, float, float, float]
    size: tuple[int, int]

    def to_plate(self, x: float, y: float) -> tuple[float, float]:
        """A place in the region in plate pixels, which may lie outside the plate."""
        left, bottom, right, top = self.seen
        across = left + x / self.region[0] * (right - left)
        up = bottom + y / self.region[1] * (top - bottom)
        return across * self.size[0], (1.0 - up) * self.size[1]

    def to_region(self, x: float, y: float) -> tuple[float, float]:
        """A place on the plate in the region's pixels."""
        left, bottom, right, top = self.seen
        across = (x / self.size[0] - left) / (right - left) * self.region[0]
        up = (1.0 - y / self.size[1] - bottom) / (top - bottom) * self.region[1]
        return across, up

    def shows(self, x: float, y: float) -> bool:
        """Whether a place in plate pixels lies on the plate."""
        return 0.0 <= x <= self.size[0] and 0.0 <= y <= self.size[1]

    def box(self, one: tuple[float, float], other: tuple[float, float]) -> Box:
        """The box between two corners in plate pixels, cut at the plate's edges.

        Raises:
            BadRequestError: nothing of the plate lies in it.
        """
        x_min, x_max = sorted(_within(at[0], self.size[0]) for at in (one, other))
        y_min, y_max = sorted(_within(at[1], self.size[1]) for at in (one, other))
        if not (x_min < x_max and y_min < y_max):
            raise BadRequestError("the box lies beside the plate", hint="drag it over the object")
        return Box(x_min, y_min, x_max, y_max)


def stored(at: tuple[float, float]) -> tuple[float, float]:
    """A place in plate pixels as it is kept."""
    return round(at[0], _DIGITS), round(at[1], _DIGITS)


def check_aspect(shown: tuple[int, int], plate: tuple[int, int], name: str) -> None:
    """
    Args:
        shown: size of the picture in the editor: the plate's, or a smaller one of the same picture.
        name: of that picture.

    Raises:
        BadRequestError: it cannot be the plate, so a place on it means nothing.
    """
    if not all(shown):
        raise BadRequestError(f"{name} cannot be read", hint="show the plate in the editor")
    if abs(shown[0] * plate[1] / (shown[1] * plate[0]) - 1.0) > _SAME_ASPECT:
        raise BadRequestError(
            f"{name} is {shown[0]}x{shown[1]}, the plate is {plate[0]}x{plate[1]}",
            hint="show the plate in the editor",
        )


def clip_file(scene_frame: int, *, start: int, offset: int, first: int) -> int:
    """Number of the file that a movie clip shows.

    Args:
        start, offset: the clip's "Start Frame" and "Frame Offset".
        first: number of the file that the clip names; 1 for a movie.
    """
    return scene_frame - start + offset + first


def _within(value: float, end: int) -> float:
    return round(min(max(value, 0.0), float(end)), _DIGITS)
