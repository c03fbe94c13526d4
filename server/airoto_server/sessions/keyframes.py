"""Prompts on a frame to the masks that tracking starts from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import numpy as np

from airoto.errors import BadRequestError, EngineUnavailableError, FrameMismatchError
from airoto.wire.messages import DrawnMask, DrawnMaskKind, PointLabel, Prompt
from airoto_server.engines.registry import Role
from airoto_server.engines.roles import Candidate, Mask, Prompts, Segmenter, Trimap
from airoto_server.ops.geometry import Working, place
from airoto_server.ops.imagefile import MaskImage
from airoto_server.ops.resample import mask_to_picture, shrink
from airoto_server.ops.seeds import seed_for
from airoto_server.sessions.paths import check_drawn_mask, drawn_as_is
from airoto_server.sessions.shot import Shot
from airoto_server.sessions.workshop import Workshop

Turn = Callable[[], AbstractContextManager[object]]


class Prompting:
    """Answers the prompts of one shot.

    Args:
        segmenter: leased for each answer; None where the recipe has none.
        turn: takes the device for one answer.
    """

    def __init__(
        self, workshop: Workshop, shot: Shot, segmenter: Segmenter | None, turn: Turn
    ) -> None:
        self._workshop = workshop
        self._shot = shot
        self.segmenter = segmenter
        self._turn = turn

    @classmethod
    @contextmanager
    def opened(cls, workshop: Workshop, shot: Shot, turn: Turn) -> Iterator[Prompting]:
        """With the recipe's segmenter."""
        spec = shot.engines.get(Role.SEGMENTER)
        yield cls(workshop, shot, None if spec is None else workshop.segmenter(spec), turn)

    def candidates(self, object_id: int, prompt: Prompt) -> list[Candidate]:
        """Up to three masks of the working picture for one object, best first.

        A drawn mask alone is the answer for its frame. With points or a box it is the
        segmenter's starting guess. Phrases are boxes by now (`sessions.detecting`).

        Raises:
            EngineUnavailableError: prompts without a segmenter.
        """
        shot, frame = self._shot, prompt.frame
        drawn = None
        if prompt.HasField("mask"):
            image = read_drawn_mask(self._workshop, prompt.mask)
            drawn = mask_to_picture(fitted(image, shot), shot.window, shot.working, shot.scale)
        prompts = picture_prompts(prompt, shot.working, drawn)
        if drawn is not None and drawn_as_is(prompt):
            return [Candidate(drawn, 1.0)]
        if self.segmenter is None:
            raise EngineUnavailableError(
                "points and boxes need a segmenter, and the recipe turns it off",
                hint="set segment.engine to auto, or give a drawn mask",
                frame=frame,
            )
        content = "|".join(
            (
                shot.reader.content_id(frame),
                shot.provenance.colour,
                f"{shot.working}",
                f"{shot.recipe.plate.layer}/{shot.recipe.plate.view}",
            )
        )
        # One embedding serves every object of the frame, so its seed knows only that.
        seed = seed_for(shot.seed, "embed")
        embeddings = self._workshop.embeddings
        if not embeddings.holds(self.segmenter, content=content, seed=seed):
            shot.frames.picture(frame)  # decoded before the device is taken
        with self._turn():
            embedding = embeddings.get(
                self.segmenter, lambda: shot.frames.picture(frame), content=content, seed=seed
            )
            return self.segmenter.segment(
                embedding, prompts, seed=seed_for(shot.seed, "segment", frame, object_id)
            )


def picture_prompts(prompt: Prompt, working: Working, drawn: Mask | None) -> Prompts:
    """A recipe's prompt in the pixels of the picture that an engine sees."""
    points = np.array(
        [working.to_picture(point.x, point.y) for point in prompt.points], np.float32
    ).reshape(-1, 2)
    labels = np.array(
        [point.label != PointLabel.POINT_LABEL_NEGATIVE for point in prompt.points], np.bool_
    )
    box = None
    if prompt.HasField("box"):
        x_min, y_min = working.to_picture(prompt.box.x_min, prompt.box.y_min)
        x_max, y_max = working.to_picture(prompt.box.x_max, prompt.box.y_max)
        # A box may reach over the edge of the plate; the picture ends there.
        box = (
            max(0.0, x_min),
            max(0.0, y_min),
            min(float(working.width), x_max),
            min(float(working.height), y_max),
        )
    return Prompts(points, labels, box, drawn)


def chosen(found: list[Candidate], wish: int) -> Candidate:
    """The candidate a prompt asks for (1 is the first); 0, or one there is not: the best."""
    return found[wish - 1] if 0 < wish <= len(found) else found[0]


def read_drawn_mask(workshop: Workshop, drawn: DrawnMask) -> MaskImage:
    """A drawn mask's pixels.

    Raises:
        BadRequestError: it has no content, or a relative path.
        FrameUnreadableError, PathForbiddenError: it cannot be read.
    """
    check_drawn_mask(drawn)
    if drawn.WhichOneof("source") == "image":
        return workshop.decoder.read_mask(drawn.image, label="the drawn mask")
    return workshop.decoder.read_mask(workshop.roots.check_read(drawn.path))


def fitted(image: MaskImage, shot: Shot) -> Mask:
    """A mask image over the shot's output window.

    It must have the display size of the plate's files, or fill its data window; for a proxy
    one of the full-size plate is taken too, and made smaller.

    Raises:
        FrameMismatchError: it has another size.
    """
    width = round(shot.format.width * shot.scale)
    height = round(shot.format.height * shot.scale)
    if image.display == (width, height):
        return place(image.mask, image.window, shot.window)
    if image.mask.shape == (shot.window.height, shot.window.width):
        return image.mask
    if shot.scale < 1 and image.display == (shot.format.width, shot.format.height):
        full = place(image.mask, image.window, shot.format.data)
        return shrink(full, shot.window.width, shot.window.height)
    raise FrameMismatchError(
        f"the drawn mask is {image.display[0]}x{image.display[1]} pixels; allowed: the plate's "
        f"{width}x{height}, or its data window's {shot.window.width}x{shot.window.height}"
    )


def painted_trimap(workshop: Workshop, shot: Shot, prompt: Prompt) -> Trimap | None:
    """The trimap that a prompt holds, over the shot's output window; None if it holds none.

    Raises:
        BadRequestError, FrameUnreadableError, PathForbiddenError, FrameMismatchError: as
            `read_drawn_mask` and `fitted`.
    """
    if prompt.mask.kind != DrawnMaskKind.DRAWN_MASK_KIND_TRIMAP:
        return None
    # On some frames of a shot the object is outside the picture, or has no soft edge.
    return _three_levels(fitted(read_drawn_mask(workshop, prompt.mask), shot))


def snapped_trimap(guide: Mask) -> Trimap:
    """A painted trimap as 0, one half and 1: below .1 background, above .9 foreground.

    Raises:
        BadRequestError: no pixel of it is foreground, or none unknown.
    """
    trimap = _three_levels(guide)
    for value, name, level in ((1.0, "foreground", "above 0.9"), (0.5, "unknown", "0.1 to 0.9")):
        if not (trimap == value).any():
            raise BadRequestError(
                f"the trimap has no {name} pixel ({level})",
                hint="paint background black, foreground white and what is to be matted grey, "
                "or give it as a mask",
            )
    return trimap


def _three_levels(guide: Mask) -> Trimap:
    trimap = np.full(guide.shape, 0.5, np.float32)
    trimap[guide < 0.1] = 0.0
    trimap[guide > 0.9] = 1.0
    return trimap
