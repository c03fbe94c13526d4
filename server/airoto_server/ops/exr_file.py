"""Half channels as an EXR, encoded in memory by OpenEXR's own library.

OpenImageIO would do it too; for mattes it takes twice as long. A file on disk is then looked at
byte by byte: decoding it again, to compare pixels, costs two thirds of what encoding does.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import OpenEXR
import OpenImageIO as oiio

from airoto_server.ops.geometry import Window
from airoto_server.ops.matte_file_atomic import WriteFailedError

Half = npt.NDArray[np.float16]

COMPRESSIONS = {
    "rle": OpenEXR.RLE_COMPRESSION,
    "zips": OpenEXR.ZIPS_COMPRESSION,
    "dwaa": OpenEXR.DWAA_COMPRESSION,
    "piz": OpenEXR.PIZ_COMPRESSION,
    "none": OpenEXR.NO_COMPRESSION,
}


def encoded_channels(
    channels: Mapping[str, Half],
    window: Window,
    display: tuple[int, int],
    *,
    pixel_aspect: float,
    attributes: Mapping[str, str],
    compression: str,
) -> bytes:
    """The bytes of a file of scan lines.

    Args:
        channels: by full name, each (H, W) over the window.
        window: the data window, counted from the display window's corner.
        display: width and height of the display window.
        attributes: texts by name.
        compression: one of `COMPRESSIONS`.

    Raises:
        WriteFailedError: the library could not, for want of memory.
    """
    header = {
        **attributes,
        "type": OpenEXR.scanlineimage,
        "compression": COMPRESSIONS[compression],
        "dataWindow": _box(window),
        "displayWindow": _box(Window.sized(*display)),
        "pixelAspectRatio": float(pixel_aspect),
    }
    # The library takes the memory as it lies.
    planes = {name: np.ascontiguousarray(plane) for name, plane in channels.items()}
    with _memory() as (file, path):
        try:
            OpenEXR.File(header, planes).write(path)
        except RuntimeError as exc:
            raise WriteFailedError(str(exc)) from exc
        with open(file, "rb", closefd=False) as written:
            written.seek(0)
            return written.read()


def check_file(path: Path, data: bytes) -> None:
    """Look at a file that encoded channels were put into.

    Whatever a disk, a network or a quota did to it shows in its bytes. The encoder is trusted but
    for its end: it says nothing where there was no room for the last it wrote, so the last line,
    which lies last, is decoded.

    Raises:
        WriteFailedError: it does not hold these bytes, or they end too early.
        OSError: it cannot be read.
    """
    if path.read_bytes() != data:
        raise WriteFailedError("other bytes were read back")
    image = oiio.ImageInput.open(str(path))
    if image is None:
        raise WriteFailedError(f"it does not read back: {oiio.geterror()}")
    try:
        spec = image.spec()
        end = spec.y + spec.height
        if image.read_scanlines(0, 0, end - 1, end, 0, 0, spec.nchannels, oiio.HALF) is None:
            raise WriteFailedError(f"its end does not read back: {image.geterror()}")
    finally:
        image.close()


@contextmanager
def _memory() -> Iterator[tuple[int, str]]:
    """A file that lies in memory where the system has such: its descriptor and a path to it.

    Not a stream of Python's: the library would ask for the interpreter at every line.
    """
    if hasattr(os, "memfd_create"):
        file = os.memfd_create("airoto-matte", os.MFD_CLOEXEC)
        try:
            yield file, f"/proc/self/fd/{file}"
        finally:
            os.close(file)
        return
    with tempfile.TemporaryDirectory(prefix="airoto-") as folder:
        path = str(Path(folder) / "matte.exr")
        file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0))
        try:
            yield file, path
        finally:
            os.close(file)


def _box(window: Window) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """First and last pixel."""
    first, last = (window.x_min, window.y_min), (window.x_max - 1, window.y_max - 1)
    return np.array(first, np.int32), np.array(last, np.int32)
