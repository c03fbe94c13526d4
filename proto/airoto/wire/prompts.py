"""What people type about frames and prompts, as messages.

Coordinates are full-resolution plate pixels as in the recipe: x to the right, y down from the
top-left corner of the display window, pixel centres at .5.
"""

from __future__ import annotations

import math
import re

from airoto.errors import BadRequestError
from airoto.wire.messages import Box, DrawnMask, FrameRange, Point, PointLabel, Prompt, RotoObject

_RANGE = re.compile(r"(-?\d{1,10})(?:-(-?\d{1,10}))?")
_AT_FRAME = re.compile(r"(-?\d{1,10}):(.+)", re.DOTALL)
_MIN_FRAME, _MAX_FRAME = -(2**31), 2**31 - 1


def frame_range(text: str) -> FrameRange:
    """`1001-1100`, `-10--5`, or one frame: `1001`.

    Raises:
        BadRequestError: it is no range, or its end comes before its start.
    """
    match = _RANGE.fullmatch(text.strip())
    if match is None:
        raise BadRequestError(f"{text!r} is no frame range; write FIRST-LAST, such as 1001-1100")
    first = _frame(match[1], text)
    last = first if match[2] is None else _frame(match[2], text)
    if first > last:
        raise BadRequestError(f"the frame range {text!r} ends before it starts")
    return FrameRange(first=first, last=last)


def parse_point(text: str, *, positive: bool = True) -> tuple[int, Point]:
    """`FRAME:X,Y` (`1001:812,455.5`) as frame and point.

    Raises:
        BadRequestError: it is none.
    """
    frame, rest = _at_frame(text, "a point; write FRAME:X,Y, such as 1001:812,455")
    x, y = _numbers(rest, 2, text, "a point; write FRAME:X,Y, such as 1001:812,455")
    label = PointLabel.POINT_LABEL_POSITIVE if positive else PointLabel.POINT_LABEL_NEGATIVE
    return frame, Point(x=x, y=y, label=label)


def parse_box(text: str) -> tuple[int, Box]:
    """`FRAME:X0,Y0,X1,Y1` (`1001:100,80,620,540`) as frame and box.

    Raises:
        BadRequestError: it is none, or its second corner is not right of and below the first.
    """
    form = "a box; write FRAME:X0,Y0,X1,Y1, such as 1001:100,80,620,540"
    frame, rest = _at_frame(text, form)
    x_min, y_min, x_max, y_max = _numbers(rest, 4, text, form)
    if x_min >= x_max or y_min >= y_max:
        raise BadRequestError(
            f"the box {text!r} is empty; its second corner lies right of and below the first"
        )
    return frame, Box(x_min=x_min, y_min=y_min, x_max=x_max, y_max=y_max)


def parse_text(text: str) -> tuple[int, str]:
    """`FRAME:PHRASE` (`1001:a red car`) as frame and phrase.

    Raises:
        BadRequestError: it is none.
    """
    form = "a phrase for a frame; write FRAME:PHRASE, such as '1001:a red car'"
    frame, rest = _at_frame(text, form)
    if not rest.strip():
        raise BadRequestError(f"{text!r} is not {form}")
    return frame, rest.strip()


def parse_mask(text: str) -> tuple[int, DrawnMask]:
    """`FRAME:FILE` (`1001:rough.png`) as frame and drawn mask.

    Raises:
        BadRequestError: it is none.
    """
    frame, rest = _at_frame(text, "a mask; write FRAME:FILE, such as 1001:rough.png")
    return frame, DrawnMask(path=rest)


def prompt_at(roto_object: RotoObject, frame: int) -> Prompt:
    """The object's prompt on `frame`; a new, empty one in its place if there is none."""
    for prompt in roto_object.prompts:
        if prompt.frame == frame:
            return prompt
    return roto_object.prompts.add(frame=frame)


def _at_frame(text: str, form: str) -> tuple[int, str]:
    match = _AT_FRAME.fullmatch(text.strip())
    if match is None:
        raise BadRequestError(f"{text!r} is not {form}")
    return _frame(match[1], text), match[2]


def _frame(digits: str, text: str) -> int:
    frame = int(digits)
    if not _MIN_FRAME <= frame <= _MAX_FRAME:
        raise BadRequestError(f"frame {frame} of {text!r} lies outside {_MIN_FRAME}..{_MAX_FRAME}")
    return frame


def _numbers(text: str, count: int, whole: str, form: str) -> list[float]:
    parts = text.split(",")
    try:
        numbers = [float(part) for part in parts]
    except ValueError as exc:
        raise BadRequestError(f"{whole!r} is not {form}") from exc
    if len(numbers) != count or not all(math.isfinite(number) for number in numbers):
        raise BadRequestError(f"{whole!r} is not {form}")
    return numbers
