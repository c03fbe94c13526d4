"""The Python that a venv is made with."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from airoto.errors import EngineUnavailableError

SERVER_PYTHONS = ((3, 11), (3, 12), (3, 13))
CLIENT_PYTHONS = (*SERVER_PYTHONS, (3, 10), (3, 9))

_ASK = (
    "import sys, venv, ensurepip; "
    "sys.stdout.write('%d %d %s' % (*sys.version_info[:2], sys.executable))"
)


@dataclass(frozen=True)
class Python:
    """A Python that can make venvs.

    Attributes:
        version: `(3, 11)`.
        path: what starts it, its links resolved by itself.
    """

    version: tuple[int, int]
    path: Path

    @property
    def name(self) -> str:
        """`3.11`."""
        return "{}.{}".format(*self.version)


def find_python(wanted: Sequence[tuple[int, int]], named: str = "") -> Python:
    """The first Python of these versions that runs and can make venvs.

    Args:
        wanted: versions, the best first.
        named: one that the user named; no other is looked at then.

    Raises:
        EngineUnavailableError: there is none; says what was looked for.
    """
    versions = ", ".join("{}.{}".format(*version) for version in sorted(wanted))
    if named:
        found = _ask(named)
        if found is None or found.version not in wanted:
            what = "is no Python that runs here" if found is None else f"is Python {found.name}"
            raise EngineUnavailableError(
                f"{named} {what}; allowed: Python {versions} with venv and ensurepip"
            )
        return found
    for version in wanted:
        for candidate in _candidates(version):
            found = _ask(candidate)
            if found is not None and found.version == version:
                return found
    raise EngineUnavailableError(
        f"no Python of {versions} with venv and ensurepip was found",
        hint="install one (Debian, Ubuntu: python3-venv too), or name it with --python",
    )


def _candidates(version: tuple[int, int]) -> Iterator[str]:
    if sys.version_info[:2] == version:
        yield sys.executable
    name = "python{}.{}".format(*version)
    places = os.environ.get("PATH", "").split(os.pathsep)
    places += ["/usr/local/bin", "/usr/bin", "/opt/homebrew/bin"]
    for place in dict.fromkeys(places):
        if place and os.access(Path(place) / name, os.X_OK):
            yield str(Path(place) / name)
    for folder in sorted(
        Path.home().glob(".pyenv/versions/{}.{}.*".format(*version)), reverse=True
    ):
        yield str(folder / "bin" / "python")


def _ask(command: str) -> Python | None:
    try:
        answer = subprocess.run(
            [command, "-I", "-c", _ASK], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if answer.returncode:
        return None
    major, minor, path = answer.stdout.split(" ", 2)
    return Python((int(major), int(minor)), Path(path))
