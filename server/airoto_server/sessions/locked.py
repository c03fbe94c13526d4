"""Approved frames: their files stay as they are, and their masks are keyframes."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

import numpy as np

from airoto.errors import AIRotoError, RecipeError, Violation
from airoto.wire import messages as pb
from airoto.wire.violations import refuse, shown
from airoto_server.engines.roles import Mask, Tracked
from airoto_server.ops.resample import mask_to_picture
from airoto_server.sessions.delivery import Delivery
from airoto_server.sessions.events import FrameFinished, FrameStatus, ObjectResult
from airoto_server.sessions.keyframes import fitted
from airoto_server.sessions.masks import quantised
from airoto_server.sessions.matting import ObjectAlpha
from airoto_server.sessions.shot import Shot
from airoto_server.sessions.workshop import Workshop


class LockedFrames:
    """The approved frames of one shot.

    Args:
        uploads: files that the server does not see.
        usable: frames that the plate has.

    Attributes:
        digests: `sha256:...` of the approved files, by frame.

    Raises:
        RecipeError: a file is not there, is not the one that was approved, or lacks an object.
        PathForbiddenError: it lies outside the roots.
    """

    def __init__(
        self,
        workshop: Workshop,
        shot: Shot,
        delivery: Delivery,
        uploads: Iterable[pb.UploadedFrame],
        usable: Collection[int],
    ) -> None:
        self._workshop = workshop
        self._shot = shot
        self._delivery = delivery
        self._files: dict[int, Path] = {}
        self.digests: dict[int, str] = {}
        handles = {one.frame: one.handle for one in uploads}
        wrong: list[Violation] = []
        for index, lock in enumerate(shot.recipe.locked):
            place = f"locked[{index}]"
            if lock.frame not in usable:
                allowed = "a frame that the plate has"
                wrong.append(Violation(f"{place}.frame", str(lock.frame), allowed))
                continue
            wrong += self._take(lock, place, handles.get(lock.frame))
        refuse("the recipe", wrong, RecipeError)

    @property
    def frames(self) -> frozenset[int]:
        """The approved frames."""
        return frozenset(self.digests)

    def masks(self, frame: int) -> dict[int, Tracked]:
        """The approved masks in the working picture, by object.

        Raises:
            FrameMismatchError, FrameUnreadableError: the file has another size, or is damaged.
        """
        shot = self._shot
        return {
            object_id: Tracked(
                quantised(mask_to_picture(alpha, shot.window, shot.working, shot.scale)), 1.0
            )
            for object_id, alpha in self._alphas(frame).items()
        }

    def alphas(self, frame: int) -> dict[int, ObjectAlpha]:
        """The approved mattes over the output window, by object."""
        return {name: ObjectAlpha.of(alpha) for name, alpha in self._alphas(frame).items()}

    def finished(self, frame: int) -> FrameFinished:
        """The event for an approved frame, whose file is copied to the output if it is elsewhere.

        Raises:
            OutputError: that cannot be done.
        """
        objects = tuple(
            ObjectResult(
                object_id,
                1.0,
                round(float(alpha.sum(dtype=np.float64)) / self._shot.scale**2, 1),
            )
            for object_id, alpha in sorted(self._alphas(frame).items())
        )
        path, handle = self._delivery.approved(frame, self._files[frame])
        return FrameFinished(frame, FrameStatus.KEPT, path, handle, objects)

    def _take(self, lock: pb.LockedFrame, place: str, handle: str | None) -> list[Violation]:
        """Find the file of a locked frame; what is wrong with it."""
        roots, spool = self._workshop.roots, self._workshop.spool
        path = Path(lock.path) if lock.path else self._delivery.output_path(lock.frame)
        field = f"{place}.path" if lock.path else f"{place}.frame"
        if path.suffix.lower() != Path(self._shot.recipe.output.path).suffix.lower():
            return [Violation(field, shown(str(path)), "a file of the output's format")]
        file = spool.open(handle).path if handle else roots.check_read(path)
        if not file.is_file():
            return [Violation(field, f"{path}, which is not there", "a matte that was written")]
        found = self._workshop.contents.of_file(file, label=str(path))
        if lock.sha256 and lock.sha256 != found:
            allowed = f"{lock.sha256}, which was approved; lock the frame again to accept the file"
            return [Violation(f"{place}.sha256", found, allowed)]
        wrong = self._lacking(file, str(path), field)
        self._files[lock.frame], self.digests[lock.frame] = file, found
        return wrong

    def _lacking(self, file: Path, label: str, field: str) -> list[Violation]:
        objects = self._shot.recipe.objects
        if len(objects) == 1:
            return []  # any picture will do
        try:
            there = self._workshop.decoder.read_matte_info(file, label=label).objects
        except AIRotoError as exc:
            return [Violation(field, exc.message, "a matte that was written")]
        return [
            Violation(field, f"{label} has no layer matte_{one.name}", "a layer for every object")
            for one in objects
            if one.name not in there
        ]

    def _alphas(self, frame: int) -> dict[int, Mask]:
        shot, decoder, file = self._shot, self._workshop.decoder, self._files[frame]
        label = f"the approved matte of frame {frame}"
        there = decoder.read_matte_info(file, label=label).objects
        return {
            one.id: fitted(
                decoder.read_mask(
                    file, layer=f"matte_{one.name}" if one.name in there else "", label=label
                ),
                shot,
            )
            for one in shot.recipe.objects
        }
