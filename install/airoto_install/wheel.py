"""AIRoto's client as a wheel of its own, for hosts that unpack wheels themselves."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Iterable, Mapping
from io import BytesIO
from pathlib import Path
from typing import IO

from airoto_client.files import atomic_file
from airoto_install.trees import Tree

_NAME = "airoto_client"
_PACKAGES = ("proto/airoto", "nuke_plugin/airoto_client")
# Zips hold the time of their files; the oldest there is makes the same files the same bytes.
_TIME = (1980, 1, 1, 0, 0, 0)


def client_wheel(tree: Tree) -> bytes:
    """`airoto` and `airoto_client` as a wheel (PEP 427), without what they need."""
    content = {}
    for name in _PACKAGES:
        package = tree.root / name
        for path in sorted(package.rglob("*")):
            if path.is_file() and path.suffix not in (".pyc", ".proto"):
                inside = path.relative_to(package.parent).as_posix()
                content[inside] = path.read_bytes()
    info = f"{_NAME}-{tree.version}.dist-info"
    content[f"{info}/METADATA"] = (
        f"Metadata-Version: 2.1\nName: {_NAME}\nVersion: {tree.version}\n"
        "Summary: AIRoto's client, for hosts with Python\nLicense: Apache-2.0\n"
    ).encode()
    content[f"{info}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: airoto\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    content[f"{info}/LICENSE"] = (tree.root / "LICENSE").read_bytes()
    record = f"{info}/RECORD"
    content[record] = _record((*content.items(), (record, None)))
    packed = BytesIO()
    _fill(packed, content)
    return packed.getvalue()


def write_zip(target: Path, content: Mapping[str, bytes]) -> None:
    """A zip of these files by their names inside; whole, or none.

    Raises:
        OutputError: it cannot be written.
    """
    with atomic_file(target) as file:
        _fill(file, content)


def _fill(file: IO[bytes], content: Mapping[str, bytes]) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in sorted(content):
            entry = zipfile.ZipInfo(name, _TIME)
            entry.external_attr = 0o644 << 16
            # Wheels are packed already.
            entry.compress_type = (
                zipfile.ZIP_STORED if name.endswith(".whl") else zipfile.ZIP_DEFLATED
            )
            packed.writestr(entry, content[name])


def _record(files: Iterable[tuple[str, bytes | None]]) -> bytes:
    """Names, digests and sizes, as a wheel has them; none for the record itself."""
    lines = []
    for name, data in files:
        if data is None:
            lines.append(f"{name},,")
            continue
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(data)}")
    return ("\n".join(lines) + "\n").encode()
