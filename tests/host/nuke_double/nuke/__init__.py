"""A strict in-memory `nuke`: only the calls that AIRoto makes, with their real names and arities.

An unknown name is an AttributeError, a wrong arity a TypeError. Signatures are compared with the
`types-nuke` stubs in `test_double_signatures.py`. It proves how our code uses the calls, not that
a real Nuke behaves alike: that is `install/verify_in_nuke.py`.
"""

# ruff: noqa: F401 - a module that is what it exports

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from nuke import _images, _script
from nuke import _nodes as _nodes_module
from nuke._app import app as _app
from nuke._callbacks import (
    addAfterRender,
    addBeforeFrameRender,
    addBeforeRender,
    addOnCreate,
    addOnScriptLoad,
    addUpdateUI,
    removeAfterRender,
    removeBeforeFrameRender,
    removeBeforeRender,
    removeOnCreate,
    removeOnScriptLoad,
    removeUpdateUI,
)
from nuke._execute import (
    CancelledError,
    ProgressTask,
    execute,
    executeInMainThread,
    executeInMainThreadWithResult,
    executing,
)
from nuke._formats import Format, FrameRange, Info
from nuke._knobs import (
    ALWAYS_SAVE,
    DISABLED,
    DO_NOT_WRITE,
    ENDLINE,
    INVISIBLE,
    KNOB_CHANGED_RECURSIVE,
    NO_ANIMATION,
    NO_UNDO,
    READ_ONLY,
    STARTLINE,
    AColor_Knob,
    Array_Knob,
    BBox_Knob,
    Boolean_Knob,
    Color_Knob,
    Double_Knob,
    Enumeration_Knob,
    EvalString_Knob,
    File_Knob,
    Int_Knob,
    Knob,
    Multiline_Eval_String_Knob,
    Pulldown_Knob,
    PyScript_Knob,
    PythonKnob,
    Script_Knob,
    String_Knob,
    Tab_Knob,
    Text_Knob,
    WH_Knob,
    XY_Knob,
)
from nuke._menus import Menu, MenuItem, Panel, ViewerWindow, activeViewer, menu
from nuke._nodes import (
    TO_SCRIPT,
    TO_VALUE,
    WRITE_ALL,
    WRITE_NON_DEFAULT_ONLY,
    WRITE_USER_KNOB_DEFS,
    Gizmo,
    Group,
    Node,
    Root,
)
from nuke._undo import Undo, redo, undo

NUKE_VERSION_MAJOR = 17
NUKE_VERSION_MINOR = 0
NUKE_VERSION_STRING = "17.0v1"
EXPRESSIONS = 1
INPUTS = 2
HIDDEN_INPUTS = 4
GUI = True
rawArgs: list[str] = ["Nuke17.0"]
env: dict[str, Any] = {"gui": True, "NukeVersionMajor": 17, "ExecutablePath": "/opt/Nuke17.0"}


class Layer:
    """A named set of channels; made, it is known to the session."""

    def __init__(self, name: str, channels: list[str]) -> None:
        if name in _app.layers and list(_app.layers[name]) != list(channels):
            raise ValueError(f"layer {name} exists with other channels")
        _app.layers[name] = list(channels)
        self._name = name

    def name(self) -> str:
        return self._name

    def channels(self) -> list[str]:
        return list(_app.layers[self._name])


class _Constructor:
    def __init__(self, class_name: str) -> None:
        self._class = class_name

    def __call__(self, **knobs: Any) -> Node:
        _app.on_main(f"nuke.nodes.{self._class}")
        inputs = knobs.pop("inputs", [])
        node = _nodes_module.make(self._class, thisGroup())
        for index, source in enumerate(inputs):
            node._wire(index, source)
        for name, value in knobs.items():
            node[name]._value = node[name]._checked(value)
            if name == "name":
                node._rename(value)
        _nodes_module.created(node)
        return node


class _Nodes:
    def __getattr__(self, class_name: str) -> _Constructor:
        if class_name not in _nodes_module._CLASSES:
            raise AttributeError(class_name)
        return _Constructor(class_name)


