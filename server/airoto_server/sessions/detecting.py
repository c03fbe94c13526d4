"""Text to boxes: of one frame, of a recipe's `detect`, and of prompts that are phrases."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from airoto.errors import EngineError
from airoto.phrases import object_name, split_phrases
from airoto.wire import messages as pb
from airoto.wire.recipe import LIMITS, Parts, detect_options, validate
from airoto_server.engines.registry import Role
from airoto_server.engines.roles import Detection
from airoto_server.ops.boxes import Box, overlap, without_doubles
from airoto_server.ops.geometry import Working, working_for
from airoto_server.scheduler.cancel import Cancel
from airoto_server.scheduler.lane import Urgency
from airoto_server.sessions.cache import ShotCache
from airoto_server.sessions.cache_keys import ShotKeys
from airoto_server.sessions.events import FoundObject, Provenance
from airoto_server.sessions.frames import Frames
from airoto_server.sessions.job_engines import told_by
from airoto_server.sessions.paths import refuse_relative_paths
from airoto_server.sessions.shot import Shot, open_shot
from airoto_server.sessions.workshop import Workshop
from airoto_server.transport.plate import PlateReader

_log = logging.getLogger(__name__)

Turn = Callable[[], AbstractContextManager[object]]


@dataclass(frozen=True)
class Detected:
    """The answer of `detect_frame`: objects in the order of their ids."""

    objects: tuple[FoundObject, ...]
    phrases_not_found: tuple[str, ...]
    provenance: Provenance


def detect_frame(
    workshop: Workshop, recipe: pb.Recipe, uploads: Iterable[pb.UploadedFrame], cancel: Cancel
) -> Detected:
    """Every thing on `recipe.detect.frame` that answers to a phrase of its text.

    Raises:
        AIRotoError: of any kind.
    """
    validate(recipe, parts=Parts.DETECT_CALL)
    frames = list(uploads)
    refuse_relative_paths(recipe, uploaded=bool(frames))
    shot = open_shot(workshop, recipe, frames, (Role.DETECTOR,), one_frame=True)
    workshop = workshop.for_clicks(recipe.plate.path)
    one = _Finder(workshop, shot, lambda: workshop.lane.turn("click", cancel, Urgency.CLICK))
    objects = one.objects()
    return Detected(objects, _not_found(recipe, objects), one.shot.provenance)


def texts_in(recipe: pb.Recipe) -> bool:
    """Whether a detector is needed."""
    return bool(recipe.detect.text) or any(
        prompt.text.strip() for one in recipe.objects for prompt in one.prompts
    )


def with_boxes(
    workshop: Workshop, shot: Shot, turn: Turn, only: int | None = None
) -> tuple[Shot, tuple[FoundObject, ...]]:
    """The shot with boxes where its recipe has text, and the objects that joined it.

    Args:
        turn: takes the device for one frame.
        only: the one frame whose prompts count; None: all.

    Raises:
        EngineError: nothing was found for a prompt's phrases, or nothing at all.
    """
    if Role.DETECTOR not in shot.engines:
        return shot, ()
    finder = _Finder(workshop, shot, turn)
    recipe = pb.Recipe()
    recipe.CopyFrom(shot.recipe)
    for one in recipe.objects:
        for prompt in one.prompts:
            if prompt.text.strip() and only in (None, prompt.frame):
                prompt.box.CopyFrom(_message(finder.box(prompt)))
                prompt.text = ""
    found: tuple[FoundObject, ...] = ()
    if recipe.detect.text:
        found = finder.objects()
        recipe.objects.extend(_joined(one, recipe.detect.frame) for one in found)
    if not recipe.objects:
        raise finder.nothing(recipe.detect.text, recipe.detect.frame)
    return dataclasses.replace(finder.shot, recipe=recipe), found


def phrases_not_found(shot: Shot, found: Sequence[FoundObject]) -> tuple[str, ...]:
    """Phrases of `detect.text` that no object answers to."""
    return _not_found(shot.recipe, found) if shot.recipe.detect.text else ()


class SeeThrough:
    """Boxes of transparent things, for a composed matter; none where the shot has no such.

    Args:
        turn: takes the device for one frame.
    """

    def __init__(self, workshop: Workshop, shot: Shot, turn: Turn) -> None:
        self._shot = shot
        self._finder = _Finder(workshop, shot, turn) if shot.see_through else None

    def boxes(self, frame: int) -> tuple[Box, ...]:
        """In pixels of the output window, best first."""
        if self._finder is None:
            return ()
        scale, window = self._shot.scale, self._shot.window
        return tuple(
            (
                one.box[0] * scale - window.x_min,
                one.box[1] * scale - window.y_min,
                one.box[2] * scale - window.x_min,
                one.box[3] * scale - window.y_min,
            )
            for one in self._finder.detections(self._shot.see_through, frame)
        )


@dataclass(frozen=True)
class _Contents:
    reader: PlateReader

    def of(self, frame: int) -> str:
        return self.reader.content_id(frame)


class _Finder:
    """A shot's detector, leased for each frame; `shot` says of it what only a loaded one knows."""

    def __init__(self, workshop: Workshop, shot: Shot, turn: Turn) -> None:
        self._turn = turn
        self._options = detect_options(shot.recipe)
        spec = shot.engines[Role.DETECTOR]
        self._detector = workshop.detector(spec)
        # A picture of the detector's own size, whatever other engines of the shot like.
        working = working_for(shot.format, spec.facts.working_size)
        self._frames = Frames(
            shot.reader,
            shot.scale,
            working,
            shot.frames.colour,
            shot.threads,
            workshop.shared_frames,
            keep=True,
        )
        self._keys = ShotKeys(workshop, shot, _Contents(shot.reader), {})
        self._cache = ShotCache(workshop.results, _log.warning)
        with turn():
            provenance = told_by(
                shot.provenance,
                {Role.DETECTOR: self._detector},
                workshop.lane.device,
                self._keys,
                self._cache,
            )
        self.shot = dataclasses.replace(shot, provenance=provenance)

    def objects(self) -> tuple[FoundObject, ...]:
        """What `detect.text` finds on `detect.frame`."""
        options, listed = self._options, self.shot.recipe.objects
        room = max(0, LIMITS.objects - len(listed))
        best = self.detections(options.text, options.frame)
        best = best[: min(options.max_objects or room, room)]
        order = {phrase: place for place, phrase in enumerate(split_phrases(options.text))}
        best.sort(key=lambda one: (order[one.phrase], one.box))
        taken = {one.name for one in listed}
        made = []
        next_id = max((one.id for one in listed), default=0) + 1
        for object_id, one in enumerate(best, next_id):
            name = object_name(one.phrase, taken)
            taken.add(name)
            words = one.words or one.phrase
            made.append(FoundObject(object_id, name, one.phrase, words, one.score, one.box))
        return tuple(made)

    def box(self, prompt: pb.Prompt) -> Box:
        """The best box for a prompt's phrases that fits what else the prompt says."""
        found = self.detections(prompt.text, prompt.frame)
        fitting = [one for one in found if _fits(prompt, one.box)]
        if not fitting:
            raise self.nothing(prompt.text, prompt.frame, elsewhere=bool(found))
        return max(fitting, key=lambda one: _fit(prompt, one)).box

    def nothing(self, text: str, frame: int, *, elsewhere: bool = False) -> EngineError:
        """That nothing was found for a text."""
        where = " where its points and box are" if elsewhere else ""
        return EngineError(
            f"nothing was found for {text!r} on frame {frame}{where} with a score of "
            f"{self._options.box_threshold:g} or more",
            hint="use other words, lower detect.box_threshold, or click on the object",
            frame=frame,
        )

    def detections(self, text: str, frame: int) -> list[Detection]:
        """In plate pixels, best first, without doubles."""
        options, phrases = self._options, ". ".join(split_phrases(text))
        asked = (phrases, options.box_threshold, options.text_threshold)
        key = self._keys.detected(frame, self._frames.working, asked)
        found = self._cache.detections(key)
        if found is None:
            picture = self._frames.picture(frame)
            with self._turn():
                found = self._detector.detect(
                    picture,
                    phrases,
                    box_threshold=options.box_threshold,
                    text_threshold=options.text_threshold,
                )
            self._cache.keep_detections(key, found)
        stay = without_doubles(
            [one.box for one in found], [one.score for one in found], options.max_overlap
        )
        working = self._frames.working
        return [
            dataclasses.replace(found[index], box=_on_plate(found[index].box, working))
            for index in stay
        ]


