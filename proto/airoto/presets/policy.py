"""What a studio, show, sequence or task allows: engines and licences.

Rules are only ever added: an engine has to be allowed by all of them, so that a task cannot allow
again what its show forbids.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from airoto.errors import EngineForbiddenError, Violation

# Computes nothing that could be licensed; AITrimap asks for it, since it wants the trimap alone.
_ALWAYS = "null"
_PATTERN = re.compile(r"[a-z0-9*][a-z0-9._*-]{0,63}")


@dataclass(frozen=True)
class Rule:
    """What one preset allows.

    Attributes:
        preset: who says so, for messages.
        engines: by name, `*` standing for anything; empty: all.
        licences: SPDX names, case does not matter; empty: all.
        commercial_only: only what may be used commercially.
    """

    preset: str
    engines: tuple[str, ...] = ()
    licences: tuple[str, ...] = ()
    commercial_only: bool = False

    def refusal(self, engine: str, licence: str, commercial_use: bool) -> tuple[str, str]:
        """What is wrong with an engine and what is allowed; two empty texts for nothing."""
        if engine == _ALWAYS:
            return "", ""
        if self.engines and not any(fnmatchcase(engine, one) for one in self.engines):
            return f"the engine {engine!r}", ", ".join(self.engines)
        if self.commercial_only and not commercial_use:
            return f"the licence {licence} of {engine!r}", "licences for commercial use"
        if self.licences and licence.lower() not in {one.lower() for one in self.licences}:
            return f"the licence {licence} of {engine!r}", ", ".join(self.licences)
        return "", ""

    def as_dict(self) -> dict[str, Any]:
        """The rule as the recipe and the index have it."""
        made: dict[str, Any] = {"preset": self.preset}
        if self.engines:
            made["engines"] = list(self.engines)
        if self.licences:
            made["licences"] = list(self.licences)
        if self.commercial_only:
            made["commercial_only"] = True
        return made

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Rule:
        """What `as_dict` gave."""
        return cls(
            preset=str(data.get("preset", "")),
            engines=tuple(data.get("engines", ())),
            licences=tuple(data.get("licences", ())),
            commercial_only=bool(data.get("commercial_only", False)),
        )


def is_pattern(text: str) -> bool:
    """Whether a rule may name engines so."""
    return bool(_PATTERN.fullmatch(text))


def allows(rules: Iterable[Rule], engine: str, licence: str, commercial_use: bool) -> bool:
    """Whether every rule allows an engine."""
    return not any(rule.refusal(engine, licence, commercial_use)[0] for rule in rules)


def check(
    rules: Iterable[Rule], engine: str, licence: str, commercial_use: bool, *, field: str = ""
) -> None:
    """Refuse an engine that a rule forbids.

    Args:
        field: the recipe's field that asks for it (`matte.engine`).

    Raises:
        EngineForbiddenError: with the preset's name, what it forbids and what it allows.
    """
    for rule in rules:
        found, allowed = rule.refusal(engine, licence, commercial_use)
        if found:
            raise EngineForbiddenError(
                f"the preset {rule.preset} forbids {found}; it allows: {allowed}",
                hint="choose an engine that it allows, or ask whoever keeps the preset",
                violations=(Violation(field, found, allowed),) if field else (),
            )
