"""Find a running server, or start one of our own and end it afterwards."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from airoto.errors import AIRotoError, ServerUnreachableError
from airoto.wire.access import Access
from airoto.wire.channel import SERVER_VARIABLE, default_target
from airoto_client.grpc_link import GrpcLink
from airoto_client.link import Message
from airoto_client.local_server import START_TIMEOUT, LocalServer, Waiting, listens

# Seconds in which a running server tells who it is; a service may only begin to start now.
_ANSWER_TIMEOUT = 60.0
# Seconds for a server that dropped a call to be gone.
_PATIENCE = 1.0


@dataclass(frozen=True)
class Server:
    """A server that answers.

    Attributes:
        link: the way to it.
        info: its `GetServerInfoResponse`.
        own: the child that we started, or None.
        note: which server it is, in words.
    """

    link: GrpcLink
    info: Message
    own: LocalServer | None
    note: str

    def explained(self, error: ServerUnreachableError) -> ServerUnreachableError:
        """The error with what is known about the end of a server of our own."""
        ended = self.own.post_mortem(_PATIENCE) if self.own is not None else None
        if ended is None:
            return error
        return ServerUnreachableError(
            f"the AIRoto server went away: {ended}", hint=error.hint, request_id=error.request_id
        )


@contextlib.contextmanager
def ensure_server(
    target: str | None = None,
    access: Access | None = None,
    *,
    waiting: Waiting,
    options: Sequence[str] = (),
    start_timeout: float = START_TIMEOUT,
) -> Iterator[Server]:
    """A server to work with, for as long as the block lasts.

    `target`, or `$AIROTO_SERVER`, must answer. Without either, the server at the default
    socket is used where one listens; else one is started, and ended after the block.

    Args:
        access: what proves who calls; None: as the environment has it.
        waiting: called every moment while one starts; what it raises gives it up.
        options: arguments for `airoto serve`, where one is started.
        start_timeout: seconds it may take to start.

    Raises:
        ServerUnreachableError: the one that was named does not answer, or none can be started.
        BadRequestError: the target is malformed.
    """
    with contextlib.ExitStack() as stack:
        named, where = target, "named by --server"
        if named is None:
            usual = default_target()
            if usual.socket and not listens(Path(usual.socket)) and not _is_named():
                own = LocalServer(waiting=waiting, options=options, start_timeout=start_timeout)
                stack.callback(own.stop)
                link = stack.enter_context(GrpcLink(own.target))
                note = f"using a server of its own (process {own.pid}), ended afterwards"
                yield Server(link, _ask(link, own), own, note)
                return
            named = str(usual)
            where = "named by AIROTO_SERVER" if _is_named() else "that is running"
        link = stack.enter_context(GrpcLink(named, access))
        info = _ask(link, None)
        yield Server(link, info, None, f"using the server at {link.target}, {where}")


def _ask(link: GrpcLink, own: LocalServer | None) -> Message:
    try:
        return link.call("GetServerInfo", {}, timeout=_ANSWER_TIMEOUT)
    except AIRotoError as exc:
        ended = own.post_mortem(_PATIENCE) if own is not None else None
        if ended is None:
            raise
        raise ServerUnreachableError(f"the AIRoto server did not start: {ended}") from exc


def _is_named() -> bool:
    return bool(os.environ.get(SERVER_VARIABLE))
