"""What Blender is told of, in order; taken back in reverse."""

from __future__ import annotations

import atexit
from typing import Any

from . import (
    clicking,
    gate,
    mask_operators,
    node,
    object_operators,
    operators,
    overlay,
    panels,
    preferences,
    showing,
    versions,
)

_PARTS = (
    preferences,
    node,
    operators,
    object_operators,
    clicking,
    mask_operators,
    showing,
    overlay,
    panels,
    gate,
)
_done: list[Any] = []


def register() -> None:
    """Register everything once."""
    if _done:
        return
    for part in _PARTS:
        part.register()
        _done.append(part)
    versions.at_exit(unregister)


def unregister() -> None:
    """Take everything back; may be called twice."""
    atexit.unregister(unregister)
    while _done:
        _done.pop().unregister()
