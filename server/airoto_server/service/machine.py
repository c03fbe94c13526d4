"""What the system says of this process and its children; Linux, zeros elsewhere."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path


def resident_bytes(pid: int | None = None) -> int:
    """Memory that a process holds in RAM; this one's by default."""
    with contextlib.suppress(OSError, IndexError, ValueError):
        text = Path(f"/proc/{pid or os.getpid()}/statm").read_text(encoding="ascii")
        return int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def children() -> list[int]:
    """Processes that this one started: its decoders."""
    found: list[int] = []
    for listed in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError, ValueError):  # a thread that has just ended
            found.extend(int(one) for one in listed.read_text(encoding="ascii").split())
    return found


def threads() -> int:
    """Threads of Python's in this process."""
    return threading.active_count()
