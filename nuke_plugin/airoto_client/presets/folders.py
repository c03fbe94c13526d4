"""Folders of presets, read side by side, each with its own time-out.

A show's folder may hang (a mount that is down) or be gone; what was known of it is then kept, and
it is said. Files that did not change are not read again.
"""

from __future__ import annotations

import enum
import os
import stat
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

from airoto.presets.model import Preset
from airoto_client.presets.reader import FILE_BYTES, PresetError, parse

# Modification time in nanoseconds, and size in bytes.
Stamp = tuple[int, int]
# Folders below a folder of presets that are looked into.
_DEPTH = 4


class State(enum.Enum):
    """How reading a folder ended."""

    READ = "read"
    MISSING = "not there"
    DOWN = "down"


@dataclass(frozen=True)
class FileFound:
    """A file: its stamp, and its preset or what is wrong with it."""

    path: str
    stamp: Stamp
    preset: Preset | None = None
    error: PresetError | None = None


@dataclass(frozen=True)
class FolderFound:
    """A folder and its files, in the order of their paths; `why` says what failed."""

    path: str
    state: State
    files: tuple[FileFound, ...] = ()
    why: str = ""


@dataclass(frozen=True)
class Known:
    """What an earlier index knows of a file."""

    stamp: Stamp
    preset: Preset


Read = Callable[[str, Mapping[str, Known]], FolderFound]


def read_folder(path: str, known: Mapping[str, Known]) -> FolderFound:
    """Every `*.toml` in a folder and the folders below; hidden ones and links to folders not."""
    try:
        if not os.path.isdir(path):  # noqa: PTH112 - paths are text here
            return FolderFound(path, State.MISSING)
        files = [_read(one, known) for one in _toml_files(path)]
    except OSError as exc:
        return FolderFound(path, State.DOWN, why=exc.strerror or str(exc))
    return FolderFound(path, State.READ, tuple(files))


def read_folders(
    paths: Sequence[str],
    known: Mapping[str, Known],
    *,
    timeout: float,
    read: Read = read_folder,
) -> list[FolderFound]:
    """All folders, in their order; one that does not answer within `timeout` seconds is down.

    A thread that hangs in a file system cannot be ended; it is left behind and does not keep the
    process from ending.
    """
    found: dict[str, FolderFound] = {}

    def work(path: str) -> None:
        found[path] = read(path, known)

    threads = [
        threading.Thread(target=work, args=(path,), name=f"presets {path}", daemon=True)
        for path in paths
    ]
    for one in threads:
        one.start()
    deadline = time.monotonic() + timeout
    for one in threads:
        one.join(max(0.0, deadline - time.monotonic()))
    late = f"no answer within {timeout:g} seconds"
    return [found.get(path) or FolderFound(path, State.DOWN, why=late) for path in paths]


def read_file(path: str) -> Preset:
    """One file.

    Raises:
        PresetError: it cannot be read, or is wrong.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(FILE_BYTES + 1)
    except OSError as exc:
        raise PresetError(f"{path} cannot be read: {exc.strerror}", path=path) from exc
    if len(data) > FILE_BYTES:
        raise PresetError(f"{path} is larger than {FILE_BYTES} bytes", path=path)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise PresetError(f"{path} is not UTF-8: {exc}", path=path) from exc
    return parse(text, path)


def _toml_files(top: str) -> list[str]:
    def refuse(exc: OSError) -> None:
        raise exc

    found = []
    for folder, below, names in os.walk(top, onerror=refuse):
        deep = folder[len(top) :].count(os.sep) >= _DEPTH
        below[:] = [] if deep else sorted(one for one in below if not one.startswith("."))
        found += [
            f"{folder}/{one}"
            for one in sorted(names)
            if one.endswith(".toml") and not one.startswith(".")
        ]
    return found


def _read(path: str, known: Mapping[str, Known]) -> FileFound:
    """One file; where it did not change, as it was known."""
    try:
        status = os.stat(path)  # noqa: PTH116 - paths are text here
    except OSError as exc:
        return FileFound(path, (0, 0), error=PresetError(f"{path}: {exc.strerror}", path=path))
    stamp = (status.st_mtime_ns, status.st_size)
    if not stat.S_ISREG(status.st_mode):
        return FileFound(path, stamp, error=PresetError(f"{path} is no file", path=path))
    before = known.get(path)
    if before is not None and before.stamp == stamp:
        return FileFound(path, stamp, before.preset)
    try:
        return FileFound(path, stamp, read_file(path))
    except PresetError as exc:
        return FileFound(path, stamp, error=exc)


@dataclass
class Gathered:
    """What all folders hold together, the first of two files for one scope counting."""

    presets: list[Preset] = field(default_factory=list)
    stamps: dict[str, Stamp] = field(default_factory=dict)
    problems: list[PresetError] = field(default_factory=list)