nodes = _Nodes()


def createNode(typ: str, knobs: str = "", inpanel: bool = True) -> Node:
    """Make a node after the selected one, select it alone."""
    _app.on_main("createNode")
    chosen = selectedNodes()
    node = _nodes_module.make(typ, thisGroup())
    if knobs:
        _script.read_knobs(node, knobs)
    if chosen and node.maxInputs():
        node._wire(0, chosen[0])
    for one in chosen:
        one.setSelected(False)
    node.setSelected(True)
    _nodes_module.created(node)
    return node


def delete(n: Node) -> None:
    """Delete a node; what it fed is left without that input."""
    _app.on_main("delete")
    group, place = n._parent, n._parent._nodes.index(n)
    users = [(one, i) for one in group._nodes for i, s in enumerate(one._inputs) if s is n]

    def away() -> None:
        group._nodes.remove(n)
        n._alive = False
        for user, index in users:
            user._wire(index, None)

    def back() -> None:
        group._nodes.insert(place, n)
        n._alive = True
        for user, index in users:
            user._wire(index, n)

    away()
    _app.remember(back, away)


def allNodes(filter: str = "", group: Any = None, recurseGroups: bool = False) -> list[Node]:
    """Nodes of the current group; into Groups only if asked to."""
    found: list[Node] = []
    for one in (group or thisGroup())._nodes:
        if not filter or one.Class() == filter:
            found.append(one)
        if recurseGroups and hasattr(one, "_nodes"):
            found.extend(allNodes(filter, one, True))
    return found


def selectedNodes(filter: str = "") -> list[Node]:
    """The selected nodes of the current group."""
    return [n for n in thisGroup()._nodes if n.isSelected() and filter in ("", n.Class())]


def selectedNode() -> Node:
    """The selected node."""
    chosen = selectedNodes()
    if not chosen:
        raise ValueError("no node selected")
    return chosen[0]


def root() -> Root:
    """The script."""
    return _app.root


def thisRoot() -> Root:
    """The script."""
    return _app.root


def thisNode() -> Node:
    """The node whose callback runs, else the group that is open."""
    return _app.context[-1][0] if _app.context else thisGroup()


def thisKnob() -> Any:
    """The knob whose callback runs, or None."""
    return _app.context[-1][1] if _app.context else None


def thisGroup() -> Group:
    """Where new nodes go."""
    return _app.groups[-1] if _app.groups else _app.root


def toNode(s: str) -> Any:
    """A node by its full name, or None."""
    if s == "root":
        return _app.root
    return thisGroup().node(s) or _app.root.node(s)


def frame(f: int | None = None) -> int:
    """The current frame; with an argument, go there."""
    if f is not None:
        _app.on_main("frame")
        _app.frame = int(f)
        if _app.gui:  # Source: Nuke Python Developer's Guide: updateUI runs on any change
            for node in allNodes(group=_app.root, recurseGroups=True):
                with _app.callback(node):
                    _nodes_module.run_callbacks("updateUI", node.Class())
    return _app.frame


def views() -> list[str]:
    """Names of the script's views."""
    return _app.root["views"].value().split()


def layers(node: Node | None = None) -> list[str]:
    """Layers of the session, or of a node's channels."""
    if node is None:
        return ["rgb", "rgba", "alpha", *_app.layers]
    return sorted({name.partition(".")[0] for name in node.channels()})


def channels(node: Node | None = None) -> list[str]:
    """Channels of a node."""
    return node.channels() if node is not None else []


def sample(node: Node, channel: str, x: float, y: float, dx: float = 0, dy: float = 0) -> float:
    """One pixel of a node on the current frame."""
    plane = _images.render(node, _app.frame).plane(
        channel, (int(x), int(y), int(x) + 1, int(y) + 1)
    )
    return float(plane[0, 0])


def message(prompt: str) -> None:
    """A message box."""
    _app.needs_gui()
    _app.on_main("message")
    _app.said.append(prompt)


