"""One pass of the classic tracker over frames."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from airoto_server.engines.classic import track_camera, track_cut, track_motion
from airoto_server.engines.classic.checks import check_picture, check_plane
from airoto_server.engines.classic.resizing import enlarge_mask, shrink
from airoto_server.engines.classic.shapes import keep_connected, share_pixels, signed_distance
from airoto_server.engines.classic.track_frame import Frame
from airoto_server.engines.classic.track_memory import BackgroundMemory
from airoto_server.engines.classic.track_object import Guess, TrackedObject
from airoto_server.engines.classic.track_settings import Settings
from airoto_server.engines.roles import Evidence, Mask, Picture, Tracked
from airoto_server.engines.track_inputs import TrackInputs
from airoto_server.ops.seeds import seed_for
from airoto_server.ops.stages import stage

Plane = npt.NDArray[np.float32]
Bool = npt.NDArray[np.bool_]

# Part of a piece of the answer that has to lie on the carried mask.
_OVERLAP = 0.1
# Log-odds that are told beside an answer go no further.
_MOST_SURE = 6.0
# Background is learnt from this far from any object.
_MARGIN = 3.0


class ClassicRun:
    """See `TrackRun`. Holds one frame, and a model of fixed size per object."""

    def __init__(self, object_ids: Sequence[int], *, settings: Settings, seed: int) -> None:
        self._settings = settings
        self._seed = seed
        self._inputs = TrackInputs(object_ids)
        self._objects = {number: TrackedObject(number, settings, seed) for number in object_ids}
        self._frame: Frame | None = None
        self._drift: npt.NDArray[np.float32] | None = None
        self._memory: BackgroundMemory | None = None

    def condition(self, frame: int, picture: Picture, masks: Mapping[int, Mask]) -> None:
        """Learn what objects look like from a keyframe that lies elsewhere."""
        self._check(picture, masks)
        self._inputs.check(frame, picture, masks)
        prepared = Frame.of(picture)
        for number, mask in masks.items():
            small = shrink(mask, prepared.shape)
            self._objects[number].learn_keyframe(prepared, small, frame)

    def step(
        self, frame: int, picture: Picture, masks: Mapping[int, Mask] | None = None
    ) -> dict[int, Tracked]:
        """Masks of every object begun, on the next frame; see `TrackRun.step`."""
        given = dict(masks or {})
        self._check(picture, given)
        self._inputs.step(frame, picture, given)
        with stage("features"):
            prepared = Frame.of(picture)
        followed = [
            known
            for number, known in self._objects.items()
            if known.mask is not None and number not in given
        ]
        answers: dict[int, Tracked] = {}
        if self._frame is not None:
            answers = self._follow(frame, prepared, self._frame, followed)
        for number, mask in given.items():
            known = self._objects[number]
            known.begin(prepared, shrink(mask, prepared.shape), frame)
        shared = share_pixels({number: answers[number].mask for number in answers}, given)
        for known in followed:
            known.mask = shrink(shared[known.number], prepared.shape)
            if answers[known.number].confidence:
                with stage("learn"):
                    known.learn_answer(prepared, known.mask, frame)
        with stage("background"):
            self._learn_background(prepared)
        self._frame = prepared
        result = {number: Tracked(mask.copy(), 1.0) for number, mask in given.items()}
        for number, mask in shared.items():
            result[number] = dataclasses.replace(answers[number], mask=mask)
        return {number: result[number] for number in self._objects if number in result}

    def memory_bytes(self) -> int:
        """Memory this pass holds now, in bytes."""
        held = 0 if self._frame is None else self._frame.memory_bytes()
        held += 0 if self._drift is None else self._drift.nbytes
        held += 0 if self._memory is None else self._memory.memory_bytes()
        return held + sum(known.memory_bytes() for known in self._objects.values())

    def close(self) -> None:
        """Let go of everything."""
        self._objects.clear()
        self._frame = self._drift = self._memory = None

    def _check(self, picture: Picture, masks: Mapping[int, Mask]) -> None:
        check_picture(picture)
        for mask in masks.values():
            check_plane("mask", mask, picture.shape[:2])

    def _follow(
        self, index: int, frame: Frame, before: Frame, followed: list[TrackedObject]
    ) -> dict[int, Tracked]:
        with stage("flow"):
            motion = track_motion.measure(before, frame)
        with stage("camera"):
            taken = track_motion.carry(self._taken(frame.shape), motion.to_previous) > 0.5
            camera = track_camera.measure(
                motion, ~taken, self._drift, seed=seed_for(self._seed, "camera", index)
            )
        self._drift = camera.drift
        unlike = None
        if self._memory is not None:
            with stage("background"):
                self._memory.follow(camera)
                unlike = self._memory.log_odds(frame.lab)
        with stage("evidence"):
            guesses = [
                known.guess(frame, motion, camera, unlike, taken & ~known.carried(motion))
                for known in followed
            ]
        costs = track_cut.edge_costs(frame.lab, track_cut.STRENGTH)
        answers = {}
        for known, guess in zip(followed, guesses, strict=True):
            rivals = [other.odds for other in guesses if other is not guess]
            answers[known.number] = self._answer(frame, known, guess, rivals, costs)
        return answers

    def _answer(
        self,
        frame: Frame,
        known: TrackedObject,
        guess: Guess,
        rivals: list[Plane],
        costs: Plane,
    ) -> Tracked:
        """Decide about one object whose pixels others (`rivals`, log-odds) want too."""
        odds = guess.odds
        if rivals:
            odds = odds - np.maximum(np.maximum.reduce(rivals), 0)
        inside = odds > 0
        region = guess.region
        if self._settings.cut and guess.carried.any():
            strength = self._settings.cut * track_cut.share_for(float(guess.carried.sum()))
            fitting = np.float32(strength) * costs[:, *region]
            with stage("cut"):
                soft = track_cut.solve(odds[region], fitting, track_cut.ITERATIONS)
            inside[region] = soft > 0.5
        inside = keep_connected(inside, guess.carried, _OVERLAP)
        confidence = known.judge(guess, inside)
        if not confidence:
            return Tracked(np.zeros(frame.grey.shape, np.float32), 0.0)
        height, width = frame.grey.shape
        mask = enlarge_mask(inside, (height, width), track_cut.BLUR)
        return Tracked(mask, confidence, told(guess.appearance))

    def _taken(self, shape: tuple[int, int]) -> Plane:
        """The union of all objects on the frame before, (h, w) float32."""
        taken = np.zeros(shape, np.float32)
        for known in self._objects.values():
            if known.mask is not None:
                np.maximum(taken, known.mask, out=taken)
        return taken

    def _learn_background(self, frame: Frame) -> None:
        if not self._settings.memory:
            return
        if self._memory is None:
            self._memory = BackgroundMemory(frame.shape)
        distance = signed_distance(self._taken(frame.shape) > 0.5)
        background = distance < -_MARGIN
        for known in self._objects.values():
            # What may be an object that was lost must not be learnt as what lies behind it.
            if known.frames_unsure and known.lookalike is not None:
                background &= ~known.lookalike
        self._memory.learn(frame.lab, background)


def told(odds: Plane) -> Evidence:
    """Log-odds (h, w) float32 as `Tracked.evidence` has them."""
    limited = np.clip(odds, -_MOST_SURE, _MOST_SURE)
    sixteenths: Evidence = np.rint(limited * np.float32(16)).astype(np.int8)
    return sixteenths
