"""Curves over frames as SVG, for pages that hold everything themselves. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 920, 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 12, 10, 24
_GRID = 4


@dataclass(frozen=True)
class Curve:
    """One line.

    Attributes:
        name: what the legend says.
        colour: as CSS takes it.
        values: by frame; frames without a value interrupt the line.
    """

    name: str
    colour: str
    values: Mapping[int, float]


def chart(
    curves: Sequence[Curve],
    frames: tuple[int, int],
    *,
    top: float | None = None,
    marks: Sequence[int] = (),
    unit: str = "",
) -> str:
    """Curves over the same frames, from 0, as one SVG element.

    Args:
        frames: first and last, both inclusive.
        top: the highest value of the scale; None: of the curves.
        marks: frames with a thin line, keyframes for instance.
    """
    highest = max((value for one in curves for value in one.values.values()), default=0.0)
    scale = top if top is not None else highest or 1.0
    first, last = frames
    inner_width, inner_height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def x(frame: int) -> float:
        return _LEFT + inner_width * (frame - first) / max(1, last - first)

    def y(value: float) -> float:
        return _TOP + inner_height * (1 - min(1.0, max(0.0, value / scale)))

    parts = [f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">']
    for step in range(_GRID + 1):
        value = scale * step / _GRID
        at = y(value)
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
            f'<text class="left" x="{_LEFT - 8}" y="{at + 4:.1f}">{_short(value)}{unit}</text>'
        )
    for frame in sorted(set(marks)):
        if first <= frame <= last:
            parts.append(
                f'<line class="mark" x1="{x(frame):.1f}" x2="{x(frame):.1f}" '
                f'y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"><title>keyframe {frame}</title></line>'
            )
    for frame, side in ((first, "start"), (last, "end")):
        parts.append(
            f'<text x="{x(frame):.1f}" y="{_HEIGHT - 6}" text-anchor="{side}">{frame}</text>'
        )
    for one in curves:
        for run in _runs(one.values):
            parts.append(_line(one, [(x(frame), y(value)) for frame, value in run]))
    parts.append("</svg>")
    return "".join(parts)


def legend(curves: Sequence[Curve]) -> str:
    """What the colours mean, as HTML."""
    return " ".join(
        f'<span class="key"><i style="background:{escape(one.colour)}"></i>'
        f"{escape(one.name)}</span>"
        for one in curves
    )


def flicker(area: Mapping[int, float]) -> dict[int, float]:
    """How much an area jumps and comes back: |a(f-1) - 2 a(f) + a(f+1)| / 2 over the largest of
    the three, for frames with both neighbours. 0 where it moves steadily, 1 at most.
    """
    found = {}
    for frame, here in area.items():
        before, after = area.get(frame - 1), area.get(frame + 1)
        if before is None or after is None:
            continue
        largest = max(before, here, after)
        found[frame] = abs(before - 2 * here + after) / (2 * largest) if largest > 0 else 0.0
    return found


def _runs(values: Mapping[int, float]) -> list[list[tuple[int, float]]]:
    """Stretches of neighbouring frames."""
    found: list[list[tuple[int, float]]] = []
    for frame, value in sorted(values.items()):
        if not found or found[-1][-1][0] != frame - 1:
            found.append([])
        found[-1].append((frame, value))
    return found


def _line(one: Curve, points: Sequence[tuple[float, float]]) -> str:
    if len(points) == 1:
        (x, y), *_ = points
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2" fill="{escape(one.colour)}"/>'
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{path}" stroke="{escape(one.colour)}"/>'


def _short(value: float) -> str:
    if value >= 1e6:
        return f"{value / 1e6:.3g}M"
    if value >= 1e3:
        return f"{value / 1e3:.3g}k"
    return f"{value:.3g}"
