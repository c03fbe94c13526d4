"""Hashes that were recorded here, for files whose hash the manifest could not know.

They stand in `weights.lock.json` beside the weights they belong to. The first copy of a file
that is fetched, imported or locked gives the pin; every later one must be the same.
"""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from airoto.errors import BadRequestError, OutputError

LOCK_NAME = "weights.lock.json"
SCHEMA = 1


@dataclass(frozen=True)
class Pin:
    """What one file was when it was first seen.

    Attributes:
        sha256: lower-case hex.
        bytes: size.
        origin: the address or file it came from.
        recorded: when, ISO 8601 in UTC.
    """

    sha256: str
    bytes: int
    origin: str
    recorded: str

    @classmethod
    def of(cls, sha256: str, size: int, origin: str) -> Pin:
        """A pin recorded now."""
        now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
        return cls(sha256, size, origin, now.isoformat())


def pin_key(checkpoint: str, file: str) -> str:
    """How a file is named in a lock: `xmem/XMem.pth`."""
    return f"{checkpoint}/{file}"


def read_pins(folders: Iterable[Path]) -> dict[str, Pin]:
    """The pins of all folders; where two speak of one file, the first folder's counts.

    Raises:
        BadRequestError: a lock that cannot be read or is none; it is never passed over, since
            without it files would be trusted anew.
    """
    pins: dict[str, Pin] = {}
    for folder in folders:
        for key, pin in _read(folder / LOCK_NAME).items():
            pins.setdefault(key, pin)
    return pins


def record_pins(path: Path, pins: Mapping[str, Pin]) -> None:
    """Add pins to a lock file, which may not be there yet.

    Raises:
        OutputError: it cannot be written.
        BadRequestError: what is there cannot be read.
    """
    content = {**_read(path), **pins}
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    document = {
        "schema": SCHEMA,
        "files": {key: asdict(pin) for key, pin in sorted(content.items())},
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        temporary.replace(path)
    except OSError as exc:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise OutputError(
            f"the lock of the weights cannot be written: {path} ({exc.strerror})", path=str(path)
        ) from exc


def _read(path: Path) -> dict[str, Pin]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["schema"] != SCHEMA:
            raise ValueError(f"schema {content['schema']!r}, not {SCHEMA}")
        return {key: Pin(**value) for key, value in content["files"].items()}
    except FileNotFoundError:
        return {}
    except NotADirectoryError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise BadRequestError(
            f"the lock of the weights cannot be read: {path} ({exc})",
            hint="bring it back from a backup; delete it only if you trust the files beside it",
            path=str(path),
        ) from exc
