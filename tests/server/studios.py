"""A studio's certificates and tokens, and real servers that listen on a port."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from airoto.wire.access import Access
from airoto_server.access.certs import Authority
from airoto_server.access.tokens import TokenFile

PATIENCE = 90.0


@dataclass(frozen=True)
class Studio:
    """Certificates, tokens and a server of a studio.

    Attributes:
        authority, tokens: folder and file; `token` is anna's.
    """

    folder: Path
    authority: Authority
    tokens: TokenFile
    token: str

    def access(self, token: str = "", *, client: str = "") -> Access:
        files = self.authority.folder
        return Access(
            token=token,
            ca=str(files / "ca.pem"),
            certificate=str(files / f"client-{client}.pem") if client else "",
            key=str(files / f"client-{client}.key") if client else "",
        )

    def tls(self) -> list[str]:
        files = self.authority.folder
        return [
            "--tls-cert",
            str(files / "server-localhost.pem"),
            "--tls-key",
            str(files / "server-localhost.key"),
        ]


@contextlib.contextmanager
def serving(folder: Path, *options: str) -> Iterator[tuple[int, Path]]:
    """A server process on a free port of loopback; its port and its log."""
    log = folder / f"log-{time.monotonic_ns()}"
    command = [sys.executable, "-m", "airoto_client.cli", "serve", "--listen", "127.0.0.1:0"]
    command += ["--exit-with-parent", "--threads", "1", "--scratch", str(folder), *options]
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=out, stderr=subprocess.STDOUT, cwd=folder
        )
    try:
        end = time.monotonic() + PATIENCE
        found = None
        while found is None:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end
            time.sleep(0.05)
            found = re.search(r"^serving \S+:(\d+)$", log.read_text(), re.MULTILINE)
        yield int(found[1]), log
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(PATIENCE)


def make_studio(folder: Path) -> Studio:
    """An authority with a server and two clients, and a token of anna's."""
    authority = Authority(folder / "ca")
    authority.create("Studio")
    authority.server(["localhost", "127.0.0.1"])
    authority.client("anna")
    authority.client("mallory")
    tokens = TokenFile(folder / "tokens.json")
    token, _ = tokens.create("anna", None)
    return Studio(folder, authority, tokens, token)
