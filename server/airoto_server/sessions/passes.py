"""Which way a tracker goes over a shot: planning alone, no pixels.

Objects of one group are tracked together, but each has its own keyframes. A pass begins on
a keyframe and runs to the next one; objects without a prompt on that keyframe are carried
over from the pass before. Backward passes are forward passes over negated frame numbers.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

Keys = Mapping[int, Sequence[int]]


@dataclass(frozen=True)
class Pass:
    """One run of a tracker.

    Attributes:
        start: the keyframe it begins on.
        frames: the frames it goes through after that, in its order.
        given: objects that have a prompt on `start`.
        carried: objects whose mask on `start` is the answer of the pass before.
        ahead: other keyframes that condition it, in its order.
        behind: keyframes before it that condition it too, in its order, each with the objects
            whose last one it is: those that are carried, and would otherwise be known by nothing
            but an answer.
    """

    start: int
    frames: tuple[int, ...]
    given: frozenset[int]
    carried: frozenset[int]
    ahead: tuple[int, ...]
    behind: tuple[tuple[int, frozenset[int]], ...] = ()

    @property
    def objects(self) -> frozenset[int]:
        """Objects in play from the start."""
        return self.given | self.carried


@dataclass(frozen=True)
class Neighbours:
    """The keyframes of one object around a frame; None where there is none."""

    before: int | None
    after: int | None

    @property
    def is_key(self) -> bool:
        """Whether the frame is a keyframe itself."""
        return self.before is not None and self.before == self.after

    def weight(self, frame: int) -> float:
        """Share of the forward answer at `frame`, 1 at `before`, 0 at `after`."""
        if self.after is None or self.is_key:
            return 1.0
        if self.before is None:
            return 0.0
        return (self.after - frame) / (self.after - self.before)


def neighbours(keys: Sequence[int], frame: int) -> Neighbours:
    """The nearest keyframes at or around `frame`; `keys` is sorted."""
    right = bisect_left(keys, frame)
    if right < len(keys) and keys[right] == frame:
        return Neighbours(frame, frame)
    return Neighbours(
        keys[right - 1] if right else None, keys[right] if right < len(keys) else None
    )


def forward_passes(
    frames: Sequence[int], keys: Keys, wanted: Collection[int], *, whole_shot: bool
) -> list[Pass]:
    """The forward passes that are needed to know every object on every wanted frame.

    Args:
        frames: all frames that can be tracked over, ascending.
        keys: keyframes of each object, ascending, all among `frames`.
        wanted: frames to be answered, among `frames`.
        whole_shot: one pass over everything, conditioned by every keyframe (the engine's
            own way), instead of one between each pair of neighbouring keyframes.

    Returns:
        passes, ascending by start; none where only keyframes are wanted.
    """
    needed = {
        frame
        for frame in wanted
        for own in keys.values()
        if own and own[0] < frame and not neighbours(own, frame).is_key
    }
    if not needed:
        return []
    bounds = sorted({key for own in keys.values() for key in own})
    if whole_shot:
        return [_shot_pass(frames, keys, bounds, max(needed))]
    passes: list[Pass] = []
    carry_needed = False
    for start, end in reversed(list(zip(bounds, [*bounds[1:], None], strict=True))):
        inside = [f for f in needed if f > start and (end is None or f <= end)]
        last = max(inside, default=start)
        if carry_needed and end is not None:
            last = end
        if last == start:
            carry_needed = False
            continue
        one = _segment_pass(frames, keys, start, end, last)
        passes.append(one)
        carry_needed = bool(one.carried)
    return passes[::-1]


def backward_passes(
    frames: Sequence[int], keys: Keys, wanted: Collection[int], *, whole_shot: bool
) -> list[Pass]:
    """As `forward_passes`, against time; descending by start."""
    mirrored = forward_passes(
        _mirror(frames),
        {name: _mirror(own) for name, own in keys.items()},
        [-frame for frame in wanted],
        whole_shot=whole_shot,
    )
    return [
        Pass(
            -one.start,
            tuple(-frame for frame in one.frames),
            one.given,
            one.carried,
            tuple(-frame for frame in one.ahead),
            tuple((-frame, names) for frame, names in one.behind),
        )
        for one in mirrored
    ]


def _mirror(frames: Sequence[int]) -> list[int]:
    return [-frame for frame in reversed(frames)]


def _between(frames: Sequence[int], start: int, last: int) -> tuple[int, ...]:
    return tuple(frames[bisect_right(frames, start) : bisect_right(frames, last)])


def _prompted(keys: Keys, frame: int) -> frozenset[int]:
    return frozenset(name for name, own in keys.items() if neighbours(own, frame).is_key)


def _segment_pass(
    frames: Sequence[int], keys: Keys, start: int, end: int | None, last: int
) -> Pass:
    given = _prompted(keys, start)
    begun = frozenset(name for name, own in keys.items() if own and own[0] < start)
    carried = begun - given
    last_key = {name: keys[name][bisect_left(keys[name], start) - 1] for name in carried}
    return Pass(
        start,
        _between(frames, start, last),
        given,
        carried,
        () if end is None else (end,),
        tuple(
            (key, frozenset(name for name, own in last_key.items() if own == key))
            for key in sorted(set(last_key.values()))
        ),
    )


def _shot_pass(frames: Sequence[int], keys: Keys, bounds: Sequence[int], last: int) -> Pass:
    start = bounds[0]
    return Pass(
        start,
        _between(frames, start, last),
        _prompted(keys, start),
        frozenset(),
        tuple(bounds[1:]),
    )
