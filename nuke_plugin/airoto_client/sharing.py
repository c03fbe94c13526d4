"""Which files client and server both see: proved, never assumed; the rest is uploaded."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from airoto.errors import FrameMissingError, TooLargeError
from airoto.sequence import Pattern, compress_frames
from airoto.wire.messages import Recipe
from airoto_client.files import existing_folder, read_error, sha256_of
from airoto_client.link import Link, Message

# Length in bytes of the stretch of a file that is compared.
_STRETCH = 64 * 1024
# Largest image inside a recipe, in bytes.
MAX_INLINE = 1024 * 1024

Tell = Callable[[int, int], None]


@dataclass(frozen=True)
class Seen:
    """Whether the server sees a path as we do; if not, `reason` says why."""

    visible: bool
    reason: str = ""


@dataclass(frozen=True)
class LocalPlate:
    """A plate's files as this machine has them.

    Attributes:
        pattern: absolute.
        view: name of the view, or empty.
        frames: of a sequence, rising; of a still or movie one number that stands for the file.
    """

    pattern: Pattern
    view: str
    frames: tuple[int, ...]

    @classmethod
    def find(cls, plate: Message) -> LocalPlate:
        """The files of a `Plate` message whose path is absolute.

        Raises:
            FrameMissingError: there is not one.
            BadRequestError: the pattern cannot be understood.
        """
        pattern = Pattern.parse(plate["path"])
        view = plate.get("view", "")
        if pattern.has_token:
            declared = set(pattern.declared_frames)
            frames = [f for f in pattern.frames_on_disk(view) if not declared or f in declared]
        else:
            frames = [1] if pattern.path(1, view).is_file() else []
        if not frames:
            raise FrameMissingError(
                f"no file matches the plate {pattern}",
                path=str(pattern),
                hint="patterns are written plate.%04d.exr or plate.####.exr",
            )
        return cls(pattern, view, tuple(frames))

    @property
    def is_still(self) -> bool:
        """Whether one picture serves for every frame."""
        return not (self.pattern.has_token or self.pattern.is_movie)

    def path(self, frame: int) -> Path:
        """The file that holds a frame."""
        return self.pattern.path(frame, self.view)

    def newest(self) -> float:
        """When its files were last changed, in seconds since the epoch."""
        return max(self.path(frame).stat().st_mtime for frame in self.frames)


def sees_file(link: Link, path: Path) -> Seen:
    """Compare a random stretch of a file with what the server reads there.

    Raises:
        FrameMissingError, FrameUnreadableError: we cannot read it ourselves.
    """
    try:
        size = path.stat().st_size
    except OSError as exc:
        raise read_error(exc, path) from exc
    offset = secrets.randbelow(max(1, size - _STRETCH + 1))
    length = min(_STRETCH, size)
    request = {"path": str(path), "offset": str(offset), "length": length}
    answer = link.call("ProvePath", request)
    if not answer.get("visible", False):
        return Seen(False, answer.get("reason", "it is not there"))
    if int(answer.get("size", 0)) != size:
        return Seen(False, "another file has that path there")
    if answer.get("sha256") != sha256_of(path, offset=offset, length=length):
        return Seen(False, "another file has that path there")
    return Seen(True)


def sees_folder(link: Link, folder: Path) -> Seen:
    """Write a nonce file and let the server read it.

    A folder that is not there yet is judged by the nearest one above that is, so nothing has
    to be made. Where we may not write, nothing can be proved, and it counts as not seen.
    """
    place = existing_folder(folder)
    nonce = place / f".airoto-{secrets.token_hex(8)}.nonce"
    data = secrets.token_bytes(32)
    try:
        try:
            nonce.write_bytes(data)
        except OSError as exc:
            return Seen(False, f"{place} cannot be written: {exc.strerror}")
        request = {"path": str(nonce), "offset": "0", "length": len(data)}
        answer = link.call("ProvePath", request)
    finally:
        with contextlib.suppress(OSError):
            nonce.unlink()
    if not answer.get("visible", False):
        return Seen(False, answer.get("reason", "it is not there"))
    if answer.get("sha256") != hashlib.sha256(data).hexdigest():
        return Seen(False, "another folder has that path there")
    return Seen(True)


def upload_locked(link: Link, recipe: Recipe) -> list[Message]:
    """Upload the files of approved frames that the server does not see.

    Args:
        recipe: its paths absolute.

    Returns:
        `UploadedFrame` messages. A file that is not there is left to the server to refuse.
    """
    uploads: list[Message] = []
    output = Pattern.parse(recipe.output.path)
    for lock in recipe.locked:
        path = Path(lock.path) if lock.path else output.path(lock.frame, recipe.plate.view)
        if path.is_file() and not sees_file(link, path).visible:
            uploads.append({"frame": lock.frame, "handle": link.upload_file(path)["handle"]})
    return uploads


def upload_plate(
    link: Link, plate: LocalPlate, frames: Sequence[int], info: Message, tell: Tell
) -> list[Message]:
    """Upload a plate's frames; a still once for all of them, a movie whole.

    Args:
        frames: those wanted; missing ones are left to the recipe's policy.
        info: the server's `GetServerInfoResponse`, for its limits.
        tell: called with files sent and files in all.

    Returns:
        `UploadedFrame` messages.

    Raises:
        FrameMissingError: the plate has none of the frames.
        TooLargeError: a file is larger than the server takes.
    """
    limit = int(info.get("limits", {}).get("max_upload_bytes", 0))
    if not plate.pattern.has_token:
        path = plate.path(1)
        _check_size(path, limit)
        handle = link.upload_file(path)["handle"]
        return [{"frame": frame, "handle": handle} for frame in (frames if plate.is_still else [1])]
    wanted = set(frames)
    chosen = [frame for frame in plate.frames if frame in wanted]
    if not chosen:
        raise FrameMissingError(
            f"the plate {plate.pattern} has none of the frames {compress_frames(wanted)}; "
            f"it has {compress_frames(plate.frames)}",
            path=str(plate.pattern),
        )
    uploads: list[Message] = []
    tell(0, len(chosen))
    for frame in chosen:
        path = plate.path(frame)
        _check_size(path, limit)
        answer = link.upload_file(path)
        uploads.append({"frame": frame, "handle": answer["handle"]})
        tell(len(uploads), len(chosen))
    return uploads


def _check_size(path: Path, limit: int) -> None:
    """Refuse what the server would refuse, before it is sent."""
    if limit and path.is_file() and path.stat().st_size > limit:
        raise TooLargeError(
            f"{path} has {path.stat().st_size} bytes; the server takes at most {limit}",
            hint="use a server that sees the files",
            path=str(path),
        )


def inline_mask(path: Path) -> bytes:
    """A mask's file for the recipe itself, where the server does not see it.

    Raises:
        FrameMissingError, FrameUnreadableError: it cannot be read.
        TooLargeError: it is larger than a recipe may carry.
    """
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise read_error(exc, path) from exc
    if len(data) > MAX_INLINE:
        raise TooLargeError(
            f"the mask {path} has {len(data)} bytes, and the server does not see it; "
            f"inside a recipe {MAX_INLINE} are allowed",
            hint="save it as a smaller PNG, or put it where the server sees it",
            path=str(path),
        )
    return data
