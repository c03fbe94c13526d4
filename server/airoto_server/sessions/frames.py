"""A plate's frames as files have them and as engines see them, decoded ahead."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar, cast

from airoto_server.engines.roles import Picture
from airoto_server.ops.colour import Colour
from airoto_server.ops.geometry import Window, Working
from airoto_server.ops.imagefile import Frame
from airoto_server.ops.resample import shows_plate, to_picture
from airoto_server.sessions.shared_frames import SharedFrames
from airoto_server.transport.plate import PlateReader

Made = TypeVar("Made")

# Frames kept per job. Small on purpose: memory must not grow with the shot. Enough for those
# that are decoded ahead, tracked, and wait to be matted, with the neighbours that steady edges
# are made from. With fewer, one that is asked for too late pushes out the next, and every frame
# is decoded twice.
_KEPT = 12
_AHEAD = 2
_READERS = 2


class _Recent:
    """The last few results by frame; a frame asked for by two threads is made once.

    The one that was made first goes first, whoever asked for it since: frames pass through, and one
    that was matted would push out one that still waits for it.
    """

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._lock = threading.Lock()
        self._futures: dict[int, Future[object]] = {}

    def get(self, frame: int, make: Callable[[int], Made]) -> Made:
        with self._lock:
            future = self._futures.get(frame)
            mine = future is None
            if future is None:
                future = self._futures[frame] = Future()
                while len(self._futures) > self._kept:
                    del self._futures[next(iter(self._futures))]
        if mine:
            try:
                future.set_result(make(frame))
            except BaseException as exc:
                future.set_exception(exc)
                with self._lock:
                    if self._futures.get(frame) is future:
                        del self._futures[frame]
                raise
        return future.result()  # type: ignore[return-value]

    def drop(self, frame: int) -> None:
        """Forget a result."""
        with self._lock:
            self._futures.pop(frame, None)

    def made(self, frame: int) -> object | None:
        """The result, if it is there already."""
        with self._lock:
            future = self._futures.get(frame)
        if future is None or not future.done() or future.exception() is not None:
            return None
        return future.result()


class Frames:
    """The frames of one job.

    Args:
        reader: gives the file's pixels, by the recipe's rules.
        scale: size of the files relative to the recipe's format (proxies).
        working: the picture's size and place.
        colour: from the plate's space to what engines see.
        threads: for conversions; the answer does not depend on it.
        shared: frames of all calls; None: nothing is shared.
        keep: whether what is read stays there for later calls.
    """

    def __init__(
        self,
        reader: PlateReader,
        scale: float,
        working: Working,
        colour: Colour,
        threads: int,
        shared: SharedFrames | None = None,
        *,
        keep: bool = False,
    ) -> None:
        self._shared = shared
        self._keep = keep
        self._reader = reader
        self._scale = scale
        self._threads = threads
        self.working = working
        self.colour = colour
        self._plates = _Recent(_KEPT)
        self._pictures = _Recent(_KEPT)

    def plate(self, frame: int) -> Frame:
        """The pixels of the file, in the plate's own colour space."""
        return self._plates.get(frame, self._read)

    def picture(self, frame: int) -> Picture:
        """What an engine sees: display-referred, at working size."""
        return self._pictures.get(frame, self._make_picture)

    def shown(self, frame: int, window: Window) -> Picture | None:
        """`picture`, where it is there already and is the plate pixel by pixel.

        Args:
            window: of the plate's frame.
        """
        if not shows_plate(window, self._scale, self.working):
            return None
        return cast("Picture | None", self._pictures.made(frame))

    def let_go(self, frame: int) -> None:
        """Of a frame that is finished: it would lie there until others push it out."""
        self._plates.drop(frame)
        self._pictures.drop(frame)

    def pictures(self, frames: Sequence[int]) -> Generator[tuple[int, Picture], None, None]:
        """`picture` for each frame in turn, decoded a little ahead."""
        with ThreadPoolExecutor(_READERS, thread_name_prefix="airoto-decode") as pool:
            ahead = [pool.submit(self.picture, frame) for frame in frames[:_AHEAD]]
            try:
                for index, frame in enumerate(frames):
                    picture = ahead.pop(0).result()
                    if index + _AHEAD < len(frames):
                        ahead.append(pool.submit(self.picture, frames[index + _AHEAD]))
                    yield frame, picture
            finally:
                for future in ahead:
                    future.cancel()

    def _read(self, frame: int) -> Frame:
        if self._shared is None:
            return self._reader.read(frame)
        key = ("plate", *self._content(frame))
        return self._shared.get(key, lambda: self._reader.read(frame), keep=self._keep)

    def _make_picture(self, frame: int) -> Picture:
        if self._shared is None:
            return self._convert(frame)
        colour = self.colour
        settings = (repr(colour.settings), colour.config_hash, colour.describe())
        key = ("picture", *self._content(frame), self._scale, repr(self.working), *settings)
        return self._shared.get(key, lambda: self._convert(frame), keep=self._keep)

    def _convert(self, frame: int) -> Picture:
        plate = self.plate(frame)
        return to_picture(
            plate.pixels, plate.window, self._scale, self.working, self.colour, self._threads
        )

    def _content(self, frame: int) -> tuple[object, ...]:
        """What a frame's pixels are known by; the reader's checks are part of it."""
        settings = self._reader.settings
        rules = (settings.layer, settings.view, repr(settings.format), settings.proxy_scale)
        return (self._reader.content_id(frame), *rules)
