"""Reading movies that these tests write: every picture shows its number in black and white."""

from __future__ import annotations

import random
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from airoto.errors import FrameMissingError, FrameUnreadableError
from airoto_server.ops.moviefile import MovieReader
from airoto_server.ops.moviefile_colour import to_rgb

WIDTH, HEIGHT, COUNT = 128, 64, 40
# Container, encoder, pixel format, B-frames.
KINDS = [
    ("a.mp4", "libx264", "yuv420p", 3),
    ("a.mkv", "libx264", "yuv420p", 3),
    ("a.avi", "mpeg4", "yuv420p", 2),
    ("a.mov", "prores_ks", "yuv422p10le", 0),
    ("a.webm", "libvpx-vp9", "yuv420p", 0),
    ("alpha.mov", "prores_ks", "yuva444p10le", 0),
    ("rgb.mov", "png", "rgb24", 0),
]


def numbered(number: int) -> Any:
    """A picture that shows a number as eight bars."""
    picture = np.full((HEIGHT, WIDTH, 3), 40, np.uint8)
    for bit in range(8):
        if number >> bit & 1:
            picture[:, bit * 16 : bit * 16 + 16] = 220
    return picture


def number_of(pixels: Any) -> int:
    bars = pixels[HEIGHT // 2, 8::16].mean(axis=1)
    return sum(1 << bit for bit in range(8) if bars[bit] > 0.5)


def write_movie(
    path: Path, codec: str = "libx264", layout: str = "yuv420p", b_frames: int = 2, **context: Any
) -> Path:
    if codec not in av.codecs_available:
        pytest.skip(f"this FFmpeg has no {codec}")
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(24))
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, layout
        if b_frames or codec == "libvpx-vp9":
            stream.gop_size = 12
            stream.max_b_frames = b_frames
        for name, value in context.items():
            setattr(stream.codec_context, name, value)
        for index in range(COUNT):
            frame = av.VideoFrame.from_ndarray(numbered(index), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 24)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize(("name", "codec", "layout", "b_frames"), KINDS)
def test_every_picture_is_found_in_turn_and_at_random(
    tmp_path: Path, name: str, codec: str, layout: str, b_frames: int
) -> None:
    path = write_movie(tmp_path / name, codec, layout, b_frames)
    order = random.Random(3).choices(range(COUNT), k=25)
    with MovieReader(path) as movie:
        assert movie.info.count == COUNT
        assert movie.info.rate == 24
        assert movie.info.display == (WIDTH, HEIGHT)
        for index in [*range(COUNT), *reversed(range(0, COUNT, 5)), *order]:
            frame = movie.read(index)
            assert number_of(frame.pixels) == index
            assert frame.pixels.dtype == np.float32
            assert (frame.alpha is not None) == layout.startswith("yuva")
        assert abs(float(frame.pixels.max()) - 220 / 255) < 0.02
        assert abs(float(frame.pixels.min()) - 40 / 255) < 0.02


def test_a_picture_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with MovieReader(write_movie(tmp_path / "a.mp4")) as movie:
        with pytest.raises(FrameMissingError, match="has 40 pictures, no number 41"):
            movie.read(COUNT)
        with pytest.raises(FrameMissingError):
            movie.read(-1)


