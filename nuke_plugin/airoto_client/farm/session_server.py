"""A server for as long as a farm's session lasts, though each of its actions is a process.

`start` leaves a keeper behind, which has the server as its child; `stop` ends the keeper. A
session that dies without a word is noticed by the keeper: its working directory is gone, or the
process named by `AIROTO_FARM_WATCH`, or nobody has asked the server for anything for long.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Callable

from airoto.errors import AIRotoError, ServerUnreachableError
from airoto_client.grpc_link import GrpcLink
from airoto_client.local_server import START_TIMEOUT, LocalServer

# A process whose end ends the server: whoever runs sessions knows it best.
WATCH_VARIABLE = "AIROTO_FARM_WATCH"

_FOLDER = "airoto-server"
_ADDRESS = "address"
_PID = "keeper.pid"
_LOG = "keeper.log"
_LOOK_SECONDS = 0.5
_IDLE_SECONDS = 1800.0
_ASK_SECONDS = 30.0
_STOP_SECONDS = 30.0
_TAIL = 2000


def start(session: Path, options: Sequence[str]) -> str:
    """Start a server for a session; its address.

    Args:
        session: the session's working directory.
        options: for `airoto serve`.

    Raises:
        ServerUnreachableError: it did not start; with the end of its log.
    """
    folder = session / _FOLDER
    folder.mkdir(mode=0o700)
    command = [sys.executable, "-m", "airoto_client.cli", "farm", "server", "keep"]
    with (folder / _LOG).open("wb") as log:
        keeper = subprocess.Popen(
            [*command, str(session), "--", *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            start_new_session=True,  # it outlives the action that starts it
        )
    address = folder / _ADDRESS
    end = time.monotonic() + START_TIMEOUT + 10.0
    while not address.exists():
        if keeper.poll() is not None or time.monotonic() > end:
            said = (folder / _LOG).read_text("utf-8", "replace")[-_TAIL:].strip()
            raise ServerUnreachableError(f"the session's server did not start: {said}")
        time.sleep(0.05)
    return address.read_text("utf-8")


def keep(session: Path, options: Sequence[str], told: Callable[[], bool]) -> None:
    """Run the server until the session ends; the keeper's own work.

    Args:
        told: whether somebody said that it has to end.

    Raises:
        ServerUnreachableError: it did not start, or died.
    """
    folder = session / _FOLDER
    ends = _Ends(session, told)
    # No folder is made: where the session has ended already, this fails.
    (folder / _PID).write_text(str(os.getpid()), "utf-8")
    server = LocalServer(waiting=lambda _: ends.check(), options=options)
    try:
        fresh = folder / f"{_ADDRESS}.new"
        fresh.write_text(server.target, "utf-8")
        fresh.rename(folder / _ADDRESS)
        with GrpcLink(server.target) as link:
            while not ends.come(link):
                ended = server.post_mortem(_LOOK_SECONDS)
                if ended is not None:
                    raise ServerUnreachableError(f"the session's server died: {ended}")
    finally:
        server.stop()


def stop(session: Path) -> None:
    """End a session's server, if it has one of its own, and remove what it left there."""
    try:
        pid = int((session / _FOLDER / _PID).read_text("utf-8"))
    except (OSError, ValueError):
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    end = time.monotonic() + _STOP_SECONDS
    while lives(pid) and time.monotonic() < end:
        time.sleep(0.05)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)  # its server ends with it
    # The next step of the same session starts another one there.
    shutil.rmtree(session / _FOLDER, ignore_errors=True)


def end_all(root: Path) -> None:
    """End the servers of all sessions whose working directories lie in a folder."""
    for pid in root.glob(f"*/{_FOLDER}/{_PID}"):
        stop(pid.parent.parent)


class _Ends:
    """What ends a keeper."""

    def __init__(self, session: Path, told: Callable[[], bool]) -> None:
        self._session = session
        self._told = told
        watched = os.environ.get(WATCH_VARIABLE, "")
        self._watched = int(watched) if watched.isdigit() else None
        self._busy = self._asked = time.monotonic()

    def check(self) -> None:
        """Give up a start.

        Raises:
            ServerUnreachableError: the session has ended.
        """
        if self._gone():
            raise ServerUnreachableError("the session ended while its server started")

    def come(self, link: GrpcLink) -> bool:
        """Whether the session has ended."""
        return self._gone() or self._idle(link)

    def _gone(self) -> bool:
        watched = self._watched is not None and not lives(self._watched)
        return self._told() or watched or not self._session.is_dir()

    def _idle(self, link: GrpcLink) -> bool:
        now = time.monotonic()
        if now - self._asked < _ASK_SECONDS:
            return False
        self._asked = now
        try:
            if link.call("GetStatus", {}, timeout=10.0).get("jobs"):
                self._busy = now
        except AIRotoError:
            return False  # it is busy, or dies, which is noticed elsewhere
        return now - self._busy > _IDLE_SECONDS


def lives(pid: int) -> bool:
    """Whether there is such a process on this machine."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    # A child that nobody waited for is dead all the same.
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return True
