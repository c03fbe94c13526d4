"""`airoto sample DIR`: a clip to try things on, made by our own code."""

from __future__ import annotations

import argparse
import importlib
import re
from pathlib import Path
from typing import Any

from airoto_client.cli import events
from airoto_client.cli.options import add_command, add_talk_options
from airoto_client.cli.reporting import Reporter
from airoto_client.cli.server_package import missing_server
from airoto_client.cli.stopping import Stopper
from airoto_client.exit_codes import ExitCode


def register(verbs: Any) -> None:
    """Add the command."""
    parser = add_command(
        verbs, "sample", run, "Make a licence-clean clip with exact alpha and a recipe for it."
    )
    parser.add_argument("folder", metavar="DIR", type=Path, help="where to put it")
    parser.add_argument("--frames", type=int, metavar="N", help="how many frames")
    parser.add_argument("--size", type=_size, metavar="WxH", help="picture size, such as 960x540")
    add_talk_options(parser)


def run(options: argparse.Namespace, reporter: Reporter, stopper: Stopper) -> ExitCode:
    """Make the clip."""
    missing = missing_server()
    if missing is not None:
        raise missing
    wanted: dict[str, Any] = {}
    if options.frames is not None:
        wanted["frames"] = options.frames
    if options.size is not None:
        wanted["width"], wanted["height"] = options.size
    folder = options.folder.absolute()

    def on_progress(done: int, total: int) -> None:
        stopper.check()
        reporter.event(events.progress("sample", done, total))

    importlib.import_module("airoto_server.app.sample").make_sample(
        folder, on_progress=on_progress, **wanted
    )
    reporter.event(events.result("sample", str(folder)))
    return ExitCode.DONE


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not WIDTHxHEIGHT, such as 960x540")
    return int(match[1]), int(match[2])
