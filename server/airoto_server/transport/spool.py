"""The store of uploads and results: content by handle, in memory or in a private folder."""

from __future__ import annotations

import copy
import secrets
import threading
import time
from collections import Counter
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


class _State:
    """What all views of one spool share."""

    def __init__(self) -> None:
        self.items: dict[str, Item] = {}
        self.touched: dict[str, float] = {}
        self.reserved: Counter[str] = Counter()  # by owner
        self.in_memory = 0
        self.lock = threading.Lock()


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
        self._state = _State()
        self._owner = ""
        self._owner_bytes = max_bytes

    def for_owner(self, owner: str, max_bytes: int | None) -> Spool:
        """The same spool as one person sees it: only what is theirs.

        Args:
            max_bytes: of their content; None: of the spool.
        """
        view = copy.copy(self)
        view._owner = owner
        view._owner_bytes = self._max_bytes if max_bytes is None else max_bytes
        return view

    @property
    def items(self) -> int:
        """Handles that there are now."""
        with self._state.lock:
            return len(self._state.items)

    @property
    def bytes_used(self) -> int:
        """Bytes of all content, with what is still arriving."""
        with self._state.lock:
            return self._used()

    @property
    def bytes_in_memory(self) -> int:
        """Those of them that lie in memory."""
        with self._state.lock:
            return self._state.in_memory

    @contextmanager
    def receive(
        self, *, max_bytes: int | None = None, max_pixels: int | None = None
    ) -> Iterator[Receiver]:
        """Take an upload: `add` its chunks, then `finish`. Left unfinished, nothing stays.

        Args:
            max_bytes: of this upload; None: of the spool.
            max_pixels: of a raw plane; None: as many as fit.
        """
        most = min(max_bytes or self._max_bytes, self._max_bytes)
        receiver = Receiver(self, most, max_pixels)
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
            self.reserve(plane.nbytes)
            try:
                place = self.buffers.take(plane.nbytes)
                fill(place.data)
            except BaseException:
                self.unreserve(plane.nbytes)
                raise
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
        with self._state.lock:
            item = self._state.items.get(handle)
            if item is None or item.owner != self._owner:
                raise unknown_handle(handle)
            self._state.touched[handle] = time.monotonic()
            return item

    def release(self, handle: str) -> None:
        """Forget content; forgetting it twice does no harm."""
        with self._state.lock:
            item = self._state.items.get(handle)
            if item is not None and item.owner == self._owner:
                self._drop(handle)

    # ---- making room ---------------------------------------------------------------

    def reserve(self, size: int) -> None:
        """Set bytes aside for content that is about to arrive.

        Raises:
            TooLargeError: there is no room.
        """
        with self._state.lock:
            self._reserve(size)

    def reserve_memory(self, size: int) -> Bytes | None:
        """Set bytes aside in memory, and give the memory; None (and nothing set aside) where
        it has no room for a plane of that size.

        Raises:
            TooLargeError: there is no room in the spool at all.
        """
        with self._state.lock:
            if not 0 < size <= self._memory_bytes - self._state.in_memory:
                return None
            self._reserve(size)
            self._state.in_memory += size
        try:
            return self.buffers.take(size)
        except MemoryError:
            self.unreserve(size, in_memory=True)
            return None

    def unreserve(self, size: int, *, in_memory: bool = False) -> None:
        """Give back what was set aside for content that does not come."""
        with self._state.lock:
            self._state.reserved[self._owner] -= size
            if in_memory:
                self._state.in_memory -= size

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
        item = Item(
            secrets.token_hex(16), size, name, plane, file, memory, digests or {}, self._owner
        )
        with self._state.lock:
            self._state.reserved[self._owner] -= size
            self._state.items[item.handle] = item
            self._state.touched[item.handle] = time.monotonic()
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
        self._make_room(size, before, self._max_bytes, None)
        self._make_room(size, before, self._owner_bytes, self._owner)
        self._state.reserved[self._owner] += size

    def _make_room(self, size: int, before: float, limit: int, owner: str | None) -> None:
        """Drop what was not touched since then until `size` bytes fit; needs the lock.

        Args:
            owner: whose content counts and goes; None: everybody's.

        Raises:
            TooLargeError: there is no room.
        """
        touched, items = self._state.touched, self._state.items
        for handle in sorted(touched, key=touched.__getitem__):
            if self._used(owner) + size <= limit or touched[handle] > before:
                break
            if owner in (None, items[handle].owner):
                self._drop(handle)
        used = self._used(owner)
        if used + size > limit:
            whose = " of yours" if owner else ""
            raise TooLargeError(
                f"no room for {size} bytes: {used} of {limit}{whose} are in use",
                hint="release handles that are not needed any more",
            )

    def _used(self, owner: str | None = None) -> int:
        state = self._state
        reserved = state.reserved.total() if owner is None else state.reserved[owner]
        kept = (item.size for item in state.items.values() if owner in (None, item.owner))
        return reserved + sum(kept)

    def _drop(self, handle: str) -> None:
        item = self._state.items.pop(handle, None)
        self._state.touched.pop(handle, None)
        if item is None:
            return
        if item.memory is not None:
            self._state.in_memory -= item.size
        if item.file is not None:
            item.file.unlink(missing_ok=True)
