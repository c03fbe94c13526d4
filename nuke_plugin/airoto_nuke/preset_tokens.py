"""What a node remembers of its preset, and what that is called in paths and layers."""

from __future__ import annotations

import re
from typing import Any

from airoto.errors import BadRequestError
from airoto.presets.keys import KEYS
from airoto_client.node import preset_report, preset_values
from airoto_client.node.preset_values import Taken

Node = Any
_UNSAFE = re.compile(r"[^A-Za-z0-9_]")


def taken_by(node: Node) -> Taken:
    """What a node took; nothing where it has no preset.

    Raises:
        BadRequestError: what it remembers is damaged.
    """
    knob = node.knob("preset")
    return Taken() if knob is None else preset_values.load(str(knob.value()))


def tokens(node: Node) -> dict[str, str]:
    """Values of the tokens that a preset's name gives; empty where it has no such part."""
    try:
        name = taken_by(node).name
    except BadRequestError:
        name = ""
    return preset_report.tokens(name)


def layer_of(node: Node, name: str) -> str:
    """The layer in which a node delivers an object."""
    knob = node.knob("layer_name")
    made = ("" if knob is None else str(knob.value()).strip()) or str(KEYS["layers.matte"].default)
    if KEYS["layers.matte"].wrong(made):
        made = str(KEYS["layers.matte"].default)
    for token, text in tokens(node).items():
        made = made.replace(f"{{{token}}}", _UNSAFE.sub("_", text))
    return made.replace("{object}", name)
