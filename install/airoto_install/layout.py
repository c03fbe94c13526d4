"""What lies where below a prefix, and the record of what was installed there.

    PREFIX/versions/ID/{venv,nuke_plugin,proto,install,...}   one complete installation each
    PREFIX/current -> versions/ID                              the one in use
    PREFIX/bin/airoto -> ../current/venv/bin/airoto
    PREFIX/airoto-install.json                                 the record

A version is complete when its `airoto-version.json` is there, which is written last. `current`
is switched by a rename, so at every moment it leads to a complete version.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from airoto.errors import BadRequestError, OutputError

RECORD = "airoto-install.json"
VERSION_RECORD = "airoto-version.json"
LOCK = ".airoto-lock"
# Says of a folder that is not complete whose it is.
UNFINISHED = ".airoto-unfinished"
SCHEMA = 1
_OURS = frozenset({"versions", "current", "bin", RECORD, LOCK})


@dataclass(frozen=True)
class Record:
    """What an installation remembers.

    Attributes:
        history: ids of versions in the order in which they came into use; the last is current.
        nuke: folders whose `init.py` has our block.
        made: folders that were made for it, outside the prefix and the prefix itself.
        service: whether a service was asked for.
        client_only: whether the server was left out.
    """

    history: tuple[str, ...] = ()
    nuke: tuple[str, ...] = ()
    made: tuple[str, ...] = ()
    service: bool = False
    client_only: bool = False

    def text(self) -> str:
        """As the file has it."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, indent=2) + "\n"


@dataclass(frozen=True)
class Version:
    """A complete version.

    Attributes:
        id: its folder's name.
        facts: what its record says: `version`, `python`, `client_only`, `device`.
    """

    id: str
    facts: dict[str, Any] = field(hash=False)


@dataclass(frozen=True)
class Prefix:
    """An installation's folder, which need not be there yet."""

    root: Path

    @property
    def versions(self) -> Path:
        """The folder of versions."""
        return self.root / "versions"

    @property
    def current(self) -> Path:
        """The link to the version in use."""
        return self.root / "current"

    @property
    def command(self) -> Path:
        """`airoto`, for PATH."""
        return self.root / "bin" / "airoto"

    @property
    def record_file(self) -> Path:
        """The record."""
        return self.root / RECORD

    def folder(self, version: str) -> Path:
        """A version's folder."""
        return self.versions / version

    def check(self) -> None:
        """Refuse a prefix that is somebody else's, or that Python's venvs cannot live in.

        Raises:
            BadRequestError: it holds other things, or its name has a line break or a `:`.
            OutputError: it cannot be read.
        """
        text = str(self.root)
        wrong = [name for name, sign in (("line break", "\n"), (os.pathsep, os.pathsep))
                 if sign in text]  # fmt: skip
        if wrong:
            raise BadRequestError(
                f"the prefix {text!r} holds a {wrong[0]!r}, which PATH cannot hold",
                hint="name another folder with --prefix",
                path=text,
            )
        try:
            names = {entry.name for entry in self.root.iterdir()} if self.root.exists() else set()
        except OSError as exc:
            raise OutputError(
                f"the prefix {text} cannot be used: {exc.strerror}", path=text
            ) from exc
        foreign = sorted(names - _OURS)
        if foreign and RECORD not in names:
            raise BadRequestError(
                f"the prefix {text} is not empty and not an AIRoto installation (it holds "
                f"{', '.join(foreign[:3])})",
                hint="name a folder of its own, such as " + str(self.root / "airoto"),
                path=text,
            )
        if (self.current.exists() or self.current.is_symlink()) and not self.current.is_symlink():
            raise BadRequestError(f"{self.current} is not a link of AIRoto's", path=text)

    def record(self) -> Record | None:
        """The record, brought in line with what `current` says; None where there is none.

        Raises:
            BadRequestError: it is not readable, or of a newer installer.
        """
        try:
            document = json.loads(self.record_file.read_text("utf-8"))
            if document.pop("schema") != SCHEMA:
                raise ValueError("it was written by another installer")
            found = Record(
                history=tuple(document["history"]),
                nuke=tuple(document["nuke"]),
                made=tuple(document["made"]),
                service=bool(document["service"]),
                client_only=bool(document["client_only"]),
            )
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
            raise BadRequestError(
                f"the record {self.record_file} cannot be read: {exc}",
                hint="use the installer of the newest version, or move the file away",
                path=str(self.record_file),
            ) from exc
        # The link counts: an installation may have been stopped between the two.
        now = self.active()
        if now is None:
            return replace(found, history=())
        if now in found.history:
            last = len(found.history) - found.history[::-1].index(now)
            return replace(found, history=found.history[:last])
        return replace(found, history=(*found.history, now))

    def active(self) -> str | None:
        """The id of the version in use."""
        with contextlib.suppress(OSError):
            target = self.current.readlink()
            if target.parent.name == "versions" and self.complete(target.name):
                return target.name
        return None

    def complete(self, version: str) -> Version | None:
        """That version, if it is whole."""
        try:
            text = (self.folder(version) / VERSION_RECORD).read_text("utf-8")
            return Version(version, json.loads(text))
        except (OSError, ValueError):
            return None

    def all_versions(self) -> list[Version]:
        """Every complete version, by name."""
        return [found for name in self._names() if (found := self.complete(name)) is not None]

    def unfinished(self) -> list[Path]:
        """Folders that an interrupted installation left."""
        return [
            self.folder(name)
            for name in self._names()
            if self.complete(name) is None and (self.folder(name) / UNFINISHED).is_file()
        ]

    def _names(self) -> list[str]:
        try:
            return sorted(entry.name for entry in self.versions.iterdir() if entry.is_dir())
        except OSError:
            return []
