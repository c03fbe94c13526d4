"""The compiled index: every preset of a studio in one JSON file, for hosts and servers.

Hosts have no TOML reader, so `airoto preset compile` reads the files outside and writes this. It
is replaced as a whole. Its first line, which ends in a comma, holds what a host wants when it
starts (the menu), ready made, so that it need not read the rest.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airoto.errors import BadRequestError
from airoto.presets.model import Preset, Resolved
from airoto.presets.names import Scope, parse_name
from airoto.presets.resolve import resolve

FORMAT = 1


@dataclass(frozen=True)
class Index:
    """What was compiled.

    Attributes:
        problems: what could not be read, in words.
    """

    presets: Mapping[Scope, Preset] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    def resolve(self, name: str) -> Resolved:
        """What holds for a name (`SHOWX/sq010:hair hero`).

        Raises:
            BadRequestError: it is no name, or there is no such show or task.
        """
        return resolve(self.presets, parse_name(name))


def read_index(path: str) -> Index:
    """
    Raises:
        BadRequestError: it is not there, damaged, or a newer AIRoto wrote it.
    """
    return index_from(read_data(path), path)


def read_data(path: str) -> dict[str, Any]:
    """The index as plain data; as `read_index`."""
    try:
        data = json.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError) as exc:
        raise BadRequestError(
            f"the index of presets {path} cannot be read: {exc}",
            hint="make it with: airoto preset compile",
            path=path,
        ) from exc
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        found = data.get("format") if isinstance(data, dict) else type(data).__name__
        raise BadRequestError(
            f"the index of presets {path} has format {found!r}; allowed: {FORMAT}",
            hint="make it with this AIRoto: airoto preset compile",
            path=path,
        )
    return data


def index_from(data: Mapping[str, Any], path: str) -> Index:
    """An index of what `read_data` gave.

    Raises:
        BadRequestError: it is damaged.
    """
    try:
        presets = [Preset.from_dict(one) for one in data["presets"]]
        return Index({one.scope: one for one in presets}, tuple(data.get("problems", ())))
    except (KeyError, TypeError, ValueError, AttributeError, BadRequestError) as exc:
        raise BadRequestError(
            f"the index of presets {path} is damaged: {exc}",
            hint="make it anew with: airoto preset compile",
            path=path,
        ) from exc


def index_text(data: Mapping[str, Any]) -> str:
    """The index as its file has it: one JSON object over two lines."""
    first = {name: data[name] for name in ("format", "menu")}
    rest = {name: one for name, one in data.items() if name not in first}
    head, tail = (
        json.dumps(one, separators=(",", ":"), ensure_ascii=False) for one in (first, rest)
    )
    return f"{head[:-1]},\n{tail[1:]}"


def menu_of(presets: Iterable[Preset]) -> list[dict[str, str]]:
    """Entries of the host's menu, by show and task: `AIRoto hair hero (SHOWX)`."""
    entries = []
    for preset in sorted(presets, key=lambda one: one.name.lower()):
        if preset.menu is None:
            continue
        scope = preset.scope
        what = preset.menu.label or scope.task or scope.sequence or "defaults"
        where = scope.show or "studio"
        if scope.sequence and what != scope.sequence:
            where += f" {scope.sequence}"
        for node in preset.menu.nodes:
            entries.append(
                {
                    "group": scope.show or "studio",
                    "label": f"{node} {what} ({where})",
                    "node": node,
                    "preset": preset.name,
                    "tooltip": preset.menu.tooltip or preset.note,
                }
            )
    return entries
