"""Channels written as EXR: what another reader finds, and what is noticed when read back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO as oiio
import pytest

from airoto_server.ops.exr_file import COMPRESSIONS, compare_channels, write_channels
from airoto_server.ops.geometry import Window
from airoto_server.ops.matte_file_atomic import WriteFailedError

LONG = "matte_" + "x" * 60 + ".A"


def planes(kind: str, width: int, height: int) -> dict[str, Any]:
    rng = np.random.default_rng(width * 1000 + height)
    noise = rng.integers(0, 0x7C00, (4, height, width), np.uint16).view(np.float16)
    made = {
        "noise": noise,  # does not compress
        "equal": np.broadcast_to(noise[:, :1], noise.shape),
        "nothing": np.zeros_like(noise),
    }[kind]
    return dict(zip(("R", "A", LONG, "matte_b.A"), made.astype(np.float16), strict=True))


def written(path: Path, channels: dict[str, Any], compression: str = "zips") -> Path:
    height, width = channels["A"].shape
    write_channels(
        path,
        channels,
        Window(-3, 5, width - 3, height + 5),
        (400, 90),
        pixel_aspect=2.0,
        attributes={"airoto/x": "1 äöü"},
        compression=compression,
    )
    return path


@pytest.mark.parametrize("kind", ["noise", "equal", "nothing"])
@pytest.mark.parametrize("compression", ["zips", "piz", "none"])
@pytest.mark.parametrize("size", [(1, 1), (7, 33), (301, 70)])
def test_another_reader_finds_every_bit(
    tmp_path: Path, kind: str, compression: str, size: tuple[int, int]
) -> None:
    channels = planes(kind, *size)
    path = written(tmp_path / "a.exr", channels, compression)
    compare_channels(path, channels)
    image = oiio.ImageInput.open(str(path))
    spec = image.spec()
    assert (spec.x, spec.y, spec.full_width, spec.full_height) == (-3, 5, 400, 90)
    assert spec.get_string_attribute("airoto/x") == "1 äöü"
    assert spec.get_string_attribute("compression") == compression
    assert spec.get_float_attribute("PixelAspectRatio") == 2.0
    read = image.read_image(0, 0, 0, 4, oiio.HALF)
    image.close()
    for name, wanted in channels.items():
        theirs = np.ascontiguousarray(read[:, :, spec.channelnames.index(name)])
        assert (theirs.view(np.uint16) == np.ascontiguousarray(wanted).view(np.uint16)).all()


@pytest.mark.parametrize("compression", sorted(COMPRESSIONS))
def test_a_file_that_lost_its_end_is_noticed(tmp_path: Path, compression: str) -> None:
    channels = planes("noise", 61, 40)
    path = written(tmp_path / "a.exr", channels, compression)
    data = path.read_bytes()
    for kept in (0, 3, 200, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:kept])
        with pytest.raises(WriteFailedError):
            compare_channels(path, channels, lossy=("R",))


def test_other_pixels_and_other_channels_are_noticed(tmp_path: Path) -> None:
    channels = planes("noise", 61, 40)
    path = written(tmp_path / "a.exr", channels)
    other = {name: plane.copy() for name, plane in channels.items()}
    other[LONG][-1, -1] += np.float16(1)
    with pytest.raises(WriteFailedError, match="other pixels"):
        compare_channels(path, other)
    compare_channels(path, other, lossy=(LONG,))
    del other["R"]
    with pytest.raises(WriteFailedError, match="other channels"):
        compare_channels(path, other)
