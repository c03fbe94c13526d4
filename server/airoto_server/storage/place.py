"""Where results are kept and how much, from options and environment."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from airoto.errors import BadRequestError

FOLDER_VARIABLE = "AIROTO_CACHE"
LIMIT_VARIABLE = "AIROTO_CACHE_LIMIT"
OFF = "off"

DEFAULT_LIMIT = 20 << 30

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


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


def parse_size(text: str) -> int:
    """`20G` in bytes.

    Raises:
        BadRequestError: it is no size.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise BadRequestError(f"{text!r} is no size; allowed: a number of bytes, or 500M, 20G, 1T")
    return int(float(match[1]) * 1024 ** _POWERS[match[2].lower()])
