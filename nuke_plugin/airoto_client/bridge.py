"""`airoto bridge`: JSON lines on the pipes of a host, gRPC to the server.

It knows the service by its descriptors, not method by method. See `bridge_protocol`.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import IO, Any, Callable

import airoto
from airoto.errors import AIRotoError, BadRequestError, BusyError, InternalError, error_to_dict
from airoto.wire.access import Access
from airoto_client.bridge_protocol import HEARTBEAT, MAX_LINE, PROTOCOL, decode_line, encode_line
from airoto_client.grpc_link import Cancel, GrpcLink
from airoto_client.link import CALL_TIMEOUT, Message

# Requests at one time; a host that has more has lost count.
_MAX_REQUESTS = 64
# An upload tells of its progress each time it has gone so far, in bytes.
_PROGRESS_STEP = 8 * 1024 * 1024


class Bridge:
    """Serves one host until its pipe ends.

    Args:
        link: the way to the server.
        source: the host's lines.
        sink: where the answers go.
    """

    def __init__(self, link: GrpcLink, source: IO[bytes], sink: IO[bytes]) -> None:
        self._link = link
        self._source = source
        self._sink = sink
        self._write_lock = threading.Lock()
        self._lock = threading.Lock()
        self._running: dict[int, Cancel] = {}
        self._ended = threading.Event()
        self._operations: dict[str, Callable[[int, Message, Cancel], Message]] = {
            "call": self._call,
            "stream": self._stream,
            "upload": self._upload,
            "download": self._download,
        }

    def serve(self) -> None:
        """Answer requests until the host closes its end."""
        threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()
        hello = {"protocol": PROTOCOL, "version": airoto.__version__, "server": self._link.target}
        self._send({"hello": hello})
        while not self._ended.is_set():
            line = self._source.readline(MAX_LINE + 1)
            if not line:
                break
            number: int | None = None
            try:
                if len(line) > MAX_LINE:
                    self._skip_line(line)
                message = decode_line(line)
                number = _number(message)
                self._begin(number, message)
            except AIRotoError as exc:
                self._send({"id": number, "error": error_to_dict(exc)})
        self._ended.set()
        self._link.close()

    def _skip_line(self, line: bytes) -> None:
        """Read on to the end of a line that is too long."""
        while line and not line.endswith(b"\n"):
            line = self._source.readline(MAX_LINE)

    def _begin(self, number: int, message: Message) -> None:
        """Start a request on a thread of its own, or cancel one."""
        name = message.get("op")
        if name == "cancel":
            with self._lock:
                running = self._running.get(number)
            if running is not None:  # else it has just ended by itself
                running.cancel()
            return
        operation = self._operations.get(name) if isinstance(name, str) else None
        if operation is None:
            known = ", ".join([*self._operations, "cancel"])
            raise BadRequestError(f"there is no operation {name!r}; known: {known}")
        cancel = Cancel()
        with self._lock:
            if number in self._running:
                raise BadRequestError(f"request {number} is still running")
            if len(self._running) >= _MAX_REQUESTS:
                raise BusyError(f"{_MAX_REQUESTS} requests are running", retry_after=1.0)
            self._running[number] = cancel
        threading.Thread(
            target=self._run, args=(operation, number, message, cancel), daemon=True
        ).start()

    def _run(
        self,
        operation: Callable[[int, Message, Cancel], Message],
        number: int,
        message: Message,
        cancel: Cancel,
    ) -> None:
        try:
            answer: Message = {"id": number, "result": operation(number, message, cancel)}
            line = encode_line(answer)
        except AIRotoError as exc:
            line = encode_line({"id": number, "error": error_to_dict(exc)})
        except Exception as exc:  # noqa: BLE001 - the seam: a fault of ours is an answer too
            fault = InternalError(f"the bridge failed: {type(exc).__name__}: {exc}")
            line = encode_line({"id": number, "error": error_to_dict(fault)})
        with self._lock:
            del self._running[number]
        self._write(line)

    # ---- operations -----------------------------------------------------------------------

    def _call(self, number: int, ask: Message, cancel: Cancel) -> Message:
        return self._link.call(
            _text(ask, "method"), _dict(ask, "request"), timeout=_timeout(ask), cancel=cancel
        )

    def _stream(self, number: int, ask: Message, cancel: Cancel) -> Message:
        for event in self._link.stream(
            _text(ask, "method"), _dict(ask, "request"), timeout=_timeout(ask, None), cancel=cancel
        ):
            self._send({"id": number, "event": event})
        return {}

    def _upload(self, number: int, ask: Message, cancel: Cancel) -> Message:
        told = 0

        def on_progress(sent: int, total: int) -> None:
            nonlocal told
            if sent == total or sent - told >= _PROGRESS_STEP:
                told = sent
                self._send({"id": number, "event": {"sent": sent, "total": total}})

        return self._link.upload_file(
            _text(ask, "path"),
            _text(ask, "name") if "name" in ask else None,
            on_progress,
            plane=_dict(ask, "plane") if "plane" in ask else None,
            cancel=cancel,
        )

    def _download(self, number: int, ask: Message, cancel: Cancel) -> Message:
        self._link.download(
            _text(ask, "handle"),
            _text(ask, "path"),
            encoding=str(ask.get("encoding", "")),
            release=bool(ask.get("release", True)),
            cancel=cancel,
        )
        return {}

    # ---- the host's pipe ------------------------------------------------------------------

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT):
            self._send({"alive": True})

    def _send(self, message: Message) -> None:
        self._write(encode_line(message))

    def _write(self, line: bytes) -> None:
        try:
            with self._write_lock:
                self._sink.write(line)
                self._sink.flush()
        except (OSError, ValueError):  # the host is gone, or the pipe is closed already
            self._ended.set()


def _number(message: Message) -> int:
    number = message.get("id")
    if not isinstance(number, int) or isinstance(number, bool):
        raise BadRequestError(f"a request's id must be a whole number, found {number!r}")
    return number


def _text(ask: Message, key: str) -> str:
    value = ask.get(key)
    if not isinstance(value, str) or not value:
        raise BadRequestError(f"{key!r} must be a text, found {value!r}")
    return value


def _dict(ask: Message, key: str) -> dict[str, Any]:
    value = ask.get(key)
    if not isinstance(value, dict):
        raise BadRequestError(f"{key!r} must be an object, found {value!r}")
    return value


def _timeout(ask: Message, default: float | None = CALL_TIMEOUT) -> float | None:
    value = ask.get("timeout", default)
    if value is None or (isinstance(value, (int, float)) and value >= 0):
        return value
    raise BadRequestError(f"'timeout' must be seconds or null, found {value!r}")


def run(target: str, access: Access) -> int:
    """Serve the host at our standard input and output; 0 when it is done."""
    # Whatever else prints must not end up between the lines.
    sink = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    with GrpcLink(target, access) as link:
        Bridge(link, sys.stdin.buffer, sink).serve()
    return 0
