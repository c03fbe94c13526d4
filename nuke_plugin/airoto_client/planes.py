"""Raw planes to and from the server: by shared memory where it can be had, else in chunks.

Standard library only, over any `Link`. Which way a plane went, and why not the fast one, is
said in every answer.
"""

from __future__ import annotations

import contextlib
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Union

from airoto.errors import (
    AIRotoError,
    BadRequestError,
    CancelledError,
    HandleUnknownError,
    ServerUnreachableError,
    TimedOutError,
)
from airoto.ring_layout import shape_of
from airoto_client.copying import copy
from airoto_client.link import Link, Message

if TYPE_CHECKING:
    from airoto_client.ring import Block, Ring

Buffer = Union[bytes, bytearray, memoryview]

# Bytes of a ring: two 4K frames in half RGB, their mattes, and some room.
RING_BYTES = 256 * 1024 * 1024
# A smaller one than this is not worth having.
_LEAST_BYTES = 32 * 1024 * 1024
_DETACH_SECONDS = 5.0
_DIGESTS = {"sha256": "DIGEST_KIND_UNSPECIFIED", "blake3": "DIGEST_KIND_BLAKE3"}
# After these nobody knows whether the server still writes.
_UNDECIDED = (ServerUnreachableError, TimedOutError, CancelledError)


@dataclass(frozen=True)
class Sent:
    """A plane that is with the server.

    Attributes:
        handle: as of an upload: goes into `uploads`, `mask_handle` or `trimap_handle`.
        way: `ring` or `stream`.
        reason: why it is not `ring`; empty where it is.
    """

    handle: str
    way: str
    reason: str = ""


class Place:
    """Room for a plane that is about to be sent; fill `view`, then `send`, then leave.

    Attributes:
        view: bytes of the plane, writable; in shared memory where it can be had.
        ring: the name of the ring in which it lies; empty: in none.
    """

    def __init__(self, planes: Planes, plane: Message, block: Block | None, reason: str) -> None:
        self._planes = planes
        self._plane = plane
        self._block = block
        self._reason = reason
        self.ring = block.ring.name if block is not None else ""
        if block is not None:
            self.view = block.view
        else:
            self.view = memoryview(bytearray(_bytes_of(plane)))

    def send(self) -> Sent:
        """Let the server have what is in `view` now.

        Raises:
            AIRotoError: as `Link.call` and `Link.upload_plane`.
        """
        return self._planes._sent(self._plane, self._block, self.view, self._reason)

    def __enter__(self) -> Place:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._block is not None:
            self._block.release()


class Arrived:
    """A plane of the server's, here until it is left.

    Attributes:
        plane: the `RawPlane` message.
        view: its bytes; not to be used when it was left.
        way, reason: as of `Sent`.
    """

    def __init__(self, plane: Message, view: memoryview, block: Block | None, reason: str) -> None:
        self.plane = plane
        self.view = view
        self.way = "stream" if block is None else "ring"
        self.reason = reason
        self._block = block

    def __enter__(self) -> Arrived:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._block is not None:
            self._block.release()


