"""A node and its preset: taken, shown on the Show tab, kept to, reset."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from airoto.errors import AIRotoError, BadRequestError
from airoto.presets.index import Index, read_index
from airoto.presets.keys import KEYS, Value
from airoto.presets.model import BUILT_IN, Resolved
from airoto.presets.names import parse_name
from airoto.presets.places import SHOW_VARIABLE, in_context
from airoto_client.node import preset_values
from airoto_client.node.preset_values import KEY_OF, KNOBS, Taken
from airoto_nuke import host, panel, preset_menu
from airoto_nuke.preset_tokens import taken_by

Node = Any
_NO_PRESET = "no preset"
_index: dict[tuple[str, int], Index] = {}


def index() -> Index | None:
    """The compiled presets; None where there is no index. Read again only when it changed.

    Raises:
        BadRequestError: it cannot be read.
    """
    path = preset_menu.place()
    try:
        stamp = os.stat(path).st_mtime_ns  # noqa: PTH116 - paths are text here
    except OSError:
        return None
    if (path, stamp) not in _index:
        found = read_index(path)
        _index.clear()
        _index[path, stamp] = found
    return _index[path, stamp]


def usual() -> str:
    """The preset of a node that names none: of the session's show, else the studio's; or empty.

    Raises:
        BadRequestError: the session's show or sequence is none that a preset can have.
    """
    found = index()
    if found is None:
        return ""
    scope = parse_name(in_context("studio", os.environ))
    if scope.show and not any(one.show == scope.show for one in found.presets):
        host.log(f"AIRoto: no preset is for {scope.show}, which {SHOW_VARIABLE} names")
        scope = parse_name("studio")
    return str(scope) if scope.show or scope in found.presets else ""


def begin(node: Node, name: str) -> None:
    """A new node takes a preset; empty takes none.

    Raises:
        BadRequestError: there is no such preset.
    """
    if name:
        with host.no_undo():
            _put(node, resolved(name))


def take(node: Node, name: str) -> None:
    """Take a preset as it is now, as one step to undo. As `begin`."""
    found = resolved(name)
    with host.undo_group("AIRoto: preset"):
        _put(node, found)


def resolved(name: str) -> Resolved:
    """A preset as the index has it now.

    Raises:
        BadRequestError: there is no index, or no such preset.
    """
    found = index()
    if found is None:
        raise BadRequestError(
            f"there are no presets: {preset_menu.place()} is not there",
            hint="make it with: airoto preset compile",
        )
    return found.resolve(name)


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
    kept = Taken(dict(pin)) if pin else Taken()
    try:
        found = resolved(str(pin.get("name", ""))) if pin else None
    except AIRotoError:
        found = None
    if found is not None and found.hash == pin.get("hash"):
        kept = Taken(dict(pin), preset_values.taken(found).values, dict(found.locks))
    panel.put(node, "preset", preset_values.dump(kept) if pin else "")


def keep_lock(node: Node, knob: str) -> str:
    """Put a locked knob back; why, in words, or empty where nothing was locked."""
    key = KEY_OF.get(knob, "")
    kept = taken_by(node)
    owner = kept.locks.get(key)
    if owner is None or _value(node, key) in (None, kept.wanted(key)):
        return ""
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
    changed, sources = _compared(node, kept) if kept.name else ([], [])
    panel.put(node, "preset_changed", "; ".join(changed) or "nothing")
    panel.put(node, "preset_sources", "; ".join(sources) or "nothing")
    panel.put(node, "preset_news", _news(kept))
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


def _compared(node: Node, kept: Taken) -> tuple[list[str], list[str]]:
    """What differs from the preset, and where each value comes from."""
    changed, sources = [], []
    for key, knob in KNOBS.items():
        found = _value(node, key)
        if found is None:
            continue
        value, source = kept.values.get(key, (KEYS[key].default, BUILT_IN))
        if found != value:
            if key in kept.values:
                changed.append(f"{knob} {_shown(value)} -> {_shown(found)}")
            sources.append(f"{knob}: node")
        elif source != BUILT_IN:
            lock = " (locked)" if key in kept.locks else ""
            sources.append(f"{knob}: {source}{lock}")
    return changed, sources


def _news(kept: Taken) -> str:
    """How the preset differs now from what the node took."""
    if not kept.name:
        return "-"
    try:
        now = resolved(kept.name)
    except AIRotoError as exc:
        return _plain(exc.message)
    if now.hash == kept.pin.get("hash"):
        return "as it was taken"
    said = now.said
    keys = [key for key in KEYS if key in said or key in kept.values]
    news = [
        f"{key} {_shown(kept.wanted(key))} -> {_shown(now.values[key].value)}"
        for key in keys
        if now.values[key].value != kept.wanted(key)
    ]
    return f"version {now.version} now: {'; '.join(news) or 'other locks or rules'}"


def _shown(value: Value) -> str:
    return _plain(json.dumps(value, ensure_ascii=False).strip('"'))


def _plain(text: str) -> str:
    """Words that no text knob takes for Tcl."""
    return text.replace("[", "(").replace("]", ")")
