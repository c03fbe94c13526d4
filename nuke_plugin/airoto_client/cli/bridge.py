"""`airoto bridge`: what `BridgeLink` starts; for hosts, not for people."""

from __future__ import annotations

import argparse
from typing import Any

from airoto.wire.channel import default_target, parse_target
from airoto_client import bridge
from airoto_client.cli.options import access_of, add_access_options, add_command
from airoto_client.exit_codes import ExitCode


def register(verbs: Any) -> None:
    """Add the command."""
    parser = add_command(
        verbs, "bridge", None, "Speak JSON lines with a host and gRPC with the server."
    )
    parser.add_argument(
        "--server", metavar="TARGET", help="default: $AIROTO_SERVER, or the usual socket"
    )
    add_access_options(parser)


def run(options: argparse.Namespace) -> ExitCode:
    """Serve the host until its pipe ends."""
    target = parse_target(options.server) if options.server else default_target()
    bridge.run(str(target), access_of(options))
    return ExitCode.DONE
