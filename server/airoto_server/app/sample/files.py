"""Writing the clip's files: whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import OpenImageIO as oiio

from airoto.errors import OutOfSpaceError, OutputError

# Primaries and white of ACEScg (AP1), as EXR's `chromaticities` attribute has them.
_AP1 = (0.713, 0.293, 0.165, 0.830, 0.128, 0.044, 0.32168, 0.33767)
JPEG_QUALITY = 95


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """The system's errors as ours."""
    try:
        yield
    except OSError as exc:
        kind = OutOfSpaceError if exc.errno in (errno.ENOSPC, errno.EDQUOT) else OutputError
        raise kind(f"{path} cannot be written: {exc.strerror or exc}", path=str(path)) from exc


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """`write` fills a temporary file beside `path`, which then takes its place.

    Raises:
        OutputError, OutOfSpaceError: it cannot be written; nothing is left behind.
    """
    # The suffix stays: writers choose the format by it.
    temporary = path.with_name(f".{uuid.uuid4().hex[:8]}.tmp.{path.name}")
    with translated(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """A file with this content."""
    write_whole(path, lambda temporary: _dump(temporary, data))


def _dump(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def write_exr(
    path: Path,
    pixels: npt.NDArray[np.float16],
    channels: tuple[str, ...],
    *,
    origin: tuple[int, int] = (0, 0),
    display: tuple[int, int] | None = None,
) -> None:
    """A ZIP-compressed half EXR.

    Args:
        pixels: (H, W, C) float16; R, G, B are ACEScg.
        channels: C names.
        origin: x and y of the data window's first pixel, from the display window's corner.
        display: width and height of the display window; the data window's, if None.
    """
    height, width, count = pixels.shape
    spec = oiio.ImageSpec(width, height, count, oiio.HALF)
    spec.channelnames = channels
    spec.x, spec.y = origin
    spec.full_x = spec.full_y = 0
    spec.full_width, spec.full_height = display or (width, height)
    spec.attribute("DateTime", "")  # or the time of writing goes in
    spec.attribute("compression", "zip")
    if "R" in channels:
        spec.attribute("chromaticities", oiio.TypeDesc("float[8]"), _AP1)
    data = np.ascontiguousarray(pixels)

    def write(temporary: Path) -> None:
        output: Any = oiio.ImageOutput.create("openexr")
        if not (output.open(str(temporary), spec) and output.write_image(data) and output.close()):
            reason = output.geterror().splitlines() or ["the writer gives no reason"]
            raise OutputError(f"{path} cannot be written: {reason[0]}", path=str(path))

    write_whole(path, write)


def write_jpeg(path: Path, picture: npt.NDArray[np.float32]) -> None:
    """A JPEG without chroma subsampling; `picture` (H, W, 3) float32 display sRGB, 0 to 1."""
    levels = (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)
    options = [
        cv2.IMWRITE_JPEG_QUALITY,
        JPEG_QUALITY,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ]
    _, data = cv2.imencode(".jpg", np.ascontiguousarray(levels[..., ::-1]), options)
    write_bytes(path, data.tobytes())


def write_if_new(path: Path, data: bytes) -> None:
    """A file with this content; left alone if it is there."""
    with translated(path):
        if path.is_file() and path.read_bytes() == data:
            return
    write_bytes(path, data)
