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


class Panel:
    """A form of fields by name.

    Source: Nuke Python Developer's Guide, "Custom panels": items of a pulldown are parted by
    spaces, `show` is false where it is cancelled. The session's next answer is what an artist
    changes (a dict), or None for Cancel.
    """

    def __init__(self, title: str) -> None:
        app.needs_gui()
        self._title = title
        self._values: dict[str, Any] = {}
        self._items: dict[str, list[str]] = {}

    def addSingleLineInput(self, name: str, value: str) -> bool:
        return self._add(name, str(value))

    def addEnumerationPulldown(self, name: str, values: str) -> bool:
        self._items[name] = values.split()
        return self._add(name, self._items[name][0])

    def show(self) -> int:
        app.on_main("Panel.show")
        app.said.append(self._title)
        answer = app.answers.pop(0)
        if answer is None:
            return 0
        for name, value in answer.items():
            if name not in self._values or value not in self._items.get(name, [value]):
                raise ValueError(f"the panel has no {name!r} or cannot be {value!r}")
            self._values[name] = value
        return 1

    def value(self, name: str) -> Any:
        return self._values[name]

    def _add(self, name: str, value: str) -> bool:
        if name in self._values:
            raise ValueError(f"two fields are called {name!r}")
        self._values[name] = value
        return True
