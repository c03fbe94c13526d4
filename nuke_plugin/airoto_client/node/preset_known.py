"""The presets that this session knows, from the compiled index. Standard library only, no host."""

from __future__ import annotations

import os
from typing import Callable

from airoto.errors import BadRequestError
from airoto.presets.index import Index, read_index
from airoto.presets.model import Resolved
from airoto.presets.names import parse_name
from airoto.presets.places import SHOW_VARIABLE, in_context, session_index

_read: dict[tuple[str, int], Index] = {}


def index() -> Index | None:
    """The compiled presets; None where there is no index. Read again only when it changed.

    Raises:
        BadRequestError: it cannot be read.
    """
    path = session_index()
    try:
        stamp = os.stat(path).st_mtime_ns  # noqa: PTH116 - paths are text here
    except OSError:
        return None
    if (path, stamp) not in _read:
        found = read_index(path)
        _read.clear()
        _read[path, stamp] = found
    return _read[path, stamp]


def names() -> tuple[str, ...]:
    """Every preset, in the order of its name; empty where there is no index.

    Raises:
        BadRequestError: the index cannot be read.
    """
    found = index()
    return () if found is None else tuple(sorted(str(one) for one in found.presets))


def usual(log: Callable[[str], None]) -> str:
    """The preset of a node that names none: of the session's show, else the studio's; or empty.

    Args:
        log: hears that the session's show has no preset.

    Raises:
        BadRequestError: the session's show or sequence is none that a preset can have.
    """
    found = index()
    if found is None:
        return ""
    scope = parse_name(in_context("studio", os.environ))
    if scope.show and not any(one.show == scope.show for one in found.presets):
        log(f"AIRoto: no preset is for {scope.show}, which {SHOW_VARIABLE} names")
        scope = parse_name("studio")
    return str(scope) if scope.show or scope in found.presets else ""


def resolved(name: str) -> Resolved:
    """A preset as the index has it now.

    Raises:
        BadRequestError: there is no index, or no such preset.
    """
    found = index()
    if found is None:
        raise BadRequestError(
            f"there are no presets: {session_index()} is not there",
            hint="make it with: airoto preset compile",
        )
    return found.resolve(name)
