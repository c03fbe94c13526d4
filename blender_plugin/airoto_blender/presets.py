"""A node and its preset: taken, told of, kept to, reset."""

from __future__ import annotations

from typing import Any

from airoto.errors import AIRotoError, BadRequestError
from airoto.presets.keys import Value
from airoto_client.node import preset_known, preset_report, preset_values
from airoto_client.node.preset_values import KNOBS, Taken

from . import host

Node = Any


def taken_by(node: Node) -> Taken:
    """What the node took; nothing where it has no preset.

    Raises:
        BadRequestError: what it remembers is damaged.
    """
    return preset_values.load(node.preset)


def put(node: Node, name: str) -> None:
    """Take a preset as it is now; empty takes the node's preset away and leaves its values.

    Raises:
        BadRequestError: there is no such preset.
    """
    if not name:
        node.preset = ""
        return
    kept = preset_values.taken(preset_known.resolved(name))
    node.preset = preset_values.dump(kept)
    _put_values(node, kept)


def put_pinned(node: Node) -> None:
    """Everything that the preset said when it was taken.

    Raises:
        BadRequestError: the node has no preset.
    """
    _put_values(node, named(node))


def named(node: Node) -> Taken:
    """What the node took.

    Raises:
        BadRequestError: it took none.
    """
    kept = taken_by(node)
    if not kept.name:
        raise BadRequestError("the node has no preset", hint="choose one under Preset")
    return kept


def keep_locks(node: Node) -> list[str]:
    """Put back what the preset locked; which, in words."""
    kept = taken_by(node)
    said = []
    for knob in KNOBS.values():
        broken = preset_report.broken_lock(kept, knob, lambda key: value_of(node, key))
        if broken is not None:
            key, owner = broken
            setattr(node, knob, preset_values.to_knob(key, kept.wanted(key)))
            said.append(f"{knob} is locked by the preset {owner}")
    return said


def locked(node: Node) -> dict[str, str]:
    """Properties of the node that its preset locked, and who did."""
    try:
        kept = taken_by(node)
    except AIRotoError:
        return {}
    return {KNOBS[key]: owner for key, owner in kept.locks.items() if key in KNOBS}


def pin_of(node: Node) -> dict[str, Any]:
    """The `preset` of the node's recipe; empty for none.

    Raises:
        BadRequestError: a property differs from what its preset locked.
    """
    return preset_values.checked_pin(taken_by(node), lambda key: value_of(node, key))


def told(node: Node) -> list[str]:
    """What the sidebar says of the node's preset, line by line; the index is looked at."""
    kept = taken_by(node)
    if not kept.name:
        return []
    changed, _sources = preset_report.compared(kept, lambda key: value_of(node, key))
    return [
        f"{kept.name}, version {kept.pin.get('version', 0)}",
        f"changed here: {'; '.join(changed) or 'nothing'}",
        f"the show now: {preset_report.news(kept)}",
    ]


def value_of(node: Node, key: str) -> Value | None:
    """What the node says for a preset's key; None where it has no such property."""
    found = getattr(node, KNOBS.get(key, ""), None)
    return None if found is None else preset_values.from_knob(key, host.plain_value(found))


def _put_values(node: Node, kept: Taken) -> None:
    for key, (value, _) in kept.values.items():
        if hasattr(node, KNOBS.get(key, "")):
            setattr(node, KNOBS[key], preset_values.to_knob(key, value))
