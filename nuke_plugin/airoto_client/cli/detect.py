"""`airoto detect PLATE --text "person . dog"`: boxes of what answers to phrases on one frame."""

from __future__ import annotations

import argparse
from typing import Any

from airoto.wire import recipe as recipes
from airoto_client.cli import events
from airoto_client.cli.detect_options import add_detect_options, set_detect_options
from airoto_client.cli.inputs import probe, share_files, share_plate
from airoto_client.cli.options import (
    add_command,
    add_plate_options,
    add_server_options,
    add_talk_options,
    plate_of,
    using_server,
)
from airoto_client.cli.reporting import Reporter
from airoto_client.cli.roto import fill_plate
from airoto_client.cli.single import TIMEOUT
from airoto_client.cli.stopping import Stopper
from airoto_client.exit_codes import ExitCode


def register(verbs: Any) -> None:
    """Add the command."""
    parser = add_command(verbs, "detect", run, "Boxes of what answers to phrases on one frame.")
    add_plate_options(parser)
    parser.add_argument(
        "--frame", type=int, metavar="N", help="the frame (default: the plate's first)"
    )
    parser.add_argument(
        "--text", required=True, metavar="PHRASES", help="periods between: 'person . red car'"
    )
    add_detect_options(parser)
    add_server_options(parser)
    add_talk_options(parser)


def run(options: argparse.Namespace, reporter: Reporter, stopper: Stopper) -> ExitCode:
    """Detect."""
    recipe = plate_of(options)
    recipe.detect.text = options.text
    set_detect_options(recipe, options)
    with using_server(options, reporter, stopper) as server:
        span = None if options.frame is None else (options.frame, options.frame)
        shared = share_plate(server, reporter, recipe.plate, span)
        fill_plate(recipe, probe(server, reporter, recipe.plate, shared), None)
        first = recipe.plate.frames.first
        recipe.detect.frame = first if options.frame is None else options.frame
        recipes.validate(recipe, parts=recipes.Parts.DETECT_CALL)
        recipe = share_files(server, recipe)
        request = {"recipe": recipes.to_dict(recipe), "uploads": shared.uploads}
        answer = server.link.call("Detect", request, timeout=TIMEOUT)
    for entry in answer.get("objects", []):
        reporter.event(events.found(entry, recipe.detect.frame))
    for phrase in answer.get("phrases_not_found", []):
        reporter.event(events.warning(f"nothing was found for {phrase!r}", recipe.detect.frame))
    return ExitCode.DONE
