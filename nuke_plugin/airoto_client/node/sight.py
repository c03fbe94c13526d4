"""Which files the server sees under the same path: proved by reading, never assumed.

Standard library only, no host. (`airoto_client.sharing` does the same for the command line, with
packages that a host does not have.)
"""

# ruff: noqa: PTH110, PTH202 - paths are text here, as knobs have them

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from pathlib import Path
from typing import Any

from airoto.errors import OutputError
from airoto_client.files import existing_folder, sha256_of, write_error

_STRETCH = 64 * 1024


def sees_file(link: Any, path: str) -> bool:
    """Whether the server reads the same bytes there.

    Raises:
        FrameMissingError, FrameUnreadableError: we cannot read it ourselves.
    """
    length = min(_STRETCH, os.path.getsize(path)) if os.path.exists(path) else _STRETCH
    ours = sha256_of(Path(path), offset=0, length=length)
    answer = link.call("ProvePath", {"path": path, "offset": "0", "length": length})
    return bool(answer.get("visible", False)) and answer.get("sha256") == ours


def sees_folder(link: Any, folder: str) -> bool:
    """Whether the server reads what we write there; the folder is made.

    Raises:
        OutputError: we cannot write there ourselves.
    """
    place = Path(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise write_error(exc, existing_folder(place)) from exc
    nonce = place / f".airoto-{secrets.token_hex(8)}.nonce"
    data = secrets.token_bytes(32)
    try:
        try:
            nonce.write_bytes(data)
        except OSError as exc:
            raise OutputError(
                f"the cache folder {folder} cannot be written: {exc.strerror}",
                hint="set another cache folder",
            ) from exc
        answer = link.call("ProvePath", {"path": str(nonce), "offset": "0", "length": len(data)})
    finally:
        with contextlib.suppress(OSError):
            nonce.unlink()
    ours = hashlib.sha256(data).hexdigest()
    return bool(answer.get("visible", False)) and answer.get("sha256") == ours
