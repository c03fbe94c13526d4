"""Trackers against annotated clips: J&F, confidence, time, simulated corrections."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from airoto.errors import EngineUnavailableError
from airoto_server.app.bench.clips import Bool, Clip, at_working_size, mask_at
from airoto_server.engines.registry import Edges
from airoto_server.engines.roles import Mask, Picture, Tracked, Tracker, TrackRun
from airoto_server.ops.stages import clocked, stage
from airoto_server.sessions.masks import MaskStore
from airoto_server.sessions.tracking import GroupTracking, TrackSettings

_HALF = 0.5


@dataclass(frozen=True)
class Protocol:
    """How clips are tracked.

    Attributes:
        whole_shot: memory mode `shot` instead of `segment`.
        corrections: how often the true mask of the worst frame becomes a keyframe.
        seed: of everything random.
    """

    whole_shot: bool = False
    corrections: int = 0
    seed: int = 0


@dataclass(frozen=True)
class FrameScore:
    """One object on one frame: J and F, 0 to 1, and the tracker's confidence."""

    frame: int
    number: int
    j: float
    f: float
    confidence: float


@dataclass(frozen=True)
class ClipScore:
    """A tracker on a clip.

    Attributes:
        scores: of frames that count.
        keyframes: of each object.
        steps: frames gone through, both ways.
        stages: seconds by stage; reading pictures is none.
        worst: frame with the lowest J and F, its mask and the truth, union of objects.
    """

    clip: Clip
    scores: tuple[FrameScore, ...]
    keyframes: Mapping[int, Sequence[int]]
    steps: int
    stages: Mapping[str, float]
    worst: tuple[int, Bool, Bool]

    def jf_of(self, number: int) -> float:
        """J&F of an object, percent."""
        return 50 * float(np.mean([s.j + s.f for s in self.scores if s.number == number]))

    @property
    def objects(self) -> list[int]:
        """Objects with a frame that counts."""
        return sorted({score.number for score in self.scores})

    @property
    def jf(self) -> float:
        """J&F in percent, the mean of its objects."""
        return float(np.mean([self.jf_of(number) for number in self.objects]))

    @property
    def seconds_per_frame(self) -> float:
        """Of the tracker alone."""
        return sum(self.stages.values()) / max(1, self.steps)


def follow(
    tracker: Tracker, clip: Clip, protocol: Protocol, edges: Edges | None = None
) -> ClipScore:
    """Track a clip from the first mask of each object, as a job would, and judge it.

    A correction adds, for the object that is worst on its worst frame, the true mask there;
    then everything is tracked again, both ways.

    Args:
        edges: decides the boundary of masks again on the clip's own pixels; see `EngineSpec`.

    Raises:
        EngineUnavailableError: vos-benchmark is not installed.
    """
    evaluator = _evaluator()
    keys = {number: [first] for number, first in clip.objects.items()}
    score = _track(tracker, clip, keys, protocol, evaluator, edges)
    for _ in range(protocol.corrections):
        worst = min(score.scores, key=lambda one: one.j + one.f)
        keys[worst.number] = sorted({*keys[worst.number], worst.frame})
        score = _track(tracker, clip, keys, protocol, evaluator, edges)
    return score


def judge(
    masks: Iterable[Bool], truths: Iterable[Bool], evaluator: Any
) -> tuple[list[float], list[float]]:
    """J and F of each frame, 0 to 1, by vos-benchmark (its class `Evaluator`)."""
    judged = evaluator()
    # Known from the start, so that frames before it is seen are counted as well.
    judged.objects_in_gt.add(1)
    for mask, truth in zip(masks, truths, strict=True):
        judged.feed_frame(mask.astype(np.uint8), truth.astype(np.uint8))
    return [float(j) for j in judged.object_iou[1]], [float(f) for f in judged.boundary_f[1]]


def _evaluator() -> Any:
    try:
        from vos_benchmark.evaluator import Evaluator
    except ImportError as exc:
        raise EngineUnavailableError(
            "J&F is measured by vos-benchmark, which is not installed here",
            hint="install it with: pip install 'airoto[bench]'",
        ) from exc
    return Evaluator


