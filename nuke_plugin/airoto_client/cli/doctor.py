"""`airoto doctor`: whether this installation works; each line with the next step."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from airoto_client.cli.options import add_command, add_server_options
from airoto_client.cli.reporting import Reporter
from airoto_client.cli.stopping import Stopper
from airoto_client.doctor import machine, server
from airoto_client.doctor.check import Check, State
from airoto_client.exit_codes import ExitCode

_NAME_WIDTH = 9


def register(verbs: Any) -> None:
    """Add the command."""
    parser = add_command(
        verbs,
        "doctor",
        run,
        "Look whether this installation works: Python, torch, device, memory, weights, socket, "
        "folders, Nuke, plug-in, bridge, and a tiny render by the real server. "
        f"Ends with {int(ExitCode.UNHEALTHY)} if something does not work.",
    )
    parser.add_argument(
        "--no-render",
        action="store_true",
        help="do not ask or start a server: no bridge, no render",
    )
    parser.add_argument("--json", action="store_true", help="JSON lines for programs")
    add_server_options(parser)


def run(options: argparse.Namespace, reporter: Reporter, stopper: Stopper) -> ExitCode:
    """Look, and tell each thing as it is known."""
    counts = dict.fromkeys(State, 0)
    for check in _checks(options, stopper):
        stopper.check()
        counts[check.state] += 1
        _print(check, as_json=options.json)
    code = ExitCode.UNHEALTHY if counts[State.FAIL] else ExitCode.DONE
    if options.json:
        numbers = {state.value: count for state, count in counts.items()}
        print(json.dumps({"event": "doctor", **numbers, "exit_code": int(code)}), flush=True)
    else:
        passes, warnings, failures = (counts[state] for state in State)
        print(f"{passes} passed, {warnings} warnings, {failures} failed")
    return code


def _checks(options: argparse.Namespace, stopper: Stopper) -> Iterator[Check]:
    home = Path.home()
    installed = machine.has_server()
    yield machine.installation()
    yield machine.python()
    if installed:
        yield from server.package()
    yield from machine.folders()
    yield machine.socket()
    yield machine.nuke(home)
    yield machine.plugin(home, os.environ)
    if not options.no_render:
        yield from server.answers(
            options.server, installed=installed, waiting=lambda _seconds: stopper.check()
        )


def _print(check: Check, *, as_json: bool) -> None:
    if as_json:
        document = {"event": "check", "name": check.name, "state": check.state.value,
                    "found": check.found, "next_step": check.next_step}  # fmt: skip
        print(json.dumps(document, ensure_ascii=False), flush=True)
        return
    print(f"{check.state.value}  {check.name:{_NAME_WIDTH}}  {check.found}", flush=True)
    if check.next_step:
        print(f"{'':{_NAME_WIDTH + 6}}  -> {check.next_step}", flush=True)
