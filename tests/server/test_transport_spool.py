"""Uploads and results by handle, and the private folder they lie in."""

from __future__ import annotations

import hashlib
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from airoto.errors import (
    BadRequestError,
    FrameMissingError,
    FrameUnreadableError,
    HandleUnknownError,
    OutOfSpaceError,
    TooLargeError,
)
from airoto.wire import messages as pb
from airoto.wire.chunks import chunks_of_bytes
from airoto_server.ops.geometry import Window
from airoto_server.transport.content import ContentIds
from airoto_server.transport.items import Item
from airoto_server.transport.scratch import Scratch, remove_abandoned
from airoto_server.transport.spool import Spool

CONTENT = bytes(range(256)) * 9000


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool", max_bytes=10_000_000)


def files(spool_folder: Path) -> list[Path]:
    return list((spool_folder / "spool").iterdir())


def send(spool: Spool, chunks: Iterable[pb.Chunk], max_bytes: int | None = None) -> Item:
    with spool.receive(max_bytes=max_bytes) as receiver:
        for chunk in chunks:
            receiver.add(chunk)
        return receiver.finish()


def upload(spool: Spool, data: bytes, content: Any = None) -> Item:
    return send(spool, chunks_of_bytes(content or pb.EncodedFile(name="a.exr"), data))


def test_an_upload_comes_back_as_it_was(spool: Spool) -> None:
    item = spool.open(upload(spool, CONTENT).handle)
    assert item.path.read_bytes() == CONTENT
    assert (item.size, item.name) == (len(CONTENT), "a.exr")
    assert item.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert item.content == pb.EncodedFile(name="a.exr")
    assert spool.bytes_used == len(CONTENT)


def test_a_raw_plane_is_mapped_read_only(spool: Spool) -> None:
    array = np.random.default_rng(0).random((6, 8, 3)).astype(np.float16)
    raw = pb.RawPlane(
        width=8, height=6, channels=3, pixel_type=pb.PixelType.PIXEL_TYPE_HALF, x=-2, y=3
    )
    item = upload(spool, array.tobytes(), raw)
    np.testing.assert_array_equal(item.array(), array)
    with pytest.raises(ValueError, match="read-only"):
        item.array()[0, 0, 0] = 1
    assert item.plane is not None
    assert item.plane.window == Window(-2, 3, 6, 9)
    assert item.plane.display == (8, 6)
    sent = item.content
    assert isinstance(sent, pb.RawPlane)
    assert (sent.width, sent.height, sent.x, sent.y, sent.pixel_aspect) == (8, 6, -2, 3, 1.0)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("shape", [(6, 8), (6, 8, 3)])
def test_pixels_come_back_as_they_were(spool: Spool, dtype: type, shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).random(shape).astype(dtype)
    window = Window(1, 2, 9, 8)
    item = spool.put_array(array[:, ::-1], window=window, display=(20, 20), pixel_aspect=2.0)
    expected = array[:, ::-1].reshape(6, 8, -1)
    np.testing.assert_array_equal(spool.open(item.handle).array(), expected)
    assert item.array().dtype == dtype
    assert item.plane is not None
    assert (item.plane.window, item.plane.pixel_aspect) == (window, 2.0)
    assert item.sha256 == hashlib.sha256(expected.tobytes()).hexdigest()


def test_a_released_handle_is_unknown_but_mapped_pixels_stay(spool: Spool, tmp_path: Path) -> None:
    array = np.ones((6, 8), np.float32)
    item = spool.put_array(array, window=Window(0, 0, 8, 6), display=(8, 6))
    mapped = item.array()
    spool.release(item.handle)
    spool.release(item.handle)
    with pytest.raises(HandleUnknownError, match=item.handle):
        spool.open(item.handle)
    with pytest.raises(HandleUnknownError):
        item.array()
    assert (mapped == 1).all()
    assert files(tmp_path) == []
    assert spool.bytes_used == 0


def test_a_file_is_no_plane(spool: Spool) -> None:
    with pytest.raises(HandleUnknownError, match=r"is a file \(a\.png\)"):
        spool.put_bytes(b"png", "a.png").array()


def test_a_broken_upload_leaves_nothing(spool: Spool, tmp_path: Path) -> None:
    chunks = list(chunks_of_bytes(pb.EncodedFile(name="a.exr"), CONTENT))
    with pytest.raises(BadRequestError, match="ended after"):
        send(spool, (chunks[0], *chunks[2:]))
    with pytest.raises(BadRequestError, match="before its sha256"):
        send(spool, chunks[:-1])
    with pytest.raises(BadRequestError, match="announced was"):
        send(spool, (*chunks[:-2], bytes(len(chunks[-2])), chunks[-1]))
    with spool.receive() as receiver:
        receiver.add(chunks[0])
        assert spool.bytes_used == len(CONTENT)  # set aside
    assert files(tmp_path) == []
    assert spool.bytes_used == 0


