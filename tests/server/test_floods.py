"""Connections that come by the hundred, stay idle, or stop half-way: clicks are answered.

Seconds here; `AIROTO_FLOOD_SECONDS=120` is the long form.
"""

from __future__ import annotations

import contextlib
import functools
import os
import socket
import ssl
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import grpc
import numpy as np
import pytest

from airoto.errors import AIRotoError, BusyError, HandleUnknownError
from airoto.wire.messages import DownloadRequest
from airoto.wire.methods import METHODS
from airoto_client.grpc_link import GrpcLink
from airoto_server.access.people import Person
from airoto_server.app.sample import SamplePaths
from airoto_server.service import gate, transfer

from .conftest import RunningServer, StartServer
from .idlers import PREFACE, Idlers
from .rendering import Message, hero, sample_recipe
from .serving import served
from .studios import make_studio, serving

SECONDS = float(os.environ.get("AIROTO_FLOOD_SECONDS", "3"))
A_SECOND, FLOODERS, IDLE, SILENT, HALF_OPEN = 100, 4, 500, 100, 200
# How often streams are opened anew, in seconds: the server ends each after a while.
ANEW = 20.0


# The headers of a call whose message never comes (written literally, without Huffman coding).
def headers(stream: int, path: bytes, token: str = "") -> bytes:
    fields = [
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", path),
        (b":authority", b"localhost"),
        (b"content-type", b"application/grpc"),
        (b"te", b"trailers"),
    ]
    if token:
        fields.append((b"authorization", b"Bearer " + token.encode()))
    block = b"".join(
        b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value for name, value in fields
    )
    return len(block).to_bytes(3, "big") + b"\x01\x04" + stream.to_bytes(4, "big") + block


