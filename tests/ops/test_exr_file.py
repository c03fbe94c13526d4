"""Channels written as EXR: what another reader finds, and what is noticed when read back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO as oiio
import pytest

from airoto_server.ops import exr_file
from airoto_server.ops.exr_file import COMPRESSIONS, check_file, encoded_channels
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


def encoded(channels: dict[str, Any], compression: str = "rle") -> bytes:
    height, width = channels["A"].shape
    return encoded_channels(
        channels,
        Window(-3, 5, width - 3, height + 5),
        (400, 90),
        pixel_aspect=2.0,
        attributes={"airoto/x": "1 äöü"},
        compression=compression,
    )


@pytest.mark.parametrize("kind", ["noise", "equal", "nothing"])
@pytest.mark.parametrize("compression", ["rle", "zips", "piz", "none"])
@pytest.mark.parametrize("size", [(1, 1), (7, 33), (301, 70)])
def test_another_reader_finds_every_bit(
    tmp_path: Path, kind: str, compression: str, size: tuple[int, int]
) -> None:
    channels = planes(kind, *size)
    path = tmp_path / "a.exr"
    path.write_bytes(encoded(channels, compression))
    check_file(path, path.read_bytes())
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
    data = encoded(planes("noise", 61, 40), compression)
    path = tmp_path / "a.exr"
    for kept in (0, 3, 200, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:kept])
        with pytest.raises(WriteFailedError, match="other bytes"):
            check_file(path, data)
        # Bytes that the encoder could not finish, and said nothing.
        with pytest.raises(WriteFailedError):
            check_file(path, data[:kept])


@pytest.mark.parametrize("at", [0, 400, 5000, -1])
def test_a_byte_that_changed_is_noticed(tmp_path: Path, at: int) -> None:
    data = encoded(planes("noise", 61, 40))
    damaged = bytearray(data)
    damaged[at] ^= 1
    path = tmp_path / "a.exr"
    path.write_bytes(damaged)
    with pytest.raises(WriteFailedError, match="other bytes"):
        check_file(path, data)


def test_bytes_are_the_same_where_no_file_lies_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    channels = planes("equal", 301, 70)
    here = encoded(channels)
    monkeypatch.delattr(exr_file.os, "memfd_create")
    assert encoded(channels) == here
