"""The store of uploads and results: content by handle, in files of a private folder."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from airoto.errors import HandleUnknownError, OutOfSpaceError, TooLargeError
from airoto.wire import messages as pb
from airoto.wire.chunks import Collector
from airoto.wire.parts import Part
from airoto_server.ops.geometry import Window

Array = npt.NDArray[np.float16] | npt.NDArray[np.float32]

_DTYPES: dict[int, np.dtype[Any]] = {
    pb.PixelType.PIXEL_TYPE_HALF: np.dtype("<f2"),
    pb.PixelType.PIXEL_TYPE_FLOAT: np.dtype("<f4"),
}


@dataclass(frozen=True)
class Plane:
    """What a raw plane's bytes mean: rows top to bottom, channels interleaved.

    Attributes:
        shape: rows, columns, channels.
        dtype: little-endian float16 or float32.
        window: the pixels it covers, counted from the display window's corner.
        display: width and height of the display window.
        pixel_aspect: pixel width over height.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    window: Window
    display: tuple[int, int]
    pixel_aspect: float = 1.0

    @classmethod
    def of(cls, raw: pb.RawPlane) -> Plane:
        """From the wire's form, which `airoto.wire.chunks` has checked."""
        return cls(
            shape=(raw.height, raw.width, raw.channels),
            dtype=_DTYPES[raw.pixel_type],
            window=Window(raw.x, raw.y, raw.x + raw.width, raw.y + raw.height),
            display=(raw.display_width or raw.width, raw.display_height or raw.height),
            pixel_aspect=raw.pixel_aspect or 1.0,
        )

    def to_wire(self) -> pb.RawPlane:
        """In the wire's form."""
        height, width, channels = self.shape
        half = self.dtype.itemsize == 2
        kind = pb.PixelType.PIXEL_TYPE_HALF if half else pb.PixelType.PIXEL_TYPE_FLOAT
        return pb.RawPlane(
            width=width,
            height=height,
            channels=channels,
            pixel_type=kind,
            x=self.window.x_min,
            y=self.window.y_min,
            display_width=self.display[0],
            display_height=self.display[1],
            pixel_aspect=self.pixel_aspect,
        )


@dataclass(frozen=True)
class Item:
    """One piece of content.

    Attributes:
        name: file name of an encoded file; empty for a plane.
        plane: what the bytes are; None for an encoded file.
        sha256: lower-case hex of the bytes.
    """

    handle: str
    path: Path
    size: int
    sha256: str
    name: str = ""
    plane: Plane | None = None

    @property
    def content(self) -> pb.EncodedFile | pb.RawPlane:
        """As the header of a download says it."""
        return self.plane.to_wire() if self.plane else pb.EncodedFile(name=self.name)

    def array(self) -> Array:
        """The plane's pixels, (H, W, C), read-only, mapped from the file.

        Good even after the handle is released.

        Raises:
            HandleUnknownError: it holds an encoded file, or was released meanwhile.
        """
        if self.plane is None:
            raise HandleUnknownError(f"{self.handle} is a file ({self.name}), not a plane")
        try:
            return np.memmap(self.path, self.plane.dtype, mode="r", shape=self.plane.shape)
        except FileNotFoundError as exc:
            raise _unknown(self.handle) from exc


