"""Which way a tracker goes over a shot: planning alone, no pixels.

Objects of one group are tracked together, but each has its own keyframes. A pass begins on
a keyframe on which every object there is so far is prompted, and runs to the next such one. On
the way it comes to keyframes of some of its objects: these begin afresh there, the others go
on as they are. Backward passes are forward passes over negated frame numbers.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

Keys = Mapping[int, Sequence[int]]


@dataclass(frozen=True)
class Keyframe:
    """A keyframe that a pass comes to.

    Attributes:
        frame: where it is.
        afresh: objects that are given there and of which nothing is to be known from before.
        ahead: other keyframes that condition the pass from here on, in its order, each with the
            objects that are learnt from it.
    """

    frame: int
    afresh: frozenset[int] = frozenset()
    ahead: tuple[tuple[int, frozenset[int]], ...] = ()


@dataclass(frozen=True)
class Pass:
    """One run of a tracker.

    Attributes:
        keyframes: those it comes to, in its order; it begins on the first.
        frames: the frames it goes through after that, in its order.
    """

    keyframes: tuple[Keyframe, ...]
    frames: tuple[int, ...]

    @property
    def start(self) -> int:
        """The keyframe it begins on."""
        return self.keyframes[0].frame


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
    starts = [key for key in bounds if not _going_on(keys, key)]
    passes: list[Pass] = []
    for start, end in zip(starts, [*starts[1:], None], strict=True):
        # No frame that is needed is a start itself: on it every object is given or not there yet.
        inside = [frame for frame in needed if start < frame and (end is None or frame < end)]
        if inside:
            passes.append(_segment_pass(frames, keys, bounds, start, max(inside)))
    return passes


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
            tuple(
                Keyframe(-key.frame, key.afresh, tuple((-at, names) for at, names in key.ahead))
                for key in one.keyframes
            ),
            tuple(-frame for frame in one.frames),
        )
        for one in mirrored
    ]


def _mirror(frames: Sequence[int]) -> list[int]:
    return [-frame for frame in reversed(frames)]


def _between(frames: Sequence[int], start: int, last: int) -> tuple[int, ...]:
    return tuple(frames[bisect_right(frames, start) : bisect_right(frames, last)])


def _prompted(keys: Keys, frame: int) -> frozenset[int]:
    return frozenset(name for name, own in keys.items() if neighbours(own, frame).is_key)


def _going_on(keys: Keys, frame: int) -> frozenset[int]:
    """Objects that began before a frame and have no prompt on it."""
    begun = frozenset(name for name, own in keys.items() if own and own[0] < frame)
    return begun - _prompted(keys, frame)


def _segment_pass(
    frames: Sequence[int], keys: Keys, bounds: Sequence[int], start: int, last: int
) -> Pass:
    begun: frozenset[int] = frozenset()
    met: list[Keyframe] = []
    for frame in bounds[bisect_left(bounds, start) : bisect_right(bounds, last)]:
        given = _prompted(keys, frame)
        # Each object knows two keyframes: its last, and its next.
        following = {
            name: own for name in given if (own := _next_key(keys[name], frame)) is not None
        }
        ahead = tuple(
            (key, frozenset(name for name, own in following.items() if own == key))
            for key in sorted(set(following.values()))
        )
        met.append(Keyframe(frame, given & begun, ahead))
        begun |= given
    return Pass(tuple(met), _between(frames, start, last))


def _next_key(own: Sequence[int], frame: int) -> int | None:
    after = bisect_right(own, frame)
    return own[after] if after < len(own) else None


def _shot_pass(frames: Sequence[int], keys: Keys, bounds: Sequence[int], last: int) -> Pass:
    ahead = tuple((key, _prompted(keys, key)) for key in bounds[1:])
    met = [Keyframe(bounds[0], ahead=ahead), *(Keyframe(key) for key in bounds[1:] if key <= last)]
    return Pass(tuple(met), _between(frames, bounds[0], last))
