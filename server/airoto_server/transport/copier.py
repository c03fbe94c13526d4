"""Copies of large memory, made by several threads."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait

from airoto.ring_layout import PAGE

# Less than this is not worth another thread.
_STRETCH = 2 << 20


class Copier:
    """Copies in several threads: one alone does not use up what memory can do.

    Args:
        threads: that work on one copy, the caller's own included.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._others = ThreadPoolExecutor(max(1, threads - 1), thread_name_prefix="airoto-ring")

    def run(self, copy: Callable[[int, int], None], size: int) -> None:
        """Let `copy(begin, end)` do stretches that make up `size` bytes.

        What one of them raises goes on when all have ended.
        """
        count = max(1, min(self._threads, size // _STRETCH))
        ends = [size * number // count // PAGE * PAGE for number in range(1, count)] + [size]
        others = [self._others.submit(copy, begin, end) for begin, end in itertools.pairwise(ends)]
        try:
            copy(0, ends[0])
        finally:
            wait(others)
        for other in others:
            other.result()

    def close(self) -> None:
        """End the threads."""
        self._others.shutdown()
