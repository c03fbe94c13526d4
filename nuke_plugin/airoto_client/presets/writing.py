"""A new preset as TOML, with what could be said beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping

from airoto.presets.keys import KEYS, Value
from airoto.presets.names import Scope
from airoto_client.presets.reader import FORMAT


def template(scope: Scope, said: Mapping[str, Value], inherited: Mapping[str, Value]) -> str:
    """The text of a new preset's file.

    Args:
        said: values that it sets.
        inherited: values that hold without it; they stand beside as comments.
    """
    lines = [f"# {scope}: see docs/presets.md. Keys behind a # are what holds without this file."]
    lines.append(f"format = {FORMAT}")
    for name in ("show", "sequence", "task"):
        if getattr(scope, name):
            lines.append(f"{name} = {toml(getattr(scope, name))}")
    lines += [
        "version = 1 # count up with every approved change",
        '# note = "for whom, and why"',
        '# inherits = "another task"' if scope.task else "",
        '# lock = ["matte.engine"] # keys that nothing nearer to the node may set',
        "",
    ]
    for section in dict.fromkeys(name.rpartition(".")[0] for name in KEYS):
        lines.append(f"[{section}]")
        for key in KEYS:
            place, _, name = key.rpartition(".")
            if place == section and key in said:
                lines.append(f"{name} = {toml(said[key])}")
            elif place == section:
                lines.append(f"# {name} = {toml(inherited[key])}")
        lines.append("")
    lines += [
        "# [policy] # rules are only ever added to those of show and studio",
        '# engines = ["sam2.1-*", "cutie-base", "classic"]',
        '# licences = ["Apache-2.0", "MIT"]',
        "# commercial_only = true",
        "",
        "# [menu]",
        '# nodes = ["AIRoto", "AIMatte"]',
        "",
    ]
    return "\n".join(lines)


def toml(value: Value) -> str:
    """A value as TOML has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
