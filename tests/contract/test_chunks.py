"""Streams of chunks: any content arrives whole, any damage is noticed."""

from __future__ import annotations

import array
import hashlib
import io
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airoto.errors import BadRequestError, TooLargeError
from airoto.wire.channel import CHUNK_BYTES
from airoto.wire.chunks import Collector, check_header, chunks_of_bytes, chunks_of_file
from airoto.wire.messages import Chunk, EncodedFile, PixelType, PlaneHeader, RawPlane
from airoto.wire.parts import Part

FILE = EncodedFile(name="plate.1001.exr")


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def header(data: bytes, **changes: Any) -> Chunk:
    fields = {"encoded": FILE, "size": len(data), "sha256": digest(data), **changes}
    return Chunk(header=PlaneHeader(**fields))


def collect(parts: list[Part], max_bytes: int = 1 << 30) -> bytes:
    sink = io.BytesIO()
    collector = Collector(sink, max_bytes=max_bytes)
    for part in parts:
        collector.add(part)
    collector.finish()
    return sink.getvalue()


@st.composite
def split_data(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    pieces = draw(st.lists(st.binary(min_size=1, max_size=50), max_size=8))
    return b"".join(pieces), pieces


@given(split_data())
def test_content_arrives_whole_however_it_is_split(data: tuple[bytes, list[bytes]]) -> None:
    whole, pieces = data
    assert collect([header(whole), *(Chunk(data=piece) for piece in pieces)]) == whole


@given(split_data())
def test_a_stream_without_its_last_part_is_refused(data: tuple[bytes, list[bytes]]) -> None:
    whole, pieces = data
    parts = [header(whole), *(Chunk(data=piece) for piece in pieces)][:-1]
    with pytest.raises(BadRequestError, match="ended"):
        collect(parts)


@given(split_data(), st.binary(min_size=1, max_size=50))
def test_a_stream_with_more_than_announced_is_refused(
    data: tuple[bytes, list[bytes]], extra: bytes
) -> None:
    whole, pieces = data
    parts = [header(whole), *(Chunk(data=piece) for piece in (*pieces, extra))]
    with pytest.raises(BadRequestError, match="more than the"):
        collect(parts)


@given(split_data(), st.data())
def test_one_flipped_bit_is_noticed(data: tuple[bytes, list[bytes]], more: st.DataObject) -> None:
    whole, _ = data
    if not whole:
        return
    bit = more.draw(st.integers(0, len(whole) * 8 - 1))
    damaged = bytearray(whole)
    damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(BadRequestError, match="sha256"):
        collect([header(whole), Chunk(data=bytes(damaged))])


@pytest.mark.parametrize(
    "size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES]
)
def test_bytes_and_files_of_any_size_arrive_in_parts_of_a_mebibyte(
    size: int, tmp_path: Path
) -> None:
    data = random.Random(size).randbytes(size)
    path = tmp_path / "plate.1001.exr"
    path.write_bytes(data)
    for parts in (list(chunks_of_bytes(FILE, data)), list(chunks_of_file(path))):
        first, *pieces, last = parts
        assert first.header == header(data, sha256="").header
        assert last.sha256 == digest(data)
        assert len(pieces) == -(-size // CHUNK_BYTES)
        assert all(len(piece) <= CHUNK_BYTES for piece in pieces)
        assert collect(parts) == data


def test_a_plane_is_sent_from_any_buffer() -> None:
    pixels = array.array("f", range(12))
    plane = RawPlane(width=4, height=3, channels=1, pixel_type=PixelType.PIXEL_TYPE_FLOAT)
    parts = list(chunks_of_bytes(plane, memoryview(pixels)))
    assert parts[0].header.raw == plane
    assert collect(parts) == pixels.tobytes()


def test_a_digest_that_is_known_is_not_made_again(tmp_path: Path) -> None:
    path = tmp_path / "a.exr"
    path.write_bytes(b"abc")
    known = "0" * 64
    assert next(chunks_of_file(path, known=known)).header.sha256 == known
    assert next(chunks_of_bytes(FILE, b"abc", known=known)).header.sha256 == known


@pytest.mark.parametrize("change", [b"", b"ab", b"abcd"])
def test_a_file_that_changes_its_length_meanwhile_is_refused(change: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.exr"
    path.write_bytes(b"abc")
    parts = chunks_of_file(path)
    next(parts)
    path.write_bytes(change)
    with pytest.raises(BadRequestError, match="changed") as caught:
        list(parts)
    assert caught.value.path == str(path)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([], "before its header"),
        ([Chunk(data=b"a")], "data before its header"),
        ([header(b"a"), header(b"a")], "second header"),
        ([header(b"a"), Chunk()], "empty part"),
        ([header(b"a"), Chunk(sha256=digest(b"a"))], "second sha256"),
        ([header(b"a", sha256=""), Chunk(data=b"a")], "ended before its sha256"),
        ([header(b"a", sha256=""), Chunk(sha256=digest(b"a")), b"a"], "data after its sha256"),
        ([header(b"a", sha256=""), b"a", Chunk(sha256=digest(b"b"))], "announced was"),
        ([header(b"a", sha256=""), b"a", Chunk(sha256="ab")], "64 lower-case"),
        ([header(b"a"), Chunk(data=b"")], "0 bytes"),
        ([header(b"a" * (CHUNK_BYTES + 1)), Chunk(data=b"a" * (CHUNK_BYTES + 1))], "allowed: 1 to"),
    ],
)
def test_parts_out_of_order_are_refused(parts: list[Part], message: str) -> None:
    with pytest.raises(BadRequestError, match=message):
        collect(parts)


def test_too_much_is_refused_at_its_header() -> None:
    collector = Collector(io.BytesIO(), max_bytes=99)
    with pytest.raises(TooLargeError, match="100 bytes; allowed: at most 99"):
        collector.add(header(b"a" * 100))


@pytest.mark.parametrize("sha256", ["0" * 63, "g" * 64, "A" * 64, digest(b"") + "\n"])
def test_what_is_no_sha256_is_refused(sha256: str) -> None:
    with pytest.raises(BadRequestError, match="64 lower-case"):
        check_header(header(b"", sha256=sha256).header, max_bytes=10)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b.exr", "..\\b.exr", "a\nb", "x" * 256])
def test_a_file_name_with_a_folder_is_refused(name: str) -> None:
    wrong = header(b"", encoded=EncodedFile(name=name)).header
    with pytest.raises(BadRequestError, match="no file name"):
        check_header(wrong, max_bytes=10)


def test_a_header_without_content_is_refused() -> None:
    with pytest.raises(BadRequestError, match="neither"):
        check_header(PlaneHeader(size=0, sha256=digest(b"")), max_bytes=10)


def plane_header(**changes: Any) -> PlaneHeader:
    fields: dict[str, Any] = {
        "width": 4,
        "height": 2,
        "channels": 3,
        "pixel_type": PixelType.PIXEL_TYPE_HALF,
        **changes,
    }
    return PlaneHeader(raw=RawPlane(**fields), size=48, sha256=digest(b""))


def test_a_plane_whose_size_fits_is_taken() -> None:
    check_header(plane_header(x=-5, display_width=100, pixel_aspect=2), max_bytes=48)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 0}, "0 x 2 pixels"),
        ({"height": -2}, "4 x -2 pixels"),
        ({"width": 65537}, "65537"),
        ({"channels": 0}, "0 channels"),
        ({"channels": 65}, "65 channels"),
        ({"pixel_type": 0}, "pixel type"),
        ({"pixel_type": 9}, "pixel type"),
        ({"pixel_aspect": float("nan")}, "pixel aspect"),
        ({"pixel_aspect": -1}, "pixel aspect"),
        ({"display_height": -1}, "display window"),
        ({"width": 5}, "has 60 bytes, announced were 48"),
        ({"pixel_type": PixelType.PIXEL_TYPE_FLOAT}, "has 96 bytes"),
    ],
)
def test_a_plane_that_contradicts_itself_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BadRequestError, match=message):
        check_header(plane_header(**changes), max_bytes=1 << 20)
