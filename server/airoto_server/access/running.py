"""How the command lines of this package run: errors as lines or JSON, and exit codes."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from airoto.errors import AIRotoError, OutputError
from airoto_client.exit_codes import ExitCode, exit_code_of


def run_verbs(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> int:
    """Parse, call `options.run(options)`, tell what went wrong; returns the exit code."""
    try:
        options = parser.parse_args(argv)
    except SystemExit as exc:
        # argparse ends the process for --help and for wrong arguments.
        return exc.code if isinstance(exc.code, int) else int(ExitCode.USAGE)
    try:
        options.run(options)
        return int(ExitCode.DONE)
    except AIRotoError as exc:
        return _failed(exc, as_json=options.json)
    except OSError as exc:
        return _failed(OutputError(f"{exc.filename}: {exc.strerror}"), as_json=options.json)
    except KeyboardInterrupt:
        return int(ExitCode.INTERRUPTED)


def _failed(error: AIRotoError, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps({"error": {"kind": error.kind, "message": error.message}}))
    hint = f"\n  {error.hint}" if error.hint else ""
    sys.stderr.write(f"airoto: {error.message}{hint}\n")
    return int(exit_code_of(error))
