"""A node beside its preset, in words: what differs, where values come from, what is new.

Standard library only, no host.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Callable

from airoto.errors import AIRotoError
from airoto.presets.keys import KEYS, Value
from airoto.presets.model import BUILT_IN
from airoto.presets.names import Scope, parse_name
from airoto_client.node import preset_known, preset_values
from airoto_client.node.preset_values import KEY_OF, KNOBS, Taken

# What a node says for a preset's key; None where it has no such knob, or nothing allowed in it.
Look = Callable[[str], "Value | None"]


def compared(kept: Taken, value_of: Look) -> tuple[list[str], list[str]]:
    """What differs from the preset, and where each value comes from."""
    changed, sources = [], []
    for key, knob in KNOBS.items():
        found = value_of(key)
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


def news(kept: Taken) -> str:
    """How the preset differs now from what the node took."""
    if not kept.name:
        return "-"
    try:
        now = preset_known.resolved(kept.name)
    except AIRotoError as exc:
        return exc.message
    if now.hash == kept.pin.get("hash"):
        return "as it was taken"
    said = now.said
    keys = [key for key in KEYS if key in said or key in kept.values]
    changes = [
        f"{key} {_shown(kept.wanted(key))} -> {_shown(now.values[key].value)}"
        for key in keys
        if now.values[key].value != kept.wanted(key)
    ]
    return f"version {now.version} now: {'; '.join(changes) or 'other locks or rules'}"


def from_pin(pin: Mapping[str, Any]) -> Taken:
    """What a recipe's pin stands for: with values and locks where the index still has them."""
    kept = Taken(dict(pin))
    if not kept.name:
        return kept
    try:
        found = preset_known.resolved(kept.name)
    except AIRotoError:
        return kept
    if found.hash != pin.get("hash"):
        return kept
    return replace(preset_values.taken(found), pin=kept.pin)


def broken_lock(kept: Taken, knob: str, value_of: Look) -> tuple[str, str] | None:
    """The key of a knob that differs from what its preset locked, and who locked it."""
    key = KEY_OF.get(knob, "")
    owner = kept.locks.get(key)
    if owner is None or value_of(key) in (None, kept.wanted(key)):
        return None
    return key, owner


def tokens(name: str) -> dict[str, str]:
    """Values of the tokens that a preset's name gives; empty where it has no such part."""
    try:
        scope = parse_name(name) if name else Scope()
    except AIRotoError:
        scope = Scope()
    return {"show": scope.show, "sequence": scope.sequence, "task": scope.task}


def _shown(value: Value) -> str:
    return json.dumps(value, ensure_ascii=False).strip('"')
