"""The token of a loopback port: new at every start, in a file that only its owner can read."""

from __future__ import annotations

import contextlib
import hmac
import secrets
from collections.abc import Iterator
from pathlib import Path

from airoto.wire.access import START_PREFIX, start_token_path
from airoto.wire.channel import run_folder
from airoto_server.access.folders import private_folder
from airoto_server.access.tokens import digest, write_secret


class StartToken:
    """A token that is good until the server ends."""

    def __init__(self) -> None:
        self._token = START_PREFIX + secrets.token_urlsafe(32)

    def fits(self, token: str) -> bool:
        """Whether it is this one; compared in constant time."""
        return hmac.compare_digest(digest(self._token), digest(token))

    @property
    def secret(self) -> str:
        """The token itself, for a URL that only its owner is told."""
        return self._token

    @contextlib.contextmanager
    def written(self, port: int) -> Iterator[Path]:
        """Its file, while the block lasts.

        Raises:
            BadRequestError: the folder for it is open to others.
            OutputError: the file cannot be written.
        """
        private_folder(run_folder(), "XDG_RUNTIME_DIR")
        path = start_token_path(port)
        data = self._token.encode() + b"\n"
        write_secret(path, data)
        try:
            yield path
        finally:
            with contextlib.suppress(OSError):
                if path.read_bytes() == data:  # not that of a server that came after
                    path.unlink()