class _Watched:
    """A tracker whose passes are timed and counted."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self.facts = tracker.facts
        self.steps = 0

    def device(self) -> str:
        return self._tracker.device()

    def precision(self) -> str:
        return self._tracker.precision()

    def begin(self, object_ids: Sequence[int], *, seed: int) -> TrackRun:
        with stage("begin"):
            return _WatchedRun(self, self._tracker.begin(object_ids, seed=seed))


class _WatchedRun:
    def __init__(self, watched: _Watched, run: TrackRun) -> None:
        self._watched, self._run = watched, run

    def condition(self, frame: int, picture: Picture, masks: Mapping[int, Mask]) -> None:
        with stage("condition"):
            self._run.condition(frame, picture, masks)

    def step(
        self, frame: int, picture: Picture, masks: Mapping[int, Mask] | None = None
    ) -> dict[int, Tracked]:
        self._watched.steps += 1
        with stage("step"):
            return self._run.step(frame, picture, masks)

    def memory_bytes(self) -> int:
        return self._run.memory_bytes()

    def close(self) -> None:
        self._run.close()


def _track(
    tracker: Tracker,
    clip: Clip,
    keys: Mapping[int, Sequence[int]],
    protocol: Protocol,
    evaluator: Any,
    edges: Edges | None,
) -> ClipScore:
    side = tracker.facts.working_size
    full = clip.picture(0).shape[:2]
    shape = at_working_size(clip.picture(0), side).shape[:2]

    def pictures(frames: Sequence[int]) -> Generator[tuple[int, Picture], None, None]:
        for frame in frames:
            yield frame, at_working_size(clip.picture(frame), side)

    watched = _Watched(tracker)
    with tempfile.TemporaryDirectory(prefix="airoto-bench-") as folder, clocked() as clock:
        drawn = MaskStore(Path(folder) / "drawn")
        for frame in sorted({key for own in keys.values() for key in own}):
            drawn.put(
                frame,
                {
                    number: Tracked(
                        mask_at(clip.truth(frame, number).astype(np.float32), shape), 1.0
                    )
                    for number, own in keys.items()
                    if frame in own
                },
            )
        tracking = GroupTracking(
            watched,
            frames=range(len(clip.pictures)),
            keyframes=drawn,
            keys=keys,
            pictures=pictures,
            turn=nullcontext,
            spill=MaskStore(Path(folder) / "spill"),
            settings=TrackSettings(
                forward=True,
                backward=any(len(own) > 1 for own in keys.values()),
                whole_shot=protocol.whole_shot,
                seed=protocol.seed,
            ),
            shape=shape,
            wanted=sorted(clip.masks),
        )
        found: dict[int, dict[int, tuple[Bool, float]]] = {number: {} for number in keys}
        for frame, answer in tracking.results():
            for number, tracked in answer.items():
                mask = mask_at(tracked.mask, full)
                if edges is not None and frame not in keys[number]:
                    picture = clip.picture(frame)
                    seen = at_working_size(picture, side)
                    with stage("refine"):
                        model = edges(seen, tracked.mask)
                        mask = mask if model is None else model.over_whole(mask, picture)
                found[number][frame] = (mask > _HALF, tracked.confidence)
    return _judged(clip, keys, watched.steps, clock.seconds, found, evaluator)


def _judged(
    clip: Clip,
    keys: Mapping[int, Sequence[int]],
    steps: int,
    seconds: Mapping[str, float],
    found: Mapping[int, Mapping[int, tuple[Bool, float]]],
    evaluator: Any,
) -> ClipScore:
    scores: list[FrameScore] = []
    for number, answers in found.items():
        frames = clip.judged(number)
        masks = (answers[frame][0] for frame in frames)
        j, f = judge(masks, (clip.truth(frame, number) for frame in frames), evaluator)
        scores += [
            FrameScore(frame, number, j[at], f[at], answers[frame][1])
            for at, frame in enumerate(frames)
        ]
    worst = min(scores, key=lambda one: one.j + one.f)
    shown = (
        worst.frame,
        found[worst.number][worst.frame][0],
        clip.truth(worst.frame, worst.number),
    )
    return ClipScore(clip, tuple(scores), keys, steps, dict(seconds), shown)
