"""Executing Writes, the main thread's queue, progress."""

from __future__ import annotations

import threading
from typing import Any

from nuke import _images
from nuke import _nodes as nodes_module
from nuke._app import BUSY, app


class CancelledError(Exception):
    """The artist pressed Cancel."""


def execute(
    nameOrNode: Any,
    start: int,
    end: int,
    incr: int = 1,
    views: list[str] | None = None,
    continueOnError: bool = False,
) -> None:
    """Render frames of a Write.

    Source: comments in public node code name this error for Writes that were executed from
    knobChanged, a button or beforeRender. Never inside another execution or a callback; the main
    thread only; a node that cannot be executed cannot be executed.
    """
    import nuke

    app.on_main("execute")
    if app.executing or app.in_callback:
        raise RuntimeError(BUSY)
    node = nuke.toNode(nameOrNode) if isinstance(nameOrNode, str) else nameOrNode
    if node is None or node.Class() != "Write":
        raise RuntimeError(f"{nameOrNode} is not executable")
    if views is not None and not set(views) <= set(nuke.views()):
        raise RuntimeError(f"no such view in {views}")
    app.executing += 1
    before = app.frame
    try:
        with app.callback(node):
            nodes_module.run_callbacks("beforeRender", "Write")
            for number in range(start, end + 1, incr):
                app.frame = number
                nodes_module.run_callbacks("beforeFrameRender", "Write")
                _images.write(node, number)
                nodes_module.run_callbacks("afterFrameRender", "Write")
            nodes_module.run_callbacks("afterRender", "Write")
    finally:
        app.frame = before
        app.executing -= 1


def executing(f: float | None = None) -> bool:
    """Whether something is rendered now."""
    return app.executing > 0


def executeInMainThread(call: Any, args: Any = (), kwargs: Any = None) -> None:
    """Let the main thread call something soon.

    Source: Nuke Python Developer's Guide, "Threading" (called on the main thread Nuke hangs);
    Nvizible/NukeExternalControl #10 (since Nuke 10 an error).
    """
    if threading.get_ident() == app.main_thread:
        raise RuntimeError("executeInMainThread on the main thread: Nuke would hang")
    arguments = args if isinstance(args, tuple) else (args,)
    with app.posted_lock:
        app.posted.append((call, arguments, dict(kwargs or {})))
        app.posted_lock.notify()


def executeInMainThreadWithResult(call: Any, args: Any = (), kwargs: Any = None) -> Any:
    """Source: Nuke Python Developer's Guide, "Threading": it waits, without a time-out."""
    raise NotImplementedError("it waits without a time-out")


class ProgressTask:
    """A progress bar.

    Source: Nuke Python Developer's Guide, "Progress bars": it goes away with the object; setting
    progress lets the interface breathe.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._progress = 0
        app.progress.append(self)

    def setMessage(self, text: str) -> None:
        self._message = str(text)

    def setProgress(self, percent: int) -> None:
        if not isinstance(percent, int):
            raise TypeError("setProgress takes an int")
        self._progress = percent

    def isCancelled(self) -> bool:
        wanted = app.cancel_progress_at
        return wanted is not None and self._progress >= wanted
