"""Nuke: the one module that imports `nuke`. Everything else asks here or is handed nodes.

What differs between windows and terminal mode (`nuke -t`, `-x`) is decided here: dialogues raise
there ("Invalid function call in non-gui mode"), and there is no event loop to defer to.
"""

# ruff: noqa: PTH100, PTH109, PTH120 - paths are text here, as knobs have them

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Callable, NamedTuple

import nuke

if TYPE_CHECKING:
    from airoto_nuke.geometry import Canvas

Node = Any


def is_gui() -> bool:
    """Whether there are windows."""
    return bool(nuke.GUI)


def frame() -> int:
    """The current frame."""
    return int(nuke.frame())


def go_to(number: int) -> None:
    """Make a frame the current one."""
    nuke.frame(int(number))


def tell(text: str) -> None:
    """Tell the artist: a box, or a line in terminal mode."""
    if is_gui():
        nuke.message(text)
    else:
        nuke.tprint(text)


def log(text: str) -> None:
    """A line in the terminal."""
    nuke.tprint(text)


def ask(question: str, default: str = "") -> str | None:
    """A line of text from the artist; None where they cancel, or nobody can be asked."""
    if not is_gui():
        return None
    answer = nuke.getInput(question, default)
    return None if answer is None else str(answer)


class Field(NamedTuple):
    """A field of a form: text, or one of some words without spaces, the first chosen."""

    name: str
    value: str | tuple[str, ...]


def ask_form(title: str, fields: Sequence[Field]) -> dict[str, str] | None:
    """Several things at once from the artist, by the fields' names; None where they cancel."""
    panel = nuke.Panel(title)
    for name, value in fields:
        if isinstance(value, tuple):
            panel.addEnumerationPulldown(name, " ".join(value))
        else:
            panel.addSingleLineInput(name, value)
    if not panel.show():
        return None
    return {name: str(panel.value(name)) for name, _ in fields}


def defer(call: Callable[[], None]) -> None:
    """Call something once the running callback is over.

    A button's script counts as an execution, and rendering inside it fails with "I'm already
    executing something else". In terminal mode nothing comes after the script, so it runs now.
    """
    if not is_gui():
        call()
        return
    import nukescripts.utils  # type: ignore[import-not-found]  # it has no stubs

    nukescripts.utils.executeDeferred(call)


def post(call: Callable[[], None]) -> None:
    """From a worker thread: let the main thread call something soon. Never waits."""
    nuke.executeInMainThread(call)


@contextlib.contextmanager
def undo_group(name: str) -> Iterator[None]:
    """One step for the artist to undo."""
    nuke.Undo.begin(name)
    try:
        yield
    finally:
        nuke.Undo.end()


@contextlib.contextmanager
def no_undo() -> Iterator[None]:
    """What follows is not the artist's doing: no undo step, no unsaved change."""
    modified = nuke.modified()
    nuke.Undo.disable()
    try:
        yield
    finally:
        nuke.Undo.enable()
        if not modified:
            nuke.modified(False)


# ---- the script ---------------------------------------------------------------------


def root() -> Node:
    """The script's root."""
    return nuke.root()


def script_path() -> str:
    """Path of the script, with forward slashes; empty if it was never saved."""
    name = str(nuke.root()["name"].value())
    return os.path.abspath(name).replace("\\", "/") if name else ""


def save_script() -> None:
    """Save the script under its name."""
    nuke.scriptSave()


def open_script(path: str) -> None:
    """Open a script in place of this one."""
    nuke.scriptOpen(path)


def node(full_name: str) -> Node:
    """A node by its full name; None where there is none."""
    return nuke.toNode(full_name)


def shipped_configs() -> str:
    """Folder of the OCIO configs that come with Nuke."""
    base = os.path.dirname(str(nuke.env["ExecutablePath"]))
    return f"{base}/plugins/OCIOConfigs/configs"


def views() -> tuple[str, ...]:
    """Names of the script's views."""
    return tuple(nuke.views())


def project_folder() -> str:
    """What relative paths count from: the project directory, else the current folder."""
    knob = nuke.root().knob("project_directory")
    text = str(knob.value()).strip() if knob is not None else ""
    if "[" in text:  # the usual expression for the script's own folder
        return os.path.dirname(script_path())
    return text or os.getcwd()


def all_nodes() -> list[Node]:
    """Every node of the script, inside Groups too."""
    return list(nuke.allNodes(group=nuke.root(), recurseGroups=True))


def selected() -> list[Node]:
    """The selected nodes of the open group."""
    return list(nuke.selectedNodes())


def read_text(text: str) -> None:
    """Execute a script's text in the open group."""
    nuke.scriptReadText(text)


def ensure_layer(name: str, channels: Sequence[str] = ()) -> None:
    """Make a layer known, if it is not; of an alpha channel where nothing else is said."""
    if name not in nuke.layers():
        nuke.Layer(name, list(channels) or [f"{name}.alpha"])


def create(class_name: str, group: Node, **knobs: Any) -> Node:
    """A node inside a Group, without a panel and without the selection's wiring."""
    with group:
        return getattr(nuke.nodes, class_name)(**knobs)


