"""A ring of shared memory: one file that this process makes, fills and removes.

Standard library only. Its bytes are described in `airoto.ring_layout`, where they lie in
`airoto_client.ring_store`. The server attaches it; frames and mattes then travel as the places
of blocks in it.
"""

from __future__ import annotations

import base64
import contextlib
import mmap
import secrets
import threading
from pathlib import Path

from airoto.ring_layout import (
    NONCE_BYTES,
    PAGE,
    BlockHead,
    Shape,
    block_bytes,
    pack_block_head,
    pages,
    shape_of,
)
from airoto_client.link import Message
from airoto_client.ring_store import locked_file, sealed_memory


class Block:
    """A stretch of the ring that holds one plane, until it is released.

    Attributes:
        ring: where it lies.
        view: its bytes, writable; rows top to bottom, channels interleaved, little-endian.
            `numpy.frombuffer(block.view, numpy.float16).reshape(h, w, c)` are its pixels.
    """

    def __init__(self, ring: Ring, offset: int, generation: int, plane: Message) -> None:
        self.ring = ring
        self._plane = plane
        self.offset = offset
        self.generation = generation
        self.size = shape_of(plane).nbytes
        self.view = ring.memory[offset + PAGE : offset + PAGE + self.size]

    def message(self) -> Message:
        """The `RingPlane` that tells the server where it is."""
        return {
            "ring": self.ring.name,
            "generation": str(self.generation),
            "offset": str(self.offset),
            "size": str(self.size),
            "plane": self._plane,
        }

    def release(self) -> None:
        """Let the ring use the place again; the view is not to be used any more."""
        self.ring.release(self)


class Ring:
    """A ring; for any number of threads. Close it, or its file goes with the server.

    The file is locked as long as this process lives, so that a server can tell when it died.
    Its space is set aside at once: a file system that is full shows here, and not as a signal
    (SIGBUS) in the middle of a copy.
    """

    def __init__(self, folder: Path, size: int, *, sealed: bool = False) -> None:
        """
        Args:
            folder: the server's `ring_folder`.
            size: bytes of the file, in whole pages; of pixels it takes a little less.
            sealed: no file of the folder but sealed memory, where the system `can_seal`.

        Raises:
            OSError: the folder is not there, may not be written to, or has not enough space.
        """
        self.size = pages(size)
        self.nonce = secrets.token_bytes(NONCE_BYTES)
        self._lock = threading.Lock()
        self._blocks: list[Block] = []
        self._generation = 0
        self._closed = False
        self.sealed = sealed
        make = sealed_memory if sealed else locked_file
        self._store = make(folder, self.size, self.nonce)
        try:
            self._mapping = mmap.mmap(self._store.file, self.size)
        except BaseException:
            self._store.remove()
            raise
        self.memory = memoryview(self._mapping)

    @property
    def name(self) -> str:
        """By which the server knows it; of a file its name."""
        return self._store.name

    @property
    def file(self) -> int:
        """The descriptor of its file."""
        return self._store.file

    @property
    def path(self) -> Path | None:
        """Its file; None: it is sealed memory."""
        return self._store.path

    def message(self) -> Message:
        """The `AttachRingRequest` that tells the server of it."""
        return {
            "ring": self.name,
            "size": str(self.size),
            "nonce": base64.b64encode(self.nonce).decode("ascii"),
            **self._store.where,
        }

    def block(self, plane: Message) -> Block | None:
        """Set a block aside for a plane; None where there is no room for it now.

        Args:
            plane: a `RawPlane` message as a dict.
        """
        shape = shape_of(plane)
        with self._lock:
            if self._closed:
                return None
            offset = self._room(block_bytes(shape.nbytes))
            if offset is None:
                return None
            self._generation += 1
            block = Block(self, offset, self._generation, plane)
            self._write_head(block, self._generation, shape)
            self._blocks.append(block)
            return block

    def release(self, block: Block) -> None:
        """See `Block.release`; releasing a block twice does no harm."""
        with self._lock:
            if block not in self._blocks:
                return
            self._blocks.remove(block)
            if not self._closed:
                self._write_head(block, 0, Shape(0, 0, 0, 0))

    def close(self) -> None:
        """Remove the file. Views that are still in use stay good; may be called twice."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self.memory.release()
        with contextlib.suppress(BufferError):  # a view is in use: it goes with the last one
            self._mapping.close()
        self._store.remove()

    def _room(self, size: int) -> int | None:
        """The first place where so many bytes are free: memory that was just used is the fastest,
        and of what was never touched the system has to make every page first."""
        start = PAGE
        for block in sorted(self._blocks, key=lambda one: one.offset):
            if start + size <= block.offset:
                return start
            start = block.offset + block_bytes(block.size)
        return start if start + size <= self.size else None

    def _write_head(self, block: Block, generation: int, shape: Shape) -> None:
        head = pack_block_head(BlockHead(generation, block.size, shape))
        self.memory[block.offset : block.offset + len(head)] = head
