"""The results of one job: taken from the store of results, or made and kept there.

A store that fails or holds damaged entries never fails a job: the result is made again, and
the job's warnings say so once.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import struct
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from airoto_server.engines.roles import Detection, Tracked
from airoto_server.ops.geometry import Window
from airoto_server.ops.part import Part
from airoto_server.sessions.events import ObjectResult
from airoto_server.sessions.masks import inflated, of_steps, packed, steps_of, unpacked
from airoto_server.sessions.matting import ObjectAlpha
from airoto_server.storage.share import ResultShare
from airoto_server.storage.store import DamagedEntryError, ResultStore, StoreFailedError

T = TypeVar("T")

# Height and width of a plane, whether a trimap follows; corners of a part, bytes of its values.
_ALPHA = struct.Struct("<II?")
_PART = struct.Struct("<iiiiI")


class Stage(enum.Enum):
    """Kinds of results; the value is a folder of the store and a word in messages."""

    DETECT = "detect"
    SEGMENT = "segment"
    TRACK = "track"
    MATTE = "matte"
    FILE = "file"
    ENGINE = "engine"


class ShotCache:
    """What one job finds and leaves in the store. For any number of threads.

    Args:
        store: None where nothing is kept.
        warn: tells the artist.
    """

    def __init__(
        self, store: ResultStore | ResultShare | None, warn: Callable[[str], None]
    ) -> None:
        self._store = store
        self._warn = warn
        self._lock = threading.Lock()
        self._made: Counter[Stage] = Counter()
        self._found: Counter[Stage] = Counter()
        self._failure = ""
        self._damaged = 0

    @property
    def failure(self) -> str:
        """Why results could not be kept; empty where they could."""
        return self._failure

    def has(self, stage: Stage, key: str) -> bool:
        """Whether there is something under a key."""
        try:
            return self._store is not None and self._store.has(stage.value, key)
        except StoreFailedError as exc:
            self._tell_failed(exc)
            return False

    @property
    def made(self) -> dict[str, int]:
        """Results that were computed, by stage; writing a file computes nothing."""
        return {name: count for name, count in _told(self._made).items() if name != "file"}

    @property
    def found(self) -> dict[str, int]:
        """Results that were in the store, by stage."""
        return _told(self._found)

    def masks(self, stage: Stage, key: str) -> dict[int, Tracked] | None:
        """Masks by object id, rounded as `masks.quantised` does; None where there are none."""
        return self._get(stage, key, unpacked)

    def keep_masks(self, stage: Stage, key: str, masks: Mapping[int, Tracked]) -> None:
        """Keep the masks of a frame."""
        self._put(stage, key, lambda: packed(masks))

    def alpha(self, key: str, shape: tuple[int, int]) -> ObjectAlpha | None:
        """An alpha of that shape, rounded as `masks.quantised` does, and its trimap."""

        def read(data: bytes) -> ObjectAlpha:
            made = _unpacked_alpha(data)
            if made.shape != shape:
                raise ValueError(f"an alpha of {made.shape} where {shape} should be")
            return made

        return self._get(Stage.MATTE, key, read)

    def keep_alpha(self, key: str, alpha: ObjectAlpha) -> None:
        """Keep an alpha."""
        self._put(Stage.MATTE, key, lambda: _packed_alpha(alpha))

    def file(self, key: str) -> tuple[list[ObjectResult], bytes] | None:
        """What was said of a frame's objects, and the bytes of its file."""
        return self._get(Stage.FILE, key, _unpacked_file)

    def keep_file(self, key: str, objects: Sequence[ObjectResult], data: bytes) -> None:
        """Keep a finished file."""
        said = json.dumps([dataclasses.astuple(one) for one in objects]).encode()
        self._put(Stage.FILE, key, lambda: said + b"\n" + data)

    def detections(self, key: str) -> list[Detection] | None:
        """What a detector found."""
        return self._get(Stage.DETECT, key, _unpacked_detections)

    def keep_detections(self, key: str, found: Sequence[Detection]) -> None:
        """Keep what a detector found."""
        said = [dataclasses.astuple(one) for one in found]
        self._put(Stage.DETECT, key, lambda: json.dumps(said).encode())

    def text(self, stage: Stage, key: str) -> dict[str, str] | None:
        """A few words by name."""

        def read(data: bytes) -> dict[str, str]:
            found = json.loads(data)
            if not isinstance(found, dict):
                raise ValueError("no object")
            return {str(name): str(value) for name, value in found.items()}

        return self._get(stage, key, read)

    def keep_text(self, stage: Stage, key: str, words: Mapping[str, str]) -> None:
        """Keep a few words."""
        self._put(stage, key, lambda: json.dumps(dict(words)).encode())

    def _get(self, stage: Stage, key: str, read: Callable[[bytes], T]) -> T | None:
        if self._store is None:
            return None
        try:
            data = self._store.get(stage.value, key)
            if data is None:
                return None
            found = read(data)
        except DamagedEntryError as exc:
            self._tell_damaged(str(exc))
            return None
        except ValueError as exc:
            # Whole, but not what we write under that key.
            self._store.drop(stage.value, key)
            self._tell_damaged(f"{stage.value} {key[:12]}: {exc}")
            return None
        except StoreFailedError as exc:
            self._tell_failed(exc)
            return None
        with self._lock:
            self._found[stage] += 1
        return found

    def _put(self, stage: Stage, key: str, content: Callable[[], bytes]) -> None:
        with self._lock:
            self._made[stage] += 1
        if self._store is None:
            return
        try:
            self._store.put(stage.value, key, content())
        except StoreFailedError as exc:
            self._tell_failed(exc)

    def _tell_damaged(self, what: str) -> None:
        with self._lock:
            self._damaged += 1
            first = self._damaged == 1
        if first:
            self._warn(f"a damaged result in the cache was removed and is made again: {what}")

    def _tell_failed(self, exc: StoreFailedError) -> None:
        with self._lock:
            first, self._failure = not self._failure, self._failure or str(exc)
        if first:
            self._warn(f"results cannot be kept in the cache, so they are made anew: {exc}")


