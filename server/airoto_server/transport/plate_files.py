"""Where the frames of a plate lie: files by pattern, one movie, or uploads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from airoto.errors import HandleUnknownError
from airoto.sequence import Pattern
from airoto.wire import messages as pb
from airoto_server.ops.geometry import Format
from airoto_server.transport.decoder import Decoder
from airoto_server.transport.items import Item
from airoto_server.transport.roots import Roots
from airoto_server.transport.spool import Spool


@dataclass(frozen=True)
class PlateSettings:
    """What a recipe says of its plate.

    Attributes:
        path: absolute pattern, still or movie.
        frames: first and last, or None where that is to be found out.
        format: the reference format, or None where that is to be found out.
        proxy_scale: size of the files relative to `format`.
        view: of a multi-view plate, or empty.
        layer: that holds the picture, or empty for the main one.
        missing: what to do about frames that are not there; unspecified means error.
        movie_first_frame: frame number of a movie's first picture.
        uploads: handles by frame, where the files were uploaded; the path then only names them.
            A movie is uploaded whole, under any one frame number.
    """

    path: str
    frames: tuple[int, int] | None = None
    format: Format | None = None
    proxy_scale: float = 1.0
    view: str = ""
    layer: str = ""
    missing: pb.MissingFrames = pb.MissingFrames.MISSING_FRAMES_ERROR
    movie_first_frame: int = 1
    uploads: Mapping[int, str] = field(default_factory=dict)


class PlateFiles:
    """The files of one plate, every path checked against the roots."""

    def __init__(
        self, settings: PlateSettings, decoder: Decoder, roots: Roots, spool: Spool
    ) -> None:
        """
        Raises:
            BadRequestError: a path that is no pattern.
        """
        self.settings = settings
        self.pattern = Pattern.parse(settings.path)
        self.decoder = decoder
        self._roots = roots
        self._spool = spool

    @property
    def is_movie(self) -> bool:
        """Whether one file holds all frames."""
        if not self.pattern.is_movie:
            return False
        return not self.settings.uploads or self._uploaded_movie() is not None

    @property
    def is_still(self) -> bool:
        """Whether one picture serves for every frame."""
        return not (self.settings.uploads or self.pattern.is_movie or self.pattern.has_token)

    @cached_property
    def available(self) -> tuple[int, ...]:
        """Frames that have pixels of their own, rising; none for a still, which serves for any.

        Raises:
            PathForbiddenError: the plate lies outside the roots.
            FrameMissingError: the plate's folder or movie is not there.
            FrameUnreadableError: a damaged movie.
        """
        settings = self.settings
        if settings.uploads and not self.is_movie:
            return tuple(sorted(settings.uploads))
        if self.is_movie:
            count = self.decoder.probe_movie(self.file(0), label=self.label(0)).count
            return tuple(range(settings.movie_first_frame, settings.movie_first_frame + count))
        # The folder's list of files is content too.
        self._roots.check_read(self.pattern.path(0, settings.view).parent)
        return tuple(self.pattern.frames_on_disk(settings.view))

    def file(self, frame: int) -> Path:
        """Where a frame's file really lies; it need not be there.

        Raises:
            PathForbiddenError: outside the roots.
            HandleUnknownError: an uploaded movie was released.
        """
        movie = self._uploaded_movie()
        if movie is not None:
            return movie.path
        return self._roots.check_read(self.pattern.path(frame, self.settings.view))

    def label(self, frame: int) -> str:
        """How messages name a frame's file: its path as the recipe has it, or its name."""
        movie = self._uploaded_movie()
        if movie is not None:
            return f"uploaded movie {movie.name}"
        upload = self.upload(frame)
        if upload is None:
            return str(self.pattern.path(frame, self.settings.view))
        return f"uploaded frame {frame}" + (f" ({upload.name})" if upload.name else "")

    def upload(self, frame: int) -> Item | None:
        """The uploaded content of a frame; None where it is read from a path or a movie.

        Raises:
            HandleUnknownError: it was released.
        """
        if not self.settings.uploads or self._uploaded_movie() is not None:
            return None
        try:
            return self._spool.open(self.settings.uploads[frame])
        except HandleUnknownError as exc:
            exc.frame = frame
            raise

    def _uploaded_movie(self) -> Item | None:
        """The movie that was uploaded whole, where the path is a movie's and that is the case.

        Pictures of a movie may be uploaded one by one as well, as images or planes.
        """
        handles = self.settings.uploads.values()
        if not self.pattern.is_movie or len(handles) != 1:
            return None
        item = self._spool.open(*handles)
        is_movie = item.plane is None and Pattern.parse(item.name).is_movie
        return item if is_movie else None
