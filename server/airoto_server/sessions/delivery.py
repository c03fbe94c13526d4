"""Finished alphas to files: written where the recipe says, or kept for the client to fetch."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from airoto.sequence import Pattern
from airoto.wire import messages as pb
from airoto_server.engines.roles import Tracked
from airoto_server.ops.matte_file import Matte, ObjectMatte
from airoto_server.sessions.cache import ShotCache
from airoto_server.sessions.cache_keys import digest
from airoto_server.sessions.events import FrameFinished, FrameStatus, ObjectResult, Provenance
from airoto_server.sessions.matting import FrameMatting, ObjectAlpha, union
from airoto_server.sessions.shot import Shot
from airoto_server.sessions.workshop import Workshop
from airoto_server.transport.matte_writer import MatteWriter, OutputSettings
from airoto_server.transport.roots import Roots


@dataclass(frozen=True)
class Matted:
    """A frame on its way to its file.

    Attributes:
        matting: for those who need the plate's pixels.
        notes: fallbacks of the matter.
    """

    frame: int
    masks: Mapping[int, Tracked]
    alphas: Mapping[int, ObjectAlpha]
    matting: Callable[[], FrameMatting]
    notes: tuple[str, ...]


class Delivery:
    """The files of one render.

    Attributes:
        provenance: goes into every header; the render fills in what engines say of themselves.

    Args:
        recipe_hash: of the whole recipe; goes into every header.
        way: DELIVERY_HANDLES keeps files in the spool; everything else writes them in place.
        folder: for files that are on their way to the spool.
        cache: keeps finished files.
    """

    def __init__(
        self,
        workshop: Workshop,
        shot: Shot,
        recipe_hash: str,
        way: pb.Delivery,
        folder: Path,
        cache: ShotCache,
    ) -> None:
        self._spool = workshop.spool
        self._decoder = workshop.decoder
        self._shot = shot
        self._hash = recipe_hash
        self._cache = cache
        # What the header says of the asker, besides the recipe's hash.
        self._asker = json.dumps(_said(shot.provenance), sort_keys=True, default=str)
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

    def divide(
        self, frames: Sequence[int], result_key: Callable[[int], str]
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Frames finished before by the same recipe, and those to be made.

        Args:
            result_key: what a frame's file depends on; asked for where a file is there.

        Raises:
            OutputError, PathForbiddenError: the folder cannot be used, or files are in the way.
        """
        plan = self._writer.plan(frames, self._hash, result_key)
        return plan.kept, plan.todo

    def path(self, frame: int) -> Path:
        """Where a frame's file lies."""
        return self._writer.path(frame)

    def output_path(self, frame: int) -> Path:
        """Where the recipe wants a frame's file."""
        wanted = Pattern.parse(self._shot.recipe.output.path)
        return wanted.path(frame, self._shot.recipe.plate.view)

    def approved(self, frame: int, file: Path) -> tuple[str, str]:
        """Put an approved file where the frame's matte goes; its path there, or its handle.

        Raises:
            OutputError: it cannot be written.
        """
        path = self.output_path(frame)
        if self._by_handle:
            return "", self._spool.put_file(file, path.name).handle
        return str(self._writer.put(frame, file)), ""

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

    def deliver(self, one: Matted, result_key: str) -> FrameFinished:
        """Write one frame.

        Args:
            result_key: what the file depends on.

        Raises:
            OutputError: it cannot be written.
        """
        frame = one.frame
        results = tuple(
            ObjectResult(
                object_id,
                round(one.masks[object_id].confidence, 4),
                round(float(made.part.values.sum(dtype=np.float64)) / self._shot.scale**2, 1),
            )
            for object_id, made in sorted(one.alphas.items())
        )
        path = self._writer.write(frame, self._matte(one, results, result_key))
        if not one.notes:  # a fallback is for this time only
            self._cache.keep_file(self._file_key(result_key), results, path.read_bytes())
        if not self._by_handle:
            return FrameFinished(frame, FrameStatus.DONE, path=str(path), objects=results)
        item = self._spool.put_file(path, self.output_path(frame).name)
        path.unlink()
        return FrameFinished(frame, FrameStatus.DONE, handle=item.handle, objects=results)

    def again(self, frame: int, result_key: str) -> FrameFinished | None:
        """Deliver a frame as it was delivered before; None where that is not in the cache.

        Raises:
            OutputError: it cannot be written.
        """
        found = self._cache.file(self._file_key(result_key))
        if found is None:
            return None
        objects, data = found
        if self._by_handle:
            item = self._spool.put_bytes(data, self.output_path(frame).name)
            return FrameFinished(
                frame, FrameStatus.DONE, handle=item.handle, objects=tuple(objects)
            )
        path = self._writer.put_bytes(frame, data)
        return FrameFinished(frame, FrameStatus.DONE, path=str(path), objects=tuple(objects))

    def _file_key(self, result_key: str) -> str:
        return digest("bytes", self._hash, result_key, self._asker)

    def _matte(self, one: Matted, results: Sequence[ObjectResult], result_key: str) -> Matte:
        shot, output = self._shot, self._shot.recipe.output
        shape = (shot.window.height, shot.window.width)
        whole = union([made.part for made in one.alphas.values()])
        provenance: dict[str, Any] = {
            **_said(self.provenance.with_notes(one.notes)),
            "recipe_hash": self._hash,
            "result_key": result_key,
            "content_id": shot.reader.content_id(one.frame),
            "objects": {
                str(each.object_id): {"confidence": each.confidence, "area": each.area}
                for each in results
            },
        }
        return Matte(
            union=whole,
            objects=tuple(
                ObjectMatte(
                    each.name,
                    one.alphas[each.id].part,
                    one.alphas[each.id].trimap_part if output.trimap else None,
                    one.masks[each.id].confidence if output.confidence else None,
                )
                for each in shot.recipe.objects
            ),
            window=shot.window,
            display=(round(shot.format.width * shot.scale), round(shot.format.height * shot.scale)),
            pixel_aspect=shot.format.pixel_aspect,
            foreground=(
                one.matting().foreground(whole.whole(shape)) if output.foreground else None
            ),
            provenance=provenance,
        )


def _said(provenance: Provenance) -> dict[str, object]:
    """Of a header; results do not depend on threads, so that files of one recipe are the same."""
    return {name: value for name, value in provenance.as_dict().items() if name != "threads"}
