"""Identities of a plate's frames, hashed a little ahead of who asks."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

# Frames on either side of the one asked for; tracking goes both ways.
_AROUND = 8


class ContentAhead:
    """`PlateReader.content_id` for every frame, each made once; close it.

    Args:
        content_id: raises where the frame cannot be had, for whoever asks for that frame.
        frames: all that may be asked for, ascending.
        threads: that hash.
    """

    def __init__(
        self, content_id: Callable[[int], str], frames: Sequence[int], threads: int
    ) -> None:
        self._content_id = content_id
        self._frames = frames
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="airoto-hash")
        self._lock = threading.Lock()
        self._made: dict[int, Future[str]] = {}

    def of(self, frame: int) -> str:
        """`sha256:...` of what a frame is made of."""
        made = self._made.get(frame)
        if made is None or not made.done():
            at = bisect_left(self._frames, frame)
            around = self._frames[max(0, at - _AROUND) : at + _AROUND + 1]
            with self._lock:
                for one in (frame, *around):
                    if one not in self._made:
                        self._made[one] = self._pool.submit(self._content_id, one)
            made = self._made[frame]
        return made.result()

    def close(self) -> None:
        """Begin no more."""
        self._pool.shutdown(cancel_futures=True)
