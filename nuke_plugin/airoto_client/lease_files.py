"""The files of leases on a shared folder: who is named in one, and when it was touched.

Standard library only. What they are for is in `airoto_client.lease`.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from airoto_client.files import write_error

PREFIX = ".airoto-lease."


@dataclass(frozen=True)
class Holder:
    """Who holds a lease.

    Attributes:
        machine: host name and, where it can be told, boot and process namespace: process ids can
            be looked up where it is the same.
        began: of the process, in the system's ticks; 0 where it cannot be told.
        kind, message: of the error with which it gave up; empty while it works.
    """

    host: str
    machine: str
    pid: int
    began: int
    token: str
    kind: str = ""
    message: str = ""

    @classmethod
    def me(cls) -> Holder:
        """This process, with a token of its own."""
        pid = os.getpid()
        began = process_began(pid)
        return cls(socket.gethostname(), this_machine(), pid, began, secrets.token_hex(8))

    def text(self) -> str:
        """What a file holds that names this holder."""
        return json.dumps(asdict(self))

    def __str__(self) -> str:
        return f"{self.host} (process {self.pid})"

    @property
    def is_gone(self) -> bool:
        """Whether its process is known to have ended; False where that cannot be told."""
        if self.began == 0 or self.machine != this_machine():
            return False
        return process_began(self.pid) != self.began


def leases_in(folder: Path) -> Iterator[Path]:
    """Files of leases, and of those who wait, in a folder."""
    return folder.glob(f"{PREFIX}*")


def path_of(folder: Path, number: int) -> Path:
    """The file of the lease of that number."""
    return folder / f"{PREFIX}{number}"


def write_beside(folder: Path, holder: Holder) -> Path:
    """A new file beside the lease that names a holder.

    Raises:
        OutputError: it cannot be written.
    """
    path = folder / f"{PREFIX}{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(4)}"
    try:
        with path.open("x") as file:
            file.write(holder.text())
    except OSError as exc:
        raise write_error(exc, path) from exc
    return path


def holder_in(path: Path) -> Holder | None:
    """Who is in a lease; None where there is none. One that is being written names nobody."""
    try:
        text = path.read_text()  # opening it asks the file system anew
    except FileNotFoundError:
        return None
    except OSError:
        text = ""
    try:
        return Holder(**json.loads(text))
    except (ValueError, TypeError):
        return Holder("an unknown machine", "", 0, 0, "")


def touched_at(path: Path) -> float | None:
    """When a file was touched, in seconds of its file system's clock."""
    try:
        with path.open("rb") as file:
            return os.fstat(file.fileno()).st_mtime
    except OSError:
        return None


def this_machine() -> str:
    """Names the set of processes that ours can look up; the host alone where that is not known."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{socket.gethostname()}/{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return socket.gethostname()


def process_began(pid: int) -> int:
    """When a process began, in ticks; 0 where there is none, or this system does not tell."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    fields = stat.rpartition(")")[2].split()
    return 0 if fields[0] in ("Z", "X") else int(fields[19])
