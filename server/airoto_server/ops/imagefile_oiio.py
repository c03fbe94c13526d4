"""Opening image files through OpenImageIO: the one place that imports and sets it up."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import OpenImageIO as oiio

from airoto.errors import FrameMissingError, FrameUnreadableError

# A file is opened by the one reader its first bytes call for: no guessing through all of
# OpenImageIO's readers, most of which parse formats that no plate comes in.
oiio.attribute("try_all_readers", 0)
# Parallel work is the caller's, by frames.
oiio.attribute("threads", 1)
oiio.attribute("exr_threads", -1)

__all__ = ["FORMATS", "check_file", "first_line", "oiio", "opened", "sniff", "unreadable"]

# OpenImageIO's name of a format -> what people call it, and its suffixes.
FORMATS: dict[str, tuple[str, tuple[str, ...]]] = {
    "openexr": ("OpenEXR", (".exr", ".sxr", ".mxr")),
    "dpx": ("DPX", (".dpx",)),
    "cineon": ("Cineon", (".cin",)),
    "tiff": ("TIFF", (".tif", ".tiff")),
    "png": ("PNG", (".png",)),
    "jpeg": ("JPEG", (".jpg", ".jpeg", ".jpe")),
    "hdr": ("Radiance HDR", (".hdr",)),
}

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\x76\x2f\x31\x01", "openexr"),
    (b"SDPX", "dpx"),
    (b"XPDS", "dpx"),
    (b"\x80\x2a\x5f\xd7", "cineon"),
    (b"\xd7\x5f\x2a\x80", "cineon"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    (b"II+\x00", "tiff"),
    (b"MM\x00+", "tiff"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"#?RADIANCE", "hdr"),
    (b"#?RGBE", "hdr"),
)


def sniff(head: bytes) -> str | None:
    """OpenImageIO's name of the format that a file beginning with `head` is of, if known."""
    return next((name for magic, name in _SIGNATURES if head.startswith(magic)), None)


def unreadable(label: str, what: str, hint: str = "") -> FrameUnreadableError:
    """The error for a file that is there but cannot be decoded; `label` is its path."""
    return FrameUnreadableError(f"{label}: {what}", path=label, hint=hint)


def first_line(message: str) -> str:
    """The first line of a library's message, without its noise."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else "no reason given"


def check_file(path: Path, label: str) -> bytes:
    """The first bytes of a regular file that can be read.

    Raises:
        FrameMissingError: there is nothing of that name.
        FrameUnreadableError: a folder, pipe or device, no permission, or an empty file.
    """
    try:
        # A pipe would block in open().
        if not stat.S_ISREG(path.stat().st_mode):
            raise unreadable(label, "is not a regular file")
        with path.open("rb") as file:
            head = file.read(16)
    except FileNotFoundError as exc:
        raise FrameMissingError(f"{label}: no such file", path=label) from exc
    except OSError as exc:
        raise unreadable(label, f"cannot be read: {exc.strerror}") from exc
    if not head:
        raise unreadable(label, "is empty")
    return head


@contextmanager
def opened(path: Path, label: str) -> Iterator[tuple[Any, str, tuple[str, ...]]]:
    """An open `oiio.ImageInput`, its format and notes on it.

    The content decides the format; the name of the file does not. Colour is never
    multiplied or divided by alpha.

    Raises:
        FrameMissingError, FrameUnreadableError: as `check_file`; an unknown format; a
            damaged header.
    """
    head = check_file(path, label)
    format_name = sniff(head)
    if format_name is None:
        known = ", ".join(name for name, _ in FORMATS.values())
        raise unreadable(label, "is no picture of a known format", f"known formats: {known}")
    title, suffixes = FORMATS[format_name]
    suffix = path.suffix.lower()
    notes: tuple[str, ...] = ()
    if suffix not in suffixes and any(suffix in known for _, known in FORMATS.values()):
        notes = (f"named {suffix} but holds {title}",)
    with _translated(label, title), _name_for_oiio(path, suffixes) as name:
        config = oiio.ImageSpec()
        config.attribute("oiio:UnassociatedAlpha", 1)
        handle = oiio.ImageInput.open(name, config)
        if handle is None:
            reason = first_line(oiio.geterror().replace(name, path.name))
            if reason.startswith("Subsampled channels"):
                what = "holds luma and chroma (Y, RY, BY), not R, G, B"
                raise unreadable(label, what, "write it as RGB")
            raise unreadable(label, f"damaged {title}: {reason}")
        try:
            yield handle, format_name, notes
        finally:
            handle.close()


@contextmanager
def _translated(label: str, title: str) -> Iterator[None]:
    """What OpenImageIO's bindings raise, as errors that name the file."""
    try:
        yield
    except UnicodeDecodeError as exc:
        raise unreadable(label, f"damaged {title}: its header is no text") from exc
    except MemoryError as exc:
        raise unreadable(label, f"needs more memory than there is to read this {title}") from exc
    except RuntimeError as exc:
        raise unreadable(label, f"damaged {title}: {first_line(str(exc))}") from exc


@contextmanager
def _name_for_oiio(path: Path, suffixes: tuple[str, ...]) -> Iterator[str]:
    """A name that makes OpenImageIO take the right reader: the file's own, or a link's."""
    own = os.fspath(path)
    plain = "?" not in own and own.isprintable()  # it takes what follows `?` for options
    if plain and path.suffix.lower() in suffixes:
        yield own
        return
    with tempfile.TemporaryDirectory(prefix="airoto-") as folder:
        link = Path(folder) / f"file{suffixes[0]}"
        link.symlink_to(path.absolute())
        yield os.fspath(link)
