"""One file from one address, resumable, and checked before it has a name.

Bytes go into `<target>.part`. The target's name exists only once the bytes are what they must
be, by renaming. A broken transfer goes on where it stopped, in this run and in the next one,
as long as the hash is known: it decides whether the pieces belong together.
"""

from __future__ import annotations

import errno
import hashlib
import http.client
import os
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from airoto.errors import OutOfSpaceError, OutputError
from airoto_server.weights.manifest import is_allowed_url

CHUNK = 1 << 18
# Kept free on the disk: a full one hurts more than this download.
SPARE_BYTES = 64 << 20

# (bytes there, bytes in all or 0 where unknown)
Progress = Callable[[int, int], None]


class TransferError(Exception):
    """An address did not give the file; another one may. Never leaves this package."""


class ContentError(TransferError):
    """The address gave something else."""


@dataclass(frozen=True)
class Transfer:
    """How patient to be.

    Attributes:
        attempts: tries per address without any progress, before giving it up.
        pause: seconds before the second try; doubles after that.
        timeout: seconds without a byte that end a try.
    """

    attempts: int = 3
    pause: float = 1.0
    timeout: float = 30.0


def part_of(target: Path) -> Path:
    """Where the bytes of `target` gather."""
    return target.with_name(target.name + ".part")


def download(
    url: str,
    target: Path,
    *,
    sha256: str,
    size: int,
    transfer: Transfer,
    progress: Progress,
) -> str:
    """Fetch `url` into the part file of `target`.

    Args:
        sha256: what it must be, or empty where that is not known.
        size: bytes it must have, or 0 where that is not known.

    Returns:
        the sha256 of what lies in the part file now: `sha256`, where that was given.

    Raises:
        TransferError: this address does not give it.
        OutputError, OutOfSpaceError: it cannot be written here.
    """
    part = part_of(target)
    if not sha256:
        # Nothing would tell whether an old piece belongs to the new one.
        part.unlink(missing_ok=True)
    resumed = part.is_file() and part.stat().st_size > 0
    fruitless = 0
    while True:
        before = part.stat().st_size if part.is_file() else 0
        try:
            total = _continue(url, part, sha256, size, transfer, progress)
            got = part.stat().st_size
            if total and got < total:
                raise TransferError(f"ended after {got:,} of {total:,} bytes")
            found = _hash(part)
            _check(part, found, got, sha256, size)
            return found
        except ContentError:
            part.unlink(missing_ok=True)
            if not resumed:
                raise
            # The piece from before was to blame, perhaps.
            resumed = False
        except TransferError as exc:
            after = part.stat().st_size if part.is_file() else 0
            fruitless = 0 if after > before else fruitless + 1
            if fruitless >= transfer.attempts or _is_final(exc):
                raise
            time.sleep(transfer.pause * 2 ** max(0, fruitless - 1))


def _continue(
    url: str, part: Path, sha256: str, size: int, transfer: Transfer, progress: Progress
) -> int:
    """Add to the part file what it lacks; the size of the whole, or 0 if nobody says."""
    offset = part.stat().st_size if sha256 and part.is_file() else 0
    if size and offset == size:
        return size
    if size and offset > size:
        offset = 0
    with _open(url, offset, transfer.timeout, trusted=bool(sha256)) as response:
        total, offset = _extent(response, offset)
        if size and total and total != size:
            raise ContentError(f"has {total:,} bytes instead of {size:,}")
        _require_room(part, (total or size) - offset)
        try:
            with part.open("r+b" if offset else "wb") as out:
                out.seek(offset)
                out.truncate()
                _copy(response, out, offset, total or size, progress)
        except OSError as exc:
            raise _cannot_write(part, exc) from exc
    return total


