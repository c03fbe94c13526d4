"""Frames that the host renders, given to the server as raw planes: shared memory where it can be.

Standard library only, no host. The digest of a frame is taken on both sides: what the server has
is what the host rendered.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Callable

from airoto.errors import AIRotoError, InternalError
from airoto_client.node import links
from airoto_client.node.staleness import digest
from airoto_client.planes import Planes

Fill = Callable[[memoryview], None]


@dataclass
class Fed:
    """What was given to a server so far.

    Attributes:
        size: width and height of the frames.
        handles: with which the server knows the frames.
        digests: SHA-256 of the frames' half RGB pixels, rows from the top, in hex.
        slow: why frames did not go through shared memory; empty where all did.
    """

    size: tuple[int, int]
    handles: dict[int, str] = field(default_factory=dict)
    digests: dict[int, str] = field(default_factory=dict)
    slow: str = ""

    def uploads(self, frames: Iterable[int]) -> tuple[dict[str, Any], ...]:
        """`UploadedFrame` messages of those of the frames that were given."""
        return tuple(
            {"frame": frame, "handle": self.handles[frame]}
            for frame in frames
            if frame in self.handles
        )


def identity_of(size: tuple[int, int], digests: Mapping[int, str]) -> str:
    """16 hex digits of everything that a rendered plate's pixels are."""
    return digest([list(size), sorted(digests.items())])[:16]


class Feed:
    """Gives frames to one server; close it when nothing needs them any more.

    Args:
        target: the server; empty is the usual one.
    """

    def __init__(self, target: str, size: tuple[int, int]) -> None:
        self._target = target
        self._planes = Planes(links.get(target, "grpc"))
        self.fed = Fed(size)

    def give(self, frame: int, fill: Fill) -> None:
        """Let the server have a frame.

        Args:
            fill: writes half RGB pixels, interleaved, rows from the top, into the room that it
                is handed.

        Raises:
            InternalError: the server has other pixels than were given.
            AIRotoError: as `Planes.place` and `Place.send`.
        """
        width, height = self.fed.size
        plane = {
            "width": width,
            "height": height,
            "channels": 3,
            "pixel_type": "PIXEL_TYPE_HALF",
        }
        with self._planes.place(plane) as place:
            fill(place.view)
            ours = hashlib.sha256(place.view).hexdigest()
            sent = place.send()
        theirs = self._planes.digest(sent.handle)
        if theirs != ours:
            self._planes.forget(sent.handle)
            raise InternalError(
                f"frame {frame} did not arrive as it was sent, by {sent.way}: the server has "
                f"sha256:{theirs}, sent was sha256:{ours}"
            )
        self.fed.slow = self.fed.slow or sent.reason
        self.fed.handles[frame], self.fed.digests[frame] = sent.handle, ours

    def close(self) -> None:
        """Let the server forget the frames, and give the shared memory back."""
        with contextlib.suppress(AIRotoError):  # a server that is gone has forgotten them
            for handle in self.fed.handles.values():
                self._planes.forget(handle)
        self.fed.handles.clear()
        self._planes.close()