def ask(prompt: str) -> bool:
    """A yes-or-no box."""
    _app.needs_gui()
    _app.said.append(prompt)
    return bool(_app.answers.pop(0))


def getInput(prompt: str, default: str = "") -> Any:
    """A box for one line; None where it is cancelled."""
    _app.needs_gui()
    _app.said.append(prompt)
    return _app.answers.pop(0)


def tprint(*args: Any, sep: str = " ", end: str = "\n", file: Any = None) -> None:
    """Print to the terminal."""
    _app.said.append(sep.join(str(one) for one in args))


def modified(state: bool | None = None) -> bool:
    """Whether the script has changed; with an argument, say so."""
    if state is not None:
        _app.modified = bool(state)
    return _app.modified


def scriptName() -> str:
    """Path of the script.

    Raises:
        RuntimeError: it was never saved.
    """
    name = _app.root["name"].value()
    if not name:
        raise RuntimeError("Script has no name")
    return name


def scriptSave(filename: str | None = None) -> bool:
    """Write the script under its name."""
    _app.on_main("scriptSave")
    name = filename or scriptName()
    Path(name).write_text(_script.script_text())
    _app.modified = False
    return True


def scriptSaveAs(filename: str | None = None, overwrite: int = -1) -> None:
    """Write the script."""
    _app.on_main("scriptSaveAs")
    place = Path(filename or "")
    if place.exists() and overwrite != 1:
        raise RuntimeError(f"{place} exists")
    _app.root["name"]._value = str(place)
    place.write_text(_script.script_text())
    _app.modified = False


def scriptClear(*args: Any, **kwargs: Any) -> None:
    """An empty script; objects of its nodes are attached to nothing any more."""
    for node in allNodes(group=_app.root, recurseGroups=True):
        node._alive = False
    _app.root, _app.viewer = Root(), None
    _app.undo_done.clear()
    _app.undo_undone.clear()


def scriptOpen(filename: str) -> None:
    """Read a script in place of this one."""
    _app.on_main("scriptOpen")
    text = Path(filename).read_text()
    scriptClear()
    _app.root["name"]._value = str(filename)
    with _app.no_undo():
        _script.read_text(text, _app.root)
    _nodes_module.run_callbacks("onScriptLoad", "Root")
    _app.modified = False


def scriptReadText(s: str) -> None:
    """Execute a script's text here; the new nodes are selected."""
    _app.on_main("scriptReadText")
    _paste(s)


def nodePaste(s: str) -> Any:
    """Paste a file of nodes; returns the last."""
    _app.on_main("nodePaste")
    made = _paste(Path(s).read_text())
    return made[-1] if made else None


def nodeCopy(s: str) -> None:
    """Write the selected nodes into a file."""
    Path(s).write_text(_script.nodes_text(selectedNodes()))


def _paste(text: str) -> list[Node]:
    before = selectedNodes()
    made = _script.read_text(text, thisGroup())
    for one in before:
        one.setSelected(False)
    for one in made:
        one.setSelected(True)
    return made


def knobDefault(classknob: str, value: str | None = None) -> Any:
    """A default for a class's knob."""
    if value is None:
        return _app.defaults.get(classknob)
    _app.defaults[classknob] = value
    return None


def pluginAddPath(args: Any, addToSysPath: bool = True) -> None:
    """A folder with plug-ins; it goes to the import path too."""
    folder = str(args)
    _app.plugin_paths.insert(0, folder)
    if addToSysPath and folder not in sys.path:
        sys.path.insert(0, folder)


def pluginPath() -> list[str]:
    """Folders with plug-ins."""
    return list(_app.plugin_paths)


def dependencies(nodes: Any, what: int = INPUTS | HIDDEN_INPUTS | EXPRESSIONS) -> list[Node]:
    """What these nodes need."""
    found: list[Node] = []
    for node in nodes if isinstance(nodes, (list, tuple)) else [nodes]:
        found.extend(one for one in node.dependencies(what) if one not in found)
    return found
