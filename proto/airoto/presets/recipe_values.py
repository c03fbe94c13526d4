"""A preset's values as fields of a recipe (its JSON form), and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airoto.presets.keys import KEYS, RECIPE_KEYS, Value, Word

_PREFIXES = {
    "track.memory_mode": "MEMORY_MODE_",
    "track.direction": "DIRECTION_",
    "matte.trimap.mode": "TRIMAP_MODE_",
    "output.compression": "COMPRESSION_",
}
# What a recipe without the field means, where a node's own default differs.
_ABSENT: dict[str, Value] = {
    "output.trimap": False,
    "output.confidence": False,
}


def put_values(recipe: dict[str, Any], values: Mapping[str, Value]) -> None:
    """Write values into a recipe, in place; keys that no recipe has are left out."""
    for key, value in values.items():
        if key not in RECIPE_KEYS:
            continue
        *folders, last = key.split(".")
        table = recipe
        for name in folders:
            table = table.setdefault(name, {})
        prefix = _PREFIXES.get(key)
        table[last] = value if prefix is None else prefix + str(value).upper()


def values_of(recipe: Mapping[str, Any]) -> dict[str, Value]:
    """The value of every key that a recipe has; what is absent counts as its default."""
    made: dict[str, Value] = {}
    for key in RECIPE_KEYS:
        found: Any = recipe
        for name in key.split("."):
            found = found.get(name) if isinstance(found, Mapping) else None
        made[key] = _value(key, found)
    return made


def _value(key: str, found: Any) -> Value:
    spec = KEYS[key]
    absent = _ABSENT.get(key, spec.default)
    if isinstance(spec, Word):
        word = str(found or "").replace(_PREFIXES[key], "").lower()
        return word if word in spec.words else absent
    if found in (None, "") or (not found and spec.default == "auto"):
        return absent
    kept: Value = spec.written(found)
    return kept
