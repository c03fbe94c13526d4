"""What the server asks of glibc's malloc. Elsewhere than on glibc: no change."""

from __future__ import annotations

import contextlib
import ctypes
import os

# M_TRIM_THRESHOLD, M_TOP_PAD and M_MMAP_THRESHOLD of malloc.h, in bytes.
_OPTIONS = {-1: 256 << 20, -2: 16 << 20, -3: 32 << 20}

# MKL, torch's BLAS on x86, keeps 4 to 8 MiB for every thread that ever multiplied matrices, also
# for those that ended: every pass of a tracker and every job brings new ones.
_MKL_KEEPS_NOTHING = ("MKL_DISABLE_FAST_MM", "1")


def keep_freed_memory() -> None:
    """Let glibc reuse the memory of large messages and frames instead of giving it back.

    Every chunk of 1 MiB would be mapped, zeroed page by page and unmapped again otherwise;
    it makes the stream about three times as fast. MKL allocates through it then, instead of
    keeping buffers of its own. For the whole process, before torch is imported.
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
