"""One piece of content that the server keeps under a handle: in a file, or in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from airoto.errors import HandleUnknownError
from airoto.wire import messages as pb
from airoto.wire.channel import CHUNK_BYTES
from airoto.wire.chunks import chunks_of_bytes, chunks_of_file
from airoto.wire.digest import Kind, digest_of, running
from airoto.wire.parts import Part
from airoto_server.transport.buffers import Bytes
from airoto_server.transport.planes import Array, Plane


@dataclass(frozen=True)
class Item:
    """One piece of content.

    Attributes:
        name: file name of an encoded file; empty for a plane.
        plane: what the bytes are; None for an encoded file.
        file: where it lies; None: in memory, which only planes do.
        memory: its bytes, not to be changed; None: in a file.
        owner: whose it is; nobody else can open it.
        digests: those that are known already, lower-case hex.
    """

    handle: str
    size: int
    name: str = ""
    plane: Plane | None = None
    file: Path | None = None
    memory: Bytes | None = None
    digests: dict[Kind, str] = field(default_factory=dict)
    owner: str = ""

    @property
    def path(self) -> Path:
        """The file that it lies in.

        Raises:
            HandleUnknownError: it is a plane.
        """
        if self.plane is not None or self.file is None:
            raise HandleUnknownError(f"{self.handle} is a raw plane, not a file")
        return self.file

    @property
    def content(self) -> pb.EncodedFile | pb.RawPlane:
        """As the header of a download says it."""
        return self.plane.to_wire() if self.plane else pb.EncodedFile(name=self.name)

    @property
    def sha256(self) -> str:
        """Lower-case hex of the bytes; what the content is to caches."""
        return self.digest(Kind.SHA256)

    def digest(self, kind: Kind) -> str:
        """Lower-case hex of the bytes, taken when it is first asked for.

        Raises:
            HandleUnknownError: it was released meanwhile.
        """
        known = self.digests.get(kind)
        if known is None:
            known = self.digests[kind] = self._taken(kind)
        return known

    def parts(self, kind: Kind) -> Iterator[Part]:
        """The content as a stream, with that kind of digest."""
        known = self.digests.get(kind, "")
        if self.memory is not None:
            return chunks_of_bytes(self.content, self.memory.data, kind=kind, known=known)
        assert self.file is not None
        return chunks_of_file(self.file, content=self.content, kind=kind, known=known)

    def array(self) -> Array:
        """The plane's pixels, (H, W, C), read-only.

        Good even after the handle is released.

        Raises:
            HandleUnknownError: it holds an encoded file, or was released meanwhile.
        """
        if self.plane is None:
            raise HandleUnknownError(f"{self.handle} is a file ({self.name}), not a plane")
        if self.memory is not None:
            pixels: Array = self.memory.view(self.plane.dtype).reshape(self.plane.shape)
            pixels.flags.writeable = False
            return pixels
        assert self.file is not None
        try:
            return np.memmap(self.file, self.plane.dtype, mode="r", shape=self.plane.shape)
        except FileNotFoundError as exc:
            raise unknown_handle(self.handle) from exc

    def _taken(self, kind: Kind) -> str:
        if self.memory is not None:
            return digest_of(kind, self.memory.data)
        assert self.file is not None
        digest = running(kind)
        try:
            with self.file.open("rb") as file:
                while part := file.read(CHUNK_BYTES):
                    digest.update(part)
        except FileNotFoundError as exc:
            raise unknown_handle(self.handle) from exc
        return digest.hexdigest()


def unknown_handle(handle: str) -> HandleUnknownError:
    """The error for a handle behind which there is nothing."""
    return HandleUnknownError(
        f"handle {handle!r} is not known (any more)", hint="upload the content again"
    )
