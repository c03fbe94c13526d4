"""The panel of AIDetect, written from its state and from what the server said of itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airoto_client.node import links
from airoto_client.node.state import State
from airoto_nuke import host, nodes, panel
from airoto_nuke.knobs import BOXES

Node = Any
NOT_ASKED = "the server was not asked yet: press Check on the Info tab"
_NOTHING = "(nothing)"


def refresh(node: Node) -> None:
    """Whether the server can detect, or why not; what was found, as a list and as boxes."""
    target, kind = str(nodes.value(node, "server")).strip(), str(nodes.value(node, "link"))
    info = links.known(target, kind)
    why = NOT_ASKED if info is None else why_not(info, str(nodes.value(node, "detect_engine")))
    state = nodes.state_of(node)
    with host.no_undo():
        _put_enabled(node, "detect", not why)
        _put_enabled(node, "make_objects", bool(state.objects))
        panel.put(node, "status", panel.plain(why) or "ready")
        found = [f"{one.name}, frame {one.prompts[0].frame}" for one in state.objects]
        panel.put_menu(node, "found", found or [_NOTHING])
        follow_frame(node, state)


def follow_frame(node: Node, state: State) -> None:
    """The boxes that were found on the current frame."""
    source, frame = node.input(0), host.frame()
    canvas = None if source is None else host.canvas(source)
    panel.put(node, "handles_frame", frame)
    for index in range(BOXES):
        knob = node[f"box{index + 1}"]
        one = state.objects[index] if index < len(state.objects) else None
        prompt = None if one is None else one.prompt(frame)
        shown = prompt is not None and prompt.box is not None and canvas is not None
        knob.setVisible(shown)
        if one is not None and knob.label() != one.name:
            knob.setLabel(one.name)
        if canvas is not None and prompt is not None and prompt.box is not None:
            wanted = canvas.box_to_nuke(prompt.box)
            if tuple(knob.value()) != wanted:
                knob.setValue(list(wanted))


def why_not(info: Mapping[str, Any], engine: str) -> str:
    """Why a server cannot detect, from what it said of itself; empty if it can.

    Args:
        engine: `auto`, or the name of a detector.
    """
    known = [one for one in info.get("engines", ()) if one.get("role") == "ENGINE_ROLE_DETECTOR"]
    if engine not in ("", "auto"):
        known = [one for one in known if one.get("name") == engine]
        if not known:
            return f"the server has no detector {engine!r}"
    elif any(one.get("available") and one.get("is_default") for one in known):
        return ""
    else:
        # Engines that auto never means are for tests.
        known = [one for one in known if not one.get("available")]
    if any(one.get("available") for one in known):
        return ""
    reasons = [f"{one.get('name', '?')}: {one.get('reason', 'not here')}" for one in known]
    return "; ".join(reasons) or "the server has no detector"


def _put_enabled(node: Node, name: str, enabled: bool) -> None:
    if node[name].enabled() != enabled:
        node[name].setEnabled(enabled)
