"""What people type about frames and prompts."""

from __future__ import annotations

from typing import Any, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airoto.errors import BadRequestError
from airoto.wire import prompts
from airoto.wire.messages import Box, FrameRange, Point, PointLabel, RotoObject

FRAMES = st.integers(-(2**31), 2**31 - 1)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("1001-1100", 1001, 1100),
        ("1001", 1001, 1001),
        ("-5-10", -5, 10),
        ("-10--5", -10, -5),
        (" 1-2 ", 1, 2),
    ],
)
def test_a_frame_range_is_read(text: str, first: int, last: int) -> None:
    assert prompts.frame_range(text) == FrameRange(first=first, last=last)


@given(FRAMES, FRAMES)
def test_every_frame_range_is_read(one: int, other: int) -> None:
    first, last = sorted((one, other))
    assert prompts.frame_range(f"{first}-{last}") == FrameRange(first=first, last=last)


@given(FRAMES, NUMBERS, NUMBERS)
def test_every_point_is_read(frame: int, x: float, y: float) -> None:
    read = prompts.parse_point(f"{frame}:{x!r},{y!r}")
    assert read == (frame, Point(x=x, y=y, label=PointLabel.POINT_LABEL_POSITIVE))


def test_a_point_can_be_negative() -> None:
    _, point = prompts.parse_point("1001:-812,455.5", positive=False)
    assert point == Point(x=-812, y=455.5, label=PointLabel.POINT_LABEL_NEGATIVE)


def test_a_box_a_text_and_a_mask_are_read() -> None:
    box = Box(x_min=-1.5, y_min=2, x_max=3, y_max=4)
    assert prompts.parse_box("1001:-1.5, 2, 3, 4") == (1001, box)
    assert prompts.parse_text("-3: a red car: parked ") == (-3, "a red car: parked")
    frame, mask = prompts.parse_mask("7:C:/masks/a b.png")
    assert (frame, mask.path) == (7, "C:/masks/a b.png")


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (prompts.frame_range, ""),
        (prompts.frame_range, "1-"),
        (prompts.frame_range, "1-2-3"),
        (prompts.frame_range, "1.5"),
        (prompts.frame_range, "10-9"),
        (prompts.frame_range, "2147483648"),
        (prompts.parse_point, "812,455"),
        (prompts.parse_point, "1001:812"),
        (prompts.parse_point, "1001:812,455,3"),
        (prompts.parse_point, "1001:x,y"),
        (prompts.parse_point, "1001:nan,1"),
        (prompts.parse_point, "1001:1,inf"),
        (prompts.parse_point, "9999999999:1,1"),
        (prompts.parse_box, "1001:1,2,3"),
        (prompts.parse_box, "1001:3,2,1,4"),
        (prompts.parse_box, "1001:1,2,3,2"),
        (prompts.parse_text, "a red car"),
        (prompts.parse_text, "1001: "),
        (prompts.parse_mask, "rough.png"),
    ],
)
def test_anything_else_is_refused_with_its_text(read: Callable[[str], Any], text: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        read(text)
    assert text.strip() in caught.value.message


def test_what_is_said_about_one_frame_lands_in_one_prompt() -> None:
    item = RotoObject(id=1)
    prompts.prompt_at(item, 7).points.add(x=1)
    prompts.prompt_at(item, 9).text = "a ball"
    prompts.prompt_at(item, 7).points.add(x=2)
    assert [(prompt.frame, len(prompt.points)) for prompt in item.prompts] == [(7, 2), (9, 0)]
