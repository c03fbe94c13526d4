"""`executeDeferred`.

Source: Nuke Python Developer's Guide, nukescripts.utils: "executes the callable when the interface
is idle", on the main thread; it needs the interface.
"""

from __future__ import annotations

from typing import Any

from nuke._app import app


def executeDeferred(call: Any, args: Any = (), kwargs: Any = None) -> None:
    """Call something once the running callback is over."""
    app.needs_gui()
    with app.posted_lock:
        app.posted.append((call, tuple(args), dict(kwargs or {})))
