"""Which engines a recipe may use: what its preset allows."""

from __future__ import annotations

from collections.abc import Sequence

from airoto.errors import EngineUnavailableError
from airoto.presets.policy import Rule, allows, check
from airoto.wire import messages as pb
from airoto_server.engines.registry import EngineSpec, Role, find
from airoto_server.residency.residency import Residency

_FIELDS = {
    Role.DETECTOR: "detect.engine",
    Role.SEGMENTER: "segment.engine",
    Role.TRACKER: "track.engine",
    Role.MATTER: "matte.engine",
}


def engine_for(residency: Residency, role: Role, name: str, rules: Sequence[Rule]) -> EngineSpec:
    """The engine that a recipe's name means; `auto` is the best allowed one here.

    Raises:
        EngineForbiddenError: a rule forbids it, or everything that could run here.
        EngineUnavailableError: as `Residency.resolve`.
    """
    if name not in ("", "auto"):
        check(rules, *_facts(find(role, name)), field=_FIELDS[role])
        return residency.resolve(role, name)
    best = residency.resolve(role, name)
    try:
        return residency.resolve(role, name, allowed=lambda spec: allows(rules, *_facts(spec)))
    except EngineUnavailableError:
        check(rules, *_facts(best), field=_FIELDS[role])
        raise


def rules_of(recipe: pb.Recipe) -> tuple[Rule, ...]:
    """What a recipe's own pin allows."""
    return tuple(
        Rule(one.preset, tuple(one.engines), tuple(one.licences), one.commercial_only)
        for one in recipe.preset.policy
    )


def pin_in_words(pin: pb.PresetPin) -> str:
    """A pin for the header of a matte."""
    return f"{pin.name}, version {pin.version}, {pin.hash or 'no hash'}"


def _facts(spec: EngineSpec) -> tuple[str, str, bool]:
    return spec.facts.name, spec.facts.licence, spec.facts.commercial_use
