"""What this server's own presets allow, whatever a recipe says of itself."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from airoto.errors import BadRequestError, RecipeError, Violation
from airoto.presets.index import Index, read_index
from airoto.presets.names import Scope, parse_name
from airoto.presets.policy import Rule
from airoto.presets.resolve import resolve
from airoto.wire import messages as pb
from airoto_server.sessions.allowed import rules_of

_log = logging.getLogger(__name__)


class Policies:
    """The rules for a recipe: those it carries, and those of the server's index of presets.

    Of the index hold: the studio's for every recipe, those of the preset that the recipe names,
    and those of each show in whose folders (`policy.plates`) the plate really lies. The index is
    read again when its file changes; while that cannot be read, what was read last holds.

    Args:
        index: as `airoto preset compile` writes it; None: recipes carry all rules.
        required: whether a recipe has to name a preset of the index.

    Raises:
        BadRequestError: the index cannot be read, or one is needed and none is named.
    """

    def __init__(self, index: Path | None = None, *, required: bool = False) -> None:
        if required and index is None:
            raise BadRequestError(
                "recipes can only be held to presets with an index of presets",
                hint="name it with --presets, or AIROTO_PRESET_INDEX",
            )
        self._path = index
        self._required = required
        self._stamp = 0
        self._index = Index()
        if index is not None:
            self._index = read_index(str(index))
            self._stamp = index.stat().st_mtime_ns

    def rules(self, recipe: pb.Recipe) -> tuple[Rule, ...]:
        """All of them have to allow an engine.

        Raises:
            RecipeError: it names no preset that this server knows, and has to.
        """
        own = rules_of(recipe)
        if self._path is None:
            return own
        self._follow(self._path)
        held = [Scope(), *self._shows_of(recipe.plate.path)]
        named = self._named(recipe)
        if named is not None:
            held.append(named)
        found = [*own]
        for scope in held:
            found += [rule for rule in self._rules(scope) if rule not in found]
        return tuple(found)

    def _rules(self, scope: Scope) -> tuple[Rule, ...]:
        try:
            return resolve(self._index.presets, scope).rules
        except BadRequestError:  # its task is gone; its show still holds
            return resolve(self._index.presets, Scope(scope.show, scope.sequence)).rules

    def _named(self, recipe: pb.Recipe) -> Scope | None:
        shows = {one.show for one in self._index.presets}
        scope = parse_name(recipe.preset.name) if recipe.HasField("preset") else None
        if scope is not None and (scope.show in shows or not scope.show):
            return scope
        if self._required:
            known = ", ".join(sorted(show or "studio" for show in shows)) or "none"
            found = f"{recipe.preset.name!r}" if scope else "nothing"
            wrong = Violation("preset.name", found, f"a preset of this server's: {known}")
            raise RecipeError(f"this server wants a preset: {wrong}", violations=(wrong,))
        return None

    def _shows_of(self, plate: str) -> list[Scope]:
        """Scopes without a task whose folders hold the plate, after `..` and links."""
        real = Path(os.path.realpath(plate))
        return [
            one.scope
            for one in self._index.presets.values()
            if any(real.is_relative_to(os.path.realpath(folder)) for folder in one.plates)
        ]

    def _follow(self, path: Path) -> None:
        try:
            stamp = path.stat().st_mtime_ns
            if stamp != self._stamp:
                self._index, self._stamp = read_index(str(path)), stamp
                _log.info("presets read again from %s", path)
        except (OSError, BadRequestError) as exc:
            _log.warning("the last presets hold: %s cannot be read: %s", path, exc)