def is_there(node: Node) -> bool:
    """Whether a node still exists; it may have been deleted, or its script closed."""
    try:
        node.fullName()
    except ValueError:  # "A PythonObject is not attached to a node"
        return False
    return True


def delete(node: Node) -> None:
    """Delete a node."""
    nuke.delete(node)


def upstream(nodes: Sequence[Node], *, pictures: bool = False) -> list[Node]:
    """What nodes need directly: through inputs and expressions, or for pictures inputs alone."""
    mask = nuke.INPUTS | nuke.HIDDEN_INPUTS
    if not pictures:
        mask |= nuke.EXPRESSIONS
    found = nuke.dependencies(list(nodes), mask)  # type: ignore[no-untyped-call]  # untyped stub
    return list(found)


# ---- pixels -------------------------------------------------------------------------


def execute(node: Node, number: int, view: str) -> None:
    """Render one frame of a Write."""
    nuke.execute(node, number, number, 1, [view])


def command_line() -> list[str]:
    """How this Nuke was started, word by word."""
    return [str(one) for one in nuke.rawArgs]


def limits(write: Node) -> tuple[int, int]:
    """First and last frame of a Write where nobody names others: its own, or the script's."""
    limit = write.knob("use_limit")
    if limit is not None and bool(limit.value()):
        return int(write["first"].value()), int(write["last"].value())
    return int(nuke.root().firstFrame()), int(nuke.root().lastFrame())


def value_at(node: Node, name: str, number: int) -> Any:
    """A knob's value on a frame."""
    return node[name].getValueAt(number)


def is_executing() -> bool:
    """Whether something is rendered now."""
    return bool(nuke.executing())


@contextlib.contextmanager
def pictures_at(*, proxy: bool) -> Iterator[None]:
    """Full-size or proxy-size pictures for a while."""
    knob = nuke.root()["proxy"]
    before = bool(knob.value())
    if before is not proxy:
        with no_undo():
            knob.setValue(proxy)
    try:
        yield
    finally:
        if before is not proxy:
            with no_undo():
                knob.setValue(before)


def proxy_is_on() -> bool:
    """Whether the script shows proxies."""
    return bool(nuke.root()["proxy"].value())


def proxy_scale() -> float:
    """Size of the script's proxies relative to full size, whether they are shown or not."""
    root = nuke.root()
    if str(root["proxy_type"].value()) == "format":
        full: Any = root["format"].value()
        small: Any = root["proxy_format"].value()
        return float(small.width()) / float(full.width())
    return float(root["proxy_scale"].value())


def canvas(node: Node) -> Canvas:
    """A node's full-size format: `format()`, since `width()` and `height()` follow the proxy."""
    from airoto_nuke.geometry import Canvas

    found = node.format()
    return Canvas(int(found.width()), int(found.height()), float(found.pixelAspect()) or 1.0)


def frame_range(node: Node) -> tuple[int, int]:
    """First and last frame of a node."""
    found = node.frameRange()
    return int(found.first()), int(found.last())


def viewer_sample() -> Sequence[float] | None:
    """The viewer's `colour_sample_bbox`; None where there is no viewer."""
    viewer: Any = nuke.activeViewer()
    if viewer is None:
        return None
    return tuple(float(value) for value in viewer.node()["colour_sample_bbox"].value())


class Progress:
    """A progress bar with Cancel; lines in terminal mode.

    The bar goes away with the last reference to it, so `close` drops it.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._task = nuke.ProgressTask(title) if is_gui() else None

    def show(self, fraction: float, text: str) -> None:
        """How far it is, 0 to 1, and what is done now."""
        if self._task is None:
            log(f"{self._title}: {text}")
            return
        self._task.setMessage(text)
        self._task.setProgress(int(100 * max(0.0, min(1.0, fraction))))

    def is_cancelled(self) -> bool:
        """Whether Cancel was pressed."""
        return self._task is not None and bool(self._task.isCancelled())

    def close(self) -> None:
        """Take it away."""
        self._task = None


# ---- callbacks and menus --------------------------------------------------------------


def this_node() -> Node:
    """The node whose callback runs."""
    return nuke.thisNode()


def on_before_render(call: Callable[[], None]) -> None:
    """Before a Write renders; what it raises stops the render."""
    nuke.addBeforeRender(call)


def on_before_frame(call: Callable[[], None]) -> None:
    """Before each frame of a Write; what it raises stops the render."""
    nuke.addBeforeFrameRender(call)


def on_after_render(call: Callable[[], None]) -> None:
    """After a Write has rendered."""
    nuke.addAfterRender(call)


def on_update_ui(call: Callable[[], None]) -> None:
    """When a frame or anything else has changed, for every Group."""
    nuke.addUpdateUI(call, nodeClass="Group")


def nodes_menu() -> Node:
    """The Nodes toolbar."""
    return nuke.menu("Nodes")


def clipboard() -> Any:
    """Qt's clipboard; None where there is no Qt (terminal mode, or neither PySide)."""
    if not is_gui():
        return None
    for name in ("PySide6", "PySide2"):
        with contextlib.suppress(ImportError):
            widgets = __import__(f"{name}.QtWidgets", fromlist=["QApplication"])
            application = widgets.QApplication.instance()
            return None if application is None else application.clipboard()
    return None
