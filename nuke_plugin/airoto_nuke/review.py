"""The frames most worth looking at: low confidence, a jump of the area, flicker.

Standard library only, no Nuke. Works on what the server said of each frame, not on pixels.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from airoto_nuke.staleness import FrameNote

# Below this confidence a frame is named, whatever the others are.
_LOW_CONFIDENCE = 0.6
# A change of area from one frame to the next, in parts of the larger of the two.
_JUMP = 0.25
# A frame whose area differs so much from the mean of its neighbours, which agree with each other.
_FLICKER = 0.12


@dataclass(frozen=True)
class Finding:
    """A frame to look at: how badly (0 to 1, for the order) and why, in words."""

    frame: int
    weight: float
    why: str


def frames_to_review(
    notes: Mapping[int, Sequence[FrameNote]], names: Mapping[int, str], limit: int = 12
) -> list[Finding]:
    """The worst frames, worst first, each once with its worst reason.

    Args:
        notes: what the server said, by frame.
        names: of objects, by id.
        limit: how many at most.
    """
    worst: dict[int, Finding] = {}
    for object_id, name in names.items():
        series = [
            (frame, note)
            for frame in sorted(notes)
            for note in notes[frame]
            if note.object_id == object_id
        ]
        for one in (*_unsure(series, name), *_jumps(series, name), *_flicker(series, name)):
            if one.frame not in worst or worst[one.frame].weight < one.weight:
                worst[one.frame] = one
    return sorted(worst.values(), key=lambda one: (-one.weight, one.frame))[:limit]


def _unsure(series: Sequence[tuple[int, FrameNote]], name: str) -> list[Finding]:
    found = []
    usual = statistics.median([note.confidence for _, note in series]) if series else 0.0
    for frame, note in series:
        if note.area == 0:
            found.append(Finding(frame, 1.0, f"{name}: nothing was found"))
        elif note.confidence < _LOW_CONFIDENCE or note.confidence < usual - 0.25:
            weight = min(1.0, 1.0 - note.confidence)
            found.append(Finding(frame, weight, f"{name}: confidence {note.confidence:.2f}"))
    return found


def _jumps(series: Sequence[tuple[int, FrameNote]], name: str) -> list[Finding]:
    found = []
    for (before, old), (frame, new) in zip(series, series[1:]):
        larger = max(old.area, new.area)
        if frame == before + 1 and larger > 0:
            change = abs(new.area - old.area) / larger
            if change > _JUMP:
                word = "grows" if new.area > old.area else "shrinks"
                why = f"{name}: area {word} by {change:.0%}"
                found.append(Finding(frame, min(1.0, change), why))
    return found


def _flicker(series: Sequence[tuple[int, FrameNote]], name: str) -> list[Finding]:
    found = []
    for (a, old), (frame, now), (b, new) in zip(series, series[1:], series[2:]):
        mean = (old.area + new.area) / 2
        if (a, b) != (frame - 1, frame + 1) or mean <= 0:
            continue
        steady = abs(old.area - new.area) / mean
        away = abs(now.area - mean) / mean
        if away > _FLICKER and steady < away / 2:
            why = f"{name}: flickers, {away:.0%} off its neighbours"
            found.append(Finding(frame, min(1.0, away), why))
    return found
