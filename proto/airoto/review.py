"""The frames most worth looking at: nothing found, low confidence, a jump of the area, flicker.

Standard library only: the server sends the list with every render, and a host makes it from
what it was told of frames of several renders. Works on numbers, not on pixels.
"""

from __future__ import annotations

import enum
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# Below this confidence a frame is named, whatever the others are.
_LOW_CONFIDENCE = 0.6
# Or so far below what the object usually has.
_FALL = 0.25
# A change of area from one frame to the next, in parts of the larger of the two.
_JUMP = 0.25
# A frame whose area differs so much from the mean of its neighbours, which agree with each other.
_FLICKER = 0.12


class Reason(enum.Enum):
    """Why a frame is named."""

    EMPTY = "empty"
    LOW_CONFIDENCE = "low_confidence"
    AREA_JUMP = "area_jump"
    FLICKER = "flicker"


@dataclass(frozen=True)
class Seen:
    """One object on one frame: confidence 0 to 1, area in plate pixels."""

    object_id: int
    confidence: float
    area: float


@dataclass(frozen=True)
class Finding:
    """A frame to look at: how badly (0 to 1, for the order) and why, in words."""

    frame: int
    object_id: int
    reason: Reason
    weight: float
    why: str


def frames_to_review(
    seen: Mapping[int, Sequence[Seen]], names: Mapping[int, str], limit: int = 12
) -> list[Finding]:
    """The worst frames, worst first, each once with its worst reason.

    Args:
        seen: objects by frame.
        names: of objects, by id.
        limit: how many at most.
    """
    worst: dict[int, Finding] = {}
    for object_id, name in names.items():
        series = [
            (frame, one)
            for frame in sorted(seen)
            for one in seen[frame]
            if one.object_id == object_id
        ]
        for found in (*_unsure(series, name), *_jumps(series, name), *_flicker(series, name)):
            if found.frame not in worst or worst[found.frame].weight < found.weight:
                worst[found.frame] = found
    return sorted(worst.values(), key=lambda one: (-one.weight, one.frame))[:limit]


def _unsure(series: Sequence[tuple[int, Seen]], name: str) -> list[Finding]:
    found = []
    usual = statistics.median([one.confidence for _, one in series]) if series else 0.0
    for frame, one in series:
        if one.area == 0:
            why = f"{name}: nothing was found"
            found.append(Finding(frame, one.object_id, Reason.EMPTY, 1.0, why))
        elif one.confidence < _LOW_CONFIDENCE or one.confidence < usual - _FALL:
            weight = min(1.0, 1.0 - one.confidence)
            why = f"{name}: confidence {one.confidence:.2f}"
            found.append(Finding(frame, one.object_id, Reason.LOW_CONFIDENCE, weight, why))
    return found


def _jumps(series: Sequence[tuple[int, Seen]], name: str) -> list[Finding]:
    found = []
    for (before, old), (frame, new) in zip(series, series[1:]):
        larger = max(old.area, new.area)
        if frame == before + 1 and larger > 0:
            change = abs(new.area - old.area) / larger
            if change > _JUMP:
                word = "grows" if new.area > old.area else "shrinks"
                why = f"{name}: area {word} by {change:.0%}"
                weight = min(1.0, change)
                found.append(Finding(frame, new.object_id, Reason.AREA_JUMP, weight, why))
    return found


def _flicker(series: Sequence[tuple[int, Seen]], name: str) -> list[Finding]:
    found = []
    for (a, old), (frame, now), (b, new) in zip(series, series[1:], series[2:]):
        mean = (old.area + new.area) / 2
        if (a, b) != (frame - 1, frame + 1) or mean <= 0:
            continue
        steady = abs(old.area - new.area) / mean
        away = abs(now.area - mean) / mean
        if away > _FLICKER and steady < away / 2:
            why = f"{name}: flickers, {away:.0%} off its neighbours"
            found.append(Finding(frame, now.object_id, Reason.FLICKER, min(1.0, away), why))
    return found
