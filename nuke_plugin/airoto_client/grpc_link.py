"""The link that speaks gRPC in this process: the command line's, Blender's, the bridge's."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Any, Callable

import airoto.wire  # noqa: F401 - first, since it sets what gRPC reads when it is imported

# isort: split
import grpc

from airoto.errors import (
    AIRotoError,
    BadRequestError,
    CancelledError,
    InternalError,
    ServerUnreachableError,
)
from airoto.wire.access import Access, access_from, open_channel, plain_proof
from airoto.wire.caller import Caller, new_request_id, this_client
from airoto.wire.channel import Target, parse_target
from airoto.wire.chunks import Collector, chunks_of_bytes, chunks_of_file
from airoto.wire.digest import KNOWS_BLAKE3, Kind
from airoto.wire.jsonform import from_dict, to_dict
from airoto.wire.messages import Chunk, DownloadRequest, EncodedFile, RawPlane
from airoto.wire.methods import METHODS, Method
from airoto.wire.parts import Part
from airoto.wire.status import from_rpc_error
from airoto_client.files import atomic_file, read_error
from airoto_client.link import (
    CALL_TIMEOUT,
    ENCODINGS,
    TRANSFER_TIMEOUT,
    Message,
    OnProgress,
    PathLike,
)

# A result may be as large as a server cares to make it; the disk is the limit.
_NO_LIMIT = 2**63


class Cancel:
    """Lets another thread end one call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._call: Any = None
        self._cancelled = False

    def attach(self, call: Any) -> None:
        """The call to end; ended at once if it is too late for it."""
        with self._lock:
            self._call = call
            cancelled = self._cancelled
        if cancelled:
            call.cancel()

    def cancel(self) -> None:
        """End the call, now or as soon as it begins."""
        with self._lock:
            self._cancelled = True
            call = self._call
        if call is not None:
            call.cancel()


