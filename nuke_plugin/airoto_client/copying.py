"""Copies of large memory, by two threads: one alone does not use up what memory can do.

Standard library only.
"""

from __future__ import annotations

import ctypes
import threading

# Less than this is not worth a thread.
_LARGE = 4 * 1024 * 1024


def copy(target: memoryview, source: memoryview) -> None:
    """Copy all bytes of `source`.

    By one thread where `source` may not be written to: Python does not tell where it lies.

    Args:
        target: writable; both are C-contiguous and of format `B`.

    Raises:
        ValueError: they are not of one size.
    """
    size = source.nbytes
    if target.nbytes != size:
        raise ValueError(f"{size} bytes into a place of {target.nbytes}")
    if size < _LARGE or source.readonly:
        target[:] = source
        return
    # `memmove` of ctypes lets other threads run meanwhile, which assigning to a slice does not.
    ends = ctypes.c_char.from_buffer(target), ctypes.c_char.from_buffer(source)
    there, here = map(ctypes.addressof, ends)
    half = size // 2
    other = threading.Thread(target=ctypes.memmove, args=(there, here, half))
    other.start()
    try:
        ctypes.memmove(there + half, here + half, size - half)
    finally:
        other.join()
