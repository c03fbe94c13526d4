"""Presets as values: what one file says, and what all of them say together about one scope."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airoto.presets.keys import Value
from airoto.presets.names import Level, Scope, parse_name
from airoto.presets.policy import Rule

BUILT_IN = Level.BUILT_IN.value
NODE_KINDS = ("AIRoto", "AIMatte", "AITrimap", "AIDetect")


@dataclass(frozen=True)
class Menu:
    """Entries of a preset in the host's menu: one for each kind of node.

    Attributes:
        label: instead of `hair hero`.
    """

    nodes: tuple[str, ...] = ("AIRoto",)
    label: str = ""
    tooltip: str = ""


@dataclass(frozen=True)
class Preset:
    """What one file says.

    Attributes:
        version: counted up by its author with every approved change.
        inherits: another task that this task adds to, or empty.
        values: by key, as `keys.Key.written` keeps them.
        locks: keys that nothing nearer to the node may set.
        rule: what it allows, or None.
        plates: folders whose plates a server holds to this preset's rules.
        file: where it was read, for messages.
    """

    scope: Scope
    version: int
    values: Mapping[str, Value] = field(default_factory=dict)
    locks: tuple[str, ...] = ()
    rule: Rule | None = None
    plates: tuple[str, ...] = ()
    menu: Menu | None = None
    inherits: str = ""
    note: str = ""
    file: str = ""

    @property
    def name(self) -> str:
        """As `names.parse_name` reads it."""
        return str(self.scope)

    def as_dict(self) -> dict[str, Any]:
        """For the index; what is empty is left out."""
        made: dict[str, Any] = {"name": self.name, "version": self.version, "file": self.file}
        rule = {} if self.rule is None else self.rule.as_dict()
        rule.pop("preset", None)
        menu = None
        if self.menu is not None:
            menu = {"nodes": list(self.menu.nodes)}
            menu.update(
                {
                    name: getattr(self.menu, name)
                    for name in ("label", "tooltip")
                    if getattr(self.menu, name)
                }
            )
        for name, value in (
            ("values", dict(self.values)),
            ("locks", list(self.locks)),
            ("policy", rule),
            ("plates", list(self.plates)),
            ("menu", menu),
            ("inherits", self.inherits),
            ("note", self.note),
        ):
            if value:
                made[name] = value
        return made

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Preset:
        """What `as_dict` gave."""
        menu, policy, name = data.get("menu"), data.get("policy"), str(data["name"])
        return cls(
            scope=parse_name(name),
            version=int(data["version"]),
            values=dict(data.get("values", {})),
            locks=tuple(data.get("locks", ())),
            rule=Rule.from_dict({**policy, "preset": name}) if policy else None,
            plates=tuple(data.get("plates", ())),
            menu=None
            if menu is None
            else Menu(tuple(menu["nodes"]), menu.get("label", ""), menu.get("tooltip", "")),
            inherits=str(data.get("inherits", "")),
            note=str(data.get("note", "")),
            file=str(data.get("file", "")),
        )


@dataclass(frozen=True)
class Setting:
    """A value and the name of the preset that it comes from, or `built-in`."""

    value: Value
    source: str


@dataclass(frozen=True)
class Resolved:
    """What holds for one scope.

    Attributes:
        version: of the nearest preset.
        hash: `sha256:...` over values, locks and rules; files, names and notes do not count.
        values: of every key.
        locks: key to the name of the preset that locked it.
        rules: all of them have to allow an engine.
        presets: names of the presets that were looked at, the farthest first.
    """

    scope: Scope
    version: int
    hash: str
    values: Mapping[str, Setting]
    locks: Mapping[str, str]
    rules: tuple[Rule, ...]
    presets: tuple[str, ...]

    @property
    def said(self) -> dict[str, Value]:
        """The values that a preset sets or locks, by key."""
        return {
            key: one.value
            for key, one in self.values.items()
            if one.source != BUILT_IN or key in self.locks
        }

    def pin(self) -> dict[str, Any]:
        """The recipe's `preset`, in its JSON form."""
        made: dict[str, Any] = {
            "name": str(self.scope),
            "version": self.version,
            "hash": self.hash,
        }
        if self.rules:
            made["policy"] = [one.as_dict() for one in self.rules]
        return made

    def as_dict(self) -> dict[str, Any]:
        """What a node keeps, so that it needs no index: the pin, what is said, the locks."""
        return {
            "pin": self.pin(),
            "values": {key: [self.values[key].value, self.values[key].source] for key in self.said},
            "locks": dict(self.locks),
            "presets": list(self.presets),
        }
