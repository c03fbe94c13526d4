"""How a matte was made: the provenance that the server leaves in a file's header.

Standard library only. It is JSON, `{"airoto":{...}}`, in an EXR attribute or in the image
description of PNG and TIFF: in all of them plain text near one end of the file, so one search
serves them all.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from airoto_client.files import read_error

# Nearly all headers end within the first block; a farm's blades look at thousands of them.
_FIRST = 16 * 1024
_HEAD = 256 * 1024
_TAIL = 64 * 1024
_BEGIN = b'{"airoto":{'


def provenance_of(path: Path) -> dict[str, Any] | None:
    """The provenance in a matte's header; None where AIRoto did not make the file.

    Raises:
        FrameMissingError, FrameUnreadableError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            start = file.read(_FIRST)
            found = _found(start)
            if found is not None:
                return found
            ends = [start + file.read(_HEAD - _FIRST)]
            file.seek(max(0, file.seek(0, 2) - _TAIL))
            ends.append(file.read(_TAIL))
    except OSError as exc:
        raise read_error(exc, path) from exc
    return next((made for made in map(_found, ends) if made is not None), None)


def _found(data: bytes) -> dict[str, Any] | None:
    start = data.find(_BEGIN)
    return None if start < 0 else _parsed(data[start:].decode("utf-8", "replace"))


def _parsed(text: str) -> dict[str, Any] | None:
    """The JSON object at the beginning of a text that goes on with anything."""
    try:
        found, _ = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return None
    provenance: dict[str, Any] = found["airoto"]
    return provenance
