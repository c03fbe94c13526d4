"""Decoding in a child process: what a bad file can and cannot do."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import OpenImageIO as oiio
import pytest

from airoto.errors import (
    AIRotoError,
    FrameMismatchError,
    FrameMissingError,
    FrameUnreadableError,
    InternalError,
)
from airoto_server.ops import imagefile
from airoto_server.ops.geometry import Window
from airoto_server.ops.matte_file import Matte, ObjectMatte, write_matte
from airoto_server.transport.decoder import Decoder


def write(path: Path, array: Any) -> Path:
    height, width, channels = array.shape
    kind = {"float16": "half", "float32": "float"}.get(array.dtype.name, array.dtype.name)
    spec = oiio.ImageSpec(width, height, channels, kind)
    output = oiio.ImageOutput.create(str(path))
    assert output.open(str(path), spec)
    assert output.write_image(array)
    assert output.close()
    return path


def pixels(seed: int, channels: int = 3) -> Any:
    return np.random.default_rng(seed).random((30, 40, channels)).astype(np.float16)


def children() -> set[int]:
    """Decoding processes that this process has."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rsplit(")", 1)[1].split()[1])
            command = (stat.parent / "cmdline").read_bytes()
        except (OSError, ValueError, IndexError):
            continue
        if parent == os.getpid() and b"decoder_child" in command:
            found.add(int(stat.parent.name))
    return found


@pytest.fixture
def decoder(tmp_path: Path) -> Iterator[Decoder]:
    with Decoder(tmp_path / "decoder") as made:
        yield made


@pytest.fixture
def single(tmp_path: Path) -> Iterator[Decoder]:
    with Decoder(tmp_path / "decoder", children=1, time_limit=20) as made:
        yield made


# ---- results -----------------------------------------------------------------------


def test_results_are_those_of_reading_here(tmp_path: Path, decoder: Decoder) -> None:
    path = write(tmp_path / "a.exr", pixels(0, 4))
    here, there = imagefile.read_frame(path), decoder.read_frame(path)
    np.testing.assert_array_equal(here.pixels, there.pixels)
    assert there.pixels.dtype == np.float16
    assert here.alpha is not None
    assert there.alpha is not None
    np.testing.assert_array_equal(here.alpha, there.alpha)
    assert (here.window, here.display) == (there.window, there.display)
    assert decoder.probe(path) == imagefile.probe(path)
    mask = decoder.read_mask(path)
    np.testing.assert_array_equal(mask.mask, imagefile.read_mask(path).mask)
    np.testing.assert_array_equal(decoder.read_mask(path.read_bytes()).mask, mask.mask)
    assert mask.window == Window(0, 0, 40, 30)
    there.pixels[0, 0] = 7  # a copy of our own, not the child's buffer


def test_a_result_stays_as_it_is_when_the_next_is_read(tmp_path: Path, single: Decoder) -> None:
    first = single.read_frame(write(tmp_path / "a.exr", pixels(0)))
    single.read_frame(write(tmp_path / "b.exr", pixels(1)))
    np.testing.assert_array_equal(first.pixels, pixels(0))


def test_many_threads_get_each_their_own_frame(tmp_path: Path, decoder: Decoder) -> None:
    paths = [write(tmp_path / f"{seed}.exr", pixels(seed)) for seed in range(12)]
    with ThreadPoolExecutor(6) as pool:
        frames = list(pool.map(decoder.read_frame, paths * 4))
    for seed, frame in enumerate(frames):
        np.testing.assert_array_equal(frame.pixels, pixels(seed % 12))
    assert len(children()) <= 2


