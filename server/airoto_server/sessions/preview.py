"""A contact sheet and an overlay movie of a render: people would rather look than read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from airoto_server.engines.roles import Mask, Picture, Tracked
from airoto_server.ops.imagefile import Frame
from airoto_server.ops.preview import (
    Cell,
    Matte,
    cell,
    contact_sheet,
    parse_tint,
    picked,
    tint_for,
    write_png,
)
from airoto_server.ops.preview_movie import OverlayMovie
from airoto_server.sessions.events import PreviewMade
from airoto_server.sessions.matting import ObjectAlpha
from airoto_server.sessions.shot import Shot
from airoto_server.transport.decoder import Decoder
from airoto_server.transport.spool import Spool

# Long side of what is kept of each frame.
_SIDE = 960


class PreviewMaker:
    """Keeps a small picture and small mattes of every frame on disk, then draws them in order.

    Args:
        shot: its frames are read again for frames that were finished before.
        decoder: reads their mattes.
        folder: where small frames wait.
    """

    def __init__(self, shot: Shot, folder: Path, decoder: Decoder) -> None:
        folder.mkdir()
        self._decoder = decoder
        self._shot = shot
        self._folder = folder
        self._frames: dict[int, float | None] = {}
        self._tints = {
            one.name: parse_tint(one.colour) if one.colour else tint_for(index)
            for index, one in enumerate(shot.recipe.objects)
        }

    def add(
        self,
        frame: int,
        plate: Frame,
        alphas: Mapping[int, ObjectAlpha],
        masks: Mapping[int, Tracked],
    ) -> None:
        """Keep a frame that was just made."""
        confidence = min((one.confidence for one in masks.values()), default=None)
        self._keep(
            frame, plate, [alphas[one.id].alpha for one in self._shot.recipe.objects], confidence
        )

    def add_kept(self, frame: int, path: Path) -> None:
        """Keep a frame from its finished file."""
        made = self._decoder.read_matte_info(path).provenance or {}
        found = [one["confidence"] for one in made.get("objects", {}).values()]
        objects = self._shot.recipe.objects
        alphas = [self._decoder.read_matte_alpha(path, one.name).mask for one in objects]
        self._keep(frame, self._shot.frames.plate(frame), alphas, min(found, default=None))

    def finish(self, spool: Spool) -> Iterator[PreviewMade]:
        """Draw both files and put them into the spool."""
        frames = sorted(self._frames)
        if not frames:
            return
        name = Path(self._shot.recipe.output.path).name.split(".")[0] or "matte"
        sheet, movie = (
            self._folder / f"{name}_contact_sheet.png",
            self._folder / f"{name}_overlay.mp4",
        )
        shown = set(picked(frames))
        cells: list[Cell] = []
        picture, _ = self._load(frames[0])
        with OverlayMovie(movie, picture.shape[1], picture.shape[0]) as writer:
            for frame in frames:
                picture, mattes = self._load(frame)
                writer.add(picture, mattes)
                if frame in shown:
                    cells.append(cell(frame, picture, mattes, self._frames[frame]))
        engines = ", ".join(f"{use.role.value} {use.name}" for use in self._shot.provenance.engines)
        title = f"{self._shot.recipe.name or name}  {frames[0]}-{frames[-1]}  {engines}"
        write_png(sheet, contact_sheet(cells, title=title))
        for kind, path in (("contact_sheet", sheet), ("overlay", movie)):
            yield PreviewMade(kind, spool.put_file(path).handle, path.name)

    def _keep(
        self, frame: int, plate: Frame, alphas: Sequence[Mask], confidence: float | None
    ) -> None:
        picture, small = self._shot.shown(plate, alphas, _SIDE)
        np.savez(
            self._folder / f"{frame}.npz",
            picture=np.rint(picture * 255).astype(np.uint8),
            alphas=np.rint(np.stack(small) * 255).astype(np.uint8),
        )
        self._frames[frame] = confidence

    def _load(self, frame: int) -> tuple[Picture, list[Matte]]:
        with np.load(self._folder / f"{frame}.npz") as kept:
            picture = _unit(kept["picture"])
            alphas = _unit(kept["alphas"])
        return picture, [
            Matte(alpha, self._tints[one.name], one.name)
            for one, alpha in zip(self._shot.recipe.objects, alphas, strict=True)
        ]


def _unit(array: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    return array.astype(np.float32) / np.float32(255)
