"""Masks on disk, so that memory does not grow with the shot."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from airoto.errors import OutOfSpaceError
from airoto_server.engines.roles import Mask, Tracked

_HEADER = struct.Struct("<IIId")
_STEPS = 65535


def quantised(mask: Mask) -> Mask:
    """A mask as the store gives it back: rounded to 1/65535.

    Every mask goes through this, stored or not, so that results do not depend on which
    ones were.
    """
    steps = np.rint(np.clip(mask, 0.0, 1.0) * np.float32(_STEPS))
    return np.asarray(steps / np.float32(_STEPS), np.float32)


class MaskStore:
    """Tracked masks by frame, in files of a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def put(self, frame: int, tracked: Mapping[int, Tracked]) -> None:
        """Keep the masks of one frame, replacing earlier ones.

        Raises:
            OutOfSpaceError: the disk is full.
        """
        parts = []
        for object_id, one in sorted(tracked.items()):
            height, width = one.mask.shape
            steps = np.rint(np.clip(one.mask, 0.0, 1.0) * np.float32(_STEPS))
            packed = zlib.compress(steps.astype("<u2").tobytes(), 1)
            parts.append(_HEADER.pack(object_id, height, width, one.confidence))
            parts.append(struct.pack("<I", len(packed)))
            parts.append(packed)
        temporary = self._path(frame).with_suffix(".tmp")
        try:
            temporary.write_bytes(b"".join(parts))
            temporary.replace(self._path(frame))
        except OSError as exc:
            temporary.unlink(missing_ok=True)
            raise OutOfSpaceError(
                f"a tracked mask cannot be kept in {self._folder}: {exc.strerror}",
                path=str(self._folder),
            ) from exc

    def get(self, frame: int) -> dict[int, Tracked]:
        """The masks of a frame; KeyError where there are none."""
        try:
            content = memoryview(self._path(frame).read_bytes())
        except FileNotFoundError:
            raise KeyError(frame) from None
        tracked: dict[int, Tracked] = {}
        at = 0
        while at < len(content):
            object_id, height, width, confidence = _HEADER.unpack_from(content, at)
            at += _HEADER.size
            (size,) = struct.unpack_from("<I", content, at)
            at += 4
            steps = np.frombuffer(zlib.decompress(content[at : at + size]), "<u2")
            at += size
            mask = steps.reshape(height, width).astype(np.float32) / np.float32(_STEPS)
            tracked[object_id] = Tracked(mask, confidence)
        return tracked

    def drop(self, frame: int) -> None:
        """Forget a frame, if it is there."""
        self._path(frame).unlink(missing_ok=True)

    def _path(self, frame: int) -> Path:
        return self._folder / f"{frame}.masks"
