"""Keyframe masks of a group of objects to masks on every frame."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from typing import Protocol

from airoto_server.engines.roles import Mask, Picture, Tracked, Tracker, TrackRun
from airoto_server.sessions.blending import blended, competing
from airoto_server.sessions.masks import MaskStore, quantised
from airoto_server.sessions.passes import (
    Keyframe,
    Pass,
    backward_passes,
    forward_passes,
    neighbours,
)

# What a pass answers on a frame, and its picture.
_Reached = tuple[dict[int, Tracked], Picture | None]


@dataclass(frozen=True)
class TrackSettings:
    """How to track.

    Attributes:
        forward, backward: which ways; both are blended between keyframes.
        whole_shot: the memory mode `shot` (every keyframe conditions every frame).
        seed: of the group.
    """

    forward: bool
    backward: bool
    whole_shot: bool
    seed: int


class TrackMemory(Protocol):
    """Where answers are kept from job to job."""

    def get(self, frame: int) -> dict[int, Tracked] | None:
        """The answer for a frame, rounded as `masks.quantised` does, if it is there."""
        ...

    def put(self, frame: int, answer: Mapping[int, Tracked]) -> None:
        """Keep the answer for a frame."""
        ...


class GroupTracking:
    """Tracks the objects of one group.

    A frame whose answer is kept is not tracked, unless others are reached only through it.

    Args:
        tracker: None where only keyframes are wanted.
        frames: frames that can be tracked over, ascending.
        keyframes: the masks that were prompted, by frame, then object.
        keys: keyframes of each object, ascending.
        pictures: (frame, picture) for frames in the order asked, decoded ahead.
        turn: takes the device for one step or one look at a keyframe.
        spill: where backward answers wait for the forward ones.
        shape: height and width of the pictures.
        wanted: the frames to answer.
        memory: answers of earlier jobs; None: there are none.
    """

    def __init__(
        self,
        tracker: Tracker | None,
        *,
        frames: Sequence[int],
        keyframes: MaskStore,
        keys: Mapping[int, Sequence[int]],
        pictures: Callable[[Sequence[int]], Generator[tuple[int, Picture], None, None]],
        turn: Callable[[], AbstractContextManager[object]],
        spill: MaskStore,
        settings: TrackSettings,
        shape: tuple[int, int],
        wanted: Collection[int],
        memory: TrackMemory | None = None,
    ) -> None:
        self._tracker = tracker
        self.keyframes = keyframes
        self._keys = keys
        self._pictures = pictures
        self._turn = turn
        self._spill = spill
        self._settings = settings
        self._shape = shape
        whole = settings.whole_shot
        self._forward = (
            forward_passes(frames, keys, wanted, whole_shot=whole) if settings.forward else []
        )
        self._backward = (
            backward_passes(frames, keys, wanted, whole_shot=whole) if settings.backward else []
        )
        self._wanted = sorted(wanted)
        self._memory = memory
        self._not_run = list(self._backward)

    @property
    def object_ids(self) -> frozenset[int]:
        """The group's objects."""
        return frozenset(self._keys)

    @property
    def steps(self) -> int:
        """Turns that `results` will take."""
        return sum(
            bool(key.afresh) + len(key.ahead)
            for one in [*self._forward, *self._backward]
            for key in one.keyframes
        ) + sum(1 + len(one.frames) for one in [*self._forward, *self._backward])

    @property
    def keyframes_needed(self) -> list[int]:
        """Keyframes that have to be in the store before `results`."""
        bounds = {key for own in self._keys.values() for key in own}
        seen = set(self._wanted)
        for one in [*self._forward, *self._backward]:
            seen.update((one.start, *one.frames))
            seen.update(at for key in one.keyframes for at, _ in key.ahead)
        return sorted(bounds & seen)

    def results(self) -> Generator[tuple[int, dict[int, Tracked]], None, None]:
        """Every wanted frame, ascending, with every object; close it where it is left early."""
        with closing(self._run_forward()) as going:
            next(going)
            for frame in self._wanted:
                answer = None if self._memory is None else self._memory.get(frame)
                if answer is None:
                    answer = self._answer(frame, going.send)
                    if self._memory is not None:
                        self._memory.put(frame, answer)
                yield frame, answer

    def _answer(self, frame: int, forward: Callable[[int], _Reached]) -> dict[int, Tracked]:
        around = {name: neighbours(own, frame) for name, own in self._keys.items()}
        given = self.keyframes.get(frame) if any(n.is_key for n in around.values()) else {}
        tracked_names = [name for name, n in around.items() if not n.is_key]
        ahead: dict[int, Tracked] = {}
        picture: Picture | None = None
        back: dict[int, Tracked] = {}
        if any(around[name].after is not None for name in tracked_names) and self._backward:
            back = self._backward_answer(frame)
        if any(around[name].before is not None for name in tracked_names) and self._forward:
            ahead, picture = forward(frame)
        answer: dict[int, Tracked] = {}
        for name, n in around.items():
            if n.is_key:
                answer[name] = given[name]
            else:
                answer[name] = blended(
                    ahead.get(name) if n.before is not None else None,
                    back.get(name) if n.after is not None else None,
                    n.weight(frame),
                    self._shape,
                    picture,
                )
        return competing(answer)

    def _backward_answer(self, frame: int) -> dict[int, Tracked]:
        """The spilled backward answer, after running the pass it is in."""
        one = next((p for p in self._not_run if p.frames[-1] <= frame < p.start), None)
        if one is not None:
            self._not_run.remove(one)
            with closing(self._run(one)) as answers:
                for at, (answer, _) in answers:
                    self._spill.put(at, answer)
                    if at == frame:  # those to the left are wanted no more
                        break
        return self._spill.get(frame)

    def _run_forward(self) -> Generator[_Reached, int, None]:
        """Send it frames, ascending: the forward answer of each. It begins with an empty one."""
        frame = yield {}, None
        for one in self._forward:
            if not one.start < frame <= one.frames[-1]:
                continue
            with closing(self._run(one)) as answers:
                for at, reached in answers:
                    if at == frame:
                        frame = yield reached
                        if frame > one.frames[-1]:
                            break

    def _run(self, one: Pass) -> Generator[tuple[int, _Reached], None, None]:
        met = {key.frame: key for key in one.keyframes}
        way = (one.start, *one.frames)
        route = [at for frame in way for at in (*_ahead(met.get(frame)), frame)]
        assert self._tracker is not None
        with (
            closing(self._tracker.begin(sorted(self._keys), seed=self._settings.seed)) as run,
            closing(self._pictures(route)) as pictures,
        ):
            for frame in way:
                if frame in met:
                    self._condition(run, met[frame], pictures)
                _, picture = next(pictures)
                with self._turn():
                    answer = run.step(frame, picture, self._given(frame) or None)
                if frame == one.start:
                    continue
                answer = {
                    name: Tracked(
                        quantised(tracked.mask), float(tracked.confidence), tracked.evidence
                    )
                    for name, tracked in answer.items()
                }
                yield frame, (answer, picture)

    def _condition(
        self, run: TrackRun, key: Keyframe, pictures: Iterator[tuple[int, Picture]]
    ) -> None:
        """What a pass learns and lets go of before it steps on a keyframe."""
        if key.afresh:
            with self._turn():
                run.forget(key.afresh)
        for at, names in key.ahead:
            _, picture = next(pictures)
            given = self._given(at)
            with self._turn():
                run.condition(at, picture, {name: given[name] for name in sorted(names)})

    def _given(self, frame: int) -> dict[int, Mask]:
        if not any(neighbours(own, frame).is_key for own in self._keys.values()):
            return {}
        return {name: tracked.mask for name, tracked in self.keyframes.get(frame).items()}


def _ahead(key: Keyframe | None) -> list[int]:
    return [] if key is None else [at for at, _ in key.ahead]