def test_movies_are_read_and_stills_between_do_not_disturb(tmp_path: Path, single: Decoder) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(24))
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for index in range(12):
            picture = np.full((64, 64, 3), index * 20, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    still = write(tmp_path / "a.exr", pixels(0))
    assert single.probe_movie(path).count == 12
    for index in (0, 1, 2, 9, 3):
        frame = single.read_movie_frame(path, index)
        assert abs(float(frame.pixels.mean()) - index * 20 / 255) < 0.02
        np.testing.assert_array_equal(single.read_frame(still).pixels, pixels(0))
    with pytest.raises(FrameMissingError, match="has 12 pictures"):
        single.read_movie_frame(path, 12)


def test_a_movie_that_is_replaced_is_opened_again(tmp_path: Path, single: Decoder) -> None:
    for value in (40, 200):
        made = tmp_path / "new.mov"
        with av.open(str(made), "w") as container:
            stream = container.add_stream("png", rate=Fraction(24))
            stream.width, stream.height, stream.pix_fmt = 32, 32, "rgb24"
            picture = np.full((32, 32, 3), value, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode())
        path = made.rename(tmp_path / "a.mov")
        frame = single.read_movie_frame(path, 0)
        np.testing.assert_allclose(frame.pixels, value / 255, atol=1e-6)


# ---- errors ------------------------------------------------------------------------


def test_errors_come_through_as_they_are(tmp_path: Path, decoder: Decoder) -> None:
    with pytest.raises(FrameMissingError) as missing:
        decoder.read_frame(tmp_path / "none.exr")
    assert missing.value.path == str(tmp_path / "none.exr")
    path = write(tmp_path / "a.exr", pixels(0))
    with pytest.raises(FrameMismatchError, match="no layer 'diffuse'"):
        decoder.read_frame(path, layer="diffuse")
    with pytest.raises(FrameUnreadableError, match=r"^plate\.1001\.exr: is not a regular file"):
        decoder.read_frame(tmp_path, label="plate.1001.exr")


def test_every_damaged_file_is_refused_and_the_next_is_read(
    shared_data: Path, single: Decoder
) -> None:
    good = shared_data / "exr" / "corner-cases" / "stripes.exr"
    expected = imagefile.read_frame(good).pixels
    paths = sorted((shared_data / "exr" / "damaged").iterdir())
    assert len(paths) >= 89
    for path in paths:
        with pytest.raises(FrameUnreadableError) as caught:
            single.read_frame(path)
        assert caught.value.path == str(path)
        with pytest.raises(AIRotoError):
            single.read_movie_frame(path, 0)
        np.testing.assert_array_equal(single.read_frame(good).pixels, expected)


@pytest.mark.parametrize("suffix", [".exr", ".png", ".jpg", ".tif", ".dpx"])
def test_a_corrupted_file_is_read_or_refused_and_nothing_else(
    tmp_path: Path, single: Decoder, suffix: str
) -> None:
    array = pixels(0) if suffix == ".exr" else (pixels(0) * 255).astype(np.uint8)
    whole = write(tmp_path / f"whole{suffix}", array).read_bytes()
    path, chance = tmp_path / f"a{suffix}", random.Random(5)
    refused: list[str] = []
    for _ in range(60):
        data = bytearray(whole)
        reach = chance.choice((len(data), min(len(data), 400)))  # anywhere, or the header
        for _ in range(chance.choice((1, 5, 30))):
            data[chance.randrange(reach)] = chance.randrange(256)
        path.write_bytes(data)
        try:
            assert np.isfinite(single.read_frame(path).pixels).all()
        except (FrameUnreadableError, FrameMismatchError) as exc:
            refused.append(exc.path)
    assert set(refused) == {str(path)}
    np.testing.assert_array_equal(
        single.read_frame(tmp_path / f"whole{suffix}").pixels,
        imagefile.read_frame(tmp_path / f"whole{suffix}").pixels,
    )


def declared_huge(path: Path, side: int) -> Path:
    """A whole EXR whose windows are then set to `side` x `side`."""
    data = bytearray(write(path, pixels(0)).read_bytes())
    for name in (b"dataWindow\0box2i\0", b"displayWindow\0box2i\0"):
        start = data.index(name) + len(name) + 4
        data[start : start + 16] = struct.pack("<4i", 0, 0, side - 1, side - 1)
    path.write_bytes(data)
    return path


def test_a_declared_huge_file_is_refused_before_memory_is_taken(
    tmp_path: Path, decoder: Decoder
) -> None:
    path = declared_huge(tmp_path / "a.exr", 100_000)
    with pytest.raises(FrameUnreadableError) as caught:
        decoder.read_frame(path)
    assert caught.value.path == str(path)
    for child in children():
        status = Path(f"/proc/{child}/status").read_text()
        peak = status.split("VmHWM:")[1].split()[0]
        assert int(peak) < 300_000  # KiB


def test_memory_is_limited(tmp_path: Path) -> None:
    path = declared_huge(tmp_path / "a.exr", 16_000)  # within max_pixels, 3 GB in float
    with Decoder(tmp_path / "decoder", children=1, memory_limit=1 << 30) as decoder:
        with pytest.raises(FrameUnreadableError) as caught:
            decoder.read_frame(path)
        assert caught.value.path == str(path)
        good = write(tmp_path / "good.exr", pixels(0))
        np.testing.assert_array_equal(decoder.read_frame(good).pixels, pixels(0))


def slow_file(path: Path) -> Path:
    """A picture of 64 million pixels."""
    return write(path, np.zeros((8000, 8000, 1), np.float16))


def kill_at_work(path: Path, number: signal.Signals) -> None:
    """Kill the decoding process that has this file open, as soon as there is one."""
    while True:
        for child in children():
            with contextlib.suppress(OSError):
                opened = (fd.readlink() for fd in Path(f"/proc/{child}/fd").iterdir())
                if path in opened:
                    os.kill(child, number)
                    return


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL])
def test_a_file_that_kills_the_decoder_is_named_and_the_next_is_read(
    tmp_path: Path, single: Decoder, number: signal.Signals
) -> None:
    path = slow_file(tmp_path / "slow.exr")
    killer = threading.Thread(target=kill_at_work, args=(path, number))
    killer.start()
    with pytest.raises(FrameUnreadableError, match=rf"signal {int(number)}, SIG") as caught:
        single.read_frame(path)
    killer.join()
    assert caught.value.path == str(path)
    good = write(tmp_path / "good.exr", pixels(0))
    np.testing.assert_array_equal(single.read_frame(good).pixels, pixels(0))