def flat_frame(layout: str, codes: tuple[int, int, int], matrix: int, full: bool) -> Any:
    frame = av.VideoFrame(16, 16, layout)
    depth = frame.format.components[0].bits
    for plane, code in zip(frame.planes, codes, strict=True):
        kind = np.uint8 if depth == 8 else np.dtype("<u2")
        plane.update(np.full(plane.buffer_size // np.dtype(kind).itemsize, code, kind).tobytes())
    frame.colorspace, frame.color_range = matrix, 2 if full else 1
    return frame


@pytest.mark.parametrize("layout", ["yuv420p", "yuv444p", "yuv422p10le", "yuv444p12le"])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(
    ("matrix", "red", "blue"), [(1, 0.2126, 0.0722), (6, 0.299, 0.114), (9, 0.2627, 0.0593)]
)
def test_range_and_matrix_are_applied_exactly(
    layout: str, full: bool, matrix: int, red: float, blue: float
) -> None:
    depth = av.VideoFormat(layout).components[0].bits
    step = 1 << (depth - 8)
    for codes in ((120, 100, 150), (16, 128, 128), (235, 128, 128), (90, 140, 120)):
        y, u, v = (code * step for code in codes)
        top = (1 << depth) - 1
        luma = y / top if full else (y - 16 * step) / (219 * step)
        db, dr = ((c - 128 * step) / (top if full else 224 * step) for c in (u, v))
        expected_red, expected_blue = luma + 2 * (1 - red) * dr, luma + 2 * (1 - blue) * db
        green = (luma - red * expected_red - blue * expected_blue) / (1 - red - blue)
        expected = np.clip([expected_red, green, expected_blue], 0, 1)
        rgb, alpha, notes = to_rgb(flat_frame(layout, (y, u, v), matrix, full), "a.mov")
        np.testing.assert_allclose(rgb[8, 8], expected, atol=2e-6)
        assert alpha is None
        assert notes == ()


def test_an_unnamed_matrix_is_assumed_by_size_and_said(tmp_path: Path) -> None:
    with MovieReader(write_movie(tmp_path / "a.mp4")) as movie:
        assert movie.info.notes == (
            "the movie names no colour matrix: BT.601 is assumed from its size",
        )


def test_an_unknown_matrix_is_refused() -> None:
    with pytest.raises(FrameUnreadableError, match="colour matrix 8"):
        to_rgb(flat_frame("yuv420p", (100, 128, 128), 8, False), "a.mov")


def turned(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """Set the display matrix in the track header of an MP4."""
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 4 + 40  # version 0: the matrix follows 40 bytes
    a, b, c, d = (value << 16 for value in matrix)
    data[start : start + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("matrix", "quarters"), [((0, 1, -1, 0), -1), ((-1, 0, 0, -1), 2), ((0, -1, 1, 0), 1)]
)
def test_a_movie_that_was_taken_turned_comes_upright(
    tmp_path: Path, matrix: tuple[int, int, int, int], quarters: int
) -> None:
    path = write_movie(tmp_path / "a.mp4")
    with MovieReader(path) as movie:
        stored = movie.read(5).pixels
    with MovieReader(turned(path, matrix)) as movie:
        frame = movie.read(5)
        np.testing.assert_array_equal(frame.pixels, np.rot90(stored, quarters))
        assert frame.display == movie.info.display == frame.pixels.shape[1::-1]


def test_pixel_aspect_is_read(tmp_path: Path) -> None:
    path = write_movie(tmp_path / "a.mp4", sample_aspect_ratio=Fraction(2, 1))
    with MovieReader(path) as movie:
        assert movie.info.pixel_aspect == movie.read(0).pixel_aspect == 2.0


@pytest.mark.parametrize("keep", [0.0, 0.02, 0.5, 0.95])
def test_a_truncated_movie_is_refused_with_its_path(tmp_path: Path, keep: float) -> None:
    whole = write_movie(tmp_path / "whole.mp4").read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole[: int(len(whole) * keep)])  # the index lies at the end
    with pytest.raises(FrameUnreadableError) as caught, MovieReader(path):
        pass
    assert caught.value.path == str(path)


def test_a_damaged_picture_is_refused_or_read_but_never_another(tmp_path: Path) -> None:
    path = write_movie(tmp_path / "a.mov", "png", "rgb24", 0)
    data = bytearray(path.read_bytes())
    at = [i for i in range(len(data) - 4) if data[i : i + 4] == b"IDAT"]
    data[at[7] + 10 : at[7] + 40] = bytes(30)
    path.write_bytes(data)
    with MovieReader(path) as movie:
        assert movie.info.count == COUNT
        with pytest.raises(FrameUnreadableError) as caught:
            movie.read(7)
        assert caught.value.path == str(path)
        for index in (6, 8, 20):
            assert number_of(movie.read(index).pixels) == index


def test_what_is_no_movie_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mov").write_bytes(b"text" * 100)
    with pytest.raises(FrameUnreadableError), MovieReader(tmp_path / "a.mov"):
        pass
    with pytest.raises(FrameMissingError), MovieReader(tmp_path / "none.mov"):
        pass


def test_large_pictures_are_refused(tmp_path: Path) -> None:
    path = write_movie(tmp_path / "a.mp4")
    with (
        pytest.raises(FrameUnreadableError, match="128x64 pixels, above the limit"),
        MovieReader(path, max_pixels=128 * 64 - 1),
    ):
        pass
