"""Paths proved, content in and out by handle."""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from airoto.errors import AIRotoError, BadRequestError, TimedOutError, TooLargeError
from airoto.wire import messages as pb
from airoto.wire.channel import CHUNK_BYTES
from airoto.wire.chunks import chunks_of_bytes
from airoto.wire.digest import KNOWS_BLAKE3, Kind
from airoto.wire.parts import Part
from airoto_server.scheduler.cancel import Cancel
from airoto_server.sessions.encode import encoded_plane
from airoto_server.transport.roots import Roots
from airoto_server.transport.spool import Spool

# Chunks of an upload that may wait to be written.
_AHEAD = 8


def prove_path(request: pb.ProvePathRequest, roots: Roots) -> pb.ProvePathResponse:
    """The digest of a stretch of a file, as this server sees it under that path.

    Raises:
        TooLargeError: the stretch is longer than a chunk.
    """
    if request.length > CHUNK_BYTES:
        raise TooLargeError(f"length: {request.length}; allowed: at most {CHUNK_BYTES} bytes")
    try:
        with roots.check_read(Path(request.path)).open("rb") as file:
            size = file.seek(0, 2)
            file.seek(min(request.offset, size))
            digest = hashlib.sha256(file.read(request.length)).hexdigest()
    except AIRotoError as exc:
        return pb.ProvePathResponse(visible=False, reason=exc.message)
    except OSError as exc:
        return pb.ProvePathResponse(visible=False, reason=f"{request.path}: {exc.strerror}")
    return pb.ProvePathResponse(visible=True, sha256=digest, size=size)


# Seconds in which the next part of an upload has to come.
STALL_SECONDS = 60.0


async def receive(
    parts: AsyncIterator[Part], spool: Spool, max_bytes: int, max_pixels: int
) -> pb.UploadResponse:
    """Take an upload into the spool; nothing of a broken one stays.

    Args:
        max_bytes: of an upload.
        max_pixels: of a raw plane; like the bytes they are judged by the header, before any
            room is made.

    Raises:
        TooLargeError, BadRequestError, OutOfSpaceError: it cannot be taken.
        TimedOutError: nothing came for `STALL_SECONDS`.
    """
    with spool.receive(max_bytes=max_bytes, max_pixels=max_pixels) as receiver:
        # One thread writes while the next chunks arrive.
        waiting: deque[Awaitable[None]] = deque()
        with ThreadPoolExecutor(1, thread_name_prefix="airoto-upload") as worker:
            loop = asyncio.get_running_loop()
            async for part in _prompt(parts):
                waiting.append(loop.run_in_executor(worker, receiver.add, part))
                if len(waiting) > _AHEAD:
                    await waiting.popleft()
            while waiting:
                await waiting.popleft()
            item = await loop.run_in_executor(worker, receiver.finish)
    known = {kind.value: digest for kind, digest in item.digests.items()}
    return pb.UploadResponse(handle=item.handle, size=item.size, **known)


async def _prompt(parts: AsyncIterator[Part]) -> AsyncGenerator[Part, None]:
    """The parts, as long as they come."""
    coming = aiter(parts)
    while True:
        try:
            async with asyncio.timeout(STALL_SECONDS):
                part = await anext(coming)
        except StopAsyncIteration:
            return
        except TimeoutError as exc:
            raise TimedOutError(f"the upload stood still for {STALL_SECONDS:g} s") from exc
        yield part


def download(
    spool: Spool, request: pb.DownloadRequest, cancel: Cancel
) -> Generator[Part, None, None]:
    """What is behind a handle, encoded as asked for.

    Raises:
        HandleUnknownError: it is not there (any more).
        BadRequestError: a file cannot be sent in another form.
    """
    item = spool.open(request.handle)
    wish = request.encoding
    kind = Kind.BLAKE3 if request.blake3 and KNOWS_BLAKE3 else Kind.SHA256
    if wish in (pb.Encoding.ENCODING_UNSPECIFIED, pb.Encoding.ENCODING_RAW):
        parts = item.parts(kind)
    elif item.plane is None:
        raise BadRequestError(
            f"{item.name} is a file and is sent as it is",
            hint="leave the encoding unspecified",
        )
    else:
        extension = "exr" if wish == pb.Encoding.ENCODING_EXR else "png"
        name, data = encoded_plane(item, extension, spool.folder)
        parts = chunks_of_bytes(pb.EncodedFile(name=name), data, kind=kind)
    for part in parts:
        cancel.check()
        yield part
