"""From presets to what holds: node > task > sequence > show > studio > built-in.

Each preset is a layer; layers are combined from far to near. A key that a farther layer locked
keeps its value, rules are only added, so the order in which neighbours are combined does not
matter (`combine` is associative) and nothing below ever loosens what is above.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce

from airoto.errors import BadRequestError
from airoto.presets.keys import KEYS
from airoto.presets.model import BUILT_IN, Preset, Resolved, Setting
from airoto.presets.names import Scope
from airoto.presets.policy import Rule

Presets = Mapping[Scope, Preset]


@dataclass(frozen=True)
class Layer:
    """Values, locks (key to who locked it) and rules of one preset, or of several combined."""

    values: Mapping[str, Setting] = field(default_factory=dict)
    locks: Mapping[str, str] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True)
class Overruled:
    """A preset sets a key that another one locked; its value does not count."""

    key: str
    preset: str
    locked_by: str


BUILT_IN_LAYER = Layer({name: Setting(key.default, BUILT_IN) for name, key in KEYS.items()})


def layer_of(preset: Preset) -> Layer:
    """One preset as a layer."""
    name = preset.name
    return Layer(
        {key: Setting(value, name) for key, value in preset.values.items()},
        dict.fromkeys(preset.locks, name),
        () if preset.rule is None else (preset.rule,),
    )


def combine(far: Layer, near: Layer) -> Layer:
    """Both layers as one; what `far` locked stays as it is there."""
    values = dict(far.values)
    values.update({key: one for key, one in near.values.items() if key not in far.locks})
    return Layer(values, {**near.locks, **far.locks}, far.rules + near.rules)


def chain(presets: Presets, scope: Scope) -> list[Preset]:
    """The presets that hold for a scope, the farthest first.

    Raises:
        BadRequestError: there is no such show or task, or tasks inherit in a ring.
    """
    found = [presets[one] for one in _places(scope) if one in presets]
    if scope.show and not any(one.show == scope.show for one in presets):
        shows = ", ".join(sorted({one.show for one in presets if one.show})) or "none"
        raise BadRequestError(f"no preset is for the show {scope.show!r}; there are: {shows}")
    if scope.task:
        _add_task(presets, scope, found, ())
    return found


def resolve(presets: Presets, scope: Scope) -> Resolved:
    """What holds for a scope.

    Raises:
        BadRequestError: as `chain`.
    """
    found = chain(presets, scope)
    made = reduce(combine, map(layer_of, found), BUILT_IN_LAYER)
    return Resolved(
        scope=scope,
        version=found[-1].version if found else 0,
        hash=_hash(made),
        values=made.values,
        locks=made.locks,
        rules=made.rules,
        presets=tuple(one.name for one in found),
    )


def overruled(found: Iterable[Preset]) -> list[Overruled]:
    """Values in a chain that do not count, because something farther locked them."""
    locks: dict[str, str] = {}
    wrong = []
    for preset in found:
        wrong += [Overruled(key, preset.name, locks[key]) for key in preset.values if key in locks]
        for key in preset.locks:
            locks.setdefault(key, preset.name)
    return wrong


def _places(scope: Scope) -> Sequence[Scope]:
    """Studio, show and sequence of a scope, each with no task."""
    places = [Scope()]
    if scope.show:
        places.append(Scope(scope.show))
    if scope.sequence:
        places.append(Scope(scope.show, scope.sequence))
    return places


def _add_task(presets: Presets, scope: Scope, found: list[Preset], ring: tuple[str, ...]) -> None:
    if scope.task in ring:
        raise BadRequestError(f"tasks inherit in a ring: {' <- '.join((*ring, scope.task))}")
    wanted = [Scope(one.show, one.sequence, scope.task) for one in _places(scope)]
    there = [presets[one] for one in wanted if one in presets]
    if not there:
        tasks = {
            one.task
            for one in presets
            if one.task and one.show in ("", scope.show) and one.sequence in ("", scope.sequence)
        }
        raise BadRequestError(
            f"there is no preset for the task {scope.task!r} in {Scope(scope.show, scope.sequence)}"
            f"; there are: {', '.join(sorted(tasks)) or 'none'}"
        )
    for preset in there:
        if preset.inherits:
            base = Scope(scope.show, scope.sequence, preset.inherits)
            _add_task(presets, base, found, (*ring, scope.task))
        if preset not in found:
            found.append(preset)


def _hash(layer: Layer) -> str:
    rules = [one.as_dict() for one in layer.rules]
    for one in rules:
        del one["preset"]
    said = {
        "values": {
            key: one.value
            for key, one in layer.values.items()
            if one.source != BUILT_IN or key in layer.locks
        },
        "locks": sorted(layer.locks),
        "policy": rules,
    }
    text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
