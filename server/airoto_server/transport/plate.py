"""A plate: a sequence, a still, a movie or uploaded frames, read frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from airoto.errors import (
    AIRotoError,
    FrameMismatchError,
    FrameMissingError,
    FrameUnreadableError,
)
from airoto.sequence import compress_frames
from airoto.wire import messages as pb
from airoto_server.ops.imagefile import Frame, finite
from airoto_server.transport import plate_probe
from airoto_server.transport.content import ContentIds, combined
from airoto_server.transport.decoder import Decoder
from airoto_server.transport.items import Item
from airoto_server.transport.plate_files import PlateFiles, PlateSettings
from airoto_server.transport.plate_probe import PlateFacts
from airoto_server.transport.roots import Roots
from airoto_server.transport.spool import Spool

__all__ = ["FramePlan", "PlateFacts", "PlateReader", "PlateSettings"]

R = TypeVar("R")


@dataclass(frozen=True)
class FramePlan:
    """Which frames of a span can be had.

    Attributes:
        usable: frames that `PlateReader.read` answers, rising.
        missing: frames whose own files are not there, rising.
        notes: what is done about them, for people.
    """

    usable: tuple[int, ...]
    missing: tuple[int, ...]
    notes: tuple[str, ...]


class PlateReader:
    """The frames of one plate. For any number of threads."""

    def __init__(
        self,
        settings: PlateSettings,
        decoder: Decoder,
        roots: Roots,
        spool: Spool,
        contents: ContentIds | None = None,
    ) -> None:
        """
        Args:
            contents: remembers identities of files; may be shared by readers.

        Raises:
            BadRequestError: a path that is no pattern.
        """
        self.settings = settings
        self._files = PlateFiles(settings, decoder, roots, spool)
        self._contents = contents or ContentIds()

    def probe(self) -> PlateFacts:
        """What the plate is; see `plate_probe.probe`."""
        return plate_probe.probe(self._files)

    def assumed_space(self) -> str:
        """The colour space assumed where the recipe names none; see `plate_probe`."""
        return plate_probe.assumed_space(self._files)

    def plan(self, frames: Iterable[int]) -> FramePlan:
        """Which of these frames can be had, by the plate's policy for missing frames.

        Raises:
            FrameMissingError: frames are missing and the policy does not allow it, or all are.
            PathForbiddenError: the plate lies outside the roots.
        """
        wanted = tuple(sorted(set(frames)))
        if self._files.is_still:
            if not self._files.file(wanted[0]).exists():
                raise self._missing(wanted)
            return FramePlan(wanted, (), ())
        there = set(self._files.available)
        missing = tuple(frame for frame in wanted if frame not in there)
        if not missing:
            return FramePlan(wanted, (), ())
        listed = compress_frames(missing)
        usable = tuple(frame for frame in wanted if frame in there)
        if self.settings.missing == pb.MissingFrames.MISSING_FRAMES_SKIP and usable:
            return FramePlan(usable, missing, (f"missing frames {listed} are skipped",))
        if self._holds and there:
            note = f"missing frames {listed} hold the nearest one"
            return FramePlan(wanted, missing, (note,))
        raise self._missing(missing)

    def read(self, frame: int) -> Frame:
        """The pixels of a frame, in the plate's own colour encoding, in the files' pixels.

        Its window may differ from the format's data window; what lies outside it is black.

        Raises:
            FrameMissingError: it is not there, and the policy holds no other.
            FrameUnreadableError: damaged.
            FrameMismatchError: its size is not the format's, or a layer or view is not in it.
            PathForbiddenError: it lies outside the roots.
            HandleUnknownError: an upload that was released.
        """
        return self._about(frame, self._read)

    def content_id(self, frame: int) -> str:
        """`sha256:...` of what a frame is made of: the bytes of its file.

        Raises:
            as `read`.
        """
        return self._about(frame, self._content_id)

    # ---- which frame ---------------------------------------------------------------

    @property
    def _holds(self) -> bool:
        return self.settings.missing == pb.MissingFrames.MISSING_FRAMES_HOLD

    def _about(self, frame: int, work: Callable[[int], R]) -> R:
        """Work on the frame that stands for `frame`; errors say which one was asked for."""
        try:
            return work(self._source(frame))
        except AIRotoError as exc:
            exc.frame = frame
            raise

    def _source(self, frame: int) -> int:
        """The frame whose pixels serve for `frame`."""
        if self._files.is_still:
            return frame
        there = self._files.available
        if frame in there:
            return frame
        if self._holds and there:
            return max((f for f in there if f < frame), default=there[0])
        raise self._missing((frame,))

    def _missing(self, frames: tuple[int, ...]) -> FrameMissingError:
        path = self.settings.path
        if self._files.is_still:
            return FrameMissingError(f"{path}: no such file", path=path)
        there = self._files.available
        if not there:
            return FrameMissingError(f"{path}: the plate has no frame at all", path=path)
        return FrameMissingError(
            f"{path}: missing frames {compress_frames(frames)} "
            f"(there are {there[0]} to {there[-1]})",
            path=path,
            frame=frames[0],
            hint="change the plate's frame range, or set missing_frames to hold or skip",
        )

    # ---- pixels --------------------------------------------------------------------

    def _read(self, frame: int) -> Frame:
        files, settings = self._files, self.settings
        upload, label = files.upload(frame), files.label(frame)
        if upload is not None and upload.plane is not None:
            found = _frame_of_plane(upload, label)
        elif files.is_movie:
            index = frame - settings.movie_first_frame
            found = files.decoder.read_movie_frame(files.file(frame), index, label=label)
        else:
            path = files.file(frame) if upload is None else upload.path
            found = files.decoder.read_frame(
                path, layer=settings.layer, view=settings.view, label=label
            )
        self._check(found, frame, label)
        return found

    def _check(self, found: Frame, frame: int, label: str) -> None:
        """Refuse a frame that is not what the recipe says."""
        settings = self.settings
        files_by_view = self._files.pattern.has_view_token or bool(settings.uploads)
        if settings.view and not found.views and not files_by_view:
            raise FrameMismatchError(
                f"{label}: has no views, but view {settings.view!r} is asked for", path=label
            )
        if settings.format is None:
            return
        width = settings.format.width * settings.proxy_scale
        height = settings.format.height * settings.proxy_scale
        # A proxy of an odd size may have been rounded either way.
        if abs(found.display[0] - width) >= 1 or abs(found.display[1] - height) >= 1:
            proxy = f" at scale {settings.proxy_scale:g}" if settings.proxy_scale != 1 else ""
            raise FrameMismatchError(
                f"{label} is {found.display[0]}x{found.display[1]}, the plate's format is "
                f"{settings.format.width}x{settings.format.height}{proxy}",
                path=label,
                frame=frame,
            )

    def _content_id(self, frame: int) -> str:
        files = self._files
        upload = files.upload(frame)
        if upload is not None:
            plane = upload.plane
            return combined(upload.sha256, plane) if plane else f"sha256:{upload.sha256}"
        content = self._contents.of_file(files.file(frame), label=files.label(frame))
        if files.is_movie:
            return combined(content, frame - self.settings.movie_first_frame)
        return content


def _frame_of_plane(item: Item, label: str) -> Frame:
    """An uploaded raw plane as a frame: grey, RGB or RGBA."""
    assert item.plane is not None
    array, channels = item.array(), item.plane.shape[2]
    if channels not in (1, 3, 4):
        raise FrameUnreadableError(
            f"{label}: a plane of {channels} channels is no picture; allowed: 1, 3 or 4"
        )
    notes: list[str] = []
    colour = np.repeat(array, 3, axis=2) if channels == 1 else array[:, :, :3]
    alpha = array[:, :, 3].astype(np.float32) if channels == 4 else None
    return Frame(
        pixels=np.array(finite(colour, "colour", notes), order="C"),
        alpha=None if alpha is None else finite(alpha, "alpha", notes),
        window=item.plane.window,
        display=item.plane.display,
        pixel_aspect=item.plane.pixel_aspect,
        notes=tuple(notes),
    )
