"""Connections that come by the hundred, stay idle, or stop half-way: clicks are answered.

Seconds here; `AIROTO_FLOOD_SECONDS=120` is the long form.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from airoto.errors import AIRotoError, BusyError
from airoto.wire.messages import DownloadRequest
from airoto.wire.methods import METHODS
from airoto_client.grpc_link import GrpcLink
from airoto_server.access.people import Person
from airoto_server.app.sample import SamplePaths
from airoto_server.service import gate, transfer

from .conftest import RunningServer, StartServer
from .rendering import Message, drawn_recipe
from .serving import served

SECONDS = float(os.environ.get("AIROTO_FLOOD_SECONDS", "3"))
A_SECOND, IDLE, HALF_OPEN = 100, 500, 200

# HTTP/2's first words: the preface, empty settings; then the headers of a call to Render whose
# message never comes (the block is written literally, without Huffman coding).
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000")


def headers(stream: int, path: bytes) -> bytes:
    fields = [
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", path),
        (b":authority", b"localhost"),
        (b"content-type", b"application/grpc"),
        (b"te", b"trailers"),
    ]
    block = b"".join(
        b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value for name, value in fields
    )
    return len(block).to_bytes(3, "big") + b"\x01\x04" + stream.to_bytes(4, "big") + block


@pytest.fixture(scope="module")
def target(start_server: StartServer) -> RunningServer:
    return start_server("--threads", 2)


def connected(server: RunningServer) -> socket.socket:
    one = socket.socket(socket.AF_UNIX)
    one.settimeout(30)
    one.connect(server.local.target.removeprefix("unix:"))
    return one


def click(clip: SamplePaths) -> Message:
    recipe = drawn_recipe(clip, "/tmp/unused.####.exr")
    return {"recipe": recipe, "frame": clip.first}


def open_files(server: RunningServer) -> int:
    return len(list(Path(f"/proc/{server.pid}/fd").iterdir()))


def clicks_while(server: RunningServer, clip: SamplePaths, seconds: float) -> int:
    """Clicks that were answered in that time, one after the other; none may fail."""
    answered, end = 0, time.monotonic() + seconds
    while answered < 3 or time.monotonic() < end:
        assert server.link.call("Segment", click(clip), timeout=60)["objects"]
        answered += 1
    return answered


def test_clicks_are_answered_while_connections_come_by_the_hundred(
    clip: SamplePaths, target: RunningServer
) -> None:
    stop, made = threading.Event(), [0]

    def flood() -> None:
        words = (b"", PREFACE, b"GET / HTTP/1.1\r\n\r\n", os.urandom(64))
        begin = time.monotonic()
        while not stop.is_set():
            with contextlib.suppress(OSError), connected(target) as one:
                one.sendall(words[made[0] % len(words)])
            made[0] += 1
            stop.wait(max(0.0, begin + made[0] / A_SECOND - time.monotonic()))

    target.link.call("Segment", click(clip), timeout=60)
    before = open_files(target)
    thread = threading.Thread(target=flood)
    thread.start()
    try:
        answered = clicks_while(target, clip, SECONDS)
    finally:
        stop.set()
        thread.join()
    print(f"{made[0]} connections in {SECONDS:g} s, {answered} clicks answered")
    assert made[0] >= 10
    end = time.monotonic() + 60
    while open_files(target) > before + 8 and time.monotonic() < end:
        time.sleep(0.2)
    assert open_files(target) <= before + 8
    target.assert_alive()


def test_clicks_are_answered_beside_idle_connections_and_half_open_streams(
    clip: SamplePaths, target: RunningServer
) -> None:
    path = METHODS["Render"].path.encode()
    with contextlib.ExitStack() as stack:
        for number in range(IDLE):
            one = stack.enter_context(connected(target))
            if number % 2:
                one.sendall(PREFACE)
        for _ in range(2):
            many = stack.enter_context(connected(target))
            streams = b"".join(headers(2 * n + 1, path) for n in range(HALF_OPEN // 2))
            many.sendall(PREFACE + streams)
        assert clicks_while(target, clip, SECONDS) >= 3
        with GrpcLink(target.local.target) as newcomer:
            assert newcomer.call("GetServerInfo", {}, timeout=60)["pid"] == target.pid
    target.assert_alive()


def test_a_server_takes_only_so_many_connections(
    clip: SamplePaths, start_server: StartServer
) -> None:
    server = start_server("--threads", 1)
    from airoto.wire.channel import CONNECTIONS

    server.assert_alive()
    with contextlib.ExitStack() as stack:
        for _ in range(CONNECTIONS + 50):
            one = stack.enter_context(connected(server))
            with contextlib.suppress(OSError):
                one.sendall(PREFACE)
        server.assert_alive()
        assert open_files(server) <= CONNECTIONS + 200
    server.assert_alive()


# ---- half-way --------------------------------------------------------------------------


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "REQUEST_SECONDS", 0.5)
    monkeypatch.setattr(transfer, "STALL_SECONDS", 0.5)


@pytest.mark.usefixtures("hasty")
def test_a_call_whose_request_does_not_come_is_ended() -> None:
    with served() as server:
        one = socket.socket(socket.AF_UNIX)
        one.settimeout(60)
        one.connect(server.target.removeprefix("unix:"))
        with one:
            one.sendall(PREFACE + headers(1, METHODS["Render"].path.encode()))
            heard = b""
            # A reset of stream 1: a frame of type 3 with 4 bytes.
            while b"\x00\x00\x04\x03\x00\x00\x00\x00\x01" not in heard:
                part = one.recv(4096)
                assert part, heard
                heard += part
        with GrpcLink(server.target) as link:
            assert link.call("GetServerInfo", {})


@pytest.mark.usefixtures("hasty")
def test_an_upload_that_stands_still_is_ended_and_leaves_nothing() -> None:
    release = threading.Event()

    def parts() -> Iterator[object]:
        from airoto.wire.chunks import chunks_of_bytes
        from airoto.wire.messages import EncodedFile

        made = chunks_of_bytes(EncodedFile(name="a.exr"), bytes(1 << 20))
        yield next(made)
        release.wait(60)

    with served() as server, GrpcLink(server.target) as link:
        with pytest.raises(AIRotoError, match="stood still"):
            link._upload(parts(), None, None, None)  # type: ignore[arg-type]
        release.set()
        assert server.workshop.spool.bytes_used == 0
        assert list((server.workshop.folder / "spool").iterdir()) == []


def test_downloads_that_are_not_read_are_bounded_and_others_told_to_try_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plane = {"width": 4096, "height": 4096, "channels": 1, "pixel_type": "PIXEL_TYPE_HALF"}
    monkeypatch.setattr(gate, "OWNER", Person(admin=True, transfers=2))
    with served() as server, GrpcLink(server.target) as link:
        handle = link.upload_plane(bytes(32 << 20), plane)["handle"]
        with grpc.insecure_channel(server.target) as channel:
            asked = METHODS["Download"].bind(channel)
            stopped = [asked(DownloadRequest(handle=handle)) for _ in range(2)]
            for call in stopped:
                next(call)
            with pytest.raises(BusyError, match="2 transfers") as caught:
                link.download(handle, tmp_path / "one")
            assert caught.value.retry_after > 0
            assert link.call("GetServerInfo", {})
            for call in stopped:
                call.cancel()
            end = time.monotonic() + 60
            while server.servicer._calls.running and time.monotonic() < end:
                time.sleep(0.05)
            link.download(handle, tmp_path / "two")