def _unpacked_detections(data: bytes) -> list[Detection]:
    """
    Raises:
        ValueError: `keep_detections` did not make this.
    """
    try:
        return [
            Detection((box[0], box[1], box[2], box[3]), score, phrase, words)
            for box, score, phrase, words in json.loads(data)
        ]
    except (TypeError, IndexError) as exc:
        raise ValueError(f"no detections: {exc}") from exc


def _unpacked_file(data: bytes) -> tuple[list[ObjectResult], bytes]:
    """
    Raises:
        ValueError: `keep_file` did not make this.
    """
    said, _, content = data.partition(b"\n")
    try:
        return [ObjectResult(*one) for one in json.loads(said)], content
    except TypeError as exc:
        raise ValueError(f"no file: {exc}") from exc


def _told(counts: Counter[Stage]) -> dict[str, int]:
    """Counts by the stage's word; what engines say of themselves is no result."""
    return {one.value: counts[one] for one in Stage if counts[one] and one is not Stage.ENGINE}


def _packed_alpha(alpha: ObjectAlpha) -> bytes:
    steps = steps_of(alpha.part.values)
    packed = [_ALPHA.pack(*alpha.shape, alpha.trimap_part is not None)]
    packed.append(_packed_part(alpha.part.window, steps.tobytes()))
    if alpha.trimap_part is not None:
        halves = np.rint(alpha.trimap_part.values * 2).astype(np.uint8)
        packed.append(_packed_part(alpha.trimap_part.window, halves.tobytes()))
    return b"".join(packed)


def _packed_part(window: Window, values: bytes) -> bytes:
    deflated = zlib.compress(values, 1)
    corners = window.x_min, window.y_min, window.x_max, window.y_max
    return _PART.pack(*corners, len(deflated)) + deflated


def _unpacked_alpha(data: bytes) -> ObjectAlpha:
    """
    Raises:
        ValueError: `_packed_alpha` did not make this.
    """
    try:
        height, width, has_trimap = _ALPHA.unpack_from(data)
        frame = Window.sized(width, height)
        window, steps, at = _unpacked_part(data, _ALPHA.size, frame, "<u2")
        alpha, trimap = Part(window, of_steps(steps)), None
        if has_trimap:
            window, halves, at = _unpacked_part(data, at, frame, "u1")
            trimap = Part(window, (halves * np.float32(0.5)).astype(np.float32))
    except struct.error as exc:
        raise ValueError(f"no alpha: {exc}") from exc
    return ObjectAlpha((height, width), alpha, trimap)


def _unpacked_part(
    data: bytes, at: int, frame: Window, dtype: str
) -> tuple[Window, npt.NDArray[Any], int]:
    """A window of the frame, its values, and where the next one begins."""
    *corners, size = _PART.unpack_from(data, at)
    window = Window(*corners)
    if not frame.contains(window):
        raise ValueError(f"{window} reaches outside {frame}")
    at += _PART.size
    length = window.area * np.dtype(dtype).itemsize
    values = np.frombuffer(inflated(data[at : at + size], length), dtype)
    return window, values.reshape(window.height, window.width), at + size
