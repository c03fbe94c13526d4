"""The four things an engine can be.

An engine knows numpy arrays and nothing of sessions, protobuf, budgets or files. It must
be used by one thread at a time; parallel work inside an engine goes through
`airoto_server.ops.parallel`, so that results do not depend on the number of threads.

Conventions, for every array here:
- picture: (H, W, 3) float32, display-referred sRGB, 0 to 1, rows top to bottom; for
  engines whose facts say `linear_light`, scene-linear, 0 to 8.
- mask: (H, W) float32, 0 to 1, of the picture it belongs to; a probability or a coverage.
- trimap: (H, W) float32, 0 background, 1 foreground, 0.5 unknown.
- points and boxes: pixels of the picture (x right, y down, pixel centres at .5).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.float32]
Mask = npt.NDArray[np.float32]
Trimap = npt.NDArray[np.float32]
Evidence = npt.NDArray[np.int8]


@dataclass(frozen=True)
class EngineFacts:
    """What every engine says of itself; goes into provenance and `airoto info`.

    Attributes:
        name: as recipes name it, lower case (`classic`, `sam2.1-large`).
        version: changes whenever results change; part of cache keys.
        description: one line for people.
        licence: SPDX name of the weights' licence, or of the code where there are none.
        commercial_use: whether that licence allows it.
        needs_weights: whether a checkpoint has to be installed.
        working_size: long side in pixels of the picture it likes best; 0: the plate's.
        linear_light: whether its pictures are to be scene-linear light, which is what adds up
            where an edge covers half a pixel, instead of display-referred sRGB.
        concurrent: whether a matter's windows may be computed by several threads at once.
        subject: what a matter that finds its subject by itself, given no trimap, takes for one, in
            words for messages; empty where it has to be given a trimap.
    """

    name: str
    version: str
    description: str
    licence: str
    commercial_use: bool = True
    needs_weights: bool = False
    working_size: int = 0
    linear_light: bool = False
    concurrent: bool = False
    subject: str = ""

    @property
    def finds_subject(self) -> bool:
        """Whether a matter finds what to matte by itself, given no trimap."""
        return bool(self.subject)


@dataclass(frozen=True)
class Prompts:
    """What was said about one object on one frame, in picture pixels.

    Attributes:
        points: (N, 2) float32 x, y.
        labels: (N,) bool, True on the object.
        box: x_min, y_min, x_max, y_max, or None.
        mask: an earlier or rough mask as starting guess, or None.
    """

    points: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 2), np.float32))
    labels: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros((0,), np.bool_))
    box: tuple[float, float, float, float] | None = None
    mask: Mask | None = None


@dataclass(frozen=True)
class Candidate:
    """One answer of a segmenter: mask and how much to trust it, 0 to 1."""

    mask: Mask
    score: float


@dataclass(frozen=True)
class Detection:
    """A box that a detector found for a phrase.

    Attributes:
        box: x_min, y_min, x_max, y_max in pixels of the picture, inside it.
        score: how well it answers to the phrase, 0 to 1.
        phrase: one of those asked for, as `airoto.phrases.split_phrases` writes it.
        words: those of its words that count; empty for all.
    """

    box: tuple[float, float, float, float]
    score: float
    phrase: str
    words: str = ""


@dataclass(frozen=True)
class Tracked:
    """One object on one frame: its mask and how far the tracker trusts it, 0 to 1.

    Attributes:
        evidence: (h, w), at a size of the engine's own, log-odds of object over surroundings in
            sixteenths, from what does not depend on where the object was on the frame before;
            0 where nothing is known. It decides where two passes disagree. None: there is none.
    """

    mask: Mask
    confidence: float
    evidence: Evidence | None = None


@runtime_checkable
class Engine(Protocol):
    """What all roles share."""

    @property
    def facts(self) -> EngineFacts:
        """What it says of itself."""
        ...

    def device(self) -> str:
        """`cpu`, `cuda:0`: where it runs."""
        ...

    def precision(self) -> str:
        """`float32`, `bfloat16`: what it computes in."""
        ...


@runtime_checkable
class Detector(Engine, Protocol):
    """Text to boxes."""

    def detect(
        self, picture: Picture, text: str, *, box_threshold: float, text_threshold: float
    ) -> list[Detection]:
        """Boxes for `text` (phrases separated by periods), best first; none is no error.

        Args:
            box_threshold: lowest score of a box, 0 to 1.
            text_threshold: lowest score of a word that counts, 0 to 1.

        Raises:
            BadRequestError: a text without words.
        """
        ...


@runtime_checkable
class Segmenter(Engine, Protocol):
    """Prompts to masks with scores.

    The slow part, which does not depend on prompts, is `embed`; its result is opaque, may
    be kept by the caller, and serves any number of objects and clicks on that picture.
    """

    def embed(self, picture: Picture, *, seed: int) -> Any:
        """The picture in the engine's own terms. `embedding_bytes` tells its size."""
        ...

    def embedding_bytes(self, embedding: Any) -> int:
        """Memory an embedding holds, in bytes."""
        ...

    def segment(self, embedding: Any, prompts: Prompts, *, seed: int) -> list[Candidate]:
        """1 to 3 candidates, best score first. `prompts` has a positive point, a box or a mask."""
        ...


