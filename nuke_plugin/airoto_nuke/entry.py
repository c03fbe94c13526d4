"""Where Nuke calls us: buttons, changed knobs, new nodes. Errors end here, in words.

Nothing here talks to the server; what does, runs on a worker thread (`work`).
"""

from __future__ import annotations

import time
import traceback
from typing import Any, Callable

from airoto.errors import AIRotoError
from airoto_client.node import recipe_form, remote, state_ops
from airoto_client.node.preset_values import KEY_OF
from airoto_nuke import buttons, detecting, host, nodes, panel, presets, renewal, sync, work
from airoto_nuke.knobs import HANDLES, NodeKind

Node = Any
# Other knobs that the result depends on, or that change what is shown.
_OTHERS = frozenset(
    [
        "state",
        "inputChange",
        "cache_folder",
        "view_name",
        "always_render",
        "view",
        "size",
        "relative_paths",
        "show_object",
        "guide",
    ]
)
_busy: set[str] = set()


def press(node: Node, name: str) -> None:
    """A button was pressed."""
    action, later = buttons.ACTIONS[name]
    if later:
        host.defer(lambda: _guarded(action, node))
    else:
        _guarded(action, node)


def created(node: Node) -> None:
    """A node was made, loaded or pasted."""
    _guarded(_welcome, node)


def knob_changed(node: Node, knob: Any) -> None:
    """A knob of a node was changed, by the artist, a script, or an undo."""
    name = "" if knob is None else str(knob.name())
    if nodes.id_of(node) in _busy or nodes.kind_of(node) is None:
        return
    _busy.add(nodes.id_of(node))
    try:
        _guarded(lambda one: _changed(one, name), node)
    finally:
        _busy.discard(nodes.id_of(node))


def frame_changed() -> None:
    """Something in the interface changed: handles follow the frame, and once in a while the plate
    is looked at, so that a change upstream shows."""
    node = host.this_node()
    kind = nodes.kind_of(node)
    if kind is None:
        return
    if (
        kind in (NodeKind.ROTO, NodeKind.DETECT)
        and nodes.value(node, "handles_frame") != host.frame()
    ):
        _guarded(sync.follow_frame, node)
    _watch.look(node)


class _Watch:
    """Looks at nodes' plates now and then, so that it costs a twentieth of the time at most."""

    def __init__(self) -> None:
        self._next: dict[str, float] = {}

    def look(self, node: Node) -> None:
        """Bring a node in step with its plate, if it is time."""
        began, key = time.monotonic(), nodes.id_of(node)
        if began < self._next.get(key, 0.0):
            return
        _guarded(sync.refresh, node)
        ended = time.monotonic()
        self._next[key] = ended + max(1.0, 20 * (ended - began))


_watch = _Watch()


def _welcome(node: Node) -> None:
    with host.no_undo():
        renewal.renew(node)
    sync.refresh(node)


def _changed(node: Node, name: str) -> None:
    frame = host.frame()
    locked = presets.keep_lock(node, name)
    if locked:
        host.tell(locked)
    if name in KEY_OF:
        presets.show(node)
    if name == "layer_name":
        sync.show_layers(node)
    if nodes.kind_of(node) is NodeKind.DETECT:
        if name in ("state", "server", "link", "detect_engine") or name[:3] == "box":
            detecting.changed(node, name)
    elif name.startswith("point") and name[5:].isdigit():
        _dragged(node, int(name[5:]) - 1)
    elif name == "object":
        chosen = panel.chosen_object(node)
        if chosen:
            new = state_ops.select_object(nodes.state_of(node), chosen)
            sync.edit(node, "choose object", new)
    elif name in ("object_name", "object_colour", "object_group"):
        if nodes.kind_of(node) is NodeKind.ROTO and nodes.state_of(node).current:
            _named(node, name)
        else:
            sync.refresh(node)
    elif name == "candidate":
        text = str(node["candidate"].value())
        wanted = int(text) if text.isdigit() else 0
        new = state_ops.choose_candidate(nodes.state_of(node), frame, wanted)
        sync.edit(node, "choose candidate", new)
        if nodes.value(node, "show_candidate"):
            work.show_candidate(node, frame)
    elif name in recipe_form.SETTINGS or name in _OTHERS:
        sync.refresh(node)
        if name == "state" and nodes.value(node, "show_candidate"):
            work.show_candidate(node, frame)


def _dragged(node: Node, index: int) -> None:
    """A handle was moved: the point that it stands for moves too."""
    state, frame = nodes.state_of(node), host.frame()
    shown = (nodes.value(node, "handles_frame"), nodes.value(node, "handles_object"))
    source = node.input(0)
    if shown != (frame, state.current) or source is None or not state.current:
        sync.refresh(node)
        return
    prompt = state.object(state.current).prompt(frame)
    if prompt is None or not index < min(HANDLES, len(prompt.points)):
        return
    x, y = host.canvas(source).to_recipe(*node[f"point{index + 1}"].value())
    point = prompt.points[index]
    if abs(point.x - x) > 1e-6 or abs(point.y - y) > 1e-6:
        sync.edit(node, "move point", state_ops.move_point(state, frame, index, x, y))


def _named(node: Node, name: str) -> None:
    state, text = nodes.state_of(node), str(node[name].value()).strip()
    change = {
        "object_name": state_ops.rename_object,
        "object_colour": state_ops.recolour_object,
        "object_group": state_ops.group_object,
    }[name]
    try:
        sync.edit(node, name.replace("_", " "), change(state, state.current, text))
    finally:
        sync.refresh(node)  # a refused name goes back to what it was


def _guarded(call: Callable[[Node], None], node: Node) -> None:
    """Tell the artist what went wrong; in terminal mode the script has to know."""
    try:
        call(node)
    except AIRotoError as exc:
        if not host.is_gui():
            raise RuntimeError(f"{node.name()}: {remote.error_text(exc)}") from exc
        host.tell(remote.error_text(exc))
    except Exception:
        if not host.is_gui():
            raise
        host.log(traceback.format_exc())
        host.tell("A fault of AIRoto; the terminal shows where. Nothing was lost.")
