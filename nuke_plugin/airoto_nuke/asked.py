"""Which frames a render will ask of our nodes, through nodes that ask for other frames.

What a class does with frames is taken from Nuke's reference guide; a class or setting that is not
known here makes the frames unknown from there on, never wrong. Knobs count frame by frame, so
animation does too.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from airoto_nuke import host, nodes
from airoto_nuke.knobs import NodeKind

Node = Any
_RANGE = re.compile(r"(-?\d+)(?:-(-?\d+)(?:x(\d+))?)?")
_LEGACY = re.compile(r"(-?\d+),(-?\d+)(?:,(\d+))?")
_EXECUTES = re.compile(r"-[A-Za-z]*[xX][A-Za-z]*")
# More frames than any shot has, so that a slip of the keyboard does not stop a farm.
_MOST_FRAMES = 1_000_000


@dataclass
class Asked:
    """What is asked of one of our nodes.

    Attributes:
        frames: that are asked for.
        unknown: others may be asked for too.
    """

    node: Node
    frames: set[int] = field(default_factory=set)
    unknown: bool = False


def frames_on_command_line(arguments: Sequence[str]) -> list[int]:
    """The frames that `nuke -F ... -x script 1,10` names, rising; empty where it names none."""
    found: set[int] = set()
    for index, text in enumerate(arguments):
        match = None
        if text == "-F" and index + 1 < len(arguments):
            match = _RANGE.fullmatch(arguments[index + 1]) or _LEGACY.fullmatch(
                arguments[index + 1]
            )
        elif index and (text[:1].isdigit() or text[:1] == "-") and arguments[index - 1] != "-F":
            match = _LEGACY.fullmatch(text)
        if match is not None:
            first = int(match[1])
            last = first if match[2] is None else int(match[2])
            step = int(match[3] or 1) or 1
            found.update(range(first, min(last, first + _MOST_FRAMES) + 1, step))
    return sorted(found)


def executes_script(arguments: Sequence[str]) -> bool:
    """Whether Nuke was started with `-x` or `-X`, so that it renders whole ranges by itself."""
    return any(_EXECUTES.fullmatch(text) for text in arguments[1:])


def frames_of_render(write: Node) -> list[int]:
    """Every frame that this render will make, rising; empty where nobody can tell.

    `-F` on the command line; with `-x` alone the Write's own limits or the script's range. A
    script that calls `nuke.execute` itself says nothing, and its frames are looked at one by one.
    """
    arguments = host.command_line()
    named = frames_on_command_line(arguments)
    if named or not executes_script(arguments):
        return named
    first, last = host.limits(write)
    return list(range(first, min(last, first + _MOST_FRAMES) + 1))


def asked_of_ours(write: Node, frames: Iterable[int]) -> list[Asked]:
    """Our nodes that a Write gets pictures from, each with what will be asked of it."""
    found: dict[str, Asked] = {}
    seen: dict[str, Asked] = {}
    waiting: list[tuple[Node, frozenset[int], bool]] = [(write, frozenset(frames), False)]
    while waiting:
        node, wanted, unknown = waiting.pop()
        name = str(node.fullName())
        is_first = name not in seen
        known = seen.setdefault(name, Asked(node))
        new = wanted - known.frames
        if not is_first and not new and (known.unknown or not unknown):
            continue
        known.frames |= new
        known.unknown = known.unknown or unknown
        kind = nodes.kind_of(node)
        if kind is not None and not bool(nodes.value(node, "disable", False)):
            if kind is not NodeKind.DETECT:
                found[name] = known
        elif kind is None and hasattr(node, "nodes") and node is not host.root():
            # A Group: out of it comes what its Outputs get, and its Inputs lead out again.
            outputs = [one for one in node.nodes() if one.Class() == "Output"]
            waiting.extend((one, new, unknown) for one in outputs or node.nodes())
            if outputs:
                continue
        if node.Class() == "Input":
            outside = node.parent().input(int(node["number"].value()))
            waiting.extend([] if outside is None else [(outside, new, unknown)])
        above, told = frames_above(node, new)
        inputs = host.upstream([node], pictures=True)
        waiting.extend((one, above, unknown or not told) for one in inputs)
        # Whose knobs an expression reads gives no picture, and may lie anywhere.
        names = {str(one.fullName()) for one in inputs}
        others = [one for one in host.upstream([node]) if str(one.fullName()) not in names]
        waiting.extend((one, frozenset(), True) for one in others)
    return list(found.values())


def frames_above(node: Node, frames: frozenset[int]) -> tuple[frozenset[int], bool]:
    """The frames that a node asks of its inputs, and whether these are all."""
    kind = node.Class()
    if (kind not in _UNKNOWN and kind not in _READERS) or bool(nodes.value(node, "disable", False)):
        return frames, True
    reader = _READERS.get(kind)
    if reader is None:
        return frozenset(), False
    made: set[int] = set()
    try:
        for frame in frames:
            made.update(reader(node, frame))
    except _NotToldError:
        return frozenset(), False
    return frozenset(made), True


class _NotToldError(Exception):
    """Which frames a node asks for cannot be told."""


# Classes that ask for other frames in ways that are not followed here.
_UNKNOWN = frozenset(
    [
        "AppendClip",
        "FrameBlend",
        "Kronos",
        "OFlow2",
        "TimeClip",
        "TimeDissolve",
        "TimeMachine",
        "Tracker4",
        "MotionBlur",
        "SmartVector",
    ]
)


def _number(node: Node, name: str, frame: int) -> float:
    if node.knob(name) is None:
        raise _NotToldError
    found = float(host.value_at(node, name, frame))
    if not math.isfinite(found) or abs(found) > 1e9:
        raise _NotToldError
    return found


def _is_on(node: Node, name: str) -> bool:
    return bool(nodes.value(node, name, False))


def _around(time: float) -> tuple[int, ...]:
    """The frames between which a time lies; one where it is a frame."""
    if abs(time - round(time)) < 1e-6:
        return (round(time),)
    return math.floor(time), math.ceil(time)


def _time_offset(node: Node, frame: int) -> Iterable[int]:
    if _is_on(node, "reverse_input"):
        raise _NotToldError
    return _around(frame - _number(node, "time_offset", frame))


def _frame_hold(node: Node, frame: int) -> Iterable[int]:
    first = "first_frame" if node.knob("first_frame") is not None else "firstFrame"
    start, step = _number(node, first, frame), _number(node, "increment", frame)
    if step <= 0:
        return _around(start)
    return _around(start + math.floor((frame - start) / step) * step)


def _retime(node: Node, frame: int) -> Iterable[int]:
    if _is_on(node, "reverse"):
        raise _NotToldError
    first, last = _number(node, "input.first", frame), _number(node, "input.last", frame)
    start, end = _number(node, "output.first", frame), _number(node, "output.last", frame)
    time = first + (frame - start) * _number(node, "speed", frame)
    for name, outside, edge in (("before", frame < start, first), ("after", frame > end, last)):
        if outside:
            what = str(nodes.value(node, name, ""))
            if what == "hold":
                return _around(edge)
            if what == "black":
                return ()
            if what != "continue":
                raise _NotToldError
    return _around(time)


def _time_blur(node: Node, frame: int) -> Iterable[int]:
    divisions = round(_number(node, "divisions", frame))
    shutter = _number(node, "shutter", frame)
    offsets = {
        "start": 0.0,
        "centred": -shutter / 2,
        "end": -shutter,
        "custom": _number(node, "shuttercustomoffset", frame)
        if node.knob("shuttercustomoffset") is not None
        else math.nan,
    }
    offset = offsets.get(str(nodes.value(node, "shutteroffset", "")), math.nan)
    if not 0 < divisions <= 1000 or math.isnan(offset):
        raise _NotToldError
    times = (frame + offset + shutter * step / divisions for step in range(divisions))
    return {math.floor(time + 0.5) for time in times}


def _time_echo(node: Node, frame: int) -> Iterable[int]:
    behind = round(_number(node, "framesbehind", frame))
    return range(frame - min(max(behind, 0), 10_000), frame + 1)


def _time_warp(node: Node, frame: int) -> Iterable[int]:
    return _around(_number(node, "lookup", frame))


def _temporal_median(_: Node, frame: int) -> Iterable[int]:
    return frame - 1, frame, frame + 1


_READERS: dict[str, Callable[[Node, int], Iterable[int]]] = {
    "TimeOffset": _time_offset,
    "FrameHold": _frame_hold,
    "Retime": _retime,
    "TimeBlur": _time_blur,
    "TimeEcho": _time_echo,
    "TimeWarp": _time_warp,
    "TemporalMedian": _temporal_median,
}
