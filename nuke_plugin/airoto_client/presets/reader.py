"""One TOML file to one preset; everything that is wrong is told by file and key path."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping
from typing import Any, Callable

from airoto.errors import BadRequestError, Violation
from airoto.presets.keys import KEYS, SECTIONS, Value
from airoto.presets.model import NODE_KINDS, Menu, Preset
from airoto.presets.names import ALLOWED_TASK, ALLOWED_WORD, Scope, is_task, is_word
from airoto.presets.policy import Rule, is_pattern

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# Version of the files' form. Older ones are read, newer ones refused.
FORMAT = 1
FILE_BYTES = 1024 * 1024

_HEAD = ("format", "show", "sequence", "task", "version", "note", "inherits", "lock")
_POLICY = ("engines", "licences", "commercial_only", "plates")
_MENU = ("nodes", "label", "tooltip")
_TABLES = tuple(sorted({name.partition(".")[0] for name in KEYS} | {"policy", "menu"}))


class PresetError(BadRequestError):
    """A preset's file is wrong; `violations` name every wrong key, `path` is the file."""


def parse(text: str, file: str) -> Preset:
    """The preset in a TOML text.

    Args:
        file: where it lies, for messages and for whoever asks where a value comes from.

    Raises:
        PresetError: it is no TOML, of a newer format, or has unknown or wrong keys.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise PresetError(f"{file}: this is no TOML: {exc}", path=file) from exc
    return _Reading(data, file).preset()


class _Reading:
    """One file; collects everything that is wrong before it gives up."""

    def __init__(self, data: Mapping[str, Any], file: str) -> None:
        self._data = data
        self._file = file
        self._faults: list[Violation] = []

    def preset(self) -> Preset:
        data = self._data
        form = data.get("format")
        if type(form) is not int or form != FORMAT:
            newer = isinstance(form, int) and form > FORMAT
            allowed = f"{FORMAT}; upgrade AIRoto to read a newer one" if newer else f"{FORMAT}"
            self._fault("format", form, allowed)
            self._refuse()
        self._known(data, "", (*_HEAD, *_TABLES))
        scope = self._scope()
        values: dict[str, Value] = {}
        for name in _TABLES:
            if name in data and name not in ("policy", "menu"):
                self._values(data[name], name, values)
        rule, plates = self._policy(scope)
        made = Preset(
            scope=scope,
            version=self._version(),
            values=values,
            locks=self._locks(),
            rule=rule,
            plates=plates,
            menu=self._menu(scope),
            inherits=self._word("inherits", is_task, ALLOWED_TASK),
            note=self._text(data, "note"),
            file=self._file,
        )
        if made.inherits and not scope.task:
            self._fault("inherits", made.inherits, "only in a preset with a task")
        self._widths(values)
        self._refuse()
        return made

    # ---- parts --------------------------------------------------------------------------

    def _scope(self) -> Scope:
        show = self._word("show", is_word, ALLOWED_WORD)
        sequence = self._word("sequence", is_word, ALLOWED_WORD)
        if sequence and not show:
            self._fault("sequence", sequence, "only beside a show")
        return Scope(show, sequence, self._word("task", is_task, ALLOWED_TASK))

    def _version(self) -> int:
        found = self._data.get("version")
        if type(found) is not int or not 1 <= found < 2**31:
            self._fault("version", found, "a whole number from 1, counted up with every change")
            return 0
        return found

    def _values(self, table: object, place: str, values: dict[str, Value]) -> None:
        if not isinstance(table, Mapping):
            self._fault(place, table, "a table")
            return
        for name, found in table.items():
            path = f"{place}.{name}"
            if path in KEYS:
                allowed = KEYS[path].wrong(found)
                if allowed:
                    self._fault(path, found, allowed)
                else:
                    values[path] = KEYS[path].written(found)
            elif path in SECTIONS:
                self._values(found, path, values)
            else:
                self._unknown(path, [key for key in KEYS if key.startswith(f"{place}.")])

    def _locks(self) -> tuple[str, ...]:
        found = self._words(self._data, "lock", "lock")
        made: list[str] = []
        for i, name in enumerate(found):
            matching = [key for key in KEYS if key == name or key.startswith(f"{name}.")]
            if not matching:
                self._unknown(f"lock[{i}]", list(KEYS), found=name)
            made += matching
        return tuple(dict.fromkeys(made))

    def _policy(self, scope: Scope) -> tuple[Rule | None, tuple[str, ...]]:
        table = self._table("policy", _POLICY)
        if table is None:
            return None, ()
        engines = self._words(table, "engines", "policy.engines")
        for i, one in enumerate(engines):
            if not is_pattern(one):
                self._fault(
                    f"policy.engines[{i}]", one, "a name in lower case, * standing for anything"
                )
        licences = self._words(table, "licences", "policy.licences")
        plates = self._words(table, "plates", "policy.plates")
        for i, one in enumerate(plates):
            if not one.startswith("/") and one[1:2] != ":":
                self._fault(f"policy.plates[{i}]", one, "an absolute folder")
        only = table.get("commercial_only", False)
        if not isinstance(only, bool):
            self._fault("policy.commercial_only", only, "true or false")
        rule = Rule(str(scope), engines, licences, bool(only))
        return (rule if engines or licences or only else None), plates

    def _menu(self, scope: Scope) -> Menu | None:
        table = self._table("menu", _MENU)
        if table is None:
            return Menu() if scope.task else None
        nodes = self._words(table, "nodes", "menu.nodes") if "nodes" in table else ("AIRoto",)
        for i, one in enumerate(nodes):
            if one not in NODE_KINDS:
                self._fault(f"menu.nodes[{i}]", one, ", ".join(NODE_KINDS))
        return Menu(
            nodes, self._text(table, "label", "menu."), self._text(table, "tooltip", "menu.")
        )

    def _widths(self, values: Mapping[str, Value]) -> None:
        narrow, wide = (values.get(f"matte.trimap.{one}", 0.0) for one in ("narrow", "wide"))
        if 0 < float(wide) < float(narrow):
            self._fault("matte.trimap.wide", wide, f"not below narrow ({narrow:g})")

    # ---- what is found -------------------------------------------------------------------

    def _word(self, name: str, fits: Callable[[str], bool], allowed: str) -> str:
        found = self._data.get(name, "")
        if found == "" and name not in self._data:
            return ""
        if not isinstance(found, str) or not fits(found):
            self._fault(name, found, allowed)
            return ""
        return found

    def _text(self, table: Mapping[str, Any], name: str, place: str = "") -> str:
        found = table.get(name, "")
        if (
            not isinstance(found, str)
            or len(found) > 1024
            or not found.replace("\n", "").isprintable()
        ):
            self._fault(f"{place}{name}", found, "text of at most 1024 characters")
            return ""
        return found

    def _words(self, table: Mapping[str, Any], name: str, place: str) -> tuple[str, ...]:
        if name not in table:
            return ()
        found = table[name]
        whole = isinstance(found, list) and found and all(isinstance(x, str) and x for x in found)
        if not whole:
            self._fault(place, found, "a list of one or more texts")
            return ()
        return tuple(found)

    def _table(self, name: str, keys: tuple[str, ...]) -> Mapping[str, Any] | None:
        found = self._data.get(name)
        if name not in self._data:
            return None
        if not isinstance(found, Mapping):
            self._fault(name, found, "a table")
            return None
        self._known(found, f"{name}.", keys)
        return found

    def _known(self, table: Mapping[str, Any], place: str, keys: tuple[str, ...]) -> None:
        for name in table:
            if name not in keys:
                self._unknown(f"{place}{name}", [f"{place}{key}" for key in keys])

    def _unknown(self, path: str, known: list[str], *, found: str = "") -> None:
        near = difflib.get_close_matches(found or path, known, n=1, cutoff=0.75)
        allowed = f"{near[0]}, if that is meant" if near else ", ".join(known)
        self._faults.append(Violation(path, repr(found) if found else "an unknown key", allowed))

    def _fault(self, path: str, found: object, allowed: str) -> None:
        self._faults.append(Violation(path, "nothing" if found is None else repr(found), allowed))

    def _refuse(self) -> None:
        if not self._faults:
            return
        count = len(self._faults)
        first = f"{self._file}: " if count == 1 else f"{self._file}: {count} keys are wrong, first "
        raise PresetError(
            f"{first}{self._faults[0]}",
            violations=tuple(self._faults),
            path=self._file,
        )