class Planes:
    """Sends and fetches planes over a link. For any number of threads; close it.

    The ring is made when the first plane travels, and again when the server was started anew.
    """

    def __init__(self, link: Link, *, ring_bytes: int = RING_BYTES) -> None:
        """
        Args:
            ring_bytes: of shared memory; less where the system has less. 0: none at all.
        """
        self._link = link
        self._ring_bytes = ring_bytes
        self._ring: Ring | None = None
        self._no_ring = "" if ring_bytes else "no shared memory is wanted"
        self._no_seal = "this system has no sealed memory"
        self._closed = False
        self._lock = threading.Lock()

    @property
    def unsealed(self) -> str:
        """Why the ring is no sealed memory, which the server could map, but a file, which takes it
        about twice as long; empty where it is sealed, or no ring was made so far."""
        with self._lock:
            return "" if self._ring is None or self._ring.sealed else self._no_seal

    def place(self, plane: Message) -> Place:
        """Room for a plane, to be filled in place: the fastest way, without a copy.

        Args:
            plane: a `RawPlane` message as a dict.

        Raises:
            BadRequestError: it is none.
        """
        block, reason = self._block(plane)
        return Place(self, plane, block, reason)

    def send(self, data: Buffer, plane: Message) -> Sent:
        """Send pixels.

        Args:
            data: rows top to bottom, channels interleaved, little-endian, no padding; any
                C-contiguous buffer, such as a numpy array's `data`.
            plane: a `RawPlane` message as a dict.

        Raises:
            BadRequestError: the data has not the plane's size.
            AIRotoError: as `Link.call` and `Link.upload_plane`.
        """
        pixels, expected = memoryview(data).cast("B"), _bytes_of(plane)
        if pixels.nbytes != expected:
            raise BadRequestError(
                f"{pixels.nbytes} bytes of pixels; a plane of {plane.get('width')} x "
                f"{plane.get('height')} x {plane.get('channels')} {plane.get('pixel_type')} "
                f"has {expected}"
            )
        block, reason = self._block(plane)
        if block is None:
            return self._sent(plane, None, pixels, reason)
        try:
            copy(block.view, pixels)
            return self._sent(plane, block, block.view, reason)
        finally:
            block.release()

    def fetch(self, handle: str, *, plane: Message | None = None, release: bool = True) -> Arrived:
        """The plane behind a handle; use it in a `with` statement.

        Args:
            plane: what it is, where that is known; otherwise the server is asked first.
            release: the server may forget the handle after this.

        Raises:
            HandleUnknownError: there is nothing behind it, or no plane.
            BadRequestError: it is another plane than `plane`.
            AIRotoError: as `Link.call` and `Link.download`.
        """
        if plane is None:
            plane = self._link.call("PutPlane", {"handle": handle})["plane"]
        block, reason = self._block(plane)
        if block is None:
            return Arrived(plane, self._downloaded(handle, plane, release), None, reason)
        try:
            request = {"handle": handle, "target": block.message(), "release": release}
            plane = self._link.call("PutPlane", request)["plane"]
        except HandleUnknownError as exc:
            self._retire(block.ring)
            return Arrived(plane, self._downloaded(handle, plane, release), None, exc.message)
        except AIRotoError as exc:
            if isinstance(exc, _UNDECIDED):
                self._retire(block.ring)
            else:
                block.release()
            raise
        return Arrived(plane, block.view.toreadonly(), block, "")

    def read_matte(self, handle: str, name: str = "") -> Arrived:
        """An alpha of a rendered matte (`FrameResult.handle`), half, one channel.

        Args:
            name: of an object; empty: the union.

        Raises:
            HandleUnknownError: there is no file behind the handle.
            BadRequestError: the matte has no such object.
            AIRotoError: as `fetch`.
        """
        answer = self._link.call("ReadMatte", {"handle": handle, "object": name})
        return self.fetch(answer["handle"], plane=answer["plane"])

    def digest(self, handle: str, kind: str = "sha256") -> str:
        """The digest of a plane as the server has it, lower-case hex.

        Args:
            kind: `sha256`, or `blake3`: several times as fast, where the server knows it
                (`limits.blake3` of `GetServerInfo`).

        Raises:
            HandleUnknownError: there is nothing behind it, or no plane.
            BadRequestError: the server does not know that kind.
            AIRotoError: as `Link.call`.
        """
        request = {"handle": handle, "digest": True, "digest_kind": _DIGESTS[kind]}
        return str(self._link.call("PutPlane", request)[kind])

    def forget(self, handle: str) -> None:
        """Let the server forget a plane that is not needed any more; twice does no harm."""
        with contextlib.suppress(HandleUnknownError):
            self._link.call("PutPlane", {"handle": handle, "release": True})

    def close(self) -> None:
        """Give the shared memory back. Planes travel in chunks after that."""
        with self._lock:
            self._closed = True
        self._retire(self._ring)

    def __enter__(self) -> Planes:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _sent(self, plane: Message, block: Block | None, view: memoryview, reason: str) -> Sent:
        if block is not None:
            try:
                answer = self._link.call("TakePlane", {"source": block.message()})
                return Sent(answer["handle"], "ring")
            except HandleUnknownError as exc:
                # A new server, most likely. The next plane finds a new ring.
                self._retire(block.ring)
                reason = exc.message
        return Sent(self._link.upload_plane(view, plane)["handle"], "stream", reason)

    def _downloaded(self, handle: str, plane: Message, release: bool) -> memoryview:
        found = shape_of(self._link.call("PutPlane", {"handle": handle})["plane"])
        if found != shape_of(plane):
            raise BadRequestError(f"{handle} is a plane of {found}, not {shape_of(plane)}")
        with tempfile.TemporaryDirectory(prefix="airoto-plane-") as folder:
            path = Path(folder) / "plane.raw"
            self._link.download(handle, path, encoding="raw", release=release)
            return memoryview(path.read_bytes())

    def _block(self, plane: Message) -> tuple[Block | None, str]:
        """A block for a plane, or why there is none."""
        size = _bytes_of(plane)
        with self._lock:
            if self._closed:
                return None, "the shared memory was given back"
            if self._ring is None and not self._no_ring:
                self._ring, self._no_ring = self._new_ring()
            ring, reason = self._ring, self._no_ring
        if ring is None:
            return None, reason
        block = ring.block(plane)
        if block is None:
            return None, f"the ring of {ring.size} bytes has no room for {size} bytes now"
        return block, ""

    def _new_ring(self) -> tuple[Ring | None, str]:
        """A ring that the server has attached, or why there is none."""
        try:
            from airoto_client.ring_store import can_seal
        except ImportError as exc:  # a system without file locks
            return None, f"no shared memory on this system: {exc}"
        info = self._link.call("GetServerInfo", {})
        folder = info.get("ring_folder", "")
        if not folder:
            return None, "the server offers no shared memory"
        limit = int(info.get("limits", {}).get("max_ring_bytes", 0)) or self._ring_bytes
        size = min(self._ring_bytes, limit)
        if can_seal():
            ring, self._no_seal = self._attached(Path(folder), size, sealed=True)
            if ring is not None:
                return ring, ""
        return self._attached(Path(folder), size, sealed=False)

    def _attached(self, folder: Path, size: int, *, sealed: bool) -> tuple[Ring | None, str]:
        """One of that kind, as large as there is space for, or why there is none."""
        from airoto_client.ring import Ring
        from airoto_client.ring_store import is_full

        while True:
            try:
                ring = Ring(folder, size, sealed=sealed)
                break
            except OSError as exc:
                if not is_full(exc) or size // 2 < _LEAST_BYTES:
                    return None, f"no ring of {size} bytes in {folder}: {exc.strerror or exc}"
                size //= 2
        try:
            self._link.call("AttachRing", ring.message())
        except AIRotoError as exc:
            ring.close()
            return None, f"the server cannot use our ring: {exc.message}"
        return ring, ""

    def _retire(self, ring: Ring | None) -> None:
        """Use a ring no more: nobody can write over what comes later."""
        if ring is None:
            return
        with self._lock:
            if self._ring is ring:
                self._ring = None
        ring.close()
        # A server that does not answer finds out by itself that the ring is nobody's.
        with contextlib.suppress(AIRotoError):
            self._link.call("DetachRing", {"ring": ring.name}, timeout=_DETACH_SECONDS)


def _bytes_of(plane: Message) -> int:
    try:
        return shape_of(plane).nbytes
    except ValueError as exc:
        raise BadRequestError(str(exc)) from exc
