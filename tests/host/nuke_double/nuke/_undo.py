"""Undo groups."""

from __future__ import annotations

from typing import Any

from nuke._app import app


class Undo:
    """Source: Nuke Python API, `nuke.Undo`: `begin(name)` and `end`, `disable`, or `with`."""

    def __init__(self, name: str = "") -> None:
        self._name = name

    @staticmethod
    def begin(name: str = "") -> None:
        app.undo_open.append((name, []))

    @staticmethod
    def end() -> None:
        name, steps = app.undo_open.pop()
        if app.undo_open:
            app.undo_open[-1][1].extend(steps)
        elif steps:
            app.undo_done.append((name, steps))

    @staticmethod
    def cancel() -> None:
        _, steps = app.undo_open.pop()
        with app.no_undo():
            for back, _ in reversed(steps):
                back()

    @staticmethod
    def disable() -> None:
        app.undo_disabled += 1

    @staticmethod
    def enable() -> None:
        app.undo_disabled -= 1

    @staticmethod
    def disabled() -> bool:
        return app.undo_disabled > 0

    @staticmethod
    def undoSize() -> int:
        return len(app.undo_done)

    def __enter__(self) -> Undo:
        self.begin(self._name)
        return self

    def __exit__(self, type: Any, value: Any, traceback: Any) -> None:
        self.end()


def undo() -> None:
    """Take the last group back."""
    _step(app.undo_done, app.undo_undone, 0)


def redo() -> None:
    """Do again what was taken back."""
    _step(app.undo_undone, app.undo_done, 1)


def _step(source: list[Any], target: list[Any], which: int) -> None:
    if not source:
        return
    group = source.pop()
    with app.no_undo():
        for step in group[1] if which else reversed(group[1]):
            step[which]()
    target.append(group)
