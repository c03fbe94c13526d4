"""What the installer chose for this installation, where there is one."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from airoto_server.sessions.workshop import Settings

DEVICE_VARIABLE = "AIROTO_DEVICE"
# Beside the venv, written by the installer.
_RECORD = "airoto-version.json"


def default_devices() -> tuple[str, ...]:
    """Devices of a server that is told none: `$AIROTO_DEVICE`, else what was found at install."""
    named = os.environ.get(DEVICE_VARIABLE, "")
    if named:
        return tuple(dict.fromkeys(name.strip() for name in named.split(",") if name.strip()))
    try:
        facts = json.loads((Path(sys.prefix).parent / _RECORD).read_text("utf-8"))
        return (str(facts["device"]),)
    except (OSError, ValueError, KeyError, TypeError):
        return Settings.devices
