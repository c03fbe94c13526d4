"""The double's session: what one running Nuke is, and the rules it enforces.

Each rule names its public source. Nothing here is Foundry code; it is what their documentation
and public threads say of the calls that AIRoto uses.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

BUSY = "I'm already executing something else"
NOT_IN_TERMINAL = "Invalid function call in non-gui mode"


class App:
    """One session.

    Attributes:
        gui: False as with `nuke -t` and `-x`.
        said: what message boxes and `tprint` were given.
        answers: what dialogues answer, in order.
        errors: exceptions of callbacks, which Nuke prints and goes on.
    """

    def __init__(self, gui: bool = True) -> None:
        self.gui = gui
        self.frame = 1
        self.root: Any = None
        self.groups: list[Any] = []
        self.context: list[tuple[Any, Any]] = []
        self.said: list[str] = []
        self.answers: list[Any] = []
        self.errors: list[BaseException] = []
        self.executing = 0
        self.in_callback = 0
        self.main_thread = threading.get_ident()
        self.posted: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = []
        self.posted_lock = threading.Condition()
        self.progress: list[Any] = []
        self.cancel_progress_at: int | None = None
        self.undo_disabled = 0
        self.undo_open: list[tuple[str, list[tuple[Callable[[], None], Callable[[], None]]]]] = []
        self.undo_done: list[tuple[str, list[tuple[Callable[[], None], Callable[[], None]]]]] = []
        self.undo_undone: list[tuple[str, list[tuple[Callable[[], None], Callable[[], None]]]]] = []
        self.callbacks: dict[str, list[tuple[Any, tuple[Any, ...], dict[str, Any], str]]] = {}
        self.menus: dict[str, Any] = {}
        self.layers: dict[str, list[str]] = {}
        self.formats: list[Any] = []
        self.defaults: dict[str, str] = {}
        self.presets: dict[tuple[str, str], dict[str, Any]] = {}
        self.plugin_paths: list[str] = []
        self.viewer: Any = None
        self.written: list[str] = []
        self.modified = False
        self.names_written = 0

    # Source: Nuke Python Developer's Guide, "Threading": nodes are touched on the main thread
    # only; from others one goes through executeInMainThread.
    def on_main(self, what: str) -> None:
        """Refuse a call from another thread."""
        if threading.get_ident() != self.main_thread:
            raise RuntimeError(f"{what} called from a thread that is not the main thread")

    # Source: dcc-mcp-nuke branches on nuke.GUI for this error.
    def needs_gui(self) -> None:
        """Refuse a call that needs windows."""
        if not self.gui:
            raise RuntimeError(NOT_IN_TERMINAL)

    @contextlib.contextmanager
    def callback(self, node: Any, knob: Any = None) -> Iterator[None]:
        """While a callback or a button's script runs: `thisNode` is set, executing is locked."""
        self.context.append((node, knob))
        self.in_callback += 1
        try:
            yield
        finally:
            self.in_callback -= 1
            self.context.pop()

    def remember(self, undo: Callable[[], None], redo: Callable[[], None]) -> None:
        """One undoable step, into the open undo group or one of its own."""
        self.modified = True
        if self.undo_disabled:
            return
        self.undo_undone.clear()
        if self.undo_open:
            self.undo_open[-1][1].append((undo, redo))
        else:
            self.undo_done.append(("", [(undo, redo)]))

    @contextlib.contextmanager
    def no_undo(self) -> Iterator[None]:
        """Steps of Nuke's own that are not undoable."""
        self.undo_disabled += 1
        try:
            yield
        finally:
            self.undo_disabled -= 1


app = App()


@functools.lru_cache(maxsize=1000)
def compiled(script: str, name: str) -> Any:
    """A script of a knob, compiled once."""
    return compile(script, name, "exec")


def script_names() -> dict[str, Any]:
    """What knob scripts see: Nuke runs them in `__main__`, where it has imported `nuke`."""
    return {"nuke": sys.modules["nuke"]}
