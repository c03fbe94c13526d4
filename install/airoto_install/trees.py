"""Where AIRoto is installed from: a clone, an unpacked bundle, or an installed version."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from airoto.errors import BadRequestError

# What an installed version keeps of it, besides the wheel.
PAYLOAD = ("LICENSE", "CHANGELOG.md", "pyproject.toml", "install", "nuke_plugin", "proto")
_HASHED = (*PAYLOAD, "server", "weights", "wheels")


@dataclass(frozen=True)
class Tree:
    """A folder with AIRoto's own files."""

    root: Path

    @property
    def version(self) -> str:
        """As `pyproject.toml` has it."""
        text = (self.root / "pyproject.toml").read_text("utf-8")
        found = re.search(r'^version = "([^"]+)"', text, re.MULTILINE)
        if found is None:
            raise BadRequestError(f"{self.root / 'pyproject.toml'} names no version")
        return found[1]

    @property
    def wheel(self) -> Path | None:
        """AIRoto's own wheel, where it need not be built."""
        return next(iter(sorted((self.root / "wheels").glob("airoto-*.whl"))), None)

    def check(self) -> None:
        """Refuse a folder that is no such tree.

        Raises:
            BadRequestError: something is missing; says what.
        """
        missing = [name for name in PAYLOAD if not (self.root / name).exists()]
        if self.wheel is None and not (self.root / "server").is_dir():
            missing.append("server (or wheels/airoto-*.whl)")
        if missing:
            raise BadRequestError(f"{self.root} is not AIRoto: it lacks {', '.join(missing)}")

    def constraints(self, version: tuple[int, int]) -> Path:
        """The exact versions for a Python."""
        name = "constraints-client-py39.txt" if version == (3, 9) else "constraints.txt"
        return self.root / "install" / name

    def fingerprint(self, *facts: str) -> str:
        """Eight hex digits over every file that is installed, and `facts`."""
        total = hashlib.sha256("\0".join(facts).encode())
        for path in self._files():
            total.update(f"{path.relative_to(self.root).as_posix()}\0".encode())
            total.update(hashlib.sha256(path.read_bytes()).digest())
        return total.hexdigest()[:8]

    def _files(self) -> Iterator[Path]:
        for name in _HASHED:
            place = self.root / name
            # Of a wheelhouse AIRoto's own wheel alone: the others follow from the constraints.
            found = place.glob("airoto-*.whl") if name == "wheels" else place.rglob("*")
            for path in sorted(found) if place.is_dir() else [place]:
                if path.is_file() and path.suffix not in (".pyc", ".pyo"):
                    yield path
