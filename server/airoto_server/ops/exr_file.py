"""Half channels written to an EXR by OpenEXR's own library, and compared with what lies there.

OpenImageIO would do it too; for mattes it takes twice as long both ways.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import OpenEXR

from airoto_server.ops.geometry import Window
from airoto_server.ops.matte_file_atomic import WriteFailedError

Half = npt.NDArray[np.float16]

COMPRESSIONS = {
    "zips": OpenEXR.ZIPS_COMPRESSION,
    "dwaa": OpenEXR.DWAA_COMPRESSION,
    "piz": OpenEXR.PIZ_COMPRESSION,
    "none": OpenEXR.NO_COMPRESSION,
}


def write_channels(
    path: Path,
    channels: Mapping[str, Half],
    window: Window,
    display: tuple[int, int],
    *,
    pixel_aspect: float,
    attributes: Mapping[str, str],
    compression: str,
) -> None:
    """Write a file of scan lines.

    Args:
        channels: by full name, each (H, W) over the window.
        window: the data window, counted from the display window's corner.
        display: width and height of the display window.
        attributes: texts by name.
        compression: one of `COMPRESSIONS`.

    Raises:
        WriteFailedError: the library noticed that it could not.
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
    try:
        OpenEXR.File(header, planes).write(str(path))
    except RuntimeError as exc:
        raise WriteFailedError(str(exc)) from exc


def compare_channels(path: Path, channels: Mapping[str, Half], lossy: Collection[str] = ()) -> None:
    """Read a written file back.

    Args:
        lossy: names of channels that may have changed.

    Raises:
        WriteFailedError: it does not hold these channels, bit for bit.
    """
    try:
        with OpenEXR.File(str(path), separate_channels=True) as file:
            found = {name: one.pixels for name, one in file.channels().items()}
    except (RuntimeError, ValueError) as exc:  # the latter where it found no channels
        raise WriteFailedError(f"it does not read back: {exc}") from exc
    if {name: plane.shape for name, plane in found.items()} != {
        name: plane.shape for name, plane in channels.items()
    }:
        raise WriteFailedError("other channels were read back")
    for name in channels.keys() - set(lossy):
        # As integers: comparing half floats takes five times as long.
        if not np.array_equal(found[name].view(np.uint16), channels[name].view(np.uint16)):
            raise WriteFailedError("other pixels were read back")


def _box(window: Window) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """First and last pixel."""
    first, last = (window.x_min, window.y_min), (window.x_max - 1, window.y_max - 1)
    return np.array(first, np.int32), np.array(last, np.int32)
