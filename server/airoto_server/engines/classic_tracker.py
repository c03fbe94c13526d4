"""Tracking with optical flow, colour models and GrabCut; no weights.

Each frame: dense flow carries the masks along, colour models learnt from keyframes and from
confident frames correct them, GrabCut finds the boundary at half the picture's size. An
object that no longer looks like itself is lost: its mask is empty until its colours turn up
again around the place where it was last seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from airoto_server.engines.classic import grabcut
from airoto_server.engines.classic.checks import check_picture, check_plane
from airoto_server.engines.classic.colour_model import Bins, ColourModel, lab_bins
from airoto_server.engines.classic.flow import Motion, measure_motion, warp
from airoto_server.engines.classic.redetection import find_again, window_score
from airoto_server.engines.classic.resizing import enlarge_mask, shrink, small_shape
from airoto_server.engines.classic.shapes import keep_connected, share_pixels, signed_distance
from airoto_server.engines.registry import EngineSpec, LoadOptions, Role
from airoto_server.engines.roles import EngineFacts, Mask, Picture, Tracked
from airoto_server.engines.track_inputs import TrackInputs
from airoto_server.ops.flow import grey_of
from airoto_server.ops.parallel import limit_libraries, ordered_map
from airoto_server.ops.seeds import seed_for

Plane = npt.NDArray[np.float32]

# The cut runs on a picture whose long side has at most this many pixels.
_CUT_SIDE = 428
# Weight of colours beside the carried mask, in log-odds.
_COLOUR_WEIGHT = 0.7
# Log-odds per pixel of distance from the carried mask's boundary, and its limits.
_PRIOR_SLOPE, _PRIOR_RANGE = 0.5, (-4.5, 3.0)
# What is left of the carried mask's say where the flow cannot be trusted.
_LEAST_TRUST = 0.25
# Log-odds beyond which a pixel is settled before the cut.
_SETTLED = 1.0
# What is left per frame of a remembered area that is not seen again.
_AREA_DECAY = 0.9
# An object with less of its keyframe's area, or with colours that fit less, is lost.
_LOST_AREA, _LOST_FIT = 0.02, 0.45


@dataclass(frozen=True)
class _Frame:
    """A frame in the forms that tracking needs; all but `grey` at the size of the cut."""

    grey: npt.NDArray[np.uint8]
    small: npt.NDArray[np.uint8]
    bins: Bins

    @classmethod
    def of(cls, picture: Picture) -> _Frame:
        small = shrink(picture, small_shape(picture.shape, _CUT_SIDE))
        rounded = np.clip(small * 255 + 0.5, 0, 255).astype(np.uint8)
        return cls(grey_of(picture), rounded, lab_bins(small))

    def shrink(self, plane: Plane) -> Plane:
        return shrink(plane, self.bins.shape)


@dataclass
class _Object:
    """What is remembered of one object; areas and places in pixels of the cut."""

    colours: ColourModel = field(default_factory=ColourModel)
    mask: Mask | None = None
    keyframe_area: float = 0.0
    keyframe_fit: float = 1.0
    keyframe_score: float = 0.0
    area: float = 0.0
    centre: tuple[float, float] = (0.0, 0.0)
    frames_lost: int = 0


class GrabCutRun:
    """One pass; see `TrackRun`. Holds one frame, and one mask and one model per object."""

    def __init__(self, object_ids: Sequence[int], *, seed: int) -> None:
        self._inputs = TrackInputs(object_ids)
        self._objects = {number: _Object() for number in object_ids}
        self._seed = seed
        self._grey: npt.NDArray[np.uint8] | None = None

    def condition(self, frame: int, picture: Picture, masks: Mapping[int, Mask]) -> None:
        """Learn the colours of a keyframe that lies elsewhere."""
        self._inputs.check(frame, picture, masks)
        self._check(picture, masks)
        prepared = _Frame.of(picture)
        for number, mask in masks.items():
            _learn_keyframe(self._objects[number], prepared, mask)

    def step(
        self, frame: int, picture: Picture, masks: Mapping[int, Mask] | None = None
    ) -> dict[int, Tracked]:
        """Masks of every object begun, on the next frame; see `TrackRun.step`."""
        given = dict(masks or {})
        self._inputs.step(frame, picture, given)
        self._check(picture, given)
        prepared = _Frame.of(picture)
        followed = [
            number
            for number, known in self._objects.items()
            if known.mask is not None and number not in given
        ]
        answers: dict[int, Tracked] = {}
        if followed and self._grey is not None:
            motion = measure_motion(self._grey, prepared.grey)
            found = ordered_map(
                lambda number: _follow(
                    self._objects[number],
                    prepared,
                    motion,
                    seed=seed_for(self._seed, "track", frame, number),
                ),
                followed,
                0,
            )
            answers = dict(zip(followed, found, strict=True))
        for number, mask in given.items():
            _learn_keyframe(self._objects[number], prepared, mask)
            _remember_place(self._objects[number], prepared.shrink(mask) > 0.5)
            self._objects[number].frames_lost = 0
        shared = share_pixels({number: answers[number].mask for number in answers}, given)
        result = {number: Tracked(mask.copy(), 1.0) for number, mask in given.items()}
        for number, mask in shared.items():
            result[number] = Tracked(mask, answers[number].confidence)
        for number, tracked in result.items():
            self._objects[number].mask = tracked.mask.copy()
        self._grey = prepared.grey
        return {number: result[number] for number in self._objects if number in result}

    def memory_bytes(self) -> int:
        """Memory this pass holds now, in bytes."""
        frame = 0 if self._grey is None else self._grey.nbytes
        return frame + sum(
            known.colours.memory_bytes() + (0 if known.mask is None else known.mask.nbytes)
            for known in self._objects.values()
        )

    def close(self) -> None:
        """Let go of everything."""
        self._objects.clear()
        self._grey = None

    def _check(self, picture: Picture, masks: Mapping[int, Mask]) -> None:
        check_picture(picture)
        for mask in masks.values():
            check_plane("mask", mask, picture.shape[:2])


class GrabCutTracker:
    """The tracker role on the CPU: DIS flow, colour models, GrabCut."""

    facts = EngineFacts(
        name="classic-grabcut",
        version="1",
        description="optical flow, colour models and GrabCut on the CPU; no weights",
        licence="Apache-2.0",
        working_size=854,
    )

    def device(self) -> str:
        """Always `cpu`."""
        return "cpu"

    def precision(self) -> str:
        """Always `float32`."""
        return "float32"

    def begin(self, object_ids: Sequence[int], *, seed: int) -> GrabCutRun:
        """A new pass for these objects."""
        return GrabCutRun(object_ids, seed=seed)


def _follow(known: _Object, frame: _Frame, motion: Motion, *, seed: int) -> Tracked:
    """Where the object is now; updates what is known of it, except its mask."""
    assert known.mask is not None
    log_ratio = known.colours.smooth_log_ratio(frame.bins, 1.0)
    if known.frames_lost:
        anchor = find_again(
            log_ratio,
            area=known.area,
            own_score=known.keyframe_score,
            centre=known.centre,
            frames_lost=known.frames_lost,
        )
        trust = np.ones(frame.bins.shape, np.float32)
    else:
        anchor = frame.shrink(warp(known.mask, motion.to_previous)) > 0.5
        trust = frame.shrink(motion.trust)
    if anchor is None or not anchor.any():
        return _lost(known)

    distance = signed_distance(anchor)
    say = _LEAST_TRUST + (1 - _LEAST_TRUST) * trust
    evidence = say * np.clip(_PRIOR_SLOPE * distance, *_PRIOR_RANGE) + _COLOUR_WEIGHT * log_ratio
    cut = grabcut.refine(frame.small, _labels(evidence, distance), iterations=1, seed=seed)
    cut = keep_connected(cut, anchor, 0.1)
    area = float(cut.sum())
    fit = _fit(log_ratio, cut) / known.keyframe_fit
    if area < max(4.0, _LOST_AREA * known.keyframe_area) or fit < _LOST_FIT:
        return _lost(known)

    steadiness = min(area, known.area) / max(area, known.area, 1.0)
    trusted = float(trust[cut].mean())
    known.frames_lost = 0
    _remember_place(known, cut)
    _learn(known, frame, cut, certain=np.abs(evidence) > _SETTLED, keyframe=False)
    full = enlarge_mask(cut, known.mask.shape, 1.0)
    confidence = min(1.0, fit) * (0.5 + 0.5 * trusted) * float(np.sqrt(steadiness))
    return Tracked(full, confidence)


def _lost(known: _Object) -> Tracked:
    assert known.mask is not None
    known.frames_lost += 1
    return Tracked(np.zeros_like(known.mask), 0.0)


def _labels(evidence: Plane, distance: Plane) -> grabcut.Labels:
    """What the cut may still decide: the undecided pixels within reach of the carried mask."""
    reach = 12.0 + 0.1 * np.sqrt(np.count_nonzero(distance > 0))
    labels = np.full(evidence.shape, grabcut.MAYBE_BACKGROUND, np.uint8)
    labels[evidence > 0] = grabcut.MAYBE_FOREGROUND
    labels[evidence > _SETTLED] = grabcut.FOREGROUND
    labels[(evidence < -_SETTLED) | (distance < -reach)] = grabcut.BACKGROUND
    return labels


def _fit(log_ratio: Plane, inside: npt.NDArray[np.bool_]) -> float:
    """How well the colours inside a mask suit the object, 0 to 1."""
    if not inside.any():
        return 0.0
    return float((1 / (1 + np.exp(-log_ratio[inside]))).mean())


def _learn_keyframe(known: _Object, frame: _Frame, mask: Mask) -> None:
    inside = frame.shrink(mask) > 0.5
    everywhere = np.ones(inside.shape, np.bool_)
    _learn(known, frame, inside, certain=everywhere, keyframe=True)
    if not inside.any():
        return
    log_ratio = known.colours.log_ratio(frame.bins)
    known.keyframe_area = max(known.keyframe_area, float(inside.sum()))
    known.keyframe_fit = max(0.1, _fit(log_ratio, inside))
    known.keyframe_score = float(window_score(log_ratio, float(inside.sum()))[inside].max())


def _learn(
    known: _Object,
    frame: _Frame,
    inside: npt.NDArray[np.bool_],
    *,
    certain: npt.NDArray[np.bool_],
    keyframe: bool,
) -> None:
    """Teach the colours of a mask: not its very boundary, and surroundings more than afar."""
    distance = signed_distance(inside)
    core = distance > 1
    if core.sum() < 16:
        core = inside
    reach = max(10.0, 0.7 * float(np.sqrt(inside.sum())))
    beside = np.where(distance > -reach, 1.0, 0.15) * (distance < -2)
    known.colours.learn(
        frame.bins,
        (core & certain).astype(np.float32),
        (beside * certain).astype(np.float32),
        keyframe=keyframe,
    )


def _remember_place(known: _Object, inside: npt.NDArray[np.bool_]) -> None:
    rows, columns = np.nonzero(inside)
    if rows.size:
        # Slowly down, so that what vanishes behind something is looked for at its full size.
        known.area = max(float(rows.size), _AREA_DECAY * known.area)
        known.centre = (float(columns.mean()), float(rows.mean()))


def _load(options: LoadOptions) -> GrabCutTracker:
    limit_libraries()
    return GrabCutTracker()


SPECS = (EngineSpec(Role.TRACKER, GrabCutTracker.facts, _load, rank=0),)
