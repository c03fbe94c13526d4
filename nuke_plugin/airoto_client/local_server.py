"""An `airoto serve` of our own, a child that never outlives us. Standard library only."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Callable

from airoto.errors import ServerUnreachableError
from airoto_client.bridge_protocol import describe_exit

# Seconds a server may take to listen: importing torch from a cold network disk is slow.
START_TIMEOUT = 180.0
_STOP_TIMEOUT = 10.0
_TAIL_LINES = 20
# A Unix socket's path may have 107 bytes on Linux and 103 on macOS.
_LONGEST_SOCKET = 100

# Told often, with the seconds that a start has taken; may raise to give up.
Waiting = Callable[[float], None]


class LocalServer:
    """A server on a private socket, started by the constructor and ended by `stop`.

    It is told to go when its standard input ends, so that it goes even if we are killed. Its
    folder (socket and log) is for its owner alone.

    Args:
        waiting: called every moment until it listens; what it raises ends the start.
        options: more arguments for `airoto serve`.

    Attributes:
        target: the gRPC target (`unix:/tmp/airoto-xyz/server.sock`).
        log: the file that holds everything it prints.

    Raises:
        ServerUnreachableError: it is not installed here, or died before it listened; with the
            tail of its log.
    """

    def __init__(
        self, *, waiting: Waiting, options: Sequence[str] = (), start_timeout: float = START_TIMEOUT
    ) -> None:
        if importlib.util.find_spec("airoto_server") is None:
            raise ServerUnreachableError(
                "no AIRoto server is running and none is installed here",
                hint="name a running one with --server or AIROTO_SERVER, or install airoto[server]",
            )
        self._folder = _private_folder()
        self._socket = self._folder / "server.sock"
        self.target = f"unix:{self._socket}"
        self.log = self._folder / "server.log"
        command = [sys.executable, "-m", "airoto_client.cli", "serve"]
        command += ["--socket", str(self._socket), "--exit-with-parent", *options]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._folder,  # `-m` puts it into the import path; here it holds no module
                start_new_session=True,  # our Ctrl-C is not the server's
            )
        self.pid = self._process.pid
        try:
            self._wait_until_it_listens(waiting, start_timeout)
        except BaseException:
            self.stop()
            raise

    def post_mortem(self, patience: float = 0.0) -> str | None:
        """How it ended and what it printed last; None while it lives.

        Args:
            patience: seconds to wait for its end, since a call fails a moment before it.
        """
        try:
            returncode = self._process.wait(patience)
        except subprocess.TimeoutExpired:
            return None
        return f"the server {describe_exit(returncode)}{self._tail()}"

    def stop(self) -> None:
        """End it (SIGTERM, then kill) and remove its folder; may be called twice."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()

    def _wait_until_it_listens(self, waiting: Waiting, start_timeout: float) -> None:
        began = time.monotonic()
        while not listens(self._socket):
            ended = self.post_mortem()
            if ended is not None:
                raise ServerUnreachableError(f"the AIRoto server did not start: {ended}")
            seconds = time.monotonic() - began
            if seconds > start_timeout:
                raise ServerUnreachableError(
                    f"the AIRoto server did not listen within {start_timeout:g} seconds"
                    + self._tail()
                )
            waiting(seconds)
            time.sleep(0.05)

    def _tail(self) -> str:
        lines = self.log.read_text("utf-8", "replace").splitlines() if self.log.exists() else []
        lines = [line for line in lines if line.strip()][-_TAIL_LINES:]
        return "; the end of its log:\n  " + "\n  ".join(lines) if lines else ", its log is empty"


def listens(path: Path) -> bool:
    """Whether something accepts connections on this Unix socket."""
    if not path.exists():
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2.0)
        try:
            probe.connect(os.fspath(path))
        except OSError:
            return False
    return True


def _private_folder() -> Path:
    """A new folder with mode 0700, whose path is short enough for a socket in it."""
    folder = Path(tempfile.mkdtemp(prefix="airoto-"))
    if len(os.fsencode(folder / "server.sock")) <= _LONGEST_SOCKET:
        return folder
    folder.rmdir()
    return Path(tempfile.mkdtemp(prefix="airoto-", dir="/tmp"))