class GrpcLink:
    """A `Link` over a gRPC channel. It connects on first use, and again where it was lost.

    Args:
        target: `unix:/path/server.sock`, `localhost:7000`, or a `Target`.
        access: what proves who calls; None: as the environment has it.

    Raises:
        BadRequestError: the target is malformed, or a server on another machine and nothing to
            prove with.
    """

    def __init__(self, target: str | Target, access: Access | None = None) -> None:
        self.target = str(target)
        self._place = parse_target(target) if isinstance(target, str) else target
        self._access = access_from() if access is None else access
        self._channel = open_channel(self._place, self._access)
        self._bound: dict[str, Callable[..., Any]] = {
            name: method.bind(self._channel) for name, method in METHODS.items()
        }
        self._closed = False
        self._client = this_client()
        self._uploads_have: Kind | None = None

    def call(
        self,
        method: str,
        request: Message,
        *,
        timeout: float | None = CALL_TIMEOUT,
        cancel: Cancel | None = None,
    ) -> Message:
        """See `Link.call`."""
        known = _method(method, streaming=False)
        message = from_dict(known.request, request)
        caller = self._caller()
        with self._translated(caller):
            future = self._begin(method).future(
                message, timeout=timeout, metadata=self._metadata(caller)
            )
            with _cancelled_when_left(future, cancel):
                return to_dict(future.result())

    def stream(
        self,
        method: str,
        request: Message,
        *,
        timeout: float | None = None,
        cancel: Cancel | None = None,
    ) -> Generator[Message, None, None]:
        """See `Link.stream`."""
        known = _method(method, streaming=True)
        message = from_dict(known.request, request)
        caller = self._caller()
        with self._translated(caller):
            answers = self._begin(method)(message, timeout=timeout, metadata=self._metadata(caller))
            with _cancelled_when_left(answers, cancel):
                for answer in answers:
                    yield to_dict(answer)

    def upload_file(
        self,
        path: PathLike,
        name: str | None = None,
        on_progress: OnProgress | None = None,
        *,
        plane: Message | None = None,
        cancel: Cancel | None = None,
    ) -> Message:
        """See `Link.upload_file`. With `plane` (a `RawPlane`) the file holds raw pixels."""
        source = Path(path)
        content: EncodedFile | RawPlane = EncodedFile(name=name or source.name)
        if plane is not None:
            content = from_dict(RawPlane, plane)
        parts = chunks_of_file(source, content=content, kind=self._digest_kind())
        return self._upload(parts, source, on_progress, cancel)

    def upload_plane(
        self,
        data: bytes | bytearray | memoryview,
        plane: Message,
        on_progress: OnProgress | None = None,
    ) -> Message:
        """See `Link.upload_plane`."""
        content = from_dict(RawPlane, plane)
        parts = chunks_of_bytes(content, data, kind=self._digest_kind())
        return self._upload(parts, None, on_progress, None)

    def download(
        self,
        handle: str,
        path: PathLike,
        *,
        encoding: str = "",
        release: bool = True,
        cancel: Cancel | None = None,
    ) -> None:
        """See `Link.download`."""
        if encoding not in ENCODINGS:
            raise BadRequestError(
                f"encoding {encoding!r} is not known; allowed: {', '.join(filter(None, ENCODINGS))}"
            )
        request = DownloadRequest(
            handle=handle, encoding=ENCODINGS[encoding], release=release, blake3=KNOWS_BLAKE3
        )
        target = Path(path)
        caller = self._caller()
        with self._translated(caller):
            answers = self._begin("Download")(
                request, timeout=TRANSFER_TIMEOUT, metadata=self._metadata(caller)
            )
            with _cancelled_when_left(answers, cancel), atomic_file(target) as file:
                collector = Collector(file, max_bytes=_NO_LIMIT)
                try:
                    for part in answers:
                        collector.add(part)
                    collector.finish()
                except BadRequestError as exc:
                    raise InternalError(
                        f"{target.name} did not arrive whole: {exc.message}", hint="try again"
                    ) from exc

    def close(self) -> None:
        """See `Link.close`."""
        self._closed = True
        self._channel.close()

    def __enter__(self) -> GrpcLink:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _upload(
        self,
        parts: Iterable[Part],
        source: Path | None,
        on_progress: OnProgress | None,
        cancel: Cancel | None,
    ) -> Message:
        failed: list[Exception] = []
        requests = _requests(parts, on_progress, failed)
        caller = self._caller()
        with self._translated(caller):
            future = self._begin("Upload").future(
                requests, timeout=TRANSFER_TIMEOUT, metadata=self._metadata(caller)
            )
            with _cancelled_when_left(future, cancel):
                try:
                    answer = future.result()
                except grpc.RpcError:
                    # gRPC reports a failed reader as a call that failed for no reason.
                    if failed and isinstance(failed[0], OSError) and source is not None:
                        raise read_error(failed[0], source) from failed[0]
                    if failed:
                        raise failed[0] from None
                    raise
        digest = f"blake3:{answer.blake3}" if answer.blake3 else f"sha256:{answer.sha256}"
        return {"handle": answer.handle, "digest": digest, "size": answer.size}

    def _digest_kind(self) -> Kind:
        """The digest that uploads get: the fastest that the server knows."""
        if self._uploads_have is None:
            limits = self.call("GetServerInfo", {}).get("limits", {})
            both = KNOWS_BLAKE3 and limits.get("blake3", False)
            self._uploads_have = Kind.BLAKE3 if both else Kind.SHA256
        return self._uploads_have

    def _caller(self) -> Caller:
        return Caller(new_request_id(), self._client)

    def _metadata(self, caller: Caller) -> tuple[tuple[str, str], ...]:
        # Looked up for each call: a server that was started again has a new token.
        return caller.metadata() + plain_proof(self._place, self._access)

    def _begin(self, method: str) -> Any:
        if self._closed:
            raise ServerUnreachableError("this link is closed")
        return self._bound[method]

    @contextlib.contextmanager
    def _translated(self, caller: Caller) -> Iterator[None]:
        """The one seam where gRPC's errors become ours; they name the call."""
        try:
            yield
        except grpc.FutureCancelledError as exc:
            raise self._cancelled() from exc
        except grpc.RpcError as exc:
            error = from_rpc_error(exc, self.target)
            error.request_id = caller.request_id
            raise (self._cancelled() if isinstance(error, CancelledError) else error) from exc
        except ValueError as exc:  # what gRPC says of a closed channel
            if not self._closed:
                raise
            raise self._cancelled() from exc

    def _cancelled(self) -> AIRotoError:
        if self._closed:
            return ServerUnreachableError("this link is closed")
        return CancelledError("the call was cancelled")


def _method(name: str, *, streaming: bool) -> Method:
    allowed = [
        known.name
        for known in METHODS.values()
        if known.server_streaming is streaming and not known.client_streaming
    ]
    if name not in allowed:
        how = "stream" if streaming else "call"
        raise BadRequestError(f"there is no method {name!r} to {how}; known: {', '.join(allowed)}")
    return METHODS[name]


@contextlib.contextmanager
def _cancelled_when_left(call: Any, cancel: Cancel | None) -> Iterator[None]:
    """Whoever leaves early (an error, Ctrl-C, a closed generator) cancels the call."""
    if cancel is not None:
        cancel.attach(call)
    try:
        yield
    finally:
        call.cancel()  # does nothing to a call that has ended


def _requests(
    parts: Iterable[Part], on_progress: OnProgress | None, failed: list[Exception]
) -> Iterator[Part]:
    """The parts, for gRPC's thread; what goes wrong there is put into `failed`."""
    sent = total = 0
    try:
        for part in parts:
            yield part
            if not isinstance(part, Chunk):
                sent += len(part)
            elif part.HasField("header"):
                total = part.header.size
            if on_progress is not None:
                on_progress(sent, total)
    except (OSError, AIRotoError) as exc:
        failed.append(exc)
        raise
