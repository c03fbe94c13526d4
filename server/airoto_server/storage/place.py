"""Where results are kept and how much, from options and environment."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from airoto_server.ops.sizes import parse_size

FOLDER_VARIABLE = "AIROTO_CACHE"
LIMIT_VARIABLE = "AIROTO_CACHE_LIMIT"
OFF = "off"

DEFAULT_LIMIT = 20 << 30


@dataclass(frozen=True)
class CachePlace:
    """Where results are kept.

    Attributes:
        folder: None where nothing is kept.
        max_bytes: that they may occupy.
        chosen: whether somebody named the folder; the default one is done without where it
            cannot be used.
    """

    folder: Path | None
    max_bytes: int
    chosen: bool


def cache_place(folder: str | None = None, limit: str | None = None) -> CachePlace:
    """From options, else from the environment (AIROTO_CACHE, AIROTO_CACHE_LIMIT), else the default.

    Args:
        folder: a path, or `off`.
        limit: `20G`; 1K is 1024 bytes.

    Raises:
        BadRequestError: a limit that is no size.
    """
    named = folder or os.environ.get(FOLDER_VARIABLE, "")
    size = limit or os.environ.get(LIMIT_VARIABLE, "")
    max_bytes = parse_size(size) if size else DEFAULT_LIMIT
    if named == OFF or max_bytes == 0:
        return CachePlace(None, 0, chosen=True)
    if named:
        return CachePlace(Path(named).expanduser().absolute(), max_bytes, chosen=True)
    return CachePlace(default_folder(), max_bytes, chosen=False)


def default_folder() -> Path:
    """`airoto/results` in the user's folder for caches."""
    if sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "airoto" / "results"
