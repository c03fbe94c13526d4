"""The store of uploads and results: content by handle, in memory or in a private folder."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from airoto.errors import TooLargeError
from airoto.wire.digest import Kind
from airoto_server.ops.geometry import Window
from airoto_server.transport.buffers import Buffers, Bytes
from airoto_server.transport.items import Item, unknown_handle
from airoto_server.transport.planes import Array, Plane, as_plane
from airoto_server.transport.receiver import Receiver, writing


class Spool:
    """Content by handle. For any number of threads.

    It holds at most `max_bytes`. Where there is no room, content that nobody has touched for
    `keep_seconds` makes way, the longest untouched first; then it refuses. Planes lie in
    memory while there is room for them, and in files beyond that; encoded files lie in files.
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_bytes: int,
        memory_bytes: int = 0,
        keep_seconds: float = 3600.0,
    ) -> None:
        """
        Args:
            folder: made with mode 0700 if it is not there; the owner removes it.
            max_bytes: of all content together.
            memory_bytes: of all planes in memory.
            keep_seconds: for which untouched content is safe.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = folder
        self.buffers = Buffers(memory_bytes // 4)
        self._max_bytes = max_bytes
        self._memory_bytes = memory_bytes
        self._keep_seconds = keep_seconds
        self._items: dict[str, Item] = {}
        self._touched: dict[str, float] = {}
        self._reserved = 0
        self._in_memory = 0
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

    @property
    def bytes_in_memory(self) -> int:
        """Those of them that lie in memory."""
        with self._lock:
            return self._in_memory

    @contextmanager
    def receive(self, *, max_bytes: int | None = None) -> Iterator[Receiver]:
        """Take an upload: `add` its chunks, then `finish`. Left unfinished, nothing stays.

        Args:
            max_bytes: of this upload; None: of the spool.
        """
        receiver = Receiver(self, min(max_bytes or self._max_bytes, self._max_bytes))
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
        self.reserve(len(data))
        return self._put_into_file(memoryview(data), name=name, plane=None)

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
        plane, pixels = as_plane(array, window, display, pixel_aspect)
        memory = self.reserve_memory(pixels.nbytes)
        if memory is not None:
            np.copyto(memory, pixels.reshape(-1).view(np.uint8))
            return self.keep(pixels.nbytes, plane=plane, memory=memory)
        self.reserve(pixels.nbytes)
        return self._put_into_file(pixels.data.cast("B"), name="", plane=plane)

    def put_plane(self, plane: Plane, fill: Callable[[memoryview], None]) -> Item:
        """Keep a plane whose bytes somebody else writes.

        Args:
            fill: writes all bytes of the plane; whatever it raises goes on, and nothing stays.

        Raises:
            as `put_bytes`.
        """
        memory = self.reserve_memory(plane.nbytes)
        if memory is None:
            place = self.buffers.take(plane.nbytes)
            fill(place.data)
            self.reserve(plane.nbytes)
            return self._put_into_file(place.data, name="", plane=plane)
        try:
            fill(memory.data)
        except BaseException:
            self.unreserve(plane.nbytes, in_memory=True)
            raise
        return self.keep(plane.nbytes, plane=plane, memory=memory)

    def open(self, handle: str) -> Item:
        """What is behind a handle.

        Raises:
            HandleUnknownError: nothing, or nothing any more.
        """
        with self._lock:
            item = self._items.get(handle)
            if item is None:
                raise unknown_handle(handle)
            self._touched[handle] = time.monotonic()
            return item

    def release(self, handle: str) -> None:
        """Forget content; forgetting it twice does no harm."""
        with self._lock:
            self._drop(handle)

    # ---- making room ---------------------------------------------------------------

    def reserve(self, size: int) -> None:
        """Set bytes aside for content that is about to arrive.

        Raises:
            TooLargeError: there is no room.
        """
        with self._lock:
            self._reserve(size)

    def reserve_memory(self, size: int) -> Bytes | None:
        """Set bytes aside in memory, and give the memory; None (and nothing set aside) where
        it has no room for a plane of that size.

        Raises:
            TooLargeError: there is no room in the spool at all.
        """
        with self._lock:
            if not 0 < size <= self._memory_bytes - self._in_memory:
                return None
            self._reserve(size)
            self._in_memory += size
        try:
            return self.buffers.take(size)
        except MemoryError:
            self.unreserve(size, in_memory=True)
            return None

    def unreserve(self, size: int, *, in_memory: bool = False) -> None:
        """Give back what was set aside for content that does not come."""
        with self._lock:
            self._reserved -= size
            if in_memory:
                self._in_memory -= size

    def keep(
        self,
        size: int,
        *,
        name: str = "",
        plane: Plane | None = None,
        file: Path | None = None,
        memory: Bytes | None = None,
        digests: dict[Kind, str] | None = None,
    ) -> Item:
        """Make content, whose room is set aside, known under a new handle."""
        item = Item(secrets.token_hex(16), size, name, plane, file, memory, digests or {})
        with self._lock:
            self._reserved -= size
            self._items[item.handle] = item
            self._touched[item.handle] = time.monotonic()
        return item

    def new_path(self) -> Path:
        """Where a new file of the spool may lie."""
        return self.folder / secrets.token_hex(16)

    def _put_into_file(self, data: memoryview, *, name: str, plane: Plane | None) -> Item:
        path = self.new_path()
        try:
            with writing(self.folder), path.open("xb") as file:
                file.write(data)
            return self.keep(data.nbytes, name=name, plane=plane, file=path)
        except BaseException:
            path.unlink(missing_ok=True)
            self.unreserve(data.nbytes)
            raise

    def _reserve(self, size: int) -> None:
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

    def _used(self) -> int:
        return self._reserved + sum(item.size for item in self._items.values())

    def _drop(self, handle: str) -> None:
        item = self._items.pop(handle, None)
        self._touched.pop(handle, None)
        if item is None:
            return
        if item.memory is not None:
            self._in_memory -= item.size
        if item.file is not None:
            item.file.unlink(missing_ok=True)
