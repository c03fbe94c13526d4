"""Instant, deterministic engines of all four roles.

They ship with the library and carry the tests and benchmarks of everything around the
models. They are never chosen unless asked for by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from airoto.errors import EngineError
from airoto.phrases import split_phrases
from airoto_server.engines.classic.checks import check_picture, check_plane
from airoto_server.engines.classic.prompts import box_pixels, check_prompts, point_pixels
from airoto_server.engines.registry import EngineSpec, LoadOptions, Role
from airoto_server.engines.roles import (
    Candidate,
    Detection,
    EngineFacts,
    Mask,
    MatteResult,
    Picture,
    Prompts,
    Tracked,
    Trimap,
)
from airoto_server.engines.track_inputs import TrackInputs

_FACTS = EngineFacts(
    name="null",
    version="1",
    description="instant answers by fixed rules, for tests and benchmarks",
    licence="Apache-2.0",
    concurrent=True,
)


class _OnCpu:
    """What all null engines say of themselves."""

    facts: ClassVar[EngineFacts] = _FACTS

    def device(self) -> str:
        """Always `cpu`."""
        return "cpu"

    def precision(self) -> str:
        """Always `float32`."""
        return "float32"


class NullDetector(_OnCpu):
    """Finds every phrase in the middle of the picture, with score 0.9."""

    def detect(
        self, picture: Picture, text: str, *, box_threshold: float, text_threshold: float
    ) -> list[Detection]:
        """The middle half of the picture for each phrase; none if a threshold is above 0.9."""
        check_picture(picture)
        phrases = split_phrases(text)
        if max(box_threshold, text_threshold) > 0.9:
            return []
        height, width = picture.shape[:2]
        box = (width / 4, height / 4, width * 3 / 4, height * 3 / 4)
        return [Detection(box, 0.9, phrase) for phrase in phrases]


@dataclass(frozen=True)
class NullEmbedding:
    """The (H, W) of a picture."""

    shape: tuple[int, int]


class NullSegmenter(_OnCpu):
    """Discs around positive points, boxes and masks as they are, at three sizes of disc."""

    def embed(self, picture: Picture, *, seed: int) -> NullEmbedding:
        """The size of the picture; nothing else counts."""
        check_picture(picture)
        return NullEmbedding((picture.shape[0], picture.shape[1]))

    def embedding_bytes(self, embedding: NullEmbedding) -> int:
        """Two numbers."""
        return 16

    def segment(self, embedding: NullEmbedding, prompts: Prompts, *, seed: int) -> list[Candidate]:
        """Three candidates with discs of a quarter, an eighth and half the short side."""
        check_prompts(prompts, embedding.shape)
        short = min(embedding.shape)
        return [
            Candidate(_drawn(embedding.shape, prompts, max(0.5, part * short)), score)
            for part, score in ((0.25, 0.9), (0.125, 0.8), (0.5, 0.7))
        ]


def _drawn(shape: tuple[int, int], prompts: Prompts, radius: float) -> Mask:
    mask = np.zeros(shape, np.float32)
    if prompts.mask is not None:
        mask[prompts.mask > 0.5] = 1
    if prompts.box is not None:
        box = box_pixels(prompts.box, shape)
        assert box is not None  # check_prompts has seen to it
        left, top, right, bottom = box
        mask[top:bottom, left:right] = 1
    positive = point_pixels(prompts, shape, wanted=True)
    for row, column in positive:
        _fill_disc(mask, row, column, radius, 1)
    for row, column in point_pixels(prompts, shape, wanted=False):
        _fill_disc(mask, row, column, radius / 4, 0)
    # A positive point beside a negative one keeps at least its own pixel.
    mask[positive[:, 0], positive[:, 1]] = 1
    return mask


def _fill_disc(mask: Mask, row: int, column: int, radius: float, value: float) -> None:
    reach = int(radius)
    top, left = max(0, row - reach), max(0, column - reach)
    part = mask[top : row + reach + 1, left : column + reach + 1]
    rows, columns = np.ogrid[: part.shape[0], : part.shape[1]]
    part[(rows + top - row) ** 2 + (columns + left - column) ** 2 <= radius**2] = value


class NullRun:
    """One pass in which nothing moves; holds one mask per object."""

    def __init__(self, object_ids: Sequence[int]) -> None:
        self._inputs = TrackInputs(object_ids)
        self._answers: dict[int, Tracked] = {}

    def condition(self, frame: int, picture: Picture, masks: Mapping[int, Mask]) -> None:
        """Learns nothing."""
        check_picture(picture)
        self._inputs.check(frame, picture, masks)

    def step(
        self, frame: int, picture: Picture, masks: Mapping[int, Mask] | None = None
    ) -> dict[int, Tracked]:
        """The last mask given of every object, with confidence 1, or 0 if it is empty."""
        check_picture(picture)
        given = dict(masks or {})
        self._inputs.step(frame, picture, given)
        for number, mask in given.items():
            check_plane("mask", mask, picture.shape[:2])
            self._answers[number] = Tracked(mask.copy(), float(mask.any()))
        known = [number for number in self._inputs.object_ids if number in self._answers]
        return {n: replace(self._answers[n], mask=self._answers[n].mask.copy()) for n in known}

    def memory_bytes(self) -> int:
        """Memory of the masks, in bytes."""
        return sum(one.mask.nbytes for one in self._answers.values())

    def close(self) -> None:
        """Let go of the masks."""
        self._answers.clear()


class NullTracker(_OnCpu):
    """Keeps every mask where it is."""

    def begin(self, object_ids: Sequence[int], *, seed: int) -> NullRun:
        """A new pass for these objects."""
        return NullRun(object_ids)


class NullMatter(_OnCpu):
    """Leaves what is unknown half transparent."""

    needs_trimap: ClassVar[bool] = True
    max_window: ClassVar[int] = 1024
    overlap: ClassVar[int] = 32

    def matte(self, picture: Picture, trimap: Trimap | None, *, seed: int) -> MatteResult:
        """The trimap, with exactly 0.5 where it is neither 0 nor 1."""
        check_picture(picture)
        if trimap is None:
            raise EngineError("the null matter needs a trimap")
        check_plane("trimap", trimap, picture.shape[:2])
        unknown = (trimap > 0) & (trimap < 1)
        return MatteResult(np.where(unknown, 0.5, trimap).astype(np.float32))


def _detector(options: LoadOptions) -> NullDetector:
    return NullDetector()


def _segmenter(options: LoadOptions) -> NullSegmenter:
    return NullSegmenter()


def _tracker(options: LoadOptions) -> NullTracker:
    return NullTracker()


def _matter(options: LoadOptions) -> NullMatter:
    return NullMatter()


SPECS = (
    EngineSpec(Role.DETECTOR, _FACTS, _detector, rank=-1),
    EngineSpec(Role.SEGMENTER, _FACTS, _segmenter, rank=-1),
    EngineSpec(Role.TRACKER, _FACTS, _tracker, rank=-1),
    EngineSpec(Role.MATTER, _FACTS, _matter, rank=-1),
)
