"""Verbs of the server package (`airoto serve`, `airoto cache`...), where it is installed."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Any

from airoto_client.cli import bundle
from airoto_client.cli.reporting import error_lines
from airoto_client.cli.server_package import missing_server
from airoto_client.exit_codes import ExitCode

# Verb to the module whose `main` has it, and what the help says of it.
_VERBS = {
    "serve": ("airoto_server.app.serve", "run the inference server"),
    "bench": ("airoto_server.app.bench.cli", "measure engines against ground truth"),
    "weights": ("airoto_server.weights.cli", "list, fetch, verify and import checkpoints"),
    "token": ("airoto_server.access.token_cli", "make, list, revoke and end tokens"),
    "certs": ("airoto_server.access.certs_cli", "make certificates for TLS"),
    "cache": ("airoto_server.storage.cli", "tell, clear and prune the kept results"),
}

# The installer has it.
BUNDLE = "bundle"


def register(verbs: Any) -> None:
    """Name the commands in the help; their options are the server's."""
    for verb, (_, what) in _VERBS.items():
        verbs.add_parser(
            verb, add_help=False, help=f"{what} (airoto {verb} --help tells its options)"
        )
    verbs.add_parser(
        BUNDLE, add_help=False, help="gather an installation for machines without a network"
    )


def is_ours(arguments: Sequence[str]) -> bool:
    """Whether the command line names one of these verbs."""
    return bool(arguments) and arguments[0] in (*_VERBS, BUNDLE)


def delegate(arguments: Sequence[str]) -> int:
    """Hand a verb's arguments to the server's own command line."""
    if arguments[0] == BUNDLE:  # the installer's own, which needs no server
        return bundle.delegate(arguments[1:])
    missing = missing_server()
    if missing is not None:
        print("\n".join(error_lines(missing)), file=sys.stderr)
        return int(ExitCode.ENGINE)
    module, _ = _VERBS[arguments[0]]
    return int(importlib.import_module(module).main(list(arguments[1:])))
