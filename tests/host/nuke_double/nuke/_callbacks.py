"""Registering callbacks by event and node class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nuke._app import app

# Source: Nuke Python Developer's Guide, "Callbacks": call, args, kwargs, nodeClass.


def _add(event: str) -> Callable[..., None]:
    def add(
        call: Any, args: Any = (), kwargs: Any = None, nodeClass: str = "*", node: Any = None
    ) -> None:
        entry = (call, tuple(args), dict(kwargs or {}), nodeClass)
        entries = app.callbacks.setdefault(event, [])
        if entry not in entries:
            entries.append(entry)

    return add


def _remove(event: str) -> Callable[..., None]:
    def remove(
        call: Any, args: Any = (), kwargs: Any = None, nodeClass: str = "*", node: Any = None
    ) -> None:
        entry = (call, tuple(args), dict(kwargs or {}), nodeClass)
        app.callbacks.setdefault(event, []).remove(entry)

    return remove


addOnCreate, removeOnCreate = _add("onCreate"), _remove("onCreate")
addOnScriptLoad, removeOnScriptLoad = _add("onScriptLoad"), _remove("onScriptLoad")
addKnobChanged, removeKnobChanged = _add("knobChanged"), _remove("knobChanged")
addBeforeRender, removeBeforeRender = _add("beforeRender"), _remove("beforeRender")
addAfterRender, removeAfterRender = _add("afterRender"), _remove("afterRender")
addBeforeFrameRender = _add("beforeFrameRender")
removeBeforeFrameRender = _remove("beforeFrameRender")
addUpdateUI, removeUpdateUI = _add("updateUI"), _remove("updateUI")
