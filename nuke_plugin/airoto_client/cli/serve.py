"""`airoto serve`: run the inference server, where it is installed."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Any

from airoto_client.cli.reporting import error_lines
from airoto_client.cli.server_package import missing_server
from airoto_client.exit_codes import ExitCode


def register(verbs: Any) -> None:
    """Name the command in the help; its options are the server's."""
    verbs.add_parser(
        "serve",
        add_help=False,
        help="run the inference server (airoto serve --help tells its options)",
    )


def delegate(arguments: Sequence[str]) -> int:
    """Hand the arguments to the server's own command line."""
    missing = missing_server()
    if missing is not None:
        print("\n".join(error_lines(missing)), file=sys.stderr)
        return int(ExitCode.ENGINE)
    return int(importlib.import_module("airoto_server.app.serve").main(list(arguments)))
