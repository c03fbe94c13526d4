"""Tokens of a studio: made once, kept as digests, compared in constant time.

The file holds no secrets that could be used: a token has 256 random bits, so its SHA-256 tells
nothing of it, and a slow hash (for passwords that people think up) would add nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from airoto.errors import BadRequestError, OutputError
from airoto.wire.access import secret_file
from airoto_server.access.folders import changing
from airoto_server.access.reread import Reread

FORMAT = 1
_PREFIX = "airoto-"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_MOST = 10_000
_FILE_BYTES = 8 << 20


@dataclass(frozen=True)
class TokenEntry:
    """What is kept of a token.

    Attributes:
        id: eight hex digits, to name it by.
        name: whose it is.
        sha256: lower-case hex of the token.
        created, expires: ISO 8601 in UTC; `expires` is empty for never.
    """

    id: str
    name: str
    sha256: str
    created: str
    expires: str = ""

    def is_good(self, now: datetime) -> bool:
        """Whether it has not expired."""
        return not self.expires or datetime.fromisoformat(self.expires) > now


def _now() -> datetime:
    return datetime.now(UTC)


class TokenFile:
    """The file of tokens, mode 0600; written whole beside it and renamed.

    Args:
        path: it need not be there.
    """

    def __init__(self, path: Path, *, clock: Callable[[], datetime] = _now) -> None:
        self.path = path
        self._clock = clock

    def entries(self) -> tuple[TokenEntry, ...]:
        """All of them, the oldest first; none where there is no file.

        Raises:
            BadRequestError: the file is damaged, or open to others.
        """
        if not self.path.exists():
            return ()
        try:
            data = json.loads(secret_file(self.path, largest=_FILE_BYTES))
            if data["format"] != FORMAT:
                raise ValueError(f"format {data['format']!r}")
            found = tuple(_entry(one) for one in data["tokens"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
            raise BadRequestError(f"{self.path} is no file of tokens", path=str(self.path)) from exc
        return found

    def create(self, name: str, lifetime: timedelta | None) -> tuple[str, TokenEntry]:
        """A new token and its entry; this is the only time that the token itself is there.

        Args:
            name: whose it is; several may have one name.
            lifetime: None: it does not expire.

        Raises:
            BadRequestError: the name is not fit, or there are too many.
            OutputError: the file cannot be written.
        """
        if not _NAME.fullmatch(name):
            raise BadRequestError(
                f"{name!r} is no name; allowed: letters, digits, . _ @ -, at most 64"
            )
        with changing(self.path):
            entries = self.entries()
            if len(entries) >= _MOST:
                raise BadRequestError(
                    f"there are {len(entries)} tokens already", hint="revoke some"
                )
            token = _PREFIX + secrets.token_urlsafe(32)
            now = self._clock()
            entry = TokenEntry(
                secrets.token_hex(4),
                name,
                digest(token),
                now.isoformat(timespec="seconds"),
                "" if lifetime is None else (now + lifetime).isoformat(timespec="seconds"),
            )
            self._write((*entries, entry))
        return token, entry

    def revoke(self, which: str) -> tuple[TokenEntry, ...]:
        """Remove those of that id or name; which ones.

        Raises:
            BadRequestError: there is none.
        """
        with changing(self.path):
            entries = self.entries()
            gone = _chosen(entries, which)
            self._write(one for one in entries if one not in gone)
        return gone

    def expire(self, which: str, when: datetime) -> tuple[TokenEntry, ...]:
        """Let those of that id or name end at that time; as they are then.

        Raises:
            BadRequestError: there is none.
        """
        ends = when.astimezone(UTC).isoformat(timespec="seconds")
        with changing(self.path):
            entries = self.entries()
            changed = {one.id: replace(one, expires=ends) for one in _chosen(entries, which)}
            self._write(changed.get(one.id, one) for one in entries)
        return tuple(changed.values())

    def _write(self, entries: Iterable[TokenEntry]) -> None:
        data = {"format": FORMAT, "tokens": [asdict(one) for one in entries]}
        write_secret(self.path, json.dumps(data, indent=1).encode() + b"\n")


class TokenCheck:
    """Tells a server whose a token is; a changed file counts at the next call.

    A file that cannot be read lets nobody in.
    """

    def __init__(self, file: TokenFile, *, clock: Callable[[], datetime] = _now) -> None:
        """
        Raises:
            BadRequestError: the file is damaged or open to others.
        """
        self._clock = clock
        self._entries = Reread(file.path, file.entries)

    def name_of(self, token: str) -> str | None:
        """Whose token this is; None for one that is unknown, revoked or expired."""
        found = digest(token)
        name = None
        now = self._clock()
        for entry in self._entries.current() or ():  # all of them, however early one fits
            if hmac.compare_digest(entry.sha256, found) and entry.is_good(now):
                name = entry.name
        return name


def digest(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def write_secret(path: Path, data: bytes, mode: int = 0o600) -> None:
    """A file that only its owner can read, whole or not at all.

    Args:
        mode: another one for what lies beside secrets and is none.

    Raises:
        OutputError: it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        number = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(number, "wb") as file:
                file.write(data)
                file.flush()
                os.fchmod(number, mode)
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as exc:
        raise OutputError(f"{path} cannot be written: {exc.strerror}", path=str(path)) from exc


def _chosen(entries: Iterable[TokenEntry], which: str) -> tuple[TokenEntry, ...]:
    found = tuple(one for one in entries if which in (one.id, one.name))
    if not found:
        raise BadRequestError(f"there is no token {which!r}", hint="airoto token list shows them")
    return found


def _entry(data: dict[str, Any]) -> TokenEntry:
    made = TokenEntry(**{name: data[name] for name in TokenEntry.__dataclass_fields__})
    if not all(isinstance(value, str) for value in asdict(made).values()):
        raise TypeError("a value that is no text")
    if made.expires and datetime.fromisoformat(made.expires).tzinfo is None:
        raise ValueError("a time without its zone")
    if not re.fullmatch(r"[0-9a-f]{64}", made.sha256) or not _NAME.fullmatch(made.name):
        raise ValueError("no digest, or no name")
    return made
