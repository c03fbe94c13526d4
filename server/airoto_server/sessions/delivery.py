"""Finished alphas to files: written where the recipe says, or kept for the client to fetch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from airoto.sequence import Pattern
from airoto.wire import messages as pb
from airoto_server.engines.roles import Tracked
from airoto_server.ops.matte_file import Matte, ObjectMatte
from airoto_server.sessions.events import FrameFinished, FrameStatus, ObjectResult
from airoto_server.sessions.matting import FrameMatting, ObjectAlpha, union
from airoto_server.sessions.shot import Shot
from airoto_server.sessions.workshop import Workshop
from airoto_server.transport.matte_writer import MatteWriter, OutputSettings
from airoto_server.transport.roots import Roots


class Delivery:
    """The files of one render.

    Attributes:
        provenance: goes into every header; the render fills in what engines say of themselves.

    Args:
        recipe_hash: of the whole recipe; goes into every header.
        way: DELIVERY_HANDLES keeps files in the spool; everything else writes them in place.
        folder: for files that are on their way to the spool.
    """

    def __init__(
        self,
        workshop: Workshop,
        shot: Shot,
        recipe_hash: str,
        way: pb.Delivery,
        folder: Path,
    ) -> None:
        self._spool = workshop.spool
        self._decoder = workshop.decoder
        self._shot = shot
        self._hash = recipe_hash
        self.provenance = shot.provenance
        self._by_handle = way == pb.Delivery.DELIVERY_HANDLES
        output = shot.recipe.output
        path, overwrite, roots = output.path, output.overwrite, workshop.roots
        if self._by_handle:
            # The client has its own files and policy; here every frame is new.
            path = str(folder / f"matte.####{Path(output.path).suffix}")
            overwrite, roots = pb.Overwrite.OVERWRITE_REPLACE, Roots((folder,))
        self._writer = MatteWriter(
            OutputSettings(path, output.compression, overwrite, shot.recipe.plate.view),
            workshop.decoder,
            roots,
        )

    def divide(self, frames: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Frames finished before by the same recipe, and those to be made.

        Raises:
            OutputError, PathForbiddenError: the folder cannot be used, or files are in the way.
        """
        plan = self._writer.plan(frames, self._hash, self._shot.reader.content_id)
        return plan.kept, plan.todo

    def path(self, frame: int) -> Path:
        """Where a frame's file lies."""
        return self._writer.path(frame)

    def kept(self, frame: int) -> FrameFinished:
        """The event for a frame that was finished before."""
        made = self._decoder.read_matte_info(self.path(frame)).provenance or {}
        return FrameFinished(
            frame,
            FrameStatus.KEPT,
            path=str(self.path(frame)),
            objects=tuple(
                ObjectResult(int(name), one["confidence"], one["area"])
                for name, one in sorted(made.get("objects", {}).items())
            ),
        )

    def deliver(
        self,
        frame: int,
        masks: Mapping[int, Tracked],
        alphas: Mapping[int, ObjectAlpha],
        matting: FrameMatting,
    ) -> FrameFinished:
        """Write one frame.

        Raises:
            OutputError: it cannot be written.
        """
        results = tuple(
            ObjectResult(
                object_id,
                round(masks[object_id].confidence, 4),
                round(float(one.alpha.sum(dtype=np.float64)) / self._shot.scale**2, 1),
            )
            for object_id, one in sorted(alphas.items())
        )
        path = self._writer.write(frame, self._matte(frame, masks, alphas, matting, results))
        if not self._by_handle:
            return FrameFinished(frame, FrameStatus.DONE, path=str(path), objects=results)
        wanted = Path(self._shot.recipe.output.path)
        name = Pattern.parse(str(wanted)).path(frame, self._shot.recipe.plate.view).name
        item = self._spool.put_file(path, name)
        path.unlink()
        return FrameFinished(frame, FrameStatus.DONE, handle=item.handle, objects=results)

    def _matte(
        self,
        frame: int,
        masks: Mapping[int, Tracked],
        alphas: Mapping[int, ObjectAlpha],
        matting: FrameMatting,
        results: Sequence[ObjectResult],
    ) -> Matte:
        shot, output = self._shot, self._shot.recipe.output
        shape = (shot.window.height, shot.window.width)
        whole = union([one.alpha for one in alphas.values()], shape)
        provenance: dict[str, Any] = {
            **self.provenance.as_dict(),
            "recipe_hash": self._hash,
            "content_id": shot.reader.content_id(frame),
            "objects": {
                str(one.object_id): {"confidence": one.confidence, "area": one.area}
                for one in results
            },
        }
        # Results do not depend on it, so that files of one recipe are the same bit for bit.
        del provenance["threads"]
        return Matte(
            union=whole,
            objects=tuple(
                ObjectMatte(
                    one.name,
                    alphas[one.id].alpha,
                    alphas[one.id].trimap if output.trimap else None,
                    masks[one.id].confidence if output.confidence else None,
                )
                for one in shot.recipe.objects
            ),
            window=shot.window,
            display=(round(shot.format.width * shot.scale), round(shot.format.height * shot.scale)),
            pixel_aspect=shot.format.pixel_aspect,
            foreground=matting.foreground(whole) if output.foreground else None,
            provenance=provenance,
        )
