"""Reading real and damaged files, against OpenEXR and Pillow as oracles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import OpenEXR
import pytest
from PIL import Image

from airoto.errors import FrameUnreadableError
from airoto_server.ops.geometry import Window
from airoto_server.ops.imagefile import probe, read_frame

# Refused for a reason of their own.
LUMA_CHROMA = {"Rec709_YC.exr", "Flowers.exr"}
DEEP = {"deep_Trunks.exr"}


def test_good_exr_files_read_as_openexr_reads_them(shared_data: Path) -> None:
    paths = [
        path
        for folder in ("real", "corner-cases", "beachball-seq")
        for path in sorted((shared_data / "exr" / folder).glob("*.exr"))
        if path.name not in LUMA_CHROMA | DEEP
    ]
    assert len(paths) > 30
    for path in paths:
        frame = read_frame(path)
        part = OpenEXR.File(str(path), separate_channels=True).parts[0]
        planes = {name: channel.pixels for name, channel in part.channels.items()}
        names = "RGB" if "R" in planes else [next(iter(planes))] * 3
        expected = np.stack([planes[name] for name in names], axis=2)
        finite = np.isfinite(expected)
        assert frame.pixels.dtype == expected.dtype, path
        np.testing.assert_array_equal(frame.pixels[finite], expected[finite], str(path))
        assert np.isfinite(frame.pixels).all()
        assert bool(frame.notes) == (not finite.all() or names != "RGB"), path
        (x0, y0), (x1, y1) = part.header["dataWindow"]
        (dx0, dy0), (dx1, dy1) = part.header["displayWindow"]
        assert frame.window == Window(x0 - dx0, y0 - dy0, x1 + 1 - dx0, y1 + 1 - dy0), path
        assert frame.display == (dx1 + 1 - dx0, dy1 + 1 - dy0)
        if "A" in planes:
            assert frame.alpha is not None
            np.testing.assert_array_equal(frame.alpha, planes["A"].astype(np.float32), str(path))


def test_luma_chroma_and_deep_files_are_refused_by_name(shared_data: Path) -> None:
    for path in (shared_data / "exr").glob("*/*.exr"):
        what = {**dict.fromkeys(LUMA_CHROMA, "luma and chroma"), **dict.fromkeys(DEEP, "deep")}
        if path.name in what:
            with pytest.raises(FrameUnreadableError, match=what[path.name]) as caught:
                read_frame(path)
            assert caught.value.path == str(path)


def test_all_of_pngsuite_reads_as_pillow_reads_it_or_is_refused(shared_data: Path) -> None:
    paths = sorted((shared_data / "pngsuite" / "png").glob("*.png"))
    assert len(paths) > 150
    for path in paths:
        if path.name.startswith("x"):
            with pytest.raises(FrameUnreadableError) as caught:
                read_frame(path)
            assert caught.value.path == str(path)
            continue
        frame = read_frame(path)
        picture = Image.open(path)
        deep = picture.mode.startswith("I")
        if not deep:
            expected = np.asarray(picture.convert("RGBA"), np.float32) / 255
        else:
            grey = np.asarray(picture, np.float32) / 65535
            expected = np.stack([grey] * 3 + [np.ones_like(grey)], axis=2)
        # Pillow cuts 16-bit colour down to 8 bits.
        tolerance = 1 / 255 if probe(path).bit_type == "uint16" and not deep else 1e-6
        shown = expected[:, :, 3] > 0
        np.testing.assert_allclose(
            frame.pixels[shown], expected[shown][:, :3], atol=tolerance, err_msg=str(path)
        )
        # Pillow does not scale the transparent code of grey with less than 8 bits.
        if frame.alpha is not None and not deep and path.name != "tbbn0g04.png":
            np.testing.assert_allclose(
                frame.alpha, expected[:, :, 3], atol=tolerance, err_msg=str(path)
            )


def test_broken_files_are_read_or_refused_as_their_names_say(shared_data: Path) -> None:
    for path in sorted((shared_data / "broken").iterdir()):
        if path.name.startswith("ok_") or path.name == "jpeg_named.png":
            assert np.isfinite(read_frame(path).pixels).all()
            continue
        with pytest.raises(FrameUnreadableError) as caught:
            read_frame(path)
        assert caught.value.path == str(path)
    assert read_frame(shared_data / "broken" / "jpeg_named.png").notes
