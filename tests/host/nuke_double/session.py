"""What a test does to the double: a new session, the event loop, an artist's hands."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import nuke
from nuke._app import App, app
from nuke._formats import Format
from nuke._menus import ViewerWindow
from nuke._nodes import Root


def reset(*, gui: bool = True) -> App:
    """A new session: empty script, nothing registered."""
    app.__init__(gui)  # type: ignore[misc]
    app.main_thread = threading.get_ident()
    nuke.GUI = gui
    nuke.rawArgs[:] = ["Nuke17.0"] if gui else ["Nuke17.0", "-t"]
    nuke.env["gui"] = gui
    app.root = Root()
    return app


def pump(until: Callable[[], bool] = lambda: True, timeout: float = 60.0) -> None:
    """Run what was posted to the main thread until a condition holds and nothing is left."""
    deadline = time.monotonic() + timeout
    while True:
        with app.posted_lock:
            waiting, app.posted[:] = list(app.posted), []
        for call, arguments, keywords in waiting:
            call(*arguments, **keywords)
        if not waiting:
            if until():
                return
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"nothing happened within {timeout:g} seconds; said: {app.said}"
                )
            with app.posted_lock:
                if not app.posted:
                    app.posted_lock.wait(0.02)


def press(node: Any, name: str) -> None:
    """Press a button of a node's panel and let what it deferred run."""
    node[name].execute()
    if app.gui:
        pump()


def drag(node: Any, name: str, x: float, y: float) -> None:
    """Drag a handle."""
    node[name].setValue([x, y])
    if app.gui:
        pump()


def sample(node: Any, x: float, y: float, r: float | None = None, t: float | None = None) -> None:
    """Ctrl-click a pixel (or Ctrl-Shift-drag an area) of a node in the viewer, in Nuke pixels."""
    if app.viewer is None:
        with app.no_undo():
            there = nuke.allNodes("Viewer")
            viewer = there[0] if there else nuke.nodes.Viewer(name="Viewer1")
        app.viewer = ViewerWindow(viewer)
    app.viewer.node()._wire(0, node)
    form = node.format()
    aspect = form.width() * form.pixelAspect() / form.height()
    r, t = (x if r is None else r), (y if t is None else t)

    def across(value: float) -> float:
        return (value / form.width() - 0.5) * 2

    def up(value: float) -> float:
        return (value / form.height() - 0.5) * 2 / aspect

    app.viewer.node()["colour_sample_bbox"]._value = (across(x), up(y), across(r), up(t))


def set_root_format(width: int, height: int, pixel_aspect: float = 1.0) -> None:
    """The script's format."""
    app.root._format = Format(width, height, 0, 0, width, height, pixel_aspect, "test")
