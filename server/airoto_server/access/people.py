"""Who uses the server, and how much of it each may use: a TOML file that a studio writes."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from airoto.errors import BadRequestError, Violation
from airoto_server.ops.sizes import parse_size

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_SIZES = ("storage", "memory", "cache")
_COUNTS = ("renders", "calls", "transfers")


@dataclass(frozen=True)
class Person:
    """Somebody whose calls the server takes.

    Attributes:
        name: as their token or certificate has it; empty for the server's own user.
        admin: sees everything, as the server's own user does: the status page's address, what
            others render.
        roots: folders that may be read and written; None: the server's.
        renders: that may run and wait; 0: as many as the server takes.
        calls: others at a time.
        transfers: uploads and downloads at a time.
        storage: bytes of uploads and results that wait in the server.
        memory: bytes that their renders' trackers may hold on a device.
        cache: bytes that this server keeps of their results; 0 bytes: none are kept.
    """

    name: str = ""
    admin: bool = False
    roots: tuple[Path, ...] | None = None
    renders: int = 0
    calls: int = 64
    transfers: int = 16
    storage: int | None = None
    memory: int | None = None
    cache: int | None = None


# Whoever reaches the server's own socket is its user.
OWNER = Person(admin=True, calls=256, transfers=48)


class People:
    """Everybody who may use the server.

    Args:
        known: by name; None: everybody who can prove a name.
        everyone: what holds for those who are not in a file.
    """

    def __init__(
        self, known: Mapping[str, Person] | None = None, everyone: Person = Person()
    ) -> None:
        self._known = known
        self._everyone = everyone

    def find(self, name: str) -> Person | None:
        """Somebody by the name that was proved; None where they may not come in."""
        if not _NAME.fullmatch(name):
            return None
        if self._known is None:
            return replace(self._everyone, name=name)
        return self._known.get(name)


def read_people(path: Path) -> People:
    """The people in a file; see docs/security.md for its form.

    Raises:
        BadRequestError: it cannot be read or a key is wrong; `violations` names all of them.
    """
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except OSError as exc:
        raise BadRequestError(f"{path} cannot be read: {exc.strerror}", path=str(path)) from exc
    except ValueError as exc:
        raise BadRequestError(f"{path} is no TOML: {exc}", path=str(path)) from exc
    return _Reading(path).people(data)


class _Reading:
    """One file; collects everything that is wrong before it gives up."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._faults: list[Violation] = []

    def people(self, data: Mapping[str, Any]) -> People:
        for name in data:
            if name not in ("everyone", "people"):
                self._wrong(name, "an unknown table", "everyone, people")
        everyone = self._person(data.get("everyone", {}), "everyone", Person())
        people = data.get("people", {})
        if not isinstance(people, dict) or not people:
            self._wrong("people", repr(people), "a table [people.NAME] for each")
            people = {}
        known = {}
        for name, table in people.items():
            if not _NAME.fullmatch(name):
                self._wrong(f"people.{name}", repr(name), "letters, digits, . _ @ -, at most 64")
            known[name] = self._person(table, f"people.{name}", replace(everyone, name=name))
        if self._faults:
            raise BadRequestError(
                f"{self._path}: {len(self._faults)} wrong, first {self._faults[0]}",
                violations=tuple(self._faults),
                path=str(self._path),
            )
        return People(known)

    def _person(self, table: object, place: str, base: Person) -> Person:
        if not isinstance(table, dict):
            self._wrong(place, repr(table), "a table")
            return base
        allowed = [one.name for one in fields(Person) if one.name != "name"]
        found: dict[str, Any] = {}
        for key, value in table.items():
            where = f"{place}.{key}"
            if key not in allowed:
                self._wrong(where, "an unknown key", ", ".join(allowed))
            elif key == "admin" and isinstance(value, bool):
                found[key] = value
            elif key == "roots" and _are_folders(value):
                found[key] = tuple(Path(one) for one in value)
            elif key in _COUNTS and type(value) is int and 1 <= value <= 1024:
                found[key] = value
            elif key in _SIZES and (size := _size(value)) is not None:
                found[key] = size
            else:
                self._wrong(where, repr(value), _ALLOWED.get(key, "a size such as 8G"))
        return replace(base, **found)

    def _wrong(self, place: str, found: str, allowed: str) -> None:
        self._faults.append(Violation(place, found, allowed))


_ALLOWED = {
    "admin": "true or false",
    "roots": "a list of one or more absolute folders",
    **dict.fromkeys(_COUNTS, "a whole number from 1 to 1024"),
}


def _are_folders(value: object) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(one, str) and one.startswith("/") for one in value)
    )


def _size(value: object) -> int | None:
    try:
        return parse_size(value) if isinstance(value, str) else None
    except BadRequestError:
        return None
