"""Menus and the viewer."""

from __future__ import annotations

from typing import Any

from nuke._app import app, script_names


class MenuItem:
    """One entry."""

    def __init__(self, name: str, command: Any = "", icon: str = "") -> None:
        self._name, self._command, self._icon = name, command, icon

    def name(self) -> str:
        return self._name

    def invoke(self) -> None:
        if callable(self._command):
            self._command()
        else:
            exec(compile(self._command, f"<{self._name}>", "exec"), script_names())


class Menu(MenuItem):
    """Entries by name."""

    def __init__(self, name: str, icon: str = "") -> None:
        super().__init__(name, "", icon)
        self._items: dict[str, MenuItem] = {}

    def addMenu(self, name: str, icon: str = "", tooltip: str = "", index: int = -1) -> Menu:
        made = self._items.setdefault(name, Menu(name, icon))
        assert isinstance(made, Menu)
        return made

    def addCommand(
        self,
        name: str,
        command: Any = "",
        shortcut: str = "",
        icon: str = "",
        tooltip: str = "",
        index: int = -1,
        readonly: bool = False,
        node: bool = False,
        shortcutContext: int = 0,
    ) -> MenuItem:
        self._items[name] = MenuItem(name, command, icon)
        return self._items[name]

    def addSeparator(self) -> None:
        return None

    def items(self) -> list[MenuItem]:
        return list(self._items.values())

    def findItem(self, name: str) -> Any:
        first, _, rest = name.partition("/")
        found = self._items.get(first)
        return found.findItem(rest) if rest and isinstance(found, Menu) else found


def menu(name: str) -> Any:
    """One of Nuke's menus.

    Source: Nuke's own words in terminal mode, see `_app.NOT_IN_TERMINAL`.
    """
    app.needs_gui()
    if name not in ("Nodes", "Nuke", "Viewer", "Node Graph", "Properties", "Animation", "Pane"):
        return None
    return app.menus.setdefault(name, Menu(name))


class ViewerWindow:
    """The active viewer."""

    def __init__(self, node: Any) -> None:
        self._node = node

    def node(self) -> Any:
        return self._node

    def activeInput(self, secondary: bool = False) -> int:
        return 0

    def view(self) -> str:
        return "main"


def activeViewer() -> Any:
    """The active viewer, or None."""
    return app.viewer
