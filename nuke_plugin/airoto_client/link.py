"""What a host sees of the server: calls over plain dicts.

Standard library only. A request or answer is protobuf's JSON mapping as a dict, with the
field names of the `.proto` files (`data_window`, not `dataWindow`), 64-bit integers as
strings and bytes in base64, as that mapping has it. `GrpcLink` and `BridgeLink` are the two
links; both are held to the same tests.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any, Callable, Protocol, Union

Message = dict[str, Any]
OnProgress = Callable[[int, int], None]
PathLike = Union[str, Path]

# Seconds that a call may take where the caller says nothing.
CALL_TIMEOUT = 60.0
# Seconds that one transfer may take where the caller says nothing: 100 GB at 30 MB/s.
TRANSFER_TIMEOUT = 3600.0

# `download(encoding=...)` to the enum of `DownloadRequest.encoding`.
ENCODINGS = {
    "": "ENCODING_UNSPECIFIED",
    "raw": "ENCODING_RAW",
    "exr": "ENCODING_EXR",
    "png": "ENCODING_PNG",
}


class Link(Protocol):
    """A way to the server. Every method may be used from any thread, several at once.

    Every method raises an `airoto.errors.AIRotoError`: what the server answered, or
    `ServerUnreachableError` where it does not answer, `TimedOutError` where it took too
    long. After `close`, calls raise `ServerUnreachableError`.
    """

    def call(
        self, method: str, request: Message, *, timeout: float | None = CALL_TIMEOUT
    ) -> Message:
        """Call a method that answers once.

        Args:
            method: name in the service (`GetServerInfo`).
            request: its request message as a dict.
            timeout: seconds to wait; None for as long as the server lives.
        """
        ...

    def stream(
        self, method: str, request: Message, *, timeout: float | None = None
    ) -> Generator[Message, None, None]:
        """Call a method that answers with many messages.

        The call begins when the first message is asked for. Closing the generator (or leaving
        it to be collected) cancels it.

        Args:
            timeout: seconds for the whole stream; None for as long as the server lives.
        """
        ...

    def upload_file(
        self, path: PathLike, name: str | None = None, on_progress: OnProgress | None = None
    ) -> Message:
        """Send an image or movie file.

        Args:
            path: a file that this process can read.
            name: file name to tell the server; its extension tells the format.
            on_progress: called with bytes sent and bytes in all, maybe from another thread.

        Returns:
            `handle`, `digest` of the content (`blake3:` or `sha256:` and lower-case hex), `size`
            (bytes, int).

        Raises:
            FrameMissingError, FrameUnreadableError: the file cannot be read.
        """
        ...

    def upload_plane(
        self,
        data: bytes | bytearray | memoryview,
        plane: Message,
        on_progress: OnProgress | None = None,
    ) -> Message:
        """Send raw pixels; answers as `upload_file`.

        Args:
            data: rows top to bottom, channels interleaved, little-endian, no padding.
            plane: a `RawPlane` message as a dict.
        """
        ...

    def download(
        self, handle: str, path: PathLike, *, encoding: str = "", release: bool = True
    ) -> None:
        """Fetch what is behind a handle into a file.

        The file appears whole or not at all: it is written beside its place, its SHA-256 is
        compared with the server's, and then it is renamed.

        Args:
            encoding: `raw`, `exr`, `png`, or empty for the form in which it is kept.
            release: the server may forget the handle after this.

        Raises:
            OutputError, OutOfSpaceError: the file cannot be written.
            HandleUnknownError: there is nothing behind the handle (any more).
        """
        ...

    def close(self) -> None:
        """End all calls and let go of the connection; may be called twice."""
        ...
