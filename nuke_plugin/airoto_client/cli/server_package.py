"""What the command line needs of `airoto_server`, which may not be installed."""

from __future__ import annotations

import importlib.util

from airoto.errors import EngineUnavailableError


def missing_server() -> EngineUnavailableError | None:
    """The error to raise where the server is not installed; None where it is."""
    if importlib.util.find_spec("airoto_server") is not None:
        return None
    return EngineUnavailableError(
        "the AIRoto server is not installed here; this is the client alone",
        hint="install it with: pip install 'airoto[server]' (Python 3.11 or newer)",
    )