@runtime_checkable
class TrackRun(Protocol):
    """One pass of a tracker over frames, in either direction, for a group of objects.

    First any number of `condition` calls, then `step` for every frame in turn, neighbours
    in time. Memory must stay bounded however long the pass is.
    """

    def condition(self, frame: int, picture: Picture, masks: Mapping[int, Mask]) -> None:
        """Learn from a keyframe that is not on this pass's way (or not yet)."""
        ...

    def step(
        self, frame: int, picture: Picture, masks: Mapping[int, Mask] | None = None
    ) -> dict[int, Tracked]:
        """Go to the next frame.

        Args:
            masks: by object id, where this frame is a keyframe of that object. The answer
                for these objects is the mask given. Objects begin with their first mask.

        Returns:
            every object begun so far; an object that is gone has an empty mask and low
            confidence, and may come back later.
        """
        ...

    def memory_bytes(self) -> int:
        """Memory this pass holds now, in bytes."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...


@runtime_checkable
class Tracker(Engine, Protocol):
    """Frames and keyframe masks to masks."""

    def begin(self, object_ids: Sequence[int], *, seed: int) -> TrackRun:
        """A new pass for these objects, which compete for pixels."""
        ...


@runtime_checkable
class MovableRun(Protocol):
    """A `TrackRun` with memory on a device; between two steps its engine may be unloaded."""

    def resume(self, engine: Any) -> None:
        """Go on with another instance of the same engine; the one before was unloaded."""
        ...

    def to_device(self, device: str) -> None:
        """Move what is remembered, to host memory (`cpu`) and back before the next step."""
        ...


@dataclass(frozen=True)
class MatteResult:
    """A matter's answer.

    Attributes:
        alpha: (H, W) float32, 0 to 1, over the picture it was given.
        confidence: of an engine that finds its subject by itself, 0 to 1, that there is one;
            below one half there is none, and alpha is empty.
    """

    alpha: Mask
    confidence: float = 1.0


@runtime_checkable
class Matter(Engine, Protocol):
    """A trimap (or, for engines that need none, the picture alone) to alpha.

    The caller feeds windows of the plate around the unknown region, of at most
    `max_window` pixels a side, overlapping by `overlap` pixels, and joins the answers.
    """

    @property
    def needs_trimap(self) -> bool:
        """Whether `matte` has to be given a trimap."""
        ...

    @property
    def max_window(self) -> int:
        """Longest side of a window in pixels."""
        ...

    @property
    def overlap(self) -> int:
        """By how many pixels windows overlap."""
        ...

    def matte(self, picture: Picture, trimap: Trimap | None, *, seed: int) -> MatteResult:
        """Alpha of one window; exactly 0 and 1 where the trimap is."""
        ...
