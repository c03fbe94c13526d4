"""Files of a plate's pattern. Standard library only, no host."""

from __future__ import annotations

import os
import re

# Where a pattern has the frame's number: `%04d` or `####`.
TOKEN = re.compile(r"%0?(\d*)d|(#+)")


def file_of(pattern: str, frame: int) -> str:
    """One file of a pattern (`%04d` or `####`)."""
    folder, name = os.path.split(pattern)

    def number(match: re.Match[str]) -> str:
        width = len(match[2]) if match[2] else int(match[1] or 1)
        return f"{frame:0{width}d}"

    return f"{folder}/{TOKEN.sub(number, name, count=1)}"


def stamps(pattern: str) -> list[tuple[str, int, int]]:
    """Name, size and mtime_ns of a pattern's files, by name; one look at a folder."""
    folder, name = os.path.split(pattern)
    match = TOKEN.search(name)
    if match is None:
        shape = re.compile(re.escape(name))
    else:
        start, end = re.escape(name[: match.start()]), re.escape(name[match.end() :])
        shape = re.compile(rf"{start}-?\d+{end}")
    try:
        with os.scandir(folder or ".") as entries:
            found = [(one.name, one.stat()) for one in entries if shape.fullmatch(one.name)]
    except OSError:
        return []
    return sorted((name, info.st_size, info.st_mtime_ns) for name, info in found)
