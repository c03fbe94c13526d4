"""Our own ZIPS files: what two readers find in them, and what they say of themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import OpenImageIO as oiio
import pytest

from airoto.errors import OutputError
from airoto_server.ops.exr_zips import zips_file
from airoto_server.ops.geometry import Window
from airoto_server.ops.matte_file import Compression, Matte, ObjectMatte, write_matte

LONG = "matte_" + "x" * 60 + ".A"


def planes(kind: str, width: int, height: int) -> dict[str, Any]:
    rng = np.random.default_rng(width * 1000 + height)
    noise = rng.integers(0, 0x7C00, (4, height, width), np.uint16).view(np.float16)
    made = {
        "noise": noise,  # does not compress: rows lie there as they are
        "equal": np.broadcast_to(noise[:, :1], noise.shape),
        "mask": (np.arange(width) > width / 3) * np.ones_like(noise),
        "nothing": np.zeros_like(noise),
    }[kind]
    return dict(zip(("R", "A", LONG, "matte_b.A"), made.astype(np.float16), strict=True))


@pytest.mark.parametrize("kind", ["noise", "equal", "mask", "nothing"])
@pytest.mark.parametrize("size", [(1, 1), (7, 33), (64, 31), (301, 70)])
def test_two_readers_find_every_bit(tmp_path: Path, kind: str, size: tuple[int, int]) -> None:
    channels = planes(kind, *size)
    window = Window(-3, 5, size[0] - 3, size[1] + 5)
    path = tmp_path / "a.exr"
    path.write_bytes(zips_file(channels, window, (400, 90), attributes={"airoto/x": "1 äöü"}))
    part = OpenEXR.File(str(path), separate_channels=True).parts[0]
    assert part.compression() == OpenEXR.ZIPS_COMPRESSION
    image = oiio.ImageInput.open(str(path))
    spec = image.spec()
    assert (spec.x, spec.y, spec.full_width, spec.full_height) == (-3, 5, 400, 90)
    assert spec.get_string_attribute("airoto/x") == "1 äöü"
    read = image.read_image(0, 0, 0, 4, oiio.HALF)
    image.close()
    for name, wanted in channels.items():
        bits = np.ascontiguousarray(wanted).view(np.uint16)
        theirs = read[:, :, spec.channelnames.index(name)]
        assert (np.ascontiguousarray(theirs).view(np.uint16) == bits).all()
        assert (part.channels[name].pixels.view(np.uint16) == bits).all()


@pytest.mark.parametrize("name", ["hero", "x" * 60])
def test_the_header_is_the_one_that_the_library_writes(tmp_path: Path, name: str) -> None:
    alpha = np.linspace(0, 1, 30 * 20, dtype=np.float32).reshape(20, 30)
    matte = Matte(
        alpha,
        (ObjectMatte(name, alpha, alpha, 0.5),),
        Window(-2, 3, 28, 23),
        (40, 30),
        2.0,
        np.repeat(alpha[:, :, None], 3, axis=2),
        {"recipe_hash": "ab" * 32, "objects": {"1": {"area": 3.5}}},
    )
    headers, pixels = [], []
    for compression in (Compression.ZIPS, Compression.PIZ):
        path = tmp_path / f"{compression.value}.exr"
        write_matte(path, matte, compression=compression)
        part = OpenEXR.File(str(path), separate_channels=True).parts[0]
        header = {key: str(value) for key, value in part.header.items()}
        header["channels"] = str([(one.name, one.xSampling) for one in part.header["channels"]])
        headers.append({key: value for key, value in header.items() if key != "compression"})
        pixels.append({one: part.channels[one].pixels.tobytes() for one in part.channels})
    assert headers[0] == headers[1]
    assert pixels[0] == pixels[1]


def test_what_does_not_fit_is_refused() -> None:
    plane = np.zeros((4, 5), np.float16)
    window = Window.sized(5, 4)
    with pytest.raises(ValueError, match="A: float16"):
        zips_file({"A": plane[:3]}, window, (5, 4), attributes={})
    with pytest.raises(ValueError, match="A: float32"):
        zips_file({"A": plane.astype(np.float32)}, window, (5, 4), attributes={})  # type: ignore[dict-item]
    with pytest.raises(ValueError, match="name of 300 bytes"):
        zips_file({"A": plane}, window, (5, 4), attributes={"x" * 300: ""})


def test_a_disk_that_loses_the_end_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alpha = np.zeros((4, 5), np.float32)
    matte = Matte(alpha, (ObjectMatte("hero", alpha),), Window.sized(5, 4), (5, 4))
    path = tmp_path / "a.exr"
    write_matte(path, matte)
    before = path.read_bytes()
    whole = Path.write_bytes

    def lossy(self: Path, data: bytes) -> int:
        return whole(self, data[:-1])

    monkeypatch.setattr(Path, "write_bytes", lossy)
    with pytest.raises(OutputError, match="other bytes were read back"):
        write_matte(path, matte)
    assert [one.name for one in tmp_path.iterdir()] == ["a.exr"]
    assert path.read_bytes() == before
