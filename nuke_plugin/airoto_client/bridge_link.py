"""The link for hosts whose process must stay clean: gRPC lives in a child process.

Standard library only (and `airoto.errors`, which is); nothing compiled is imported, so this
runs in any host's Python from 3.9 on.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator, Sequence
from pathlib import Path

from airoto_client.bridge_pipe import BridgePipe
from airoto_client.bridge_protocol import SILENCE
from airoto_client.link import CALL_TIMEOUT, TRANSFER_TIMEOUT, Message, OnProgress, PathLike


class BridgeLink:
    """A `Link` through `airoto bridge`, started with the object and ended by `close`.

    The server itself is not asked for before the first call.

    Args:
        command: how to start the bridge (`["/opt/airoto/bin/airoto", "bridge"]`).
        start_timeout: seconds within which it must greet.
        silence: seconds without a sign of life after which it is taken for dead.

    Raises:
        ServerUnreachableError: the bridge cannot be started; with the tail of what it said.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        start_timeout: float = 30.0,
        silence: float = SILENCE,
    ) -> None:
        self._pipe = BridgePipe(command, start_timeout=start_timeout, silence=silence)
        self.pid = self._pipe.pid

    def call(
        self, method: str, request: Message, *, timeout: float | None = CALL_TIMEOUT
    ) -> Message:
        """See `Link.call`."""
        return self._ask(
            {"op": "call", "method": method, "request": request, "timeout": timeout}, timeout
        )

    def stream(
        self, method: str, request: Message, *, timeout: float | None = None
    ) -> Generator[Message, None, None]:
        """See `Link.stream`."""
        ask = {"op": "stream", "method": method, "request": request, "timeout": timeout}
        yield from self._pipe.conversation(ask, timeout)

    def upload_file(
        self, path: PathLike, name: str | None = None, on_progress: OnProgress | None = None
    ) -> Message:
        """See `Link.upload_file`; the bridge reads the file."""
        ask: Message = {"op": "upload", "path": _absolute(path)}
        if name is not None:
            ask["name"] = name
        return self._ask(ask, TRANSFER_TIMEOUT, on_progress)

    def upload_plane(
        self,
        data: bytes | bytearray | memoryview,
        plane: Message,
        on_progress: OnProgress | None = None,
    ) -> Message:
        """See `Link.upload_plane`; the pixels go to the bridge in a temporary file."""
        descriptor, name = tempfile.mkstemp(prefix="airoto-plane-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            ask: Message = {"op": "upload", "path": name, "plane": plane}
            return self._ask(ask, TRANSFER_TIMEOUT, on_progress)
        finally:
            Path(name).unlink()

    def download(
        self, handle: str, path: PathLike, *, encoding: str = "", release: bool = True
    ) -> None:
        """See `Link.download`; the bridge writes the file."""
        ask: Message = {
            "op": "download",
            "handle": handle,
            "path": _absolute(path),
            "encoding": encoding,
            "release": release,
        }
        self._ask(ask, TRANSFER_TIMEOUT)

    def close(self) -> None:
        """See `Link.close`; ends the bridge."""
        self._pipe.close()

    def __enter__(self) -> BridgeLink:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _ask(
        self, ask: Message, timeout: float | None, on_progress: OnProgress | None = None
    ) -> Message:
        """Send a request and wait for its result; events on the way are progress."""
        conversation = self._pipe.conversation(ask, timeout)
        try:
            while True:
                event = next(conversation)
                if on_progress is not None:
                    on_progress(int(event["sent"]), int(event["total"]))
        except StopIteration as end:
            result: Message = end.value
            return result
        finally:
            conversation.close()


def _absolute(path: PathLike) -> str:
    """An absolute path for the bridge, whose current folder may be another one later."""
    return os.path.abspath(path)  # noqa: PTH100 - `..` and links are kept out of it by text alone
