"""`airoto bundle`: hands over to the installer that this AIRoto came with."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

import airoto_client
from airoto.errors import EngineUnavailableError
from airoto_client.cli.reporting import error_lines
from airoto_client.exit_codes import exit_code_of


def delegate(arguments: Sequence[str]) -> int:
    """Run `install/install.py bundle` with these arguments, in this process."""
    script = installer()
    if script is None:
        missing = EngineUnavailableError(
            "this AIRoto was not installed by its installer, which makes bundles",
            hint="bash install/install.sh bundle DIR, in a clone or an installed version",
        )
        print("\n".join(error_lines(missing)), file=sys.stderr)
        return int(exit_code_of(missing))
    sys.argv = [str(script), "bundle", *arguments]
    try:
        runpy.run_path(str(script), run_name="__main__")
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else 1
    return 0


def installer() -> Path | None:
    """The installer beside this venv (an installed version) or beside this code (a clone)."""
    for base in (Path(sys.prefix).parent, Path(airoto_client.__file__).resolve().parents[2]):
        script = base / "install" / "install.py"
        if script.is_file() and (base / "nuke_plugin").is_dir():
            return script
    return None
