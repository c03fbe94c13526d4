"""What the server asks of glibc's malloc. Elsewhere than on glibc: no change."""

from __future__ import annotations

import contextlib
import ctypes
import os
import time

# M_TRIM_THRESHOLD, M_TOP_PAD and M_MMAP_THRESHOLD of malloc.h, in bytes; M_ARENA_MAX, a number. In
# arenas of their own, threads would hold frames in pieces of 64 MiB, which are given back as soon
# as they are empty: a seventh of what a frame costs went into having them mapped and zeroed again.
_OPTIONS = {-1: 1 << 30, -2: 16 << 20, -3: 32 << 20, -8: 1}

# MKL, torch's BLAS on x86, keeps 4 to 8 MiB for every thread that ever multiplied matrices, also
# for those that ended: every pass of a tracker and every job brings new ones.
_MKL_KEEPS_NOTHING = ("MKL_DISABLE_FAST_MM", "1")


def keep_freed_memory() -> None:
    """Let glibc reuse the memory of large messages and frames instead of giving it back.

    Every chunk of 1 MiB would be mapped, zeroed page by page and unmapped again otherwise;
    it makes the stream about three times as fast. All threads share one arena. MKL allocates
    through it then, instead of keeping buffers of its own. For the whole process, before torch is
    imported.
    """
    os.environ.setdefault(*_MKL_KEEPS_NOTHING)
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL("libc.so.6").mallopt
        for parameter, value in _OPTIONS.items():
            mallopt(parameter, value)


def give_freed_memory_back() -> None:
    """Return to the system what is kept: half of what loading a model takes, and all of a model
    that was unloaded."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


class FreedMemory:
    """What is kept of freed memory, given back once nothing was done for a while.

    A process counts as idle when it takes less than a hundredth of one processor.
    """

    def __init__(self) -> None:
        self._looked = self._busy = time.monotonic()
        self._spent = time.process_time()
        self._kept = True

    def expire(self, idle_seconds: float) -> None:
        """Give it back, if the process was idle for that long; once, until it works again."""
        now, spent = time.monotonic(), time.process_time()
        if spent - self._spent > 0.01 * (now - self._looked):
            self._busy, self._kept = now, True
        self._looked, self._spent = now, spent
        if self._kept and now - self._busy >= idle_seconds:
            give_freed_memory_back()
            self._kept = False
