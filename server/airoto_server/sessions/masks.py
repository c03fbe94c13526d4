"""Masks on disk, so that memory does not grow with the shot."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from airoto.errors import OutOfSpaceError
from airoto_server.engines.roles import Evidence, Mask, Tracked
from airoto_server.ops.geometry import Window
from airoto_server.ops.nonzero import where_not_0
from airoto_server.ops.part import Part

# Object, height, width, confidence; corners of the part that is not 0, bytes of it; height, width,
# bytes of the evidence.
_HEADER = struct.Struct("<IIIdiiiiIIII")
_STEPS = 65535


def quantised(mask: Mask) -> Mask:
    """A mask as the store gives it back: rounded to 1/65535.

    Every mask goes through this, stored or not, so that results do not depend on which
    ones were.
    """
    rounded: Mask = where_not_0(lambda part: of_steps(steps_of(part)), mask, np.float32)
    return rounded


def steps_of(mask: Mask) -> npt.NDArray[np.uint16]:
    """A mask as whole numbers of 1/65535."""
    steps = np.multiply(mask, np.float32(_STEPS), dtype=np.float32)
    np.rint(steps, out=steps)
    np.clip(steps, 0, np.float32(_STEPS), out=steps)
    return steps.astype("<u2")


def of_steps(steps: npt.NDArray[np.uint16]) -> Mask:
    """The mask that `steps_of` was made from."""
    return steps.astype(np.float32) / np.float32(_STEPS)


def mask_digest(mask: Mask) -> str:
    """64 hex digits of a mask as the store keeps it."""
    part = Part.of(mask)
    placed = repr((mask.shape, part.window)).encode()
    return hashlib.sha256(placed + steps_of(part.values).tobytes()).hexdigest()


def packed(tracked: Mapping[int, Tracked]) -> bytes:
    """The masks of one frame as bytes."""
    parts = []
    for object_id, one in sorted(tracked.items()):
        height, width = one.mask.shape
        part = Part.of(one.mask)
        corners = part.window.x_min, part.window.y_min, part.window.x_max, part.window.y_max
        content = zlib.compress(steps_of(part.values).tobytes(), 1)
        known, evidence = (0, 0), b""
        if one.evidence is not None:
            known, evidence = one.evidence.shape, zlib.compress(one.evidence.tobytes(), 1)
        parts.append(
            _HEADER.pack(
                object_id,
                height,
                width,
                one.confidence,
                *corners,
                len(content),
                *known,
                len(evidence),
            )
        )
        parts += [content, evidence]
    return b"".join(parts)


def unpacked(data: bytes) -> dict[int, Tracked]:
    """What `packed` made.

    Raises:
        ValueError: it did not make this.
    """
    content = memoryview(data)
    tracked: dict[int, Tracked] = {}
    at = 0
    try:
        while at < len(content):
            object_id, height, width, confidence, *corners, size, rows, columns, more = (
                _HEADER.unpack_from(content, at)
            )
            at += _HEADER.size
            window = Window(*corners)
            if not Window.sized(width, height).contains(window):
                raise ValueError(f"{window} reaches outside a mask of {width}x{height}")
            steps = np.frombuffer(inflated(content[at : at + size], window.area * 2), "<u2")
            part = Part(window, of_steps(steps.reshape(window.height, window.width)))
            at += size
            evidence: Evidence | None = None
            if more:
                flat = np.frombuffer(inflated(content[at : at + more], rows * columns), np.int8)
                evidence = flat.reshape(rows, columns)
            at += more
            tracked[object_id] = Tracked(part.whole((height, width)), confidence, evidence)
    except struct.error as exc:
        raise ValueError(f"no masks: {exc}") from exc
    return tracked


def inflated(data: bytes | memoryview, size: int) -> bytes:
    """`size` bytes that zlib deflated.

    Raises:
        ValueError: it is anything else.
    """
    # However much it would become, no more than that is made.
    inflater = zlib.decompressobj()
    try:
        content = inflater.decompress(data, size + 1)
    except zlib.error as exc:
        raise ValueError(str(exc)) from exc
    if len(content) != size:
        raise ValueError(f"{len(content)} bytes where {size} should be")
    return content


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
        temporary = self._path(frame).with_suffix(".tmp")
        try:
            temporary.write_bytes(packed(tracked))
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
            return unpacked(self._path(frame).read_bytes())
        except FileNotFoundError:
            raise KeyError(frame) from None

    def drop(self, frame: int) -> None:
        """Forget a frame, if it is there."""
        self._path(frame).unlink(missing_ok=True)

    def _path(self, frame: int) -> Path:
        return self._folder / f"{frame}.masks"