def test_a_decoder_that_died_while_idle_is_replaced_unnoticed(
    tmp_path: Path, single: Decoder
) -> None:
    good = write(tmp_path / "good.exr", pixels(0))
    single.read_frame(good)
    (child,) = children()
    os.kill(child, signal.SIGKILL)
    np.testing.assert_array_equal(single.read_frame(good).pixels, pixels(0))
    assert child not in children()


@pytest.mark.parametrize("times", [1, 2])
def test_a_decoder_that_is_killed_while_it_starts_is_started_again_once(
    tmp_path: Path, single: Decoder, times: int
) -> None:
    good = write(tmp_path / "good.exr", pixels(0))
    killed: set[int] = set()

    def kill_the_first() -> None:
        while len(killed) < times:
            for child in children() - killed:
                os.kill(child, signal.SIGKILL)
                killed.add(child)

    killer = threading.Thread(target=kill_the_first)
    killer.start()
    if times == 1:
        np.testing.assert_array_equal(single.read_frame(good).pixels, pixels(0))
    else:
        with pytest.raises(InternalError, match="cannot be started"):
            single.read_frame(good)
    killer.join()
    np.testing.assert_array_equal(single.read_frame(good).pixels, pixels(0))


def test_a_file_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    good = write(tmp_path / "good.exr", pixels(0))
    with Decoder(tmp_path / "decoder", children=1, time_limit=1.0) as decoder:
        decoder.read_frame(good)
        (child,) = children()
        os.kill(child, signal.SIGSTOP)
        with pytest.raises(FrameUnreadableError, match=r"took longer than 1 s") as caught:
            decoder.read_frame(good)
        assert caught.value.path == str(good)
        np.testing.assert_array_equal(decoder.read_frame(good).pixels, pixels(0))


def test_closing_ends_the_processes_and_leaves_no_file(tmp_path: Path) -> None:
    decoder = Decoder(tmp_path / "decoder")
    decoder.read_frame(write(tmp_path / "a.exr", pixels(0)))
    decoder.read_mask((tmp_path / "a.exr").read_bytes())
    assert children()
    decoder.close()
    assert not children()
    assert list((tmp_path / "decoder").iterdir()) == []
    with pytest.raises(InternalError, match="closed"):
        decoder.read_frame(tmp_path / "a.exr")


def test_a_child_does_not_outlive_its_server(tmp_path: Path) -> None:
    path = write(tmp_path / "a.exr", pixels(0))
    script = (
        "import os, pathlib, sys\n"
        "from airoto_server.transport.decoder import Decoder\n"
        f"decoder = Decoder(pathlib.Path({str(tmp_path / 'decoder')!r}))\n"
        f"decoder.read_frame(pathlib.Path({str(path)!r}))\n"
        "print(decoder._idle[0]._popen.pid, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment
    )
    child = int(found.stdout)
    for _ in range(500):
        stat = Path(f"/proc/{child}/stat")
        if not stat.exists() or stat.read_text().rsplit(")", 1)[1].split()[0] == "Z":
            break
        threading.Event().wait(0.01)
    else:
        pytest.fail("the decoding process is still there")


def test_a_child_starts_without_heavy_packages() -> None:
    script = (
        "import sys\n"
        "import airoto_server.transport.decoder_child\n"
        "heavy = {'torch', 'cv2', 'av', 'transformers', 'grpc', 'google', 'PyOpenColorIO'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True
    )
    assert found.stdout.strip() == "[]"


# ---- mattes of ours ------------------------------------------------------------------


def test_the_alpha_of_an_object_is_read_by_the_child(tmp_path: Path) -> None:
    window, path = Window.sized(32, 18), tmp_path / "m.exr"
    random = np.random.default_rng(4)
    alphas = {name: random.random((18, 32), np.float32) for name in ("hero", "bag")}
    objects = tuple(ObjectMatte(name, alpha) for name, alpha in alphas.items())
    write_matte(path, Matte(np.ones((18, 32), np.float32), objects, window, (32, 18), 1.0))
    with Decoder(tmp_path / "decoder", children=1) as decoder:
        for name, alpha in alphas.items():
            np.testing.assert_allclose(decoder.read_matte_alpha(path, name).mask, alpha, atol=1e-3)
        assert not decoder.read_matte_alpha(path, "nobody").mask.any()
        with pytest.raises(FrameUnreadableError, match="no matte of AIRoto"):
            decoder.read_matte_alpha(write(tmp_path / "a.exr", pixels(1)), "hero")


def test_the_alpha_of_a_file_without_objects_is_the_union(tmp_path: Path) -> None:
    window, path = Window.sized(32, 18), tmp_path / "m.png"
    union = np.random.default_rng(4).random((18, 32), np.float32)
    write_matte(path, Matte(union, (), window, (32, 18), 1.0))
    with Decoder(tmp_path / "decoder", children=1) as decoder:
        found = decoder.read_matte_alpha(path, "hero").mask
    np.testing.assert_allclose(found, union, atol=1e-4)
