"""Commands of Python and pip, run so that nothing of the user's settings leads them elsewhere."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from airoto.errors import AIRotoError, OutOfSpaceError, OutputError

_TAIL_LINES = 15


def clean_environment(*, offline: bool) -> dict[str, str]:
    """The environment without what would change where pip installs to, or what it imports.

    Args:
        offline: also without anything that leads pip to other packages than the bundle's.
    """
    gone = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PIP_USER", "PIP_TARGET", "PIP_PREFIX",
            "PIP_REQUIRE_VIRTUALENV", "__PYVENV_LAUNCHER__"}  # fmt: skip
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in gone and not (offline and name.startswith("PIP_"))
    }
    if offline:
        kept["PIP_CONFIG_FILE"] = os.devnull
    return kept


def run(command: Sequence[str], what: str, *, offline: bool) -> str:
    """Run a command to its end; its output is what it said on standard output.

    Raises:
        OutOfSpaceError: it says that the disk is full.
        OutputError: it failed; with the end of what it said.
    """
    try:
        done = subprocess.run(
            list(command),
            env=clean_environment(offline=offline),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as exc:
        raise OutputError(f"{what}: cannot run {command[0]}: {exc.strerror}") from exc
    if done.returncode == 0:
        return done.stdout
    said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    tail = "\n  ".join(said[-_TAIL_LINES:])
    kind: type[AIRotoError] = OutputError
    if "No space left on device" in tail or "Errno 28" in tail:
        kind = OutOfSpaceError
    ended = f"it was ended by signal {-done.returncode}" if done.returncode < 0 else "it failed"
    raise kind(f"{what}: {ended}; the end of what it said:\n  {tail}")
