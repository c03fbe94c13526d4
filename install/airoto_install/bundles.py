"""A bundle: everything that an installation needs, each file with its SHA-256.

BUNDLE/{install,nuke_plugin,proto,...}   AIRoto's own files
BUNDLE/wheels/*.whl                      packages
BUNDLE/weights/NAME/...                  checkpoints, if any were chosen
BUNDLE/licences/                         of packages and weights
BUNDLE/airoto-bundle.json                which Pythons and platform it is for
BUNDLE/SHA256SUMS                        as `sha256sum` writes and checks it
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from airoto.errors import BadRequestError

SUMS = "SHA256SUMS"
FACTS = "airoto-bundle.json"
SCHEMA = 1
_LINE = re.compile(r"([0-9a-f]{64})  (\S.*)")
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Bundle:
    """A bundle whose every file was checked.

    Attributes:
        pythons: for which packages are in it.
        platform: such as `linux-x86_64`.
        client_only: whether the server's packages are left out.
        weights: names of checkpoints.
    """

    root: Path
    pythons: tuple[tuple[int, int], ...]
    platform: str
    client_only: bool
    weights: tuple[str, ...]


def open_bundle(root: Path, sums_sha256: str = "") -> Bundle:
    """Check every file of a bundle, then read what it is.

    Args:
        sums_sha256: what SHA256SUMS itself has to be, where that was told apart from the bundle.

    Raises:
        BadRequestError: a file is missing, too many, or not what it should be.
    """
    sums = root / SUMS
    try:
        text = sums.read_bytes()
    except OSError as exc:
        raise BadRequestError(
            f"{root} is no bundle of AIRoto: {SUMS}: {exc.strerror}",
            hint="make one with: airoto bundle DIR",
            path=str(root),
        ) from exc
    found = hashlib.sha256(text).hexdigest()
    if sums_sha256 and found != sums_sha256.lower():
        raise BadRequestError(f"{sums} has sha256 {found}, not {sums_sha256}", path=str(sums))
    expected = _parse(text, sums)
    there = {path.relative_to(root).as_posix(): path for path in all_files(root)}
    there.pop(SUMS, None)
    wrong = [f"{name}: missing" for name in expected if name not in there]
    wrong += [f"{name}: not in {SUMS}" for name in there if name not in expected]
    for name, path in there.items():
        if path.is_symlink():
            wrong.append(f"{name}: a link")
        elif name in expected and sha256(path) != expected[name]:
            wrong.append(f"{name}: its sha256 differs")
    if wrong:
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise BadRequestError(
            f"the bundle {root} is damaged: {'; '.join(wrong[:5])}{more}",
            hint="nothing was installed; copy the bundle again",
            path=str(root),
        )
    return _facts(root)


def write_sums(root: Path) -> str:
    """Write SHA256SUMS over all files that are there; returns its own sha256."""
    lines = [
        f"{sha256(path)}  {path.relative_to(root).as_posix()}\n"
        for path in all_files(root)
        if path != root / SUMS
    ]
    text = "".join(lines).encode()
    (root / SUMS).write_bytes(text)
    return hashlib.sha256(text).hexdigest()


def write_facts(bundle: Bundle) -> None:
    """Write what it is for."""
    document = {
        "schema": SCHEMA,
        "pythons": [f"{major}.{minor}" for major, minor in bundle.pythons],
        "platform": bundle.platform,
        "client_only": bundle.client_only,
        "weights": list(bundle.weights),
    }
    (bundle.root / FACTS).write_text(json.dumps(document, indent=2) + "\n", "utf-8")


def all_files(root: Path) -> Iterator[Path]:
    """Every file below, by name; what Python compiled meanwhile is none of them."""
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        for name in sorted(names + [one for one in folders if (Path(folder) / one).is_symlink()]):
            yield Path(folder) / name


def sha256(path: Path) -> str:
    """Of a file, in hex."""
    total = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            total.update(block)
    return total.hexdigest()


def this_platform() -> str:
    """The platform that this runs on."""
    system = {"Linux": "linux", "Darwin": "macos", "Windows": "windows"}.get(platform.system(), "")
    machine = platform.machine().lower().replace("amd64", "x86_64")
    return f"{system}-{machine}"


def _parse(text: bytes, where: Path) -> dict[str, str]:
    expected: dict[str, str] = {}
    for number, line in enumerate(text.decode("utf-8", "replace").splitlines(), 1):
        match = _LINE.fullmatch(line)
        name = match[2] if match else ""
        if match is None or name.startswith("/") or ".." in name.split("/") or name in expected:
            raise BadRequestError(f"{where} line {number} is not `SHA256  FILE`", path=str(where))
        expected[name] = match[1]
    return expected


def _facts(root: Path) -> Bundle:
    try:
        document = json.loads((root / FACTS).read_text("utf-8"))
        if document["schema"] != SCHEMA:
            raise ValueError("it was made by another AIRoto")
        pythons = tuple(
            (int(major), int(minor))
            for major, minor in (text.split(".") for text in document["pythons"])
        )
        return Bundle(
            root,
            pythons,
            document["platform"],
            bool(document["client_only"]),
            tuple(document["weights"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise BadRequestError(f"{root / FACTS} cannot be read: {exc}", path=str(root)) from exc
