"""Plates: sequences, stills, movies, uploads; missing, odd and forbidden frames."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import OpenImageIO as oiio
import pytest

from airoto.errors import (
    BadRequestError,
    FrameMismatchError,
    FrameMissingError,
    FrameUnreadableError,
    HandleUnknownError,
    PathForbiddenError,
)
from airoto.wire import messages as pb
from airoto_server.ops.geometry import Format, Window
from airoto_server.transport.decoder import Decoder
from airoto_server.transport.plate import PlateReader, PlateSettings
from airoto_server.transport.roots import Roots
from airoto_server.transport.spool import Spool

HOLD = pb.MissingFrames.MISSING_FRAMES_HOLD
SKIP = pb.MissingFrames.MISSING_FRAMES_SKIP


@pytest.fixture(scope="module")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Decoder]:
    with Decoder(tmp_path_factory.mktemp("decoder")) as made:
        yield made


class Place:
    """A folder with a decoder and a spool, and readers of plates in it."""

    def __init__(self, folder: Path, decoder: Decoder) -> None:
        self.folder = folder / "plates"
        self.folder.mkdir()
        self.decoder = decoder
        self.spool = Spool(folder / "spool", max_bytes=1 << 24)
        self.roots = Roots((self.folder,))

    def reader(self, name: str, **settings: Any) -> PlateReader:
        path = str(self.folder / name)
        return PlateReader(PlateSettings(path, **settings), self.decoder, self.roots, self.spool)

    def write(self, name: str, value: float, size: tuple[int, int] = (20, 12), **more: Any) -> Path:
        path = self.folder / name
        kind = "half" if path.suffix == ".exr" else "uint8"
        spec = oiio.ImageSpec(*size, 3, kind)
        if "window" in more:
            spec.x, spec.y, spec.full_width, spec.full_height = more["window"]
        output = oiio.ImageOutput.create(str(path))
        assert output.open(str(path), spec)
        dtype = np.float16 if kind == "half" else np.uint8
        array = np.full((size[1], size[0], 3), value if kind == "half" else value * 255, dtype)
        assert output.write_image(array)
        assert output.close()
        return path

    def sequence(self, *frames: int) -> None:
        for frame in frames:
            self.write(f"a.{frame}.exr", frame)


@pytest.fixture
def place(tmp_path: Path, decoder: Decoder) -> Place:
    return Place(tmp_path, decoder)


def value(reader: PlateReader, frame: int) -> float:
    pixels = reader.read(frame).pixels
    assert pixels.min() == pixels.max()
    return float(pixels[0, 0, 0])


# ---- sequences ---------------------------------------------------------------------


def test_a_sequence_is_read_by_the_frame_numbers_of_its_files(place: Place) -> None:
    place.sequence(9, 10, 1001)
    reader = place.reader("a.%d.exr")
    assert [value(reader, frame) for frame in (9, 10, 1001)] == [9, 10, 1001]
    facts = reader.probe()
    assert facts.frames == (9, 1001)
    assert facts.missing == tuple(range(11, 1001))
    assert facts.format == Format(20, 12)
    assert facts.colour_space == reader.assumed_space() == "scene_linear"
    assert not facts.is_movie


def test_missing_frames_are_refused_by_name(place: Place) -> None:
    place.sequence(1001, 1002, 1005)
    reader = place.reader("a.%04d.exr")
    assert reader.plan((1002, 1001)).usable == (1001, 1002)
    with pytest.raises(FrameMissingError, match=r"missing frames 1003-1004,1006") as caught:
        reader.plan(range(1001, 1007))
    assert caught.value.frame == 1003
    assert caught.value.path == str(place.folder / "a.%04d.exr")
    with pytest.raises(FrameMissingError) as caught:
        reader.read(1003)
    assert caught.value.frame == 1003


def test_missing_frames_hold_the_nearest_earlier_one_or_else_a_later_one(place: Place) -> None:
    place.sequence(1002, 1005)
    reader = place.reader("a.%04d.exr", missing=HOLD)
    plan = reader.plan(range(1001, 1008))
    assert plan.usable == tuple(range(1001, 1008))
    assert plan.missing == (1001, 1003, 1004, 1006, 1007)
    assert "1001,1003-1004,1006-1007" in plan.notes[0]
    found = [value(reader, frame) for frame in range(1001, 1008)]
    assert found == [1002, 1002, 1002, 1002, 1005, 1005, 1005]
    assert reader.content_id(1003) == reader.content_id(1002) != reader.content_id(1005)


def test_missing_frames_can_be_skipped(place: Place) -> None:
    place.sequence(1001, 1003)
    reader = place.reader("a.%04d.exr", missing=SKIP)
    plan = reader.plan(range(1001, 1004))
    assert (plan.usable, plan.missing) == ((1001, 1003), (1002,))
    with pytest.raises(FrameMissingError):
        reader.plan((1002,))


def test_a_plate_without_frames_is_refused(place: Place) -> None:
    reader = place.reader("a.%04d.exr", missing=HOLD)
    for call in (reader.probe, reader.assumed_space, lambda: reader.plan((1,))):
        with pytest.raises(FrameMissingError, match="the plate has no frame"):
            call()
    with pytest.raises(FrameMissingError, match="folder"):
        place.reader("none/a.%04d.exr").probe()
    place.sequence(1001)
    with pytest.raises(FrameMissingError, match="no frame from 1 to 10"):
        place.reader("a.%04d.exr", frames=(1, 10)).probe()


def test_a_damaged_frame_is_named_with_its_number_and_others_are_read(place: Place) -> None:
    place.sequence(1001, 1002)
    path = place.folder / "a.1002.exr"
    path.write_bytes(path.read_bytes()[:-20])
    reader = place.reader("a.%04d.exr")
    with pytest.raises(FrameUnreadableError) as caught:
        reader.read(1002)
    assert (caught.value.frame, caught.value.path) == (1002, str(path))
    assert value(reader, 1001) == 1001


# ---- sizes -------------------------------------------------------------------------


def test_a_frame_of_another_size_is_refused_with_both(place: Place) -> None:
    place.sequence(1001)
    place.write("a.1002.exr", 1, size=(22, 12))
    reader = place.reader("a.%04d.exr", format=Format(20, 12))
    assert value(reader, 1001) == 1001
    with pytest.raises(FrameMismatchError, match=r"a\.1002\.exr is 22x12.*is 20x12") as caught:
        reader.read(1002)
    assert caught.value.frame == 1002
    with pytest.raises(FrameMismatchError, match="is 22x12"):
        place.reader("a.%04d.exr").probe()


@pytest.mark.parametrize("full", [(39, 23), (40, 24), (41, 25)])
def test_a_proxy_has_the_size_of_the_format_times_its_scale(
    place: Place, full: tuple[int, int]
) -> None:
    place.sequence(1001)
    reader = place.reader("a.%04d.exr", format=Format(*full), proxy_scale=0.5)
    assert reader.read(1001).display == (20, 12)
    wrong = place.reader("a.%04d.exr", format=Format(50, 24), proxy_scale=0.5)
    with pytest.raises(FrameMismatchError, match=r"50x24 at scale 0\.5"):
        wrong.read(1001)
    assert place.reader("a.%04d.exr", proxy_scale=0.5).probe().format == Format(40, 24)


def test_data_windows_may_differ_and_the_format_holds_them_all(place: Place) -> None:
    place.write("a.1001.exr", 1, window=(-2, 0, 20, 12))
    place.write("a.1002.exr", 1, window=(5, 4, 20, 12))
    reader = place.reader("a.%04d.exr")
    assert reader.probe().format == Format(20, 12, 1.0, Window(-2, 0, 25, 16))
    reader = place.reader("a.%04d.exr", format=reader.probe().format)
    assert reader.read(1001).window == Window(-2, 0, 18, 12)
    assert reader.read(1002).window == Window(5, 4, 25, 16)


# ---- stills, movies, uploads, views ------------------------------------------------


def test_a_still_serves_for_every_frame(place: Place) -> None:
    place.write("still.jpg", 0.5)
    reader = place.reader("still.jpg", frames=(1, 5))
    assert reader.plan(range(1, 6)).usable == (1, 2, 3, 4, 5)
    assert reader.read(3).pixels.shape == (12, 20, 3)
    facts = reader.probe()
    assert (facts.frames, facts.missing, facts.colour_space) == ((1, 5), (), "display")
    with pytest.raises(FrameMissingError, match=r"none\.jpg: no such file"):
        place.reader("none.jpg").plan((1,))


def test_dpx_is_probed_with_a_word_on_log(place: Place) -> None:
    place.write("a.0001.dpx", 0.5)
    facts = place.reader("a.####.dpx").probe()
    assert facts.colour_space == "display"
    assert any("log" in note for note in facts.notes)


def test_a_movie_begins_at_its_first_frame_number(place: Place) -> None:
    with av.open(str(place.folder / "a.mov"), "w") as container:
        stream = container.add_stream("png", rate=Fraction(24))
        stream.width, stream.height, stream.pix_fmt = 20, 12, "rgb24"
        for number in range(5):
            picture = np.full((12, 20, 3), number * 51, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    reader = place.reader("a.mov", movie_first_frame=101, format=Format(20, 12))
    facts = reader.probe()
    assert (facts.frames, facts.is_movie, facts.frame_rate) == ((101, 105), True, 24.0)
    assert facts.colour_space == "display"
    assert abs(value(reader, 103) - 0.4) < 1e-6
    assert len({reader.content_id(frame) for frame in range(101, 106)}) == 5
    with pytest.raises(FrameMissingError, match=r"106 \(there are 101 to 105\)"):
        reader.plan(range(101, 107))
    sent = place.spool.put_file(place.folder / "a.mov").handle
    uploaded = place.reader("far.mov", uploads={1: sent}, movie_first_frame=101)
    assert uploaded.probe().frames == (101, 105)
    assert uploaded.probe().is_movie
    for frame in range(101, 106):
        assert uploaded.content_id(frame) == reader.content_id(frame)
        assert value(uploaded, frame) == value(reader, frame)
    with pytest.raises(FrameMissingError, match=r"106 \(there are 101 to 105\)"):
        uploaded.plan(range(101, 107))


def test_uploads_are_read_like_files(place: Place) -> None:
    data = place.write("a.1001.exr", 7).read_bytes()
    array = np.full((12, 20, 4), 3, np.float16)
    array[0, 0, 0] = np.nan
    uploads = {
        1001: place.spool.put_bytes(data, "a.1001.exr").handle,
        1002: place.spool.put_array(array, window=Window(0, 0, 20, 12), display=(20, 12)).handle,
    }
    reader = place.reader("far/a.%04d.exr", uploads=uploads, format=Format(20, 12))
    assert value(reader, 1001) == 7
    frame = reader.read(1002)
    assert frame.pixels[0, 0].tolist() == [0, 3, 3]
    assert frame.alpha is not None
    assert frame.alpha.max() == 3
    assert frame.notes
    assert reader.probe().frames == (1001, 1002)
    assert reader.assumed_space() == "scene_linear"
    assert reader.content_id(1001) == place.reader("a.%04d.exr").content_id(1001)
    with pytest.raises(FrameMissingError, match="1003"):
        reader.plan((1001, 1003))
    place.spool.release(uploads[1001])
    with pytest.raises(HandleUnknownError) as caught:
        reader.read(1001)
    assert caught.value.frame == 1001


def test_a_pattern_by_view_needs_one_and_a_plain_file_has_none(place: Place) -> None:
    (place.folder / "left").mkdir()
    place.write("left/a.1001.exr", 5)
    assert value(place.reader("%V/a.%04d.exr", view="left"), 1001) == 5
    with pytest.raises(BadRequestError, match="a view must be named"):
        place.reader("%V/a.%04d.exr").plan((1001,))
    with pytest.raises(FrameMismatchError, match="has no views, but view 'left'"):
        place.reader("left/a.%04d.exr", view="left").read(1001)


# ---- paths and identities ----------------------------------------------------------


def test_a_plate_outside_the_roots_is_refused(place: Place, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    inside = place.write("a.1001.exr", 1)
    inside.rename(outside / "a.1001.exr")
    (place.folder / "link").symlink_to(outside)
    (place.folder / "b.1001.exr").symlink_to(outside / "a.1001.exr")
    for name in ("../outside/a.%04d.exr", "link/a.%04d.exr"):
        for call in (place.reader(name).probe, lambda name=name: place.reader(name).plan((1001,))):
            with pytest.raises(PathForbiddenError, match="allowed"):
                call()
    with pytest.raises(PathForbiddenError) as caught:
        place.reader("b.%04d.exr").read(1001)
    assert caught.value.frame == 1001
    with pytest.raises(PathForbiddenError):
        place.reader("b.%04d.exr").content_id(1001)


def test_a_replaced_frame_has_another_identity(place: Place) -> None:
    path = place.write("a.1001.exr", 1)
    reader = place.reader("a.%04d.exr")
    before = reader.content_id(1001)
    assert before.startswith("sha256:")
    times = path.stat()
    place.write("a.1001.exr", 2)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert reader.content_id(1001) != before
