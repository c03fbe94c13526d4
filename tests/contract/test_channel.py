"""Targets and channels: what is understood, what is refused, what connects."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from airoto.errors import BadRequestError
from airoto.wire import channel
from airoto.wire.channel import Target, connect, default_target, parse_target
from airoto.wire.messages import RenderRequest, RenderResponse
from airoto.wire.methods import METHODS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("unix:/tmp/a.sock", Target(socket="/tmp/a.sock")),
        ("unix:///tmp/a.sock", Target(socket="/tmp/a.sock")),
        ("localhost:7000", Target(host="localhost", port=7000)),
        ("127.0.0.1:1", Target(host="127.0.0.1", port=1)),
        ("[::1]:65535", Target(host="::1", port=65535)),
        ("render-07.local:50051", Target(host="render-07.local", port=50051)),
    ],
)
def test_a_target_is_read_and_written(text: str, expected: Target) -> None:
    assert parse_target(text) == expected
    assert parse_target(str(expected)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "localhost",
        "localhost:",
        "localhost:0",
        "localhost:65536",
        "localhost:999999",
        "http://localhost:80",
        "::1:80",
        "[render]:80",
        "unix:",
        "unix:/tmp/",
        "a b:80",
        "localhost:8o",
    ],
)
def test_what_is_no_target_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        parse_target(text)
    assert repr(text) in caught.value.message


def test_a_listening_server_may_take_any_free_port() -> None:
    assert parse_target("127.0.0.1:0", listen=True).port == 0


def test_a_relative_socket_counts_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse_target("unix:run/a.sock").socket == str(tmp_path / "run" / "a.sock")


def test_the_longest_socket_path_works_and_one_byte_more_is_refused() -> None:
    longest = "/" + "ä" * ((channel.SOCKET_PATH_BYTES - 1) // 2)
    longest += "a" * (channel.SOCKET_PATH_BYTES - len(longest.encode()))
    assert parse_target(f"unix:{longest}").socket == longest
    with pytest.raises(BadRequestError, match=str(channel.SOCKET_PATH_BYTES)) as caught:
        parse_target(f"unix:{longest}a")
    assert "AIROTO_SERVER" in caught.value.hint


def test_the_default_follows_the_environment() -> None:
    assert default_target({"AIROTO_SERVER": "localhost:7000"}).port == 7000
    runtime = default_target({"XDG_RUNTIME_DIR": "/run/user/1000"})
    assert runtime.socket == "/run/user/1000/airoto/server.sock"
    assert default_target({}).socket == str(Path.home() / ".airoto" / "run" / "server.sock")


def test_a_wrong_variable_is_named_in_the_error() -> None:
    with pytest.raises(BadRequestError, match=r"\$AIROTO_SERVER: 'elsewhere'"):
        default_target({"AIROTO_SERVER": "elsewhere"})


@pytest.mark.parametrize("text", ["render-07:7000", "10.0.0.7:7000", "0.0.0.0:7000", "[fe80::1]:7"])
def test_another_machine_needs_credentials(text: str) -> None:
    with pytest.raises(BadRequestError, match="TLS and a token"):
        connect(text)


@pytest.mark.parametrize("text", ["localhost:7000", "127.8.8.8:7", "[::1]:7", "unix:/tmp/x"])
def test_this_machine_needs_none(text: str) -> None:
    connect(text).close()


def test_another_machine_is_reached_with_credentials() -> None:
    connect("render-07:7000", credentials=grpc.ssl_channel_credentials()).close()


@pytest.mark.parametrize("folder", ["with space", "ünï%20#?", "a&b=c"])
def test_odd_folder_names_connect(folder: str, tmp_path: Path) -> None:
    (tmp_path / folder).mkdir()
    target = parse_target(f"unix:{tmp_path / folder / 's'}")
    server = grpc.server(_no_workers(), options=channel.server_options())
    server.add_insecure_port(target.address)
    server.start()
    assert Path(target.socket).is_socket()
    with connect(target) as opened:
        grpc.channel_ready_future(opened).result(20)
    server.stop(0).wait()


def test_a_second_server_cannot_share_a_port() -> None:
    first = grpc.server(_no_workers(), options=channel.server_options())
    port = first.add_insecure_port("127.0.0.1:0")
    first.start()
    second = grpc.server(_no_workers(), options=channel.server_options())
    with pytest.raises(RuntimeError):
        second.add_insecure_port(f"127.0.0.1:{port}")
    first.stop(0).wait()


def test_proxies_are_not_used_for_servers_of_this_machine() -> None:
    assert ("grpc.enable_http_proxy", 0) in channel.channel_options()


class Quiet:
    """A call that says nothing for as long as several keepalive pings take."""

    async def Render(self, request: Any, context: Any) -> Any:
        yield RenderResponse()
        await asyncio.sleep(4)
        yield RenderResponse()

    async def _nothing(self, request: Any, context: Any) -> None: ...

    GetServerInfo = ProvePath = ProbePlate = Upload = Download = _nothing
    Detect = Segment = Matte = GetStatus = _nothing
    AttachRing = DetachRing = TakePlane = PutPlane = ReadMatte = _nothing


def test_keepalive_pings_during_a_long_quiet_call_do_not_end_it(serve: Any) -> None:
    def hastened(options: list[channel.Option]) -> list[channel.Option]:
        fast = ("grpc.keepalive_time_ms", "grpc.http2.min_ping_interval_without_data_ms")
        return [(name, value // 40 if name in fast else value) for name, value in options]

    target = parse_target(serve(Quiet(), hastened(channel.server_options())))
    options = hastened(channel.channel_options())
    with grpc.insecure_channel(target.address, options=options) as opened:
        events = METHODS["Render"].bind(opened)(RenderRequest(), timeout=20)
        assert len(list(events)) == 2


def _no_workers() -> Any:
    return ThreadPoolExecutor(1)
