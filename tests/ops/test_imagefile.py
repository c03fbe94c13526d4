"""Reading image files that these tests write."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import OpenImageIO as oiio
import pytest
from PIL import Image, ImageOps

from airoto.errors import FrameMismatchError, FrameMissingError, FrameUnreadableError
from airoto_server.ops.geometry import Window
from airoto_server.ops.imagefile import probe, read_frame, read_mask, read_mask_bytes


def pixels(height: int = 12, width: int = 20, channels: int = 3, seed: int = 0) -> Any:
    return np.random.default_rng(seed).random((height, width, channels)).astype(np.float32)


def write(path: Path, array: Any, names: str | list[str] = "RGBA", **attributes: Any) -> Path:
    """Write with OpenImageIO; `window=(x, y, display width, display height)` is the EXR window."""
    height, width, channels = array.shape
    kind = {"float16": "half", "float32": "float"}.get(array.dtype.name, array.dtype.name)
    spec = oiio.ImageSpec(width, height, channels, kind)
    spec.channelnames = list(names)[:channels]
    if "window" in attributes:
        spec.x, spec.y, spec.full_width, spec.full_height = attributes.pop("window")
    for name, value in attributes.items():
        spec.attribute(name.replace("__", ":"), value)
    output = oiio.ImageOutput.create(str(path))
    assert output.open(str(path), spec), output.geterror()
    assert output.write_image(np.ascontiguousarray(array)), output.geterror()
    assert output.close()
    return path


def part(name: str, planes: dict[str, Any], **header: Any) -> OpenEXR.Part:
    header = {"type": OpenEXR.scanlineimage, "compression": OpenEXR.ZIP_COMPRESSION, **header}
    return OpenEXR.Part(header, planes, name)


# ---- values ------------------------------------------------------------------------


def test_half_pixels_come_as_the_file_has_them(tmp_path: Path) -> None:
    array = (pixels() * 40 - 3).astype(np.float16)
    frame = read_frame(write(tmp_path / "a.exr", array))
    assert frame.pixels.dtype == np.float16
    np.testing.assert_array_equal(frame.pixels, array)
    assert frame.alpha is None


def test_float_pixels_come_as_the_file_has_them(tmp_path: Path) -> None:
    array = pixels() * 1e6
    frame = read_frame(write(tmp_path / "a.exr", array))
    assert frame.pixels.dtype == np.float32
    np.testing.assert_array_equal(frame.pixels, array)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".dpx"])
@pytest.mark.parametrize(("dtype", "top"), [(np.uint8, 255), (np.uint16, 65535)])
def test_integers_are_scaled_to_one(tmp_path: Path, suffix: str, dtype: type, top: int) -> None:
    codes = (pixels() * top).astype(dtype)
    codes[0, 0], codes[0, 1] = 0, top
    frame = read_frame(write(tmp_path / f"a{suffix}", codes))
    assert frame.pixels.dtype == np.float32
    np.testing.assert_allclose(frame.pixels, codes / top, atol=1e-6)
    assert frame.pixels[0, 0, 0] == 0
    assert frame.pixels[0, 1, 0] == 1


def test_ten_bit_dpx_is_scaled_to_one(tmp_path: Path) -> None:
    array = pixels()
    array[0, 0] = 1
    path = write(tmp_path / "a.dpx", (array * 65535).astype(np.uint16), oiio__BitsPerSample=10)
    frame = read_frame(path)
    np.testing.assert_allclose(frame.pixels, array, atol=1 / 1023)
    assert frame.pixels[0, 0, 0] == 1


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_colour_is_not_multiplied_by_alpha(tmp_path: Path, suffix: str) -> None:
    codes = (pixels(channels=4) * 255).astype(np.uint8)
    codes[0, 0] = (200, 100, 50, 0)
    Image.fromarray(codes).save(tmp_path / f"a{suffix}")
    frame = read_frame(tmp_path / f"a{suffix}")
    np.testing.assert_allclose(frame.pixels, codes[:, :, :3] / 255, atol=1e-6)
    assert frame.alpha is not None
    np.testing.assert_allclose(frame.alpha, codes[:, :, 3] / 255, atol=1e-6)


def test_nan_and_infinity_are_replaced_and_counted(tmp_path: Path) -> None:
    array = pixels()
    array[0, 0], array[1, 1, 0], array[2, 2, 1] = np.nan, np.inf, -np.inf
    frame = read_frame(write(tmp_path / "a.exr", array))
    assert frame.notes == ("5 colour values were NaN or infinite",)
    assert frame.pixels[0, 0].tolist() == [0, 0, 0]
    assert frame.pixels[1, 1, 0] == 65504
    assert frame.pixels[2, 2, 1] == -65504
    np.testing.assert_array_equal(frame.pixels[3:], array[3:])


# ---- windows -----------------------------------------------------------------------


def test_windows_are_counted_from_the_display_window(tmp_path: Path) -> None:
    path = tmp_path / "a.exr"
    planes = {"RGB": pixels(6, 8).astype(np.float16)}
    header = {
        "displayWindow": (np.array([10, 20], np.int32), np.array([109, 69], np.int32)),
        "dataWindow": (np.array([5, 25], np.int32), np.array([12, 30], np.int32)),
        "pixelAspectRatio": 2.0,
    }
    OpenEXR.File({**header, "type": OpenEXR.scanlineimage}, planes).write(str(path))
    frame, info = read_frame(path), probe(path)
    assert frame.window == info.data_window == Window(-5, 5, 3, 11)
    assert frame.display == info.display == (100, 50)
    assert frame.pixel_aspect == info.pixel_aspect == 2.0


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_that_was_taken_turned_comes_upright(tmp_path: Path, orientation: int) -> None:
    path = tmp_path / "a.jpg"
    smooth = np.zeros((32, 48, 3), np.uint8)
    smooth[:16, :16], smooth[16:, 32:, 1] = 200, 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(smooth).save(path, quality=95, subsampling=0, exif=exif)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(path)), np.float32) / 255
    frame, info = read_frame(path), probe(path)
    np.testing.assert_allclose(frame.pixels, upright, atol=2.1 / 255)
    assert info.orientation == orientation
    assert frame.display == info.display == upright.shape[1::-1]
    assert frame.window == info.data_window == Window.sized(*frame.display)


# ---- layers and views --------------------------------------------------------------

LAYERS = ["R", "G", "B", "A", "diffuse.R", "diffuse.G", "diffuse.B", "depth.Z"]


def test_a_layer_is_read_by_its_name(tmp_path: Path) -> None:
    array = pixels(channels=8)
    path = write(tmp_path / "a.exr", array, LAYERS)
    assert set(probe(path).layers) == {"diffuse", "depth"}
    np.testing.assert_array_equal(read_frame(path).pixels, array[:, :, :3])
    np.testing.assert_array_equal(read_frame(path, layer="diffuse").pixels, array[:, :, 4:7])
    assert read_frame(path, layer="diffuse").alpha is None


def test_a_layer_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    path = write(tmp_path / "a.exr", pixels(channels=8), LAYERS)
    with pytest.raises(FrameMismatchError, match=r"no layer 'beauty'; its layers: d") as caught:
        read_frame(path, layer="beauty")
    assert caught.value.path == str(path)


def test_a_file_of_layers_alone_is_refused_with_their_names(tmp_path: Path) -> None:
    names = ["diffuse.R", "diffuse.G", "diffuse.B"]
    path = write(tmp_path / "a.exr", pixels(), names)
    with pytest.raises(FrameMismatchError, match="no main picture; its layers: diffuse"):
        read_frame(path)
    assert read_frame(path, layer="diffuse").pixels.shape == (12, 20, 3)


def test_a_layer_that_is_no_picture_is_refused_with_its_channels(tmp_path: Path) -> None:
    path = write(tmp_path / "a.exr", pixels(channels=2), ["motion.u", "motion.v"])
    with pytest.raises(FrameMismatchError, match=r"layer 'motion' is no picture.*motion\.u"):
        read_frame(path, layer="motion")


def test_channels_may_be_named_as_nuke_does(tmp_path: Path) -> None:
    array = pixels(channels=4)
    names = ["key.red", "key.green", "key.blue", "key.alpha"]
    frame = read_frame(write(tmp_path / "a.exr", array, names), layer="key")
    np.testing.assert_array_equal(frame.pixels, array[:, :, :3])
    assert frame.alpha is not None
    np.testing.assert_array_equal(frame.alpha, array[:, :, 3])


@pytest.mark.parametrize("name", ["Y", "A", "G"])
def test_one_channel_is_taken_as_grey_and_said_so(tmp_path: Path, name: str) -> None:
    array = pixels(channels=1)
    frame = read_frame(write(tmp_path / "a.exr", array, [name]))
    np.testing.assert_array_equal(frame.pixels, np.repeat(array, 3, axis=2))
    assert "grey" in " ".join(frame.notes)


def test_several_views_need_one_to_be_named(tmp_path: Path) -> None:
    left, right = pixels(seed=1).astype(np.float16), pixels(seed=2).astype(np.float16)
    path = tmp_path / "stereo.exr"
    planes = {c: left[:, :, i].copy() for i, c in enumerate("RGB")}
    planes |= {f"right.{c}": right[:, :, i].copy() for i, c in enumerate("RGB")}
    header = {"type": OpenEXR.scanlineimage, "multiView": ["left", "right"]}
    OpenEXR.File(header, planes).write(str(path))
    assert probe(path).views == ("left", "right")
    with pytest.raises(FrameMismatchError, match="views left, right"):
        read_frame(path)
    with pytest.raises(FrameMismatchError, match="no view 'centre'"):
        read_frame(path, view="centre")
    np.testing.assert_array_equal(read_frame(path, view="left").pixels, left)
    np.testing.assert_array_equal(read_frame(path, view="right").pixels, right)


def test_parts_by_view_and_by_name_are_views_and_layers(tmp_path: Path) -> None:
    path = tmp_path / "parts.exr"
    arrays = {
        (layer, view): pixels(seed=seed).astype(np.float16)
        for seed, (layer, view) in enumerate(
            (layer, view) for view in ("left", "right") for layer in ("rgba", "spec")
        )
    }
    parts = [
        part(f"{layer}.{view}", {"RGB": array}, view=view)
        for (layer, view), array in arrays.items()
    ]
    OpenEXR.File(parts).write(str(path))
    info = probe(path)
    assert info.views == ("left", "right")
    assert info.layers == ("spec",)
    assert len(info.parts) == 4
    for (layer, view), array in arrays.items():
        named = "" if layer == "rgba" else layer
        np.testing.assert_array_equal(read_frame(path, layer=named, view=view).pixels, array)
    frame = read_frame(path, layer="rgba", view="right")  # the main part by its own name
    np.testing.assert_array_equal(frame.pixels, arrays["rgba", "right"])


# ---- what is refused ---------------------------------------------------------------


def test_cmyk_is_refused(tmp_path: Path) -> None:
    for suffix in (".jpg", ".tif"):
        path = tmp_path / f"a{suffix}"
        Image.fromarray((pixels() * 255).astype(np.uint8)).convert("CMYK").save(path)
        with pytest.raises(FrameUnreadableError, match="CMYK, not RGB"):
            read_frame(path)


def test_sizes_above_the_limit_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.exr", pixels(), window=(0, 0, 4000, 3000))
    assert read_frame(path, max_pixels=12_000_000).display == (4000, 3000)
    with pytest.raises(FrameUnreadableError, match="display window of 4000x3000 pixels"):
        read_frame(path, max_pixels=11_999_999)
    with pytest.raises(FrameUnreadableError, match="picture of 20x12"):
        probe(path, max_pixels=239)


def bomb_png(path: Path, side: int) -> Path:
    """A small PNG that declares `side` x `side` pixels, all black, and really holds them."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    squeezed = zlib.compressobj(9)
    row = bytes(1 + (side + 7) // 8)
    data = b"".join(squeezed.compress(row * 256) for _ in range(side // 256)) + squeezed.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    magic = b"\x89PNG\r\n\x1a\n"
    path.write_bytes(magic + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b""))
    return path


def test_a_decompression_bomb_is_refused_by_its_declared_size(tmp_path: Path) -> None:
    path = bomb_png(tmp_path / "bomb.png", 32768)
    assert path.stat().st_size < 1 << 20
    with pytest.raises(FrameUnreadableError, match="32768x32768") as caught:
        read_frame(path)
    assert caught.value.path == str(path)


@pytest.mark.parametrize("suffix", [".exr", ".png", ".jpg", ".tif", ".dpx"])
@pytest.mark.parametrize("keep", [0.0, 0.03, 0.6, 0.9])
def test_a_truncated_file_is_refused_with_its_path(
    tmp_path: Path, suffix: str, keep: float
) -> None:
    array = pixels(64, 64)
    kind = np.float16 if suffix == ".exr" else np.uint8
    array = array.astype(kind) if suffix == ".exr" else (array * 255).astype(kind)
    whole = write(tmp_path / f"whole{suffix}", array).read_bytes()
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(whole[: int(len(whole) * keep)])
    with pytest.raises(FrameUnreadableError) as caught:
        read_frame(path)
    assert caught.value.path == str(path)
    assert str(path) in caught.value.message


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FrameMissingError, match="no such file"):
        read_frame(tmp_path / "none.exr")
    with pytest.raises(FrameUnreadableError, match="not a regular file"):
        read_frame(tmp_path)
    os.mkfifo(tmp_path / "pipe.exr")
    with pytest.raises(FrameUnreadableError, match="not a regular file"):
        read_frame(tmp_path / "pipe.exr")
    (tmp_path / "empty.exr").touch()
    with pytest.raises(FrameUnreadableError, match="is empty"):
        read_frame(tmp_path / "empty.exr")
    (tmp_path / "text.exr").write_text("no picture at all")
    with pytest.raises(FrameUnreadableError, match="no picture of a known format"):
        read_frame(tmp_path / "text.exr")


# ---- names -------------------------------------------------------------------------


def test_content_decides_the_format_and_a_wrong_suffix_is_noted(tmp_path: Path) -> None:
    array = pixels().astype(np.float16)
    right = write(tmp_path / "a.exr", array)
    wrong = right.rename(tmp_path / "a.png")
    frame = read_frame(wrong)
    np.testing.assert_array_equal(frame.pixels, array)
    assert frame.notes == ("named .png but holds OpenEXR",)
    bare = wrong.rename(tmp_path / "upload")
    assert read_frame(bare).notes == ()
    np.testing.assert_array_equal(read_frame(bare).pixels, array)


@pytest.mark.parametrize("name", [b"what?.exr", b"\xff\xfe.exr", "Füße %04d.exr".encode()])
def test_odd_names_are_read(tmp_path: Path, name: bytes) -> None:
    array = pixels().astype(np.float16)
    path = Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), name)))  # noqa: PTH118 - bytes
    write(tmp_path / "plain.exr", array).rename(path)
    np.testing.assert_array_equal(read_frame(path).pixels, array)


