"""A small sample clip and real server processes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from airoto_client.grpc_link import GrpcLink
from airoto_client.local_server import LocalServer
from airoto_server.app.sample import SamplePaths, make_sample


@dataclass(frozen=True)
class RunningServer:
    """A server process of the tests' own, on a Unix socket.

    Attributes:
        scratch: where it keeps what waits on disk.
    """

    local: LocalServer
    link: GrpcLink
    scratch: Path

    @property
    def pid(self) -> int:
        """Of the server's process."""
        return self.local.pid

    def jobs(self) -> list[str]:
        """Folders of jobs and files of calls that are there now; none while nothing runs."""
        return [
            path.name
            for path in self.scratch.glob("airoto-server-*/*")
            if path.name not in ("spool", ".lock")
        ]

    def assert_alive(self) -> None:
        """It answers, and it is still the same process."""
        assert self.link.call("GetServerInfo", {}, timeout=20)["pid"] == self.pid


StartServer = Callable[..., RunningServer]


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> SamplePaths:
    """Eight frames of the sample clip, 192x108; not to be changed."""
    return make_sample(tmp_path_factory.mktemp("clip"), frames=8, width=192, height=108)


@pytest.fixture(scope="session")
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartServer]:
    """Start a server with these arguments, `scratch` its folder; it ends with the tests."""
    with contextlib.ExitStack() as stack:

        def start(*options: object, scratch: Path | None = None) -> RunningServer:
            scratch = scratch or tmp_path_factory.mktemp("scratch")
            local = LocalServer(
                waiting=lambda seconds: None,
                options=("--scratch", str(scratch), *map(str, options)),
            )
            stack.callback(local.stop)
            return RunningServer(local, stack.enter_context(GrpcLink(local.target)), scratch)

        yield start


@pytest.fixture(scope="session")
def server(start_server: StartServer) -> RunningServer:
    """A server that may read and write everything, with two threads."""
    return start_server("--threads", 2)
