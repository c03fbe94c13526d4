"""A real HTTP server on this machine that behaves as badly as it is told to."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class WeightServer:
    """Serves `files`, by path.

    Attributes:
        files: bytes by path.
        ranges: whether it knows Range.
        cut: bytes after which the next answers break off, one per answer.
        slow: seconds to be silent after the first bytes of the next answers, one per answer.
        redirects: where a path sends to instead.
        codes: HTTP codes of the next answers, one per answer.
        asked: path and Range of every request so far.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.ranges = True
        self.cut: list[int] = []
        self.slow: list[float] = []
        self.redirects: dict[str, str] = {}
        self.codes: list[int] = []
        self.asked: list[tuple[str, str]] = []
        self.url = ""

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """One GET."""
        span = handler.headers.get("Range", "")
        self.asked.append((handler.path, span))
        if self.codes:
            handler.send_error(self.codes.pop(0))
            return
        if handler.path in self.redirects:
            handler.send_response(302)
            handler.send_header("Location", self.redirects[handler.path])
            handler.end_headers()
            return
        if handler.path not in self.files:
            handler.send_error(404)
            return
        body = self.files[handler.path]
        start = int(span[6:-1]) if span and self.ranges else 0
        if start and start >= len(body):
            handler.send_error(416)
            return
        handler.send_response(206 if start else 200)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        handler.send_header("Content-Length", str(len(body) - start))
        handler.end_headers()
        body = body[start:]
        if self.slow:
            handler.wfile.write(body[:10])
            handler.wfile.flush()
            time.sleep(self.slow.pop(0))
            body = body[10:]
        if self.cut:
            body = body[: self.cut.pop(0)]
        handler.wfile.write(body)


@contextmanager
def serving() -> Iterator[WeightServer]:
    """A server, up until the block ends."""
    served = WeightServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the name that the standard library asks for
            try:
                served.answer(self)
            except (BrokenPipeError, ConnectionResetError):
                # The client had enough.
                return

        def log_message(self, format: str, *args: object) -> None:
            """Tests are quiet."""

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    served.url = f"http://127.0.0.1:{httpd.server_address[1]}/"
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield served
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()


def sha256(content: bytes) -> str:
    """Lower-case hex."""
    return hashlib.sha256(content).hexdigest()


def write_manifest(path: Path, sources: list[str], *checkpoints: str) -> Path:
    """A manifest with these checkpoints; `{sources}` in them stands for the addresses."""
    listed = "[" + ", ".join(f'"{source}"' for source in sources) + "]"
    text = "schema = 1\n" + "".join(each.replace("{sources}", listed) for each in checkpoints)
    path.write_text(text, encoding="utf-8")
    return path


def checkpoint(
    name: str,
    files: dict[str, tuple[str, int]],
    *,
    format_: str = "torch",
    entry: str = "",
    licence: str = "MIT",
    commercial: bool = True,
) -> str:
    """TOML of one checkpoint; `files` has sha256 (or nothing) and size by name."""
    rows = "".join(
        f'  {{ name = "{file}", sha256 = "{digest}", bytes = {size}'
        + ("" if digest else ', pin = "on-first-use"')
        + " },\n"
        for file, (digest, size) in files.items()
    )
    return f"""
[[checkpoint]]
name = "{name}"
title = "{name.upper()}"
licence = "{licence}"
licence_url = "https://example.org/licence"
commercial_use = {str(commercial).lower()}
homepage = "https://example.org"
citation = "Nobody, 2024"

[[checkpoint.form]]
format = "{format_}"
entry = "{entry or next(iter(files))}"
sources = {{sources}}
files = [
{rows}]
"""
