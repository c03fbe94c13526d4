"""Registering callbacks by event and node class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nuke._app import app

# Source: Nuke Python Developer's Guide, "Callbacks": call, args, kwargs, nodeClass.


def _entry(call: Any, args: Any, kwargs: Any, wanted: str) -> Any:
    return call, tuple(args), dict(kwargs or {}), wanted


def _add(event: str) -> Callable[..., None]:
    def add(call: Any, args: Any = (), kwargs: Any = None, nodeClass: str = "*") -> None:
        entry = _entry(call, args, kwargs, nodeClass)
        if entry not in app.callbacks.setdefault(event, []):
            app.callbacks[event].append(entry)

    return add


def _remove(event: str) -> Callable[..., None]:
    def remove(call: Any, args: Any = (), kwargs: Any = None, nodeClass: str = "*") -> None:
        app.callbacks.setdefault(event, []).remove(_entry(call, args, kwargs, nodeClass))

    return remove


addOnCreate, removeOnCreate = _add("onCreate"), _remove("onCreate")
addOnScriptLoad, removeOnScriptLoad = _add("onScriptLoad"), _remove("onScriptLoad")
addBeforeRender, removeBeforeRender = _add("beforeRender"), _remove("beforeRender")
addAfterRender, removeAfterRender = _add("afterRender"), _remove("afterRender")
addBeforeFrameRender = _add("beforeFrameRender")
removeBeforeFrameRender = _remove("beforeFrameRender")
addUpdateUI, removeUpdateUI = _add("updateUI"), _remove("updateUI")
