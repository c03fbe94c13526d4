"""A plane of the spool as an image file's bytes."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import OpenImageIO as oiio

from airoto.errors import InternalError
from airoto_server.transport.items import Item

_NAMES = {1: ["A"], 3: ["R", "G", "B"], 4: ["R", "G", "B", "A"]}


def encoded_plane(item: Item, extension: str, folder: Path) -> tuple[str, bytes]:
    """File name and bytes of a plane as half EXR or 16-bit PNG.

    EXR keeps the plane's windows; PNG knows none and shows the plane itself, clipped 0 to 1.

    Args:
        extension: `exr` or `png`.
        folder: for a file that is there for a moment.
    """
    assert item.plane is not None
    pixels = item.array()
    height, width, channels = pixels.shape
    is_exr = extension == "exr"
    spec = oiio.ImageSpec(width, height, channels, oiio.HALF if is_exr else oiio.UINT16)
    spec.attribute("PixelAspectRatio", item.plane.pixel_aspect)
    spec.attribute("DateTime", "")  # or the time of writing goes in
    if is_exr:
        spec.channelnames = _NAMES.get(channels, [f"c{index}.A" for index in range(channels)])
        spec.x, spec.y = item.plane.window.x_min, item.plane.window.y_min
        spec.full_x, spec.full_y = 0, 0
        spec.full_width, spec.full_height = item.plane.display
        spec.attribute("compression", "zips")
        values = pixels.astype(np.float16)
    else:
        values = np.rint(np.clip(pixels.astype(np.float32), 0, 1) * 65535).astype(np.uint16)
    with tempfile.TemporaryDirectory(dir=folder) as place:
        path = Path(place) / f"plane.{extension}"
        output = oiio.ImageOutput.create(str(path))
        assert output is not None  # both formats come with the library
        written = (
            output.open(str(path), spec)
            and output.write_image(np.ascontiguousarray(values))
            and output.close()
        )
        if not written:
            raise InternalError(f"a plane cannot be encoded: {output.geterror()}")
        return path.name, path.read_bytes()
