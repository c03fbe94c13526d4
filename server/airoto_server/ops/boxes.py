"""Boxes: x_min, y_min, x_max, y_max in pixels, half-open."""

from __future__ import annotations

from collections.abc import Sequence

Box = tuple[float, float, float, float]


def area(box: Box) -> float:
    """Pixels inside; 0 for one without any."""
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def overlap(one: Box, other: Box) -> float:
    """Intersection over union, 0 to 1; 0 where neither has pixels."""
    both = area(
        (
            max(one[0], other[0]),
            max(one[1], other[1]),
            min(one[2], other[2]),
            min(one[3], other[3]),
        )
    )
    either = area(one) + area(other) - both
    return both / either if either > 0 else 0.0


def without_doubles(boxes: Sequence[Box], scores: Sequence[float], most: float) -> list[int]:
    """Which boxes stay when of two that overlap by more than `most` the better one does.

    Greedy non-maximum suppression.

    Returns:
        indices, best score first; of equal scores the earlier box counts as better.
    """
    ranked = sorted(range(len(boxes)), key=lambda index: (-scores[index], index))
    stay: list[int] = []
    for index in ranked:
        if all(overlap(boxes[index], boxes[better]) <= most for better in stay):
            stay.append(index)
    return stay