def test_what_has_no_room_is_refused_before_it_arrives(spool: Spool, tmp_path: Path) -> None:
    kept = upload(spool, bytes(6_000_000))
    with pytest.raises(TooLargeError, match=r"6000000 of 10000000 are in use"):
        upload(spool, bytes(6_000_000))
    with pytest.raises(TooLargeError):
        send(spool, chunks_of_bytes(pb.EncodedFile(name="a"), bytes(11)), max_bytes=10)
    assert files(tmp_path) == [kept.path]
    spool.release(kept.handle)
    upload(spool, bytes(6_000_000))


def test_content_long_untouched_makes_way_oldest_first(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", max_bytes=300, keep_seconds=0.0)
    first, second, third = (spool.put_bytes(bytes(100), str(i)) for i in range(3))
    spool.open(first.handle)  # touched: second is the oldest now
    fourth = spool.put_bytes(bytes(100), "4")
    with pytest.raises(HandleUnknownError):
        spool.open(second.handle)
    for item in (first, third, fourth):
        assert spool.open(item.handle).path.exists()


def test_many_threads_lose_nothing(spool: Spool) -> None:
    with ThreadPoolExecutor(8) as pool:
        items = list(pool.map(lambda i: upload(spool, bytes([i]) * 1000), range(40)))
    assert len({item.handle for item in items}) == 40
    assert [item.path.read_bytes()[0] for item in items] == list(range(40))
    assert spool.bytes_used == 40_000


def test_a_full_disk_is_told_and_leaves_nothing(tiny_disk: Path) -> None:
    spool = Spool(tiny_disk / "spool", max_bytes=10_000_000)
    with pytest.raises(OutOfSpaceError, match=str(tiny_disk)):
        upload(spool, bytes(200_000))
    with pytest.raises(OutOfSpaceError):
        spool.put_array(np.zeros((200, 200), np.float32), window=Window(0, 0, 1, 1), display=(1, 1))
    assert files(tiny_disk) == []
    assert spool.bytes_used == 0
    upload(spool, bytes(20_000))


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system of 64 KiB."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a small file system cannot be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


# ---- the private folder ------------------------------------------------------------


def test_folders_are_private(spool: Spool, tmp_path: Path) -> None:
    with Scratch(tmp_path) as scratch:
        for folder in (scratch.folder, tmp_path / "spool"):
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not scratch.folder.exists()


def test_what_a_killed_server_left_is_removed_and_a_living_ones_stays(tmp_path: Path) -> None:
    script = (
        "import os, pathlib, signal\n"
        "from airoto_server.transport.scratch import Scratch\n"
        f"scratch = Scratch(pathlib.Path({str(tmp_path)!r}))\n"
        "(scratch.folder / 'upload').write_bytes(b'x')\n"
        "print(scratch.folder, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    killed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment
    )
    assert killed.returncode == -signal.SIGKILL
    left = Path(killed.stdout.strip())
    assert left.exists()
    with Scratch(tmp_path) as living:
        assert not left.exists()
        assert remove_abandoned(tmp_path) == []
        assert living.folder.exists()


# ---- content identities ------------------------------------------------------------


def aged(path: Path, data: bytes, when: int = 1_000_000_000) -> Path:
    path.write_bytes(data)
    os.utime(path, (when, when))
    return path


def test_an_identity_is_that_of_the_bytes(tmp_path: Path) -> None:
    contents = ContentIds()
    one = aged(tmp_path / "a", CONTENT)
    expected = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
    assert contents.of_file(one) == contents.of_file(one) == expected
    assert contents.of_file(aged(tmp_path / "b", CONTENT)) == expected


def test_a_changed_file_has_another_identity_whatever_its_times_say(tmp_path: Path) -> None:
    contents = ContentIds()
    path = aged(tmp_path / "a", CONTENT)
    before = contents.of_file(path)
    aged(path, CONTENT[::-1])  # same size, same modification time
    assert contents.of_file(path) != before


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(FrameMissingError, match=r"plate\.1001\.exr"):
        ContentIds().of_file(tmp_path / "none", label="plate.1001.exr")
    with pytest.raises(FrameUnreadableError, match="not a regular file"):
        ContentIds().of_file(tmp_path)
