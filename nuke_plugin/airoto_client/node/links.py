"""Ways to the server, kept open between calls; and a server of this machine, started on request.

Standard library only, no host. gRPC itself is loaded only where the artist chose the link `grpc`.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shlex
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from airoto.errors import AIRotoError, ServerUnreachableError
from airoto_client.bridge_link import BridgeLink
from airoto_client.bridge_protocol import describe_exit, scrubbed_environment

# Names AIRoto's own command, if it is not found by itself.
COMMAND_VARIABLE = "AIROTO_COMMAND"
SERVER_VARIABLE = "AIROTO_SERVER"
# Seconds: for a sign of life, and for a server that has to import its libraries first.
HELLO_TIMEOUT = 30.0
START_TIMEOUT = 120.0
NO_SERVER = "press “Start local server”, or name a running one"

# As a host's settings name it; the variable wins over it.
_chosen_command = ""
# What each server last said of itself.
_known: dict[tuple[str, str], dict[str, Any]] = {}
_links: dict[tuple[str, str], Any] = {}
_servers: list[subprocess.Popen[bytes]] = []
_lock = threading.Lock()


def command() -> list[str]:
    """How to run `airoto`.

    `$AIROTO_COMMAND`; without it what `use_command` was told; without that the
    virtual environment beside the plug-in, or PATH.

    Raises:
        ServerUnreachableError: it is not installed.
    """
    named = os.environ.get(COMMAND_VARIABLE, "") or _chosen_command
    if named:
        return shlex.split(named)
    base = Path(__file__).resolve().parents[3]
    for folder in ("venv", ".venv"):
        for name in ("bin/airoto", "Scripts/airoto.exe"):
            if (base / folder / name).is_file():
                return [str(base / folder / name)]
    found = shutil.which("airoto")
    if found is None:
        raise ServerUnreachableError(
            "AIRoto's own command is not found",
            hint=f"install AIRoto, or let {COMMAND_VARIABLE} name its `airoto`",
        )
    return [found]


def use_command(named: str) -> None:
    """Run this from now on where `airoto` is needed; empty looks for it, see `command`."""
    global _chosen_command
    _chosen_command = named.strip()


def get(target: str, kind: str = "bridge") -> Any:
    """An open link; the same one for the same server.

    Args:
        target: `unix:/path` or `host:port`; empty is the usual server.
        kind: `bridge` or `grpc`.

    Raises:
        ServerUnreachableError: the bridge cannot be started.
    """
    with _lock:
        link = _links.get((target, kind))
        if link is None:
            link = _grpc(target) if kind == "grpc" else _bridge(target)
            _links[target, kind] = link
        return link


def forget(target: str, kind: str = "bridge") -> None:
    """Close a link that does not work any more; the next `get` opens a new one."""
    with _lock:
        link = _links.pop((target, kind), None)
    if link is not None:
        link.close()


def hello(target: str, kind: str = "bridge", timeout: float = HELLO_TIMEOUT) -> dict[str, Any]:
    """What the server says of itself.

    Args:
        timeout: seconds that it has.

    Raises:
        ServerUnreachableError: none answers; the hint is the next step.
    """
    try:
        answer: dict[str, Any] = get(target, kind).call("GetServerInfo", {}, timeout=timeout)
    except AIRotoError as exc:
        forget(target, kind)
        raise ServerUnreachableError(
            f"no AIRoto server answers: {exc.message}", hint=NO_SERVER
        ) from exc
    _known[target, kind] = answer
    return answer


def known(target: str, kind: str = "bridge") -> dict[str, Any] | None:
    """What a server last said of itself in this session, without asking it; None for nothing."""
    return _known.get((target, kind))


def start_server(target: str, kind: str = "bridge") -> dict[str, Any]:
    """Start a server on this machine and wait until it answers; one that answers is used.

    It goes on when the host ends, so that several sessions share it.

    Raises:
        ServerUnreachableError: it did not start; with the end of its log.
    """
    with contextlib.suppress(ServerUnreachableError):
        return hello(target, kind)
    named = target or os.environ.get(SERVER_VARIABLE, "")
    place: list[str] = []
    if named.startswith("unix:"):
        place = ["--socket", named[len("unix:") :]]
    elif named:
        place = ["--listen", named]
    log = Path(tempfile.mkdtemp(prefix="airoto-")) / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command(), "serve", *place],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=scrubbed_environment(),
            start_new_session=True,
        )
    _servers.append(process)
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            tail = "\n  ".join(log.read_text("utf-8", "replace").splitlines()[-8:])
            raise ServerUnreachableError(
                f"the server {describe_exit(process.returncode)}; it said:\n  {tail}"
            )
        with contextlib.suppress(ServerUnreachableError):
            return hello(target, kind)
        time.sleep(0.25)
    raise ServerUnreachableError(
        f"the server did not answer within {START_TIMEOUT:g} seconds", hint=f"see {log}"
    )


def started() -> list[int]:
    """Process ids of servers that were started here and still run."""
    return [process.pid for process in _servers if process.poll() is None]


def stop_started() -> None:
    """End the servers that were started here; what they have finished is kept."""
    for process in _servers:
        if process.poll() is None:
            process.terminate()
    for process in _servers:
        try:
            process.wait(START_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()


def close_all() -> None:
    """Close every link; servers go on."""
    with _lock:
        links = list(_links.values())
        _links.clear()
    for link in links:
        link.close()


def _bridge(target: str) -> BridgeLink:
    return BridgeLink([*command(), "bridge", *(["--server", target] if target else [])])


def _grpc(target: str) -> Any:
    from airoto.wire.channel import default_target
    from airoto_client.grpc_link import GrpcLink

    return GrpcLink(target or default_target())


atexit.register(close_all)
