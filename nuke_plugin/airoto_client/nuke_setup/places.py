"""Which Nukes are installed, and which folders they read at start. Standard library only."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from airoto.errors import AIRotoError
from airoto_client.nuke_setup.block import find_block

_FOLDER = re.compile(r"Nuke(\d+)\.(\d+)v(\d+)")
# Nuke 13 has Python 3.7; the plug-in needs 3.9.
OLDEST = 14


@dataclass(frozen=True)
class NukeInstall:
    """An installed Nuke.

    Attributes:
        version: `(16, 0, 3)` for 16.0v3.
        folder: where it lies.
        executable: what starts it.
    """

    version: tuple[int, int, int]
    folder: Path
    executable: Path

    @property
    def name(self) -> str:
        """`Nuke16.0v3`."""
        return "Nuke{}.{}v{}".format(*self.version)

    @property
    def is_supported(self) -> bool:
        """Whether its Python is new enough for the plug-in."""
        return self.version[0] >= OLDEST


@dataclass(frozen=True)
class Sighting:
    """A folder that Nuke reads at start and that leads to an AIRoto plug-in.

    Attributes:
        folder: `~/.nuke`, or one of NUKE_PATH.
        plugin: the plug-in's folder.
    """

    folder: Path
    plugin: Path


def usual_roots(home: Path) -> list[Path]:
    """Folders in which Nuke's own installers and studios put it."""
    if sys.platform == "darwin":
        return [Path("/Applications"), home / "Applications"]
    if sys.platform == "win32":
        return [Path(os.environ.get("PROGRAMFILES", r"C:\Program Files"))]
    return [Path("/usr/local"), Path("/opt"), Path("/opt/foundry"), Path("/opt/Foundry"), home]


def find_nukes(roots: Iterable[Path]) -> list[NukeInstall]:
    """The Nukes in these folders, the newest first; folders that cannot be read count as empty."""
    found = {nuke.executable: nuke for root in roots for nuke in _in_folder(root)}
    return sorted(found.values(), key=lambda nuke: (nuke.version, nuke.folder), reverse=True)


def _in_folder(root: Path) -> Iterator[NukeInstall]:
    try:
        entries = sorted(root.iterdir())
    except OSError:
        return
    for folder in entries:
        match = _FOLDER.fullmatch(folder.name)
        if match is None:
            continue
        version = (int(match[1]), int(match[2]), int(match[3]))
        short = f"Nuke{match[1]}.{match[2]}"
        for place in (
            folder / short,
            folder / f"{folder.name}.app" / "Contents" / "MacOS" / short,
            folder / f"{short}.exe",
        ):
            if place.is_file():
                yield NukeInstall(version, folder, place)
                break


def user_folder(home: Path) -> Path:
    """The folder of a user that every Nuke reads."""
    return home / ".nuke"


def start_folders(home: Path, environment: Mapping[str, str]) -> list[Path]:
    """Folders whose `init.py` Nuke runs: those of NUKE_PATH, and the user's."""
    named = [Path(part) for part in environment.get("NUKE_PATH", "").split(os.pathsep) if part]
    return [*named, user_folder(home)]


def sightings(folders: Iterable[Path]) -> tuple[list[Sighting], list[AIRotoError]]:
    """Where these folders lead to an AIRoto plug-in, and what is wrong with their files."""
    seen: list[Sighting] = []
    wrong: list[AIRotoError] = []
    for folder in folders:
        if (folder / "airoto_nuke" / "startup.py").is_file():
            seen.append(Sighting(folder, folder))
            continue
        try:
            block = find_block((folder / "init.py").read_bytes(), folder / "init.py")
        except OSError:
            continue
        except AIRotoError as exc:
            wrong.append(exc)
            continue
        if block is not None and block.plugin is not None:
            seen.append(Sighting(folder, block.plugin))
    return seen, wrong
