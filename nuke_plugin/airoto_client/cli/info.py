"""`airoto info`: what the server is and can do."""

from __future__ import annotations

import argparse
import json
from typing import Any

from airoto_client.cli.options import (
    add_command,
    add_server_options,
    add_talk_options,
    using_server,
)
from airoto_client.cli.reporting import Reporter
from airoto_client.cli.stopping import Stopper
from airoto_client.exit_codes import ExitCode
from airoto_client.link import Message


def register(verbs: Any) -> None:
    """Add the command."""
    parser = add_command(
        verbs, "info", run, "Tell the server's version, devices, engines and limits."
    )
    add_server_options(parser)
    add_talk_options(parser)


def run(options: argparse.Namespace, reporter: Reporter, stopper: Stopper) -> ExitCode:
    """Print it."""
    with using_server(options, reporter, stopper) as server:
        if options.json:
            print(json.dumps({"event": "info", **server.info}, ensure_ascii=False), flush=True)
        else:
            _print_info(server.info)
    return ExitCode.DONE


def _print_info(info: Message) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, markup=False, soft_wrap=True)
    up = float(info.get("uptime_seconds", 0.0))
    console.print(f"AIRoto {info.get('version', '?')}, process {info.get('pid', 0)}, up {up:.0f} s")
    for device in info.get("devices", []):
        size = int(device.get("memory_bytes", 0)) / 2**30
        about = device.get("description", "")
        console.print(f"device {device.get('name', '?')}: {about} ({size:.1f} GB)")
    roots = info.get("roots", [])
    console.print("folders: " + (", ".join(roots) if roots else "all that its user may use"))
    limits = ", ".join(f"{name} {value}" for name, value in info.get("limits", {}).items())
    console.print(f"limits: {limits}")
    table = Table("role", "engine", "can run", "licence", "what it is", box=None, pad_edge=False)
    for engine in info.get("engines", []):
        role = engine.get("role", "").replace("ENGINE_ROLE_", "").lower()
        name = engine.get("name", "?") + (" (default)" if engine.get("is_default") else "")
        can = "yes" if engine.get("available") else f"no: {engine.get('reason', '')}"
        licence = engine.get("licence", "")
        if not engine.get("commercial_use", False):
            licence += " (not commercial)"
        table.add_row(role, name, can, licence, engine.get("description", ""))
    console.print(table)
