"""Rings of shared memory as the server sees them: what is refused, and what it survives."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airoto.errors import AIRotoError, BadRequestError, HandleUnknownError, TooLargeError
from airoto.ring_layout import MEMORY_NAME, PAGE
from airoto.wire import messages as pb
from airoto.wire.jsonform import from_dict
from airoto_client.copying import copy
from airoto_client.ring import Block, Ring
from airoto_client.ring_store import can_seal
from airoto_server.ops.geometry import Window
from airoto_server.transport.planes import as_plane
from airoto_server.transport.rings import Rings

HALF = {"width": 8, "height": 6, "channels": 3, "pixel_type": "PIXEL_TYPE_HALF"}
SIZE = 8 * 6 * 3 * 2


@pytest.fixture
def rings(tmp_path: Path) -> Iterator[Rings]:
    rings = Rings(tmp_path / "rings", max_bytes=1 << 20, most=3)
    yield rings
    rings.close()


SEALS = pytest.mark.skipif(not can_seal(), reason="no sealed memory on this system")
SEALABLE = pytest.param(True, marks=SEALS, id="sealed")
EITHER = pytest.mark.parametrize("sealed", [pytest.param(False, id="file"), SEALABLE])


@pytest.fixture(params=[pytest.param(False, id="file"), SEALABLE])
def ring(rings: Rings, request: pytest.FixtureRequest) -> Iterator[Ring]:
    ring = Ring(rings.folder, 64 * 1024, sealed=request.param)
    rings.attach(attaching(ring))
    yield ring
    ring.close()


def attaching(ring: Ring, /, **changes: Any) -> pb.AttachRingRequest:
    return from_dict(pb.AttachRingRequest, {**ring.message(), **changes})


def path_of(ring: Ring) -> Path:
    assert ring.path is not None
    return ring.path


def message(block: Block) -> pb.RingPlane:
    return from_dict(pb.RingPlane, block.message())


def filled(ring: Ring, value: int = 7) -> Block:
    block = ring.block(HALF)
    assert block is not None
    block.view[:] = bytes([value]) * SIZE
    return block


def read(rings: Rings, source: pb.RingPlane) -> bytes:
    memory = bytearray(source.size)
    rings.open(source.ring).read(source, memoryview(memory))
    return bytes(memory)


def a_matte(shape: tuple[int, ...] = (6, 8, 3), dtype: Any = np.float16) -> Any:
    pixels = np.random.default_rng(1).random(shape).astype(dtype)
    return as_plane(pixels, Window(0, 0, shape[1], shape[0]), (shape[1], shape[0]), 1.0)


def test_pixels_go_in_and_come_back(rings: Rings, ring: Ring) -> None:
    block = filled(ring)
    assert read(rings, message(block)) == b"\7" * SIZE
    plane, pixels = a_matte()
    rings.open(ring.name).write(message(block), plane, pixels.reshape(-1).data.cast("B"))
    assert bytes(block.view) == pixels.tobytes()


CHANGES = st.one_of(
    st.tuples(st.just("generation"), st.integers(0, 2**64 - 1)),
    st.tuples(st.just("offset"), st.integers(0, 2**64 - 1)),
    st.tuples(st.just("offset"), st.integers(0, 20).map(lambda page: page * PAGE)),
    st.tuples(st.just("size"), st.integers(0, 2**64 - 1)),
    st.tuples(st.sampled_from(["width", "height", "channels"]), st.integers(-1, 70_000)),
    st.tuples(st.just("pixel_type"), st.integers(0, 3)),
    st.tuples(st.just("ring"), st.sampled_from(["", "../x", "0" * 32 + ".ring", ".lock"])),
)


@settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(change=CHANGES)
def test_a_handle_that_says_anything_else_is_refused(
    rings: Rings, ring: Ring, change: tuple[str, Any]
) -> None:
    block = filled(ring)
    try:
        name, value = change
        source = message(block)
        part = source.plane if name in ("width", "height", "channels", "pixel_type") else source
        if getattr(part, name) == value:
            return
        setattr(part, name, value)
        with pytest.raises((BadRequestError, HandleUnknownError)) as refused:
            rings.open(source.ring).read(source, memoryview(bytearray(SIZE)))
        assert len(refused.value.message) > 20
        plane, pixels = a_matte()
        with pytest.raises((BadRequestError, HandleUnknownError)):
            rings.open(source.ring).write(source, plane, pixels.reshape(-1).data.cast("B"))
        assert bytes(block.view) == b"\7" * SIZE
    finally:
        block.release()


def test_shape_and_type_are_checked_even_where_the_size_is_the_same(
    rings: Rings, ring: Ring
) -> None:
    block = filled(ring)
    source = message(block)
    source.plane.width, source.plane.height = 6, 8
    with pytest.raises(BadRequestError, match="holds 8 x 6 x 3 half in 288 bytes, not 6 x 8 x 3"):
        read(rings, source)
    plane, pixels = a_matte((3, 8, 3), np.float32)
    with pytest.raises(BadRequestError, match="is for 8 x 6 x 3 half; the plane is 8 x 3 x 3 floa"):
        rings.open(ring.name).write(message(block), plane, pixels.reshape(-1).data.cast("B"))


def test_a_place_that_was_used_again_is_refused(rings: Rings, ring: Ring) -> None:
    block = filled(ring)
    old = message(block)
    block.release()
    with pytest.raises(BadRequestError, match="generation 0, not 1: it was used again"):
        read(rings, old)
    while (again := filled(ring)).offset != block.offset:
        pass
    with pytest.raises(BadRequestError, match=f"generation {again.generation}, not 1"):
        read(rings, old)


def test_a_ring_that_was_cut_short_is_an_error_and_no_signal(rings: Rings) -> None:
    ring = Ring(rings.folder, 64 * 1024)
    rings.attach(attaching(ring))
    first, second = filled(ring), filled(ring)
    os.truncate(path_of(ring), first.offset + PAGE + SIZE // 2)
    for block in (first, second):
        with pytest.raises(BadRequestError, match="was cut short"):
            read(rings, message(block))
    plane, pixels = a_matte()
    with pytest.raises(BadRequestError, match="was cut short"):
        rings.open(ring.name).write(message(first), plane, pixels.reshape(-1).data.cast("B"))
    ring.close()


@SEALS
def test_sealed_memory_is_cut_short_and_grown_by_nobody(rings: Rings) -> None:
    ring = Ring(rings.folder, 64 * 1024, sealed=True)
    rings.attach(attaching(ring))
    block = filled(ring)
    for size in (0, PAGE, ring.size - 1, ring.size + PAGE):
        with pytest.raises(PermissionError):
            os.ftruncate(ring.file, size)
    with pytest.raises(PermissionError):
        fcntl.fcntl(ring.file, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)
    assert read(rings, message(block)) == b"\7" * SIZE
    assert list(rings.folder.iterdir()) == []
    ring.close()


# ---- attaching ---------------------------------------------------------------------


def refused(rings: Rings, request: pb.AttachRingRequest) -> str:
    with pytest.raises(AIRotoError) as error:
        rings.attach(request)
    return error.value.message


@pytest.mark.parametrize("name", ["", ".", "../rings", "a.ring", "0" * 32, "/etc/passwd"])
def test_only_names_of_rings_are_opened(rings: Rings, name: str) -> None:
    assert "is no name of a ring" in refused(rings, pb.AttachRingRequest(ring=name, size=PAGE))


@EITHER
def test_only_the_ring_that_the_client_made_is_attached(rings: Rings, sealed: bool) -> None:
    ring = Ring(rings.folder, 16 * PAGE, sealed=sealed)
    other = base64.b64encode(bytes(32)).decode()
    assert "another nonce" in refused(rings, attaching(ring, nonce=other))
    assert "the request 4096" in refused(rings, attaching(ring, size="4096"))
    assert "at most 1048576" in refused(rings, attaching(ring, size=str(1 << 30)))
    os.fchmod(ring.file, 0o644)
    assert "mode 644" in refused(rings, attaching(ring))
    os.fchmod(ring.file, 0o600)
    fcntl.flock(ring.file, fcntl.LOCK_UN)
    if sealed:
        assert "is not locked" in refused(rings, attaching(ring))
    else:
        assert "No such file" in refused(rings, attaching(ring))  # swept away
    ring.close()


def test_only_a_file_of_the_folder_is_attached(rings: Rings) -> None:
    ring = Ring(rings.folder, 16 * PAGE)
    path = path_of(ring)
    link = rings.folder / f"{'a' * 32}.ring"
    link.symlink_to(path)
    assert "cannot be opened" in refused(rings, attaching(ring, ring=link.name))
    link.unlink()
    os.truncate(path, PAGE)
    assert "has 4096 bytes" in refused(rings, attaching(ring))
    os.truncate(path, 10)
    assert "no head of a ring" in refused(rings, attaching(ring))
    assert "No such file" in refused(rings, attaching(ring, ring="f" * 32 + ".ring"))
    ring.close()


@SEALS
def test_only_memory_that_is_sealed_and_set_aside_is_mapped(rings: Rings, tmp_path: Path) -> None:
    ring = Ring(rings.folder, 16 * PAGE, sealed=True)

    def said_of(file: int, **changes: Any) -> str:
        said = refused(rings, attaching(ring, file=file, **changes))
        os.close(file)
        return said

    def memory(name: str = MEMORY_NAME, flags: int = os.MFD_ALLOW_SEALING) -> int:
        file = os.memfd_create(name, flags)
        os.ftruncate(file, ring.size)
        os.pwrite(file, os.pread(ring.file, PAGE, 0), 0)
        return file

    plain = Ring(rings.folder, PAGE)
    assert "not a ring's memory" in said_of(os.open(path_of(plain), os.O_RDWR))
    assert "not a ring's memory" in said_of(os.open("/dev/zero", os.O_RDWR))
    assert "not a ring's memory" in said_of(os.pipe()[0])
    assert "not a ring's memory" in said_of(memory("something-else"))
    assert "is not sealed" in said_of(memory(flags=0))
    assert "is not sealed" in said_of(memory())
    grows = memory()
    fcntl.fcntl(grows, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW)
    assert "is not sealed" in said_of(grows)
    sparse = memory()
    fcntl.fcntl(sparse, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
    assert f"of {ring.size} bytes {PAGE} are set aside" in said_of(sparse)
    frozen = memory()
    os.posix_fallocate(frozen, 0, ring.size)
    os.fchmod(frozen, 0o600)
    fcntl.flock(frozen, fcntl.LOCK_EX)
    fcntl.fcntl(frozen, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_WRITE)
    assert "cannot be mapped" in said_of(frozen)
    nobody = 2**22 + 1  # more than Linux ever gives
    for changes in ({"file": 10_000}, {"process": nobody}, {"process": 2**32 - 1}):
        said = refused(rings, attaching(ring, **changes))
        assert "cannot be opened from here: No such file" in said
    opened = len(list(Path("/proc/self/fd").iterdir()))
    refused(rings, attaching(ring, size="4096"))
    # What is refused is not kept open.
    assert len(list(Path("/proc/self/fd").iterdir())) == opened
    plain.close()
    ring.close()


def test_a_file_without_a_living_client_is_not_attached_but_removed(rings: Rings) -> None:
    ring = Ring(rings.folder, PAGE)
    copy = rings.folder / f"{'b' * 32}.ring"
    copy.write_bytes(path_of(ring).read_bytes())
    copy.chmod(0o600)
    refused(rings, attaching(ring, ring=copy.name))
    assert [path.name for path in rings.folder.iterdir()] == [ring.name]
    ring.close()


@EITHER
def test_there_is_an_end_to_the_number_of_rings(rings: Rings, sealed: bool) -> None:
    made = [Ring(rings.folder, PAGE, sealed=sealed) for _ in range(4)]
    for ring in made[:3]:
        rings.attach(attaching(ring))
    rings.attach(attaching(made[0]))
    with pytest.raises(TooLargeError, match="3 rings are attached already"):
        rings.attach(attaching(made[3]))
    rings.detach(made[0].name)
    rings.detach(made[0].name)
    rings.attach(attaching(made[3]))
    with pytest.raises(HandleUnknownError, match="not attached"):
        rings.open(made[0].name)
    for ring in made:
        ring.close()


# ---- the dead ----------------------------------------------------------------------

_CLIENT = """
import json, sys, time
from pathlib import Path
from airoto_client.ring import Ring
ring = Ring(Path(sys.argv[1]), 65536, sealed=sys.argv[2] == "True")
print(json.dumps(ring.message()), flush=True)
time.sleep(100)
"""


def test_the_ring_of_a_killed_client_is_let_go_and_removed(rings: Rings, ring: Ring) -> None:
    before = sorted(rings.folder.iterdir())
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    command = [sys.executable, "-c", _CLIENT, str(rings.folder), str(ring.sealed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as client:
        assert client.stdout is not None
        request = from_dict(pb.AttachRingRequest, json.loads(client.stdout.readline()))
        rings.attach(request)
        name = request.ring
        assert rings.sweep() == []
        client.send_signal(signal.SIGKILL)
    assert rings.sweep() == [name]
    assert sorted(rings.folder.iterdir()) == before
    with pytest.raises(HandleUnknownError):
        rings.open(name)
    assert read(rings, message(filled(ring))) == b"\7" * SIZE


def test_nobody_else_s_files_are_swept_away(rings: Rings, tmp_path: Path) -> None:
    (rings.folder / "notes").mkdir()
    target = tmp_path / "target"
    target.touch()
    (rings.folder / f"{'c' * 32}.ring").symlink_to(target)
    assert rings.sweep() == []


# ---- the client's own side ---------------------------------------------------------


def test_blocks_do_not_overlap_and_room_comes_back(ring: Ring) -> None:
    random = np.random.default_rng(5)
    live: list[tuple[Block, int]] = []
    full = 0
    for number in range(400):
        plane = {**HALF, "height": int(random.integers(1, 400))}
        block = ring.block(plane)
        if block is None:
            full += 1
        else:
            block.view[:] = bytes([number % 251]) * block.size
            live.append((block, number % 251))
        if live and (block is None or random.random() < 0.4):
            gone, value = live.pop(int(random.integers(len(live))))
            assert bytes(gone.view) == bytes([value]) * gone.size
            gone.release()
            gone.release()
    assert full > 10
    for block, value in live:
        assert bytes(block.view) == bytes([value]) * block.size


def test_a_closed_ring_leaves_nothing_and_its_views_stay(ring: Ring) -> None:
    block = filled(ring)
    pixels = np.frombuffer(block.view, np.uint8)
    ring.close()
    ring.close()
    assert ring.path is None or not ring.path.exists()
    assert (pixels == 7).all()
    assert ring.block(HALF) is None
    block.release()


@EITHER
@pytest.mark.parametrize("rows", [1000, 1001, 1777])
def test_large_planes_are_copied_in_stretches_without_a_seam(
    tmp_path: Path, rows: int, sealed: bool
) -> None:
    rings = Rings(tmp_path / "rings", max_bytes=1 << 27, threads=3)
    ring = Ring(rings.folder, 40 << 20, sealed=sealed)
    rings.attach(attaching(ring))
    plane, pixels = a_matte((rows, 1013, 3))
    wire = {**HALF, "width": 1013, "height": rows}
    block = ring.block(wire)
    assert block is not None
    block.view[:] = pixels.reshape(-1).data.cast("B")
    assert read(rings, message(block)) == pixels.tobytes()
    block.view[:] = bytes(block.size)
    rings.open(ring.name).write(message(block), plane, pixels.reshape(-1).data.cast("B"))
    assert bytes(block.view) == pixels.tobytes()
    if ring.path is not None:
        os.truncate(ring.path, block.offset + PAGE + block.size // 2)
        with pytest.raises(BadRequestError, match="was cut short"):
            read(rings, message(block))
    ring.close()
    rings.close()


@SEALS
def test_a_ring_is_let_go_when_its_last_reader_is_done(rings: Rings) -> None:
    ring = Ring(rings.folder, 64 * 1024, sealed=True)
    rings.attach(attaching(ring))
    there = rings.open(ring.name)
    source = message(filled(ring))
    ring.close()  # its memory stays as long as the server has it
    assert read(rings, source) == b"\7" * SIZE
    rings.detach(ring.name)
    with pytest.raises(HandleUnknownError):
        there.read(source, memoryview(bytearray(SIZE)))


# ---- the client's own copies -------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 4095, (4 << 20) - 1, 4 << 20, (9 << 20) + 7])
@pytest.mark.parametrize("writable", [False, True])
def test_every_byte_is_copied_once(size: int, writable: bool) -> None:
    data = np.random.default_rng(size).integers(0, 256, size, np.uint8)
    data.flags.writeable = writable
    target = bytearray(b"x" * (size + 2))
    copy(memoryview(target)[1:-1], data.data)
    assert bytes(target) == b"x" + data.tobytes() + b"x"
    with pytest.raises(ValueError, match=f"into a place of {size + 2}"):
        copy(memoryview(target), data.data)