class Spool:
    """Content by handle. For any number of threads.

    It holds at most `max_bytes`. Where there is no room, content that nobody has touched for
    `keep_seconds` makes way, the longest untouched first; then it refuses.
    """

    def __init__(self, folder: Path, *, max_bytes: int, keep_seconds: float = 3600.0) -> None:
        """
        Args:
            folder: made with mode 0700 if it is not there; the owner removes it.
            max_bytes: of all content together.
            keep_seconds: for which untouched content is safe.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._max_bytes = max_bytes
        self._keep_seconds = keep_seconds
        self._items: dict[str, Item] = {}
        self._touched: dict[str, float] = {}
        self._reserved = 0
        self._lock = threading.Lock()

    @property
    def items(self) -> int:
        """Handles that there are now."""
        with self._lock:
            return len(self._items)

    @property
    def bytes_used(self) -> int:
        """Bytes of all content, with what is still arriving."""
        with self._lock:
            return self._used()

    @contextmanager
    def receive(self, *, max_bytes: int | None = None) -> Iterator[Receiver]:
        """Take an upload: `add` its chunks, then `finish`. Left unfinished, nothing stays.

        Args:
            max_bytes: of this upload; None: of the spool.
        """
        receiver = Receiver(
            self, self._new_path(), min(max_bytes or self._max_bytes, self._max_bytes)
        )
        try:
            yield receiver
        finally:
            receiver.abandon()

    def put_bytes(self, data: bytes, name: str) -> Item:
        """Keep an encoded file.

        Raises:
            TooLargeError: no room in the spool.
            OutOfSpaceError: the disk is full.
        """
        return self._put(memoryview(data), name=name, plane=None)

    def put_file(self, path: Path, name: str = "") -> Item:
        """Keep a copy of a file under that name (its own, if empty).

        Raises:
            as `put_bytes`; OSError: it cannot be read.
        """
        return self.put_bytes(path.read_bytes(), name or path.name)

    def put_array(
        self,
        array: Array,
        *,
        window: Window,
        display: tuple[int, int],
        pixel_aspect: float = 1.0,
    ) -> Item:
        """Keep pixels, (H, W) or (H, W, C), float16 or float32.

        Raises:
            as `put_bytes`.
        """
        shaped: npt.NDArray[Any] = array[:, :, None] if array.ndim == 2 else array
        dtype = np.dtype("<f2" if shaped.dtype.itemsize == 2 else "<f4")
        if shaped.dtype.kind != "f" or shaped.dtype.itemsize > 4:
            raise ValueError(f"planes are float16 or float32, not {shaped.dtype}")
        height, width, channels = shaped.shape
        plane = Plane((height, width, channels), dtype, window, display, pixel_aspect)
        contiguous: npt.NDArray[Any] = np.ascontiguousarray(shaped, dtype)
        return self._put(contiguous.data.cast("B"), name="", plane=plane)

    def open(self, handle: str) -> Item:
        """What is behind a handle.

        Raises:
            HandleUnknownError: nothing, or nothing any more.
        """
        with self._lock:
            item = self._items.get(handle)
            if item is None:
                raise _unknown(handle)
            self._touched[handle] = time.monotonic()
            return item

    def release(self, handle: str) -> None:
        """Forget content; forgetting it twice does no harm."""
        with self._lock:
            self._drop(handle)

    # ---- making room ---------------------------------------------------------------

    def _put(self, data: memoryview, *, name: str, plane: Plane | None) -> Item:
        self.reserve(data.nbytes)
        path = self._new_path()
        try:
            with writing(self._folder), path.open("xb") as file:
                file.write(data)
            digest = hashlib.sha256(data).hexdigest()
            return self.keep(path, data.nbytes, digest, name=name, plane=plane)
        except BaseException:
            path.unlink(missing_ok=True)
            self.unreserve(data.nbytes)
            raise

    def reserve(self, size: int) -> None:
        """Set bytes aside for content that is about to arrive.

        Raises:
            TooLargeError: there is no room.
        """
        with self._lock:
            before = time.monotonic() - self._keep_seconds
            for handle in sorted(self._touched, key=self._touched.__getitem__):
                if self._used() + size <= self._max_bytes or self._touched[handle] > before:
                    break
                self._drop(handle)
            if self._used() + size > self._max_bytes:
                raise TooLargeError(
                    f"no room for {size} bytes: {self._used()} of {self._max_bytes} are in use",
                    hint="release handles that are not needed any more",
                )
            self._reserved += size

    def unreserve(self, size: int) -> None:
        """Give back what `reserve` set aside for content that does not come."""
        with self._lock:
            self._reserved -= size

    def keep(self, path: Path, size: int, sha256: str, *, name: str, plane: Plane | None) -> Item:
        """Make a finished file, whose room is reserved, known under a new handle."""
        item = Item(secrets.token_hex(16), path, size, sha256, name, plane)
        with self._lock:
            self._reserved -= size
            self._items[item.handle] = item
            self._touched[item.handle] = time.monotonic()
        return item

    def _used(self) -> int:
        return self._reserved + sum(item.size for item in self._items.values())

    def _drop(self, handle: str) -> None:
        item = self._items.pop(handle, None)
        self._touched.pop(handle, None)
        if item is not None:
            item.path.unlink(missing_ok=True)

    def _new_path(self) -> Path:
        return self._folder / secrets.token_hex(16)


class Receiver:
    """An upload on its way into the spool."""

    def __init__(self, spool: Spool, path: Path, max_bytes: int) -> None:
        self._spool = spool
        self._path = path
        self._reserved = 0
        self._finished = False
        self._file = path.open("xb")
        self._collector = Collector(self._file, max_bytes=max_bytes)

    def add(self, part: Part) -> None:
        """Take the next part of the stream.

        Raises:
            BadRequestError, TooLargeError: it does not belong here; no room in the spool.
            OutOfSpaceError: the disk is full.
        """
        with writing(self._path.parent):
            self._collector.add(part)
            header = self._collector.header
            if header is not None and not self._reserved:
                self._spool.reserve(header.size)
                self._reserved = header.size
                if header.size and hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(self._file.fileno(), 0, header.size)

    def finish(self) -> Item:
        """All chunks are in: check length and digest, and keep the content.

        Raises:
            BadRequestError: it is not whole, or not what was announced.
            OutOfSpaceError: the disk is full.
        """
        header = self._collector.finish()
        with writing(self._path.parent):
            self._file.close()
        raw = header.WhichOneof("content") == "raw"
        plane = Plane.of(header.raw) if raw else None
        name = "" if raw else header.encoded.name
        item = self._spool.keep(self._path, header.size, header.sha256, name=name, plane=plane)
        self._finished, self._reserved = True, 0
        return item

    def abandon(self) -> None:
        """Let go; an unfinished upload is removed."""
        with contextlib.suppress(OSError):  # bytes of a file that is thrown away anyway
            self._file.close()
        if not self._finished:
            self._path.unlink(missing_ok=True)
        self._spool.unreserve(self._reserved)
        self._reserved = 0


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """A full disk as an error that says where."""
    try:
        yield
    except OSError as exc:
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OutOfSpaceError(
                f"no space left in the server's folder {folder}", path=str(folder)
            ) from exc
        raise


def _unknown(handle: str) -> HandleUnknownError:
    return HandleUnknownError(
        f"handle {handle!r} is not known (any more)", hint="upload the content again"
    )
