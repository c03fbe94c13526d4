"""Mattes into their folder: what is finished, what is in the way, and writing the rest."""

from __future__ import annotations

import contextlib
import filecmp
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from airoto.errors import AIRotoError, FrameUnreadableError, OutputError, OutputExistsError
from airoto.sequence import Pattern, compress_frames
from airoto.wire import messages as pb
from airoto_server.ops.matte_file import SUFFIXES, Compression, Matte, write_matte
from airoto_server.ops.matte_file_atomic import (
    TEMPORARY_PREFIX,
    output_error,
    replacing,
    try_to_write,
)
from airoto_server.transport.decoder import Decoder
from airoto_server.transport.roots import Roots

# Half-written files of a server that was killed are removed when they are this old.
_ABANDONED_SECONDS = 3600.0

_COMPRESSIONS = {
    pb.Compression.COMPRESSION_UNSPECIFIED: Compression.ZIPS,
    pb.Compression.COMPRESSION_ZIPS: Compression.ZIPS,
    pb.Compression.COMPRESSION_DWAA: Compression.DWAA,
    pb.Compression.COMPRESSION_PIZ: Compression.PIZ,
    pb.Compression.COMPRESSION_NONE: Compression.NONE,
    pb.Compression.COMPRESSION_RLE: Compression.RLE,
}


@dataclass(frozen=True)
class OutputSettings:
    """Where mattes go, from the recipe.

    Attributes:
        path: absolute pattern, or one file for a single frame.
        compression: of EXR files.
        overwrite: what to do about files that are there.
        view: for patterns with a place for it.
    """

    path: str
    compression: pb.Compression = pb.Compression.COMPRESSION_ZIPS
    overwrite: pb.Overwrite = pb.Overwrite.OVERWRITE_RESUME
    view: str = ""


@dataclass(frozen=True)
class WritePlan:
    """Which frames are finished already (`kept`) and which are to be made; both rising."""

    kept: tuple[int, ...]
    todo: tuple[int, ...]


class MatteWriter:
    """The matte files of one recipe. `write` may be called by several threads."""

    def __init__(self, settings: OutputSettings, decoder: Decoder, roots: Roots) -> None:
        """
        Raises:
            BadRequestError: a path that is no pattern.
            OutputError: a format that mattes cannot be written in.
        """
        self._settings = settings
        self._pattern = Pattern.parse(settings.path)
        self._decoder = decoder
        self._roots = roots
        if self._pattern.extension not in SUFFIXES:
            raise OutputError(
                f"{settings.path}: no such matte format; allowed: {', '.join(SUFFIXES)}",
                path=settings.path,
            )

    def path(self, frame: int) -> Path:
        """Where a frame's matte goes, as the recipe names it."""
        return self._pattern.path(frame, self._settings.view)

    def plan(
        self, frames: Iterable[int], recipe_hash: str, result_key: Callable[[int], str]
    ) -> WritePlan:
        """Divide the frames, make the folder, and see that it can be written.

        A frame is finished when its file says it was made by this recipe, and from what it
        would be made from now: the provenance's `recipe_hash` and `result_key`.

        Args:
            result_key: what a frame's matte depends on (pixels, engines); asked for only where
                a file of the same recipe is there.

        Raises:
            OutputExistsError: files are in the way; the message names them.
            OutputError, OutOfSpaceError: the folder cannot be made or written.
            PathForbiddenError: it lies outside the roots.
        """
        wanted = sorted(set(frames))
        if len(wanted) > 1 and not self._pattern.has_token:
            raise OutputError(
                f"{self._settings.path}: {len(wanted)} frames need a place for the frame number",
                path=self._settings.path,
                hint="name.%04d.exr",
            )
        targets = {frame: self._roots.check_write(self.path(frame)) for frame in wanted}
        there = [frame for frame in wanted if targets[frame].exists()]
        self._refuse_folders(targets)
        if self._settings.overwrite == pb.Overwrite.OVERWRITE_REFUSE and there:
            raise self._in_the_way(there, "are there already")
        kept: list[int] = []
        if self._settings.overwrite != pb.Overwrite.OVERWRITE_REPLACE:
            kept = self._finished(targets, there, recipe_hash, result_key)
        for folder in sorted({target.parent for target in targets.values()}):
            _prepare(folder, self._pattern.extension)
        return WritePlan(tuple(kept), tuple(frame for frame in wanted if frame not in set(kept)))

    def write(self, frame: int, matte: Matte) -> Path:
        """Write a frame's matte; where it lies. See `ops.matte_file.write_matte`.

        Raises:
            OutOfSpaceError, OutputError, PathForbiddenError: it cannot be written.
        """
        try:
            path = self._roots.check_write(self.path(frame))
            write_matte(path, matte, compression=_COMPRESSIONS[self._settings.compression])
        except AIRotoError as exc:
            exc.frame = frame
            raise
        return self.path(frame)

    def put(self, frame: int, file: Path) -> Path:
        """Put a file there as a frame's matte, as it is; where it lies.

        Raises:
            OutOfSpaceError, OutputError, PathForbiddenError: it cannot be written.
        """
        target = self._roots.check_write(self.path(frame))
        if not (target.exists() and same_content(target, file)):
            with replacing(target) as temporary:
                shutil.copyfile(file, temporary)
        return self.path(frame)

    def put_bytes(self, frame: int, data: bytes) -> Path:
        """Put a file's bytes there as a frame's matte; where it lies.

        Raises:
            OutOfSpaceError, OutputError, PathForbiddenError: it cannot be written.
        """
        with replacing(self._roots.check_write(self.path(frame))) as temporary:
            temporary.write_bytes(data)
        return self.path(frame)

    def _finished(
        self,
        targets: dict[int, Path],
        there: list[int],
        recipe_hash: str,
        result_key: Callable[[int], str],
    ) -> list[int]:
        """Frames finished by this recipe; files of others than AIRoto are in the way."""
        kept, strange = [], []
        for frame in there:
            try:
                made = self._decoder.read_matte_info(targets[frame]).provenance
            except FrameUnreadableError:
                made = None
            if made is None:
                strange.append(frame)
            elif made.get("recipe_hash") == recipe_hash and made.get("result_key") == result_key(
                frame
            ):
                kept.append(frame)
        if strange:
            raise self._in_the_way(strange, "were not made by AIRoto")
        return kept

    def _refuse_folders(self, targets: dict[int, Path]) -> None:
        for target in targets.values():
            if target.is_dir():
                raise OutputExistsError(f"{target} is a folder", path=str(target))

    def _in_the_way(self, frames: list[int], why: str) -> OutputExistsError:
        return OutputExistsError(
            f"{self._settings.path}: frames {compress_frames(frames)} {why}",
            frame=frames[0],
            path=str(self.path(frames[0])),
            hint="choose another output path, or the overwrite policy `replace`",
        )


def same_content(a: Path, b: Path) -> bool:
    """Whether two files are one, or hold the same bytes."""
    return a.samefile(b) or filecmp.cmp(a, b, shallow=False)


def _prepare(folder: Path, suffix: str) -> None:
    """Make the folder, write a file in it for a try, remove what a killed server left."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try_to_write(folder, suffix)
        before = time.time() - _ABANDONED_SECONDS
        for left in folder.glob(f"{TEMPORARY_PREFIX}*{suffix}"):
            # Another render's file may take its name, or go, at this very moment.
            with contextlib.suppress(FileNotFoundError):
                if left.stat().st_mtime < before:
                    left.unlink()
    except OSError as exc:
        raise output_error(folder, exc) from exc
