"""A preset's keys and the knobs that show them; what a node remembers of its preset.

Standard library only, no Nuke. A node keeps what was resolved when its preset was taken: the pin,
every value with where it came from, the locks. So it needs no index on a farm or next month.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

from airoto.errors import BadRequestError
from airoto.presets.keys import KEYS, Value
from airoto.presets.model import Resolved

KNOBS: dict[str, str] = {
    "plate.colour.space": "colour_space",
    "plate.colour.config": "ocio_config",
    "plate.colour.exposure": "exposure",
    "detect.engine": "detect_engine",
    "detect.box_threshold": "box_threshold",
    "detect.text_threshold": "text_threshold",
    "segment.engine": "segment_engine",
    "track.engine": "track_engine",
    "track.memory_mode": "memory_mode",
    "track.direction": "direction",
    "matte.engine": "matte_engine",
    "matte.trimap.mode": "trimap_mode",
    "matte.trimap.narrow": "trimap_narrow",
    "matte.trimap.wide": "trimap_wide",
    "matte.grow": "grow",
    "matte.feather": "feather",
    "matte.remove_holes": "remove_holes",
    "matte.remove_dots": "remove_dots",
    "processing.working_size": "working_size",
    "processing.seed": "seed",
    "output.compression": "compression",
    "output.trimap": "trimap_layer",
    "output.foreground": "foreground_layer",
    "output.confidence": "confidence_layer",
    "paths.cache_folder": "cache_folder",
    "paths.relative": "relative_paths",
    "layers.matte": "layer_name",
    "node.on_missing": "on_missing",
    "node.always_render": "always_render",
    "node.server": "server",
}
KEY_OF = {knob: key for key, knob in KNOBS.items()}
_COMPRESSIONS = {"zips": "ZIPS", "rle": "RLE", "dwaa": "DWAA", "piz": "PIZ", "none": "none"}
# Where an empty knob or 0 means the default.
_EMPTY_IS_DEFAULT = frozenset(
    {
        "detect.box_threshold", "detect.text_threshold", "detect.engine", "segment.engine",
        "track.engine", "matte.engine", "paths.cache_folder", "layers.matte",
    }
)  # fmt: skip
# Characters that mean nothing to Tcl.
_PLAIN = "-_.~:,+*/@!#"


@dataclass(frozen=True)
class Taken:
    """What a node took from its preset.

    Attributes:
        pin: the recipe's `preset`.
        values: key to value and the preset that it came from.
        locks: key to the preset that locked it.
    """

    pin: Mapping[str, Any] = field(default_factory=dict)
    values: Mapping[str, tuple[Value, str]] = field(default_factory=dict)
    locks: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Of the preset; empty for none."""
        return str(self.pin.get("name", ""))

    def wanted(self, key: str) -> Value:
        """What the preset said for a key; else what is built in."""
        found = self.values.get(key)
        return KEYS[key].default if found is None else found[0]


def taken(found: Resolved) -> Taken:
    """What a node takes from a resolved preset."""
    values = {key: (found.values[key].value, found.values[key].source) for key in found.said}
    return Taken(found.pin(), values, dict(found.locks))


def checked_pin(kept: Taken, value_of: Callable[[str], Value | None]) -> dict[str, Any]:
    """The `preset` of a node's recipe; empty for none.

    Args:
        value_of: what the node says for a key; None where it says nothing.

    Raises:
        BadRequestError: the node differs from what its preset locked.
    """
    for key, owner in kept.locks.items():
        found = value_of(key)
        if found is not None and found != kept.wanted(key):
            raise BadRequestError(
                f"{KNOBS[key]} is {found!r}, and {owner} locked it to {kept.wanted(key)!r}",
                hint="reset the node to its show",
            )
    return dict(kept.pin)


def dump(kept: Taken) -> str:
    """As the text of a knob: JSON in which whatever Tcl could read is %-quoted."""
    values = {key: list(one) for key, one in kept.values.items()}
    data = {"pin": dict(kept.pin), "values": values, "locks": dict(kept.locks)}
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return quote(text, safe=_PLAIN)


def load(text: str) -> Taken:
    """What `dump` wrote; an empty text is no preset.

    Raises:
        BadRequestError: it is damaged.
    """
    if not text.strip():
        return Taken()
    try:
        data = json.loads(unquote(text))
        values = {key: (one[0], str(one[1])) for key, one in data["values"].items() if key in KEYS}
        locks = {str(key): str(one) for key, one in data["locks"].items() if key in KEYS}
        return Taken(dict(data["pin"]), values, locks)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as exc:
        raise BadRequestError(
            f"the node's preset is damaged: {exc}", hint="choose one anew"
        ) from exc


def to_knob(key: str, value: Value) -> Any:
    """A value as its knob has it."""
    return _COMPRESSIONS[str(value)] if key == "output.compression" else value


def from_knob(key: str, value: Any) -> Value:
    """A knob's value as a preset would say it."""
    spec = KEYS[key]
    if not value and key in _EMPTY_IS_DEFAULT:
        return spec.default
    if isinstance(spec.default, bool):
        return bool(value)
    return spec.written(value)