def _on_plate(box: Box, working: Working) -> Box:
    """A box of the working picture in plate pixels, inside the plate's data window."""
    (x_min, y_min), (x_max, y_max) = working.to_plate(*box[:2]), working.to_plate(*box[2:])
    data = working.format.data
    return (
        max(x_min, data.x_min),
        max(y_min, data.y_min),
        min(x_max, data.x_max),
        min(y_max, data.y_max),
    )


def _fits(prompt: pb.Prompt, box: Box) -> bool:
    """Whether a box holds every positive point and touches the prompt's box."""
    return all(
        box[0] <= point.x < box[2] and box[1] <= point.y < box[3]
        for point in prompt.points
        if point.label != pb.PointLabel.POINT_LABEL_NEGATIVE
    ) and (not prompt.HasField("box") or overlap(_tuple(prompt.box), box) > 0)


def _fit(prompt: pb.Prompt, one: Detection) -> tuple[float, float]:
    return (overlap(_tuple(prompt.box), one.box) if prompt.HasField("box") else 0.0, one.score)


def _tuple(box: pb.Box) -> Box:
    return box.x_min, box.y_min, box.x_max, box.y_max


def _message(box: Box) -> pb.Box:
    return pb.Box(x_min=box[0], y_min=box[1], x_max=box[2], y_max=box[3])


def _joined(one: FoundObject, frame: int) -> pb.RotoObject:
    prompts = [pb.Prompt(frame=frame, box=_message(one.box))]
    return pb.RotoObject(id=one.object_id, name=one.name, prompts=prompts)


def _not_found(recipe: pb.Recipe, found: Sequence[FoundObject]) -> tuple[str, ...]:
    there = {one.phrase for one in found}
    return tuple(phrase for phrase in split_phrases(recipe.detect.text) if phrase not in there)
