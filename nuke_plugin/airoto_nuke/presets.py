"""A node and its preset: taken, shown on the Show tab, kept to, reset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airoto.errors import BadRequestError
from airoto.presets.keys import Value
from airoto.presets.model import Resolved
from airoto_client.node import preset_known, preset_report, preset_values
from airoto_client.node.preset_values import KNOBS, Taken
from airoto_nuke import host, panel
from airoto_nuke.preset_tokens import taken_by

Node = Any
_NO_PRESET = "no preset"


def begin(node: Node, name: str) -> None:
    """A new node takes a preset; empty takes none.

    Raises:
        BadRequestError: there is no such preset.
    """
    if name:
        with host.no_undo():
            _put(node, preset_known.resolved(name))


def take(node: Node, name: str) -> None:
    """Take a preset as it is now, as one step to undo. As `begin`."""
    found = preset_known.resolved(name)
    with host.undo_group("AIRoto: preset"):
        _put(node, found)


def pin_of(node: Node) -> dict[str, Any]:
    """The `preset` of the node's recipe; empty for none.

    Raises:
        BadRequestError: a knob differs from what its preset locked.
    """
    return preset_values.checked_pin(taken_by(node), lambda key: _value(node, key))


def reset_to_show(node: Node) -> None:
    """Everything that the preset says, as it is now."""
    take(node, _named(node).name)


def reset_to_pinned(node: Node) -> None:
    """Everything that the preset said when it was taken."""
    kept = _named(node)
    with host.undo_group("AIRoto: reset to pinned"):
        for key, (value, _) in kept.values.items():
            _set(node, key, value)
    show(node)


def from_recipe(node: Node, pin: Mapping[str, Any]) -> None:
    """The pin of a recipe that a node was filled from: with values and locks where the index
    still has them, else the pin alone."""
    kept = preset_report.from_pin(pin)
    panel.put(node, "preset", preset_values.dump(kept) if pin else "")


def keep_lock(node: Node, knob: str) -> str:
    """Put a locked knob back; why, in words, or empty where nothing was locked."""
    kept = taken_by(node)
    broken = preset_report.broken_lock(kept, knob, lambda key: _value(node, key))
    if broken is None:
        return ""
    key, owner = broken
    _set(node, key, kept.wanted(key))
    return f"{knob} is locked by the preset {owner}"


def show(node: Node) -> None:
    """The Show tab and which knobs can be changed; nothing is decided here."""
    if node.knob("preset") is None:
        return
    try:
        kept = taken_by(node)
    except BadRequestError as exc:
        panel.put(node, "preset_name", exc.message)
        return
    name = _NO_PRESET
    if not kept.name and node["preset_name"].value() == name:
        return
    if kept.name:
        name = f"{kept.name}, version {kept.pin.get('version', 0)}"
    panel.put(node, "preset_name", name)
    changed, sources = (
        preset_report.compared(kept, lambda key: _value(node, key)) if kept.name else ([], [])
    )
    panel.put(node, "preset_changed", panel.plain("; ".join(changed)) or "nothing")
    panel.put(node, "preset_sources", "; ".join(sources) or "nothing")
    panel.put(node, "preset_news", panel.plain(preset_report.news(kept)))
    for key, knob in KNOBS.items():
        there = node.knob(knob)
        if there is None:
            continue
        owner = kept.locks.get(key)
        mark = "Locked by the preset "
        if owner is not None and there.enabled():
            there.setEnabled(False)
            there.setTooltip(f"{mark}{owner}. {there.tooltip()}")
        elif owner is None and there.tooltip().startswith(mark):
            there.setEnabled(True)
            there.setTooltip(there.tooltip().partition(". ")[2])


# ---- parts ----------------------------------------------------------------------------------


def _put(node: Node, found: Resolved) -> None:
    kept = preset_values.taken(found)
    # Before the values, so that a lock of the preset before does not put them back.
    node["preset"].setValue(preset_values.dump(kept))
    for key, (value, _) in kept.values.items():
        _set(node, key, value)
    show(node)


def _set(node: Node, key: str, value: Value) -> None:
    if key in KNOBS:
        panel.put(node, KNOBS[key], preset_values.to_knob(key, value))


def _value(node: Node, key: str) -> Value | None:
    """What a node says for a key; None where it has no such knob, or nothing allowed in it."""
    knob = node.knob(KNOBS.get(key, ""))
    return None if knob is None else preset_values.from_knob(key, knob.value())


def _named(node: Node) -> Taken:
    kept = taken_by(node)
    if not kept.name:
        raise BadRequestError("the node has no preset", hint="choose one from the AIRoto menu")
    return kept
