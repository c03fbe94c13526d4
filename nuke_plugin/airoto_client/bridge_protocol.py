"""The JSON lines between `BridgeLink` (in a host) and `airoto bridge` (in our own venv).

Standard library only. One JSON object a line, UTF-8, at most `MAX_LINE` bytes with its
newline. The bridge greets with `{"hello": {"protocol": 1, "version": ..., "server": ...}}`.

Host to bridge, `id` being a number that is not in use:
    {"id": 1, "op": "call", "method": "...", "request": {...}, "timeout": 60}
    {"id": 2, "op": "stream", "method": "...", "request": {...}, "timeout": null}
    {"id": 3, "op": "upload", "path": "...", "name": "..."}
    {"id": 4, "op": "upload", "path": "...", "plane": {...}}
    {"id": 5, "op": "download", "handle": "...", "path": "...", "encoding": "exr", "release": true}
    {"id": 2, "op": "cancel"}
Bridge to host: any number of events, then one result or error, which frees the id:
    {"id": 2, "event": {...}}
    {"id": 2, "result": {...}}
    {"id": 2, "error": {"kind": "...", "message": "...", ...}}
    {"alive": true}
A line that cannot be understood is answered by an error, with its id where it had one,
else `null`. The bridge ends when its standard input does.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping
from typing import Any

from airoto.errors import BadRequestError

PROTOCOL = 1
# The largest gRPC message, in base64, fits.
MAX_LINE = 8 * 1024 * 1024
# The bridge says that it is alive this often, in seconds.
HEARTBEAT = 2.0
# After so many seconds of silence the host takes the bridge for dead.
SILENCE = 30.0

# What a host sets for itself and would break another Python.
_HOST_NAMES = ("PYTHONHOME", "PYTHONPATH", "PYTHONEXECUTABLE", "PYTHONSTARTUP", "NUKE_PATH")
_HOST_PREFIXES = ("LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_", "QT_")


def scrubbed_environment(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """A copy of the environment without what a host sets for its own interpreter."""
    source = os.environ if environment is None else environment
    return {
        name: value
        for name, value in source.items()
        if name not in _HOST_NAMES and not name.startswith(_HOST_PREFIXES)
    }


def encode_line(message: Mapping[str, Any]) -> bytes:
    """One message as its line.

    Raises:
        BadRequestError: not JSON, or longer than `MAX_LINE`.
    """
    try:
        line = json.dumps(message, separators=(",", ":"), allow_nan=False).encode() + b"\n"
    except (TypeError, ValueError) as exc:
        raise BadRequestError(f"a message that is not JSON: {exc}") from exc
    if len(line) > MAX_LINE:
        raise BadRequestError(
            f"a message of {len(line)} bytes; at most {MAX_LINE} are allowed",
            hint="send masks as files, not inside the recipe",
        )
    return line


def decode_line(line: bytes) -> dict[str, Any]:
    """The message of one line.

    Raises:
        BadRequestError: longer than `MAX_LINE`, or not one JSON object.
    """
    if len(line) > MAX_LINE:
        raise BadRequestError(f"a line longer than {MAX_LINE} bytes")
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as exc:
        raise BadRequestError(f"a line that is not JSON: {exc}") from exc
    if not isinstance(message, dict):
        raise BadRequestError(f"a line that is not a JSON object: {type(message).__name__}")
    return message


def describe_exit(returncode: int) -> str:
    """How a child ended, in words: `ended with code 3`, `was killed by SIGKILL`."""
    if returncode >= 0:
        return f"ended with code {returncode}"
    try:
        return f"was killed by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"was killed by signal {-returncode}"
