"""Keys of tracked masks: a chain over everything that can reach a frame.

The chain follows the passes that `passes` plans: a pass begins with the masks of its
keyframe, those it is conditioned by and those carried into it, and each of its frames adds its
picture and the masks given on it. So in memory mode `segment` a key knows nothing of what lies
beyond the neighbouring keyframes, and in mode `shot` it knows all of them.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence

from airoto_server.sessions.cache_keys import digest
from airoto_server.sessions.passes import Pass, backward_passes, forward_passes, neighbours
from airoto_server.sessions.tracking import TrackSettings


class TrackKeys:
    """Keys of the tracked masks of one group. For any number of threads.

    Args:
        tracker: the engine, as results depend on it; None where only keyframes are wanted.
        frames: frames that can be tracked over, ascending.
        keys: keyframes of each object, ascending.
        settings: how it is tracked.
        picture: key of a frame's picture.
        keyframe: key of the mask of an object on a keyframe.
    """

    def __init__(
        self,
        tracker: tuple[str, ...] | None,
        *,
        frames: Sequence[int],
        keys: Mapping[int, Sequence[int]],
        settings: TrackSettings,
        picture: Callable[[int], str],
        keyframe: Callable[[int, int], str],
    ) -> None:
        self._keys = keys
        self._picture = picture
        self._keyframe = keyframe
        self._lock = threading.Lock()
        self._known: dict[int, str] = {}
        whole = settings.whole_shot
        head = ("pass", tracker, settings.seed, whole, tuple(sorted(keys)))
        tracked = tracker is not None
        forward = forward_passes(frames, keys, frames, whole_shot=whole)
        backward = backward_passes(frames, keys, frames, whole_shot=whole)
        self._forward = self._chain(head, forward if tracked and settings.forward else [])
        self._backward = self._chain(head, backward if tracked and settings.backward else [])

    def of(self, frame: int) -> str:
        """The key of a frame's tracked masks, of all objects together."""
        with self._lock:
            if frame not in self._known:
                self._known[frame] = self._of(frame)
            return self._known[frame]

    def _of(self, frame: int) -> str:
        parts: list[object] = []
        ahead = back = False
        for name, own in sorted(self._keys.items()):
            around = neighbours(own, frame)
            if around.is_key:
                parts.append((name, self._keyframe(name, frame)))
                continue
            parts.append((name, around.weight(frame), around.before, around.after))
            ahead = ahead or around.before is not None
            back = back or around.after is not None
        return digest(
            "track",
            frame,
            tuple(parts),
            self._forward.at(frame) if ahead else None,
            self._backward.at(frame) if back else None,
        )

    def _chain(self, head: tuple[object, ...], passes: list[Pass]) -> _Chain:
        return _Chain(head, passes, self._seen)

    def _seen(self, frame: int) -> tuple[object, ...]:
        """A frame as a pass sees it: its picture and the masks given on it."""
        given = tuple(
            (name, self._keyframe(name, frame))
            for name, own in sorted(self._keys.items())
            if neighbours(own, frame).is_key
        )
        return (frame, self._picture(frame), given)


class _Chain:
    """The keys of all frames of the passes in one direction, made as they are asked for."""

    def __init__(
        self,
        head: tuple[object, ...],
        passes: list[Pass],
        seen: Callable[[int], tuple[object, ...]],
    ) -> None:
        self._head = head
        self._passes = passes
        self._seen = seen
        self._sign = -1 if passes and passes[0].frames[0] < passes[0].start else 1
        self._starts = [self._sign * one.start for one in passes]
        self._rolling = [self._roll(index) for index in range(len(passes))]
        self._made: dict[int, str] = {}

    def at(self, frame: int) -> str | None:
        """The key of a frame's answer; None where no pass goes there."""
        if frame in self._made:
            return self._made[frame]
        index = self._covering(frame)
        if index is None:
            return None
        # What is carried from pass to pass is made first, in their order.
        first = index
        while first > 0 and self._passes[first].carried:
            first -= 1
        for earlier in range(first, index):
            for at, key in self._rolling[earlier]:
                self._made[at] = key
        for at, key in self._rolling[index]:
            self._made[at] = key
            if at == frame:
                break
        return self._made[frame]

    def _roll(self, index: int) -> Iterator[tuple[int, str]]:
        one = self._passes[index]
        carried = (tuple(sorted(one.carried)), self._made.get(one.start)) if one.carried else None
        behind = tuple((tuple(sorted(names)), self._seen(frame)) for frame, names in one.behind)
        ahead = tuple(self._seen(frame) for frame in one.ahead)
        given = tuple(sorted(one.given))
        key = digest(*self._head, carried, behind, ahead, self._seen(one.start), given)
        for frame in one.frames:
            key = digest(key, self._seen(frame))
            yield frame, key

    def _covering(self, frame: int) -> int | None:
        """The pass that a frame is in; passes do not overlap and are in their order."""
        sign = self._sign
        index = bisect_left(self._starts, sign * frame) - 1
        if index < 0 or sign * frame > sign * self._passes[index].frames[-1]:
            return None
        return index
