"""A read-only status page and Prometheus' metrics, for this machine alone.

Other users of a machine can reach its loopback addresses. So everything needs a token that is
new at every start: in the path of the page's address, or as `Authorization: Bearer`. It lies in a
file that only the server's user can read, and admins are told it by `GetStatus`. A page elsewhere
cannot reach it through somebody's browser: the Host header must be a loopback one, no other origin
is let in, and only GET is answered.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any

from airoto.errors import ServerUnreachableError
from airoto.wire import messages as pb
from airoto.wire.jsonform import to_dict
from airoto_server.access.start_token import StartToken
from airoto_server.service.metrics import CONTENT_TYPE

_LOOPBACK = "127.0.0.1"
_NAMES = ("127.0.0.1", "localhost")

# Connections at a time, and seconds that one may be silent.
_CONNECTIONS = 16
_PATIENCE = 10.0

_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(frozen=True)
class _Answer:
    status: HTTPStatus
    kind: str = "text/plain; charset=utf-8"
    body: bytes = b""
    policy: str = "default-src 'none'"


class StatusPage:
    """Listens from the constructor on until `close`.

    Args:
        port: 0 takes any free one.
        status: what the server does now.
        metrics: Prometheus' text.

    Attributes:
        token: which everything here needs.
        url: with the token.
        metrics_url: without; Prometheus sends it as a header.

    Raises:
        ServerUnreachableError: the port is taken.
    """

    def __init__(
        self,
        port: int,
        status: Callable[[], pb.GetStatusResponse],
        metrics: Callable[[], str],
    ) -> None:
        self._status = status
        self._metrics = metrics
        self.token = StartToken()
        self._page = files("airoto_server.service").joinpath("status.html").read_text("utf-8")
        try:
            self._server = _Server((_LOOPBACK, port), _Handler)
        except OSError as exc:
            raise ServerUnreachableError(
                f"the status page cannot listen at {_LOOPBACK}:{port}: {exc.strerror}",
                hint="name another port: --status-page PORT",
            ) from exc
        self._server.page = self
        self.port = int(self._server.server_address[1])
        self.url = f"http://{_LOOPBACK}:{self.port}/{self.token.secret}/"
        self.metrics_url = f"http://{_LOOPBACK}:{self.port}/metrics"
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="airoto-page", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, host: str, path: str, bearer: str = "") -> _Answer:
        """What a GET of `path` gets.

        Args:
            host: the request's Host header.
            bearer: the token in its Authorization header.
        """
        if host.lower() not in {f"{name}:{self.port}" for name in _NAMES}:
            return _Answer(HTTPStatus.MISDIRECTED_REQUEST, body=b"this is not the host you seek\n")
        token, _, rest = path.lstrip("/").partition("/")
        if bearer:
            token, rest = bearer, path.lstrip("/")
        if not self.token.fits(token):
            return _Answer(HTTPStatus.NOT_FOUND, body=b"not found\n")
        if rest == "metrics":
            return _Answer(HTTPStatus.OK, CONTENT_TYPE, self._metrics().encode())
        if rest == "":
            return self._html()
        if rest == "status.json":
            status = to_dict(self._status())
            status.pop("page_url", None)
            return _Answer(HTTPStatus.OK, "application/json", json.dumps(status).encode())
        return _Answer(HTTPStatus.NOT_FOUND, body=b"not found\n")

    def _html(self) -> _Answer:
        nonce = secrets.token_urlsafe(16)
        policy = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; "
            "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
            "frame-ancestors 'none'"
        )
        body = self._page.replace("{nonce}", nonce).encode()
        return _Answer(HTTPStatus.OK, "text/html; charset=utf-8", body, policy)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    page: StatusPage

    def __init__(self, *arguments: Any) -> None:
        self._room = threading.BoundedSemaphore(_CONNECTIONS)
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve it in a thread, or drop it where too many are open."""
        if not self._room.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _PATIENCE
    server_version = "http"
    sys_version = ""

    def do_GET(self) -> None:
        """The only method there is; others are answered with 501."""
        scheme, _, bearer = self.headers.get("Authorization", "").partition(" ")
        answer = self.server.page.answer(
            self.headers.get("Host", ""), self.path, bearer if scheme == "Bearer" else ""
        )
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Content-Security-Policy", answer.policy)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: a path holds the token."""