def _copy(
    response: http.client.HTTPResponse, out: IO[bytes], done: int, total: int, progress: Progress
) -> None:
    progress(done, total)
    while True:
        try:
            piece = response.read1(CHUNK)
        except (OSError, http.client.HTTPException) as exc:
            raise TransferError(f"broke off after {done:,} bytes ({_why(exc)})") from exc
        if not piece:
            return
        if total and done + len(piece) > total:
            raise ContentError(f"sends more than the {total:,} bytes it should have")
        out.write(piece)
        done += len(piece)
        progress(done, total)


def _open(url: str, offset: int, timeout: float, *, trusted: bool) -> http.client.HTTPResponse:
    request = urllib.request.Request(url, headers={"User-Agent": "airoto", "Accept": "*/*"})
    # A compressed answer could neither be resumed nor compared with a size.
    request.add_header("Accept-Encoding", "identity")
    if offset:
        request.add_header("Range", f"bytes={offset}-")
    try:
        response: http.client.HTTPResponse = _opener(trusted=trusted).open(request, timeout=timeout)
    except urllib.error.HTTPError as exc:
        exc.close()
        if exc.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise ContentError("has fewer bytes than were fetched before") from exc
        raise TransferError(f"answers {exc.code} {exc.reason}") from exc
    except (OSError, http.client.HTTPException, ValueError) as exc:
        raise TransferError(f"cannot be reached ({_why(exc)})") from exc
    return response


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never to something that could not be named in the manifest."""

    def __init__(self, *, trusted: bool) -> None:
        self._trusted = trusted

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Any,
        url: str,
    ) -> urllib.request.Request | None:
        plain = urlsplit(url).scheme == "http"
        if not is_allowed_url(url) and not (plain and self._trusted):
            raise TransferError(f"redirects to {url}, which is not fetched from")
        return super().redirect_request(req, fp, code, msg, headers, url)


def _opener(*, trusted: bool) -> urllib.request.OpenerDirector:
    """http and https with redirects and the environment's proxies; no files, no ftp."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        _Redirects(trusted=trusted),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def _extent(response: http.client.HTTPResponse, offset: int) -> tuple[int, int]:
    """The size of the whole (0 if unknown) and where this answer begins."""
    length = int(response.headers.get("Content-Length") or 0)
    if offset and response.status == http.HTTPStatus.PARTIAL_CONTENT:
        place = response.headers.get("Content-Range", "")
        if not place.startswith(f"bytes {offset}-"):
            raise ContentError(f"answers another range than asked for: {place!r}")
        total = place.rpartition("/")[2]
        return (int(total) if total.isdigit() else offset + length), offset
    # A server without ranges sends everything again.
    return length, 0


def _require_room(part: Path, needed: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if needed + SPARE_BYTES > free:
        raise OutOfSpaceError(
            f"{part.parent} has {free:,} bytes free, the download needs {needed:,} more "
            f"and leaves {SPARE_BYTES:,} alone",
            path=str(part.parent),
        )


def _cannot_write(part: Path, exc: OSError) -> OutputError:
    # What is there so far is in the way of others on a full disk.
    part.unlink(missing_ok=True)
    kind = OutOfSpaceError if exc.errno in (errno.ENOSPC, errno.EDQUOT) else OutputError
    return kind(f"{part} cannot be written ({os.strerror(exc.errno or 0)})", path=str(part))


def _hash(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _check(part: Path, found: str, got: int, sha256: str, size: int) -> None:
    if size and got != size:
        raise ContentError(f"gave {got:,} bytes instead of {size:,}")
    if sha256 and found != sha256:
        raise ContentError(f"gave a file with sha256 {found} instead of {sha256}")
    if got == 0:
        raise ContentError("gave an empty file")


def _is_final(exc: TransferError) -> bool:
    """Whether trying again is pointless: the server said no, or it is not a place to ask."""
    cause = exc.__cause__
    if isinstance(cause, urllib.error.HTTPError):
        return cause.code < 500 and cause.code not in (408, 425, 429)
    return cause is None and "redirects to" in str(exc)


def _why(exc: Exception) -> str:
    reason = getattr(exc, "reason", None) or exc
    return str(reason) or type(exc).__name__
