"""Where a server listens and how to reach it: targets, channel options, limits."""

from __future__ import annotations

import ipaddress
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import grpc

from airoto.errors import BadRequestError

# Largest gRPC message in bytes, each way. Pixels travel in chunks well below it.
MESSAGE_BYTES = 4 * 1024 * 1024

# Largest `Chunk.data` in bytes.
CHUNK_BYTES = 1024 * 1024

# Names the server to use: `unix:/path` or `host:port`.
SERVER_VARIABLE = "AIROTO_SERVER"

# sockaddr_un.sun_path less its closing zero.
SOCKET_PATH_BYTES = 103 if sys.platform == "darwin" else 107

_KEEPALIVE_MS = 30_000

# Of a server: connections at a time, calls at a time on one of them, milliseconds that a new one
# has for TLS and the first frames of HTTP/2, and after which one without calls is let go.
CONNECTIONS = 1024
_STREAMS = 256
_HANDSHAKE_MS = 10_000
_IDLE_MS = 15 * 60_000

# Headers of one call in bytes: above the first it is refused, above the second cut off.
_HEADERS = 16 * 1024, 32 * 1024
_HOST_PORT = re.compile(r"(?:\[(?P<v6>[^\]]+)\]|(?P<name>[^:\[\]/\s]+)):(?P<port>\d{1,5})")

Option = tuple[str, int]


@dataclass(frozen=True)
class Target:
    """Where a server listens: a Unix socket's absolute path, or host and port.

    `str(target)` is the form that people write and `parse_target` reads.
    """

    socket: str = ""
    host: str = ""
    port: int = 0

    @property
    def is_local(self) -> bool:
        """Whether only this machine can be at the other end."""
        return bool(self.socket) or _is_loopback(self.host)

    @property
    def address(self) -> str:
        """As gRPC takes it, for channels and for `add_insecure_port`."""
        if self.socket:
            return f"unix:{quote(self.socket)}"
        return str(self)

    def __str__(self) -> str:
        if self.socket:
            return f"unix:{self.socket}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_target(text: str, *, listen: bool = False) -> Target:
    """`unix:/path/to/server.sock`, `localhost:7000`, `[::1]:7000` as a Target.

    A relative socket path counts from the current folder.

    Args:
        listen: allow port 0, which takes any free port.

    Raises:
        BadRequestError: it is neither, or the socket's path is too long for the system.
    """
    if text.startswith("unix:"):
        return _unix_target(text)
    match = _HOST_PORT.fullmatch(text)
    if match is None:
        raise BadRequestError(
            f"{text!r} is no server address", hint="write unix:/path/to/server.sock or host:port"
        )
    port = int(match["port"])
    if port > 65535 or (port == 0 and not listen):
        raise BadRequestError(f"port {port} of {text!r} lies outside {0 if listen else 1} to 65535")
    if match["v6"] is None:
        return Target(host=match["name"], port=port)
    try:
        return Target(host=str(ipaddress.IPv6Address(match["v6"])), port=port)
    except ValueError as exc:
        raise BadRequestError(f"{match['v6']!r} in {text!r} is no IPv6 address") from exc


def _unix_target(text: str) -> Target:
    rest = text[len("unix:") :]
    if rest.startswith("//"):
        rest = rest[2:]
    if not rest or rest.endswith("/"):
        raise BadRequestError(f"{text!r} names no socket", hint="write unix:/path/to/server.sock")
    path = str(Path(rest).expanduser().absolute())
    size = len(os.fsencode(path))
    if size > SOCKET_PATH_BYTES:
        raise BadRequestError(
            f"the socket path {path} has {size} bytes; the system allows {SOCKET_PATH_BYTES}",
            hint=f"set {SERVER_VARIABLE} to a shorter one, such as unix:/tmp/airoto-me/server.sock",
            path=path,
        )
    return Target(socket=path)


def default_target(environment: Mapping[str, str] | None = None) -> Target:
    """The server to use when none is named.

    `$AIROTO_SERVER`; without it `$XDG_RUNTIME_DIR/airoto/server.sock`; without that
    `~/.airoto/run/server.sock`.

    Raises:
        BadRequestError: as `parse_target`.
    """
    variables = os.environ if environment is None else environment
    named = variables.get(SERVER_VARIABLE, "")
    if named:
        try:
            return parse_target(named)
        except BadRequestError as exc:
            raise BadRequestError(f"${SERVER_VARIABLE}: {exc.message}", hint=exc.hint) from exc
    return parse_target(f"unix:{run_folder(variables) / 'server.sock'}")


def run_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Where servers of this user leave their sockets and start tokens; mode 0700."""
    variables = os.environ if environment is None else environment
    runtime = variables.get("XDG_RUNTIME_DIR", "")
    return Path(runtime) / "airoto" if runtime else Path.home() / ".airoto" / "run"


def connect(
    target: str | Target, *, credentials: grpc.ChannelCredentials | None = None
) -> grpc.Channel:
    """A channel to `target`. It connects on first use, so a server that is not there shows
    in the first call.

    Args:
        credentials: for a server on another machine: TLS, composed with a token.

    Raises:
        BadRequestError: the target is malformed, or on another machine and there are no
            credentials.
    """
    place = parse_target(target) if isinstance(target, str) else target
    if credentials is not None:
        return grpc.secure_channel(place.address, credentials, options=channel_options())
    if not place.is_local:
        raise BadRequestError(
            f"{place} is on another machine, which needs TLS and a token",
            hint="without them only a Unix socket or a loopback address is reached, "
            "such as the near end of an ssh tunnel",
        )
    return grpc.insecure_channel(place.address, options=channel_options())


def channel_options() -> list[Option]:
    """Options of every channel."""
    return [
        *_both_sides(),
        ("grpc.enable_http_proxy", 0),
        # A server that was just started is found within a second.
        ("grpc.initial_reconnect_backoff_ms", 200),
        # Despite its name: how long one attempt may take. The first connection to a service
        # starts its server, which answers when it has imported what it needs.
        ("grpc.min_reconnect_backoff_ms", 60_000),
        ("grpc.max_reconnect_backoff_ms", 1000),
    ]


def server_options() -> list[Option]:
    """Options of every server."""
    return [
        *_both_sides(),
        # Two servers on one port would share its calls silently.
        ("grpc.so_reuseport", 0),
        # Do not take our clients' keepalive for an attack; whoever pings faster is cut off.
        ("grpc.http2.min_ping_interval_without_data_ms", _KEEPALIVE_MS // 3),
        ("grpc.http2.max_ping_strikes", 2),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.max_allowed_incoming_connections", CONNECTIONS),
        ("grpc.max_concurrent_streams", _STREAMS),
        ("grpc.server_handshake_timeout_ms", _HANDSHAKE_MS),
        ("grpc.max_connection_idle_ms", _IDLE_MS),
        ("grpc.max_metadata_size", _HEADERS[0]),
        ("grpc.absolute_max_metadata_size", _HEADERS[1]),
    ]


def _both_sides() -> list[Option]:
    return [
        ("grpc.max_send_message_length", MESSAGE_BYTES),
        ("grpc.max_receive_message_length", MESSAGE_BYTES),
        # A peer that hangs or vanishes is noticed during a long quiet call.
        ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.http2.max_pings_without_data", 0),
    ]


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
