"""One frame: prompts to candidate masks, mask or trimap to alpha."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from airoto.errors import BadRequestError, EngineUnavailableError, RecipeError, Violation
from airoto.wire import messages as pb
from airoto.wire.recipe import Parts, validate
from airoto_server.engines.registry import Role
from airoto_server.engines.roles import Candidate, Mask
from airoto_server.ops.parallel import ordered_map
from airoto_server.ops.part import Part
from airoto_server.ops.resample import mask_to_plate
from airoto_server.ops.seeds import seed_for
from airoto_server.scheduler.cancel import Cancel
from airoto_server.scheduler.lane import Urgency
from airoto_server.sessions.detecting import SeeThrough, texts_in, with_boxes
from airoto_server.sessions.events import Provenance
from airoto_server.sessions.keyframes import (
    Prompting,
    fitted,
    read_drawn_mask,
    snapped_trimap,
)
from airoto_server.sessions.masks import quantised
from airoto_server.sessions.matting import FrameMatting
from airoto_server.sessions.paths import refuse_relative_paths
from airoto_server.sessions.shot import Shot, open_shot
from airoto_server.sessions.subject import FOUND, not_found
from airoto_server.sessions.workshop import Workshop
from airoto_server.transport.spool import Spool

# The bits of 0.5 in half precision.
_ONE_HALF = int(np.float16(0.5).view(np.int16))


@dataclass(frozen=True)
class FoundMask:
    """A candidate: its plane in the spool, score, and where it is in plate pixels."""

    handle: str
    score: float
    bounds: tuple[float, float, float, float] | None
    area: int


@dataclass(frozen=True)
class Segmented:
    """The answer of `segment_frame`: candidates by object id, best first."""

    objects: dict[int, list[FoundMask]]
    provenance: Provenance


@dataclass(frozen=True)
class Matted:
    """The answer of `matte_frame`: planes in the spool; empty where there is none.

    Attributes:
        confidence: that there is a subject, where the matter found it by itself; else 1.
        notes: for a person: no subject, fallbacks of the engine.
    """

    alpha: str
    trimap: str
    foreground: str
    provenance: Provenance
    confidence: float
    notes: Sequence[str]


def segment_frame(
    workshop: Workshop,
    recipe: pb.Recipe,
    frame: int,
    uploads: Iterable[pb.UploadedFrame],
    cancel: Cancel,
) -> Segmented:
    """Up to three candidate masks for every object that is prompted on the frame.

    Raises:
        AIRotoError: of any kind.
    """
    validate(recipe, parts=Parts.SEGMENT_CALL)
    frames = list(uploads)
    refuse_relative_paths(recipe, uploaded=bool(frames))
    _check_frame(recipe, frame)
    roles = (Role.DETECTOR, Role.SEGMENTER) if texts_in(recipe) else (Role.SEGMENTER,)
    shot = open_shot(workshop, recipe, frames, roles, one_frame=True)
    workshop = workshop.for_clicks(recipe.plate.path)
    shot, _ = with_boxes(workshop, shot, _click(workshop, cancel), only=frame)
    prompted = [(one.id, p) for one in shot.recipe.objects for p in one.prompts if p.frame == frame]
    if not prompted:
        raise RecipeError(
            f"no object has a prompt on frame {frame}",
            violations=(Violation("objects", f"no prompt on frame {frame}", "at least one"),),
        )
    with Prompting.opened(workshop, shot, _click(workshop, cancel)) as prompting:
        found = {
            object_id: _found_masks(prompting.candidates(object_id, prompt), shot, workshop.spool)
            for object_id, prompt in prompted
        }
        made = shot.provenance
        if prompting.segmenter is not None:
            made = made.with_engine(Role.SEGMENTER, prompting.segmenter)
    return Segmented(found, made)


def matte_frame(workshop: Workshop, request: pb.MatteRequest, cancel: Cancel) -> Matted:
    """Alpha, trimap and, where asked for, foreground of one frame from a mask or trimap.

    Raises:
        AIRotoError: of any kind.
    """
    recipe = request.recipe
    validate(recipe, parts=Parts.MATTE_CALL)
    refuse_relative_paths(recipe, uploaded=bool(request.uploads))
    _check_frame(recipe, request.frame)
    shot = open_shot(workshop, recipe, request.uploads, (Role.MATTER,), one_frame=True)
    workshop = workshop.for_clicks(recipe.plate.path)
    guide, is_trimap = _guide(workshop, shot, request)
    seed = seed_for(shot.seed, "matte", request.frame, 0)
    matting = FrameMatting(
        shot.frames.plate(request.frame),
        window=shot.window,
        working=shot.working,
        scale=shot.scale,
        colour=shot.frames.colour,
        rules=shot.rules,
        threads=shot.threads,
        check=cancel.check,
        see_through=SeeThrough(workshop, shot, _click(workshop, cancel)).boxes(request.frame),
    )
    spec = shot.engines.get(Role.MATTER)
    notes: list[str] = []
    confidence = 1.0
    matter = None if spec is None else workshop.matter(spec, notes.append)
    with _click(workshop, cancel)():
        if is_trimap and guide is not None:
            if matter is None:
                raise EngineUnavailableError(
                    "a trimap needs a matter, and the recipe turns it off",
                    hint="set matte.engine to auto",
                )
            made = matting.from_trimap(Part.of(snapped_trimap(guide)), matter, seed=seed)
        elif guide is None:
            assert matter is not None  # or there had to be a guide
            found = matting.subject(matter, seed=seed)
            confidence = found.confidence
            if found.confidence < FOUND:
                notes.append(not_found(matter.facts))
            made = matting.from_subject(found.alpha)
        else:
            made = matting.from_plate_mask(guide, matter, seed=seed)
        # As a render gives it.
        alpha, trimap = quantised(made.alpha), made.trimap
        foreground = matting.foreground(alpha) if request.foreground else None
        provenance = shot.provenance
        if matter is not None:
            provenance = provenance.with_engine(Role.MATTER, matter).with_notes(notes)
    spool = workshop.spool
    return Matted(
        alpha=_plane(alpha, shot, spool),
        trimap="" if trimap is None else _plane(trimap, shot, spool),
        foreground="" if foreground is None else _plane(foreground, shot, spool),
        provenance=provenance,
        confidence=confidence,
        notes=tuple(dict.fromkeys(notes)),
    )


def _check_frame(recipe: pb.Recipe, frame: int) -> None:
    first, last = recipe.plate.frames.first, recipe.plate.frames.last
    if not first <= frame <= last:
        raise RecipeError(
            f"frame {frame} lies outside the plate ({first}..{last})",
            violations=(Violation("frame", str(frame), f"within the plate ({first}..{last})"),),
        )


def _click(workshop: Workshop, cancel: Cancel) -> Callable[[], AbstractContextManager[object]]:
    return lambda: workshop.lane.turn("click", cancel, Urgency.CLICK)


def _guide(workshop: Workshop, shot: Shot, request: pb.MatteRequest) -> tuple[Mask | None, bool]:
    kind = request.WhichOneof("guide")
    spec = shot.engines.get(Role.MATTER)
    if kind is None and spec is not None and spec.facts.finds_subject:
        return None, False
    if kind is None:
        raise BadRequestError(
            "guide: nothing given; allowed: mask, trimap, mask_handle or trimap_handle"
        )
    if kind in ("mask", "trimap"):
        guide = fitted(read_drawn_mask(workshop, getattr(request, kind)), shot)
    else:
        plane = workshop.spool.open(getattr(request, kind)).array()
        guide = np.asarray(plane[..., 0], np.float32)
        if guide.shape != (shot.window.height, shot.window.width):
            raise BadRequestError(
                f"{kind}: the plane is {guide.shape[1]}x{guide.shape[0]}; allowed: the plate's "
                f"data window, {shot.window.width}x{shot.window.height}"
            )
    return np.clip(np.nan_to_num(guide), 0.0, 1.0), kind.startswith("trimap")


def _found_masks(candidates: Sequence[Candidate], shot: Shot, spool: Spool) -> list[FoundMask]:
    return ordered_map(lambda one: _found_mask(one, shot, spool), candidates, shot.threads)


def _found_mask(found: Candidate, shot: Shot, spool: Spool) -> FoundMask:
    mask = mask_to_plate(found.mask, shot.working, shot.window, shot.scale, np.float16)
    # The bits of halves above zero sort as integers do, at a fraction of the cost.
    inside = mask.view(np.int16) > _ONE_HALF
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    bounds = None
    if len(rows):
        x, y = shot.window.x_min, shot.window.y_min
        bounds = tuple(
            float(v) / shot.scale
            for v in (columns[0] + x, rows[0] + y, columns[-1] + 1 + x, rows[-1] + 1 + y)
        )
    area = round(float(inside.sum()) / shot.scale**2)
    return FoundMask(_plane(mask, shot, spool), found.score, bounds, area)  # type: ignore[arg-type]


def _plane(pixels: npt.NDArray[np.floating], shot: Shot, spool: Spool) -> str:
    display = (round(shot.format.width * shot.scale), round(shot.format.height * shot.scale))
    return spool.put_array(
        pixels.astype(np.float16, copy=False),
        window=shot.window,
        display=display,
        pixel_aspect=shot.format.pixel_aspect,
    ).handle