def test_a_label_stands_for_the_path_in_messages(tmp_path: Path) -> None:
    with pytest.raises(FrameMissingError) as caught:
        read_frame(tmp_path / "none.exr", label="plate.1001.exr")
    assert caught.value.path == "plate.1001.exr"
    assert str(tmp_path) not in caught.value.message


# ---- masks -------------------------------------------------------------------------


def test_a_mask_is_the_alpha_where_there_is_one(tmp_path: Path) -> None:
    array = pixels(channels=4)
    mask = read_mask(write(tmp_path / "a.exr", array, window=(3, 4, 64, 48)))
    np.testing.assert_array_equal(mask.mask, array[:, :, 3])
    assert mask.window == Window(3, 4, 23, 16)
    assert mask.display == (64, 48)


def test_a_mask_is_the_first_channel_where_there_is_no_alpha(tmp_path: Path) -> None:
    array = pixels() * 3 - 1
    mask = read_mask(write(tmp_path / "a.exr", array))
    np.testing.assert_array_equal(mask.mask, np.clip(array[:, :, 0], 0, 1))


def test_a_mask_in_memory_reads_like_a_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png", (pixels(channels=1) * 255).astype(np.uint8), ["Y"])
    found = read_mask_bytes(path.read_bytes(), label="the drawn mask")
    np.testing.assert_array_equal(found.mask, read_mask(path).mask)
    with pytest.raises(FrameUnreadableError, match="the drawn mask: is no picture"):
        read_mask_bytes(b"not an image", label="the drawn mask")
