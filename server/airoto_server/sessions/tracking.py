"""Keyframe masks of a group of objects to masks on every frame."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from typing import Protocol

from airoto_server.engines.roles import Mask, Picture, Tracked, Tracker
from airoto_server.sessions.blending import blended, competing
from airoto_server.sessions.masks import MaskStore, quantised
from airoto_server.sessions.passes import (
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
            len(one.behind) + len(one.ahead) + 1 + len(one.frames)
            for one in [*self._forward, *self._backward]
        )

    @property
    def keyframes_needed(self) -> list[int]:
        """Keyframes that have to be in the store before `results`."""
        bounds = {key for own in self._keys.values() for key in own}
        seen = set(self._wanted)
        for one in [*self._forward, *self._backward]:
            seen.update((one.start, *one.frames, *one.ahead, *(key for key, _ in one.behind)))
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
        """The spilled backward answer, after running the passes it depends on."""
        while (one := self._covering(frame)) is not None:
            # A pass that is carried into this one goes first, and so on to the right.
            while one.carried and (source := self._covering(one.start)) is not None:
                one = source
            self._not_run.remove(one)
            carried = self._spill.get(one.start) if one.carried else {}
            with closing(self._run(one, carried)) as answers:
                for at, (answer, _) in answers:
                    self._spill.put(at, answer)
                    if at == frame:  # those to the left are wanted no more
                        break
        return self._spill.get(frame)

    def _covering(self, frame: int) -> Pass | None:
        """The backward pass that goes to a frame and was not run yet."""
        return next((one for one in self._not_run if one.frames[-1] <= frame < one.start), None)

    def _run_forward(self) -> Generator[_Reached, int, None]:
        """Send it frames, ascending: the forward answer of each. It begins with an empty one."""
        frame = yield {}, None
        arrived: dict[int, Tracked] = {}
        for index, one in enumerate(self._forward):
            if not self._leads_to(index, frame):
                continue
            with closing(self._run(one, arrived)) as answers:
                for at, reached in answers:
                    arrived = reached[0]
                    if at == frame:
                        frame = yield reached
                        if not self._leads_to(index, frame):
                            break

    def _leads_to(self, index: int, frame: int) -> bool:
        """Whether a forward pass goes to a frame, itself or by what later ones carry on."""
        for later, one in enumerate(self._forward[index:]):
            if later and not one.carried:
                return False
            if one.start < frame <= one.frames[-1]:
                return True
        return False

    def _run(
        self, one: Pass, arrived: Mapping[int, Tracked]
    ) -> Generator[tuple[int, _Reached], None, None]:
        masks = {name: arrived[name].mask for name in one.carried if name in arrived}
        masks |= {name: self.keyframes.get(one.start)[name].mask for name in one.given}
        in_play = sorted(self._keys if self._settings.whole_shot else one.objects)
        conditions = [*one.behind, *((key, frozenset(in_play)) for key in one.ahead)]
        route = [*(key for key, _ in conditions), one.start, *one.frames]
        assert self._tracker is not None
        with (
            closing(self._tracker.begin(in_play, seed=self._settings.seed)) as run,
            closing(self._pictures(route)) as pictures,
        ):
            for key, names in conditions:
                _, picture = next(pictures)
                known = {n: m for n, m in self._given(key).items() if n in names}
                with self._turn():
                    if known:
                        run.condition(key, picture, known)
            _, picture = next(pictures)
            with self._turn():
                run.step(one.start, picture, masks)
            for frame, picture in pictures:
                given = self._given(frame)
                known = {n: m for n, m in given.items() if n in in_play}
                with self._turn():
                    answer = run.step(frame, picture, known or None)
                answer = {
                    name: Tracked(
                        quantised(tracked.mask), float(tracked.confidence), tracked.evidence
                    )
                    for name, tracked in answer.items()
                }
                yield frame, (answer, picture)

    def _given(self, frame: int) -> dict[int, Mask]:
        if not any(neighbours(own, frame).is_key for own in self._keys.values()):
            return {}
        return {name: tracked.mask for name, tracked in self.keyframes.get(frame).items()}