@dataclass(frozen=True)
class Flooded:
    """A server and ways to it.

    Attributes:
        plain: a connection of which nothing was said yet.
        spoken: one that HTTP/2 can be spoken on, over TLS where the server wants that.
        link: an artist's, let in.
        token: what lets calls of `spoken` in, or empty.
    """

    link: GrpcLink
    pid: int
    plain: Callable[[], socket.socket]
    spoken: Callable[[], socket.socket]
    newcomer: Callable[[], GrpcLink]
    token: str = ""

    def open_files(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def assert_alive(self) -> None:
        assert self.link.call("GetServerInfo", {}, timeout=60)["pid"] == self.pid


def by_socket(start_server: StartServer) -> Flooded:
    server = start_server("--threads", 2)
    to = functools.partial(connected, server)
    return Flooded(server.link, server.pid, to, to, lambda: GrpcLink(server.local.target))


@contextlib.contextmanager
def by_tls(folder: Path) -> Iterator[Flooded]:
    studio = make_studio(folder)
    context = ssl.create_default_context(cafile=studio.authority.folder / "ca.pem")
    context.set_alpn_protocols(["h2"])
    options = (*studio.tls(), "--tokens", str(studio.tokens.path))
    with serving(folder, *options) as (port, _), contextlib.ExitStack() as stack:

        def plain() -> socket.socket:
            return socket.create_connection(("127.0.0.1", port), timeout=60)

        def spoken() -> socket.socket:
            return context.wrap_socket(plain(), server_hostname="localhost")

        def newcomer() -> GrpcLink:
            return GrpcLink(f"localhost:{port}", studio.access(studio.token))

        link = stack.enter_context(newcomer())
        pid = link.call("GetServerInfo", {}, timeout=60)["pid"]
        yield Flooded(link, pid, plain, spoken, newcomer, studio.token)


@pytest.fixture(scope="module", params=["socket", "tls"])
def target(
    request: pytest.FixtureRequest,
    start_server: StartServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Flooded]:
    if request.param == "socket":
        yield by_socket(start_server)
    else:
        with by_tls(tmp_path_factory.mktemp("studio")) as made:
            yield made


def connected(server: RunningServer) -> socket.socket:
    one = socket.socket(socket.AF_UNIX)
    one.settimeout(60)
    one.connect(server.local.target.removeprefix("unix:"))
    return one


def click(clip: SamplePaths, number: int = 0) -> Message:
    """A click that nobody made before, so that an engine has to work for it."""
    point = {"x": 60.5 + number % 60, "y": 40.25 + number // 60 % 40 + number // 2400 / 1000}
    prompt = {"frame": clip.first, "points": [point]}
    recipe = sample_recipe(clip, "/tmp/unused.####.exr", objects=hero(prompt))
    return {"recipe": recipe, "frame": clip.first}


def clicks_while(target: Flooded, clip: SamplePaths, seconds: float) -> list[float]:
    """Seconds that each click took, one after the other in that time; none may fail."""
    took: list[float] = []
    end = time.monotonic() + seconds
    while len(took) < 3 or time.monotonic() < end:
        begun = time.monotonic()
        assert target.link.call("Segment", click(clip, len(took)), timeout=60)["objects"]
        took.append(time.monotonic() - begun)
    return took


def told(what: str, took: list[float]) -> None:
    middle, worst = statistics.median(took) * 1000, max(took) * 1000
    print(f"{what}; {len(took)} clicks answered, median {middle:.0f} ms, worst {worst:.0f} ms")


@contextlib.contextmanager
def beside(work: Callable[[threading.Event], None], count: int = 1) -> Iterator[None]:
    """Threads that work until the block has ended; what they raise is raised."""
    stop = threading.Event()
    with ThreadPoolExecutor(count) as pool:
        running = [pool.submit(work, stop) for _ in range(count)]
        try:
            yield
        finally:
            stop.set()
    for one in running:
        one.result()


def test_clicks_are_answered_while_connections_come_by_the_hundred(
    clip: SamplePaths, target: Flooded
) -> None:
    call = headers(1, METHODS["GetServerInfo"].path.encode(), "airoto-" + "x" * 43)
    kinds: list[tuple[Callable[[], socket.socket], bytes]] = [
        (target.plain, b""),
        (target.plain, b"GET / HTTP/1.1\r\n\r\n"),
        (target.plain, os.urandom(64)),
        (target.spoken, PREFACE),
        (target.spoken, PREFACE + call),
        (target.spoken, os.urandom(64)),
    ]
    made: list[int] = []

    def flood(stop: threading.Event) -> None:
        begin, count = time.monotonic(), 0
        while not stop.is_set():
            connect, words = kinds[count % len(kinds)]
            with contextlib.suppress(OSError), connect() as one:
                one.sendall(words)
            count += 1
            stop.wait(max(0.0, begin + count * FLOODERS / A_SECOND - time.monotonic()))
        made.append(count)

    target.link.call("Segment", click(clip), timeout=60)
    before = target.open_files()
    begun = time.monotonic()
    with beside(flood, FLOODERS):
        took = clicks_while(target, clip, SECONDS)
    rate = sum(made) / (time.monotonic() - begun)
    told(f"{sum(made)} connections, {rate:.0f} a second", took)
    assert sum(made) >= 10
    end = time.monotonic() + 60
    while target.open_files() > before + 8 and time.monotonic() < end:
        time.sleep(0.2)
    assert target.open_files() <= before + 8
    target.assert_alive()


def test_clicks_are_answered_beside_idle_connections_and_half_open_streams(
    clip: SamplePaths, target: Flooded
) -> None:
    path = METHODS["Render"].path.encode()
    begin = b"".join(headers(2 * n + 1, path, target.token) for n in range(HALF_OPEN // 2))

    def half_open(stop: threading.Event) -> None:
        while not stop.is_set():
            with target.spoken() as first, target.spoken() as second:
                for one in (first, second):
                    one.sendall(PREFACE + begin)
                stop.wait(ANEW)

    with contextlib.ExitStack() as stack:
        idlers = Idlers()
        stack.callback(idlers.close)
        for _ in range(IDLE):
            idlers.add(target.spoken())
        for _ in range(SILENT):
            stack.enter_context(target.plain())
        with beside(half_open):
            took = clicks_while(target, clip, SECONDS)
            assert idlers.alive == IDLE
            assert target.open_files() > IDLE
            with target.newcomer() as link:
                assert link.call("GetServerInfo", {}, timeout=60)["pid"] == target.pid
    told(f"{IDLE} idle connections, {HALF_OPEN} streams half-open", took)
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
        assert len(list(Path(f"/proc/{server.pid}/fd").iterdir())) <= CONNECTIONS + 200
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


def test_what_a_client_did_not_take_is_kept_though_it_was_to_be_released(tmp_path: Path) -> None:
    plane = {"width": 1024, "height": 3072, "channels": 1, "pixel_type": "PIXEL_TYPE_HALF"}
    data = np.random.default_rng(0).bytes(6 << 20)
    with served() as server, GrpcLink(server.target) as link:
        handle = link.upload_plane(data, plane)["handle"]
        # A client that takes no more ahead when it sees that it could.
        small = [("grpc.http2.bdp_probe", 0)]
        with grpc.insecure_channel(server.target, options=small) as channel:
            call = METHODS["Download"].bind(channel)(DownloadRequest(handle=handle, release=True))
            next(call)
            time.sleep(0.5)  # the server has made the rest of it by now
            call.cancel()
        link.download(handle, tmp_path / "whole", encoding="raw")
        assert (tmp_path / "whole").read_bytes() == data
        with pytest.raises(HandleUnknownError):
            link.download(handle, tmp_path / "again", encoding="raw")
