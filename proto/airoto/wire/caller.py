"""Who calls: what travels beside a request, for logs and for fair shares between artists."""

from __future__ import annotations

import getpass
import re
import secrets
import socket
from collections.abc import Iterable
from dataclasses import dataclass

# Keys of the metadata.
REQUEST_KEY = "airoto-request-id"
CLIENT_KEY = "airoto-client"

_LONGEST = 64
_UNFIT = re.compile(r"[^A-Za-z0-9._@-]")


@dataclass(frozen=True)
class Caller:
    """A call's id and its client (`user@host`), both short and of plain characters.

    The client says them itself. Nothing is allowed because of them.
    """

    request_id: str
    client: str

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """As gRPC sends it."""
        return ((REQUEST_KEY, self.request_id), (CLIENT_KEY, self.client))


def new_request_id() -> str:
    """Twelve characters that no other call has."""
    return secrets.token_hex(6)


def this_client() -> str:
    """`user@host` of this process."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a user id without a name, as in some containers
        user = "unknown"
    return f"{_plain(user)}@{_plain(socket.gethostname().split('.')[0])}"[:_LONGEST]


def caller_of(metadata: Iterable[tuple[str, object]]) -> Caller:
    """What came with a call; what is missing or unfit is replaced."""
    found = {key: value for key, value in metadata if isinstance(value, str)}
    return Caller(
        _plain(found.get(REQUEST_KEY, "")) or new_request_id(),
        _plain(found.get(CLIENT_KEY, "")) or "unknown",
    )


def _plain(text: str) -> str:
    return _UNFIT.sub("_", text)[:_LONGEST]
