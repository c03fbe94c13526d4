"""`airoto detect PLATE --text "person . dog"`: boxes of what answers to phrases on one frame."""

from __future__ import annotations

import argparse
from typing import Any

from airoto.wire import recipe as recipes
from airoto_client.cli import events
from airoto_client.cli.detect_options import add_detect_options, set_detect_options
from airoto_client.cli.inputs import share_files
from airoto_client.cli.options import (
    add_command,
    add_plate_options,
    add_server_options,
    add_talk_options,
    plate_of,
    using_server,
)
from airoto_client.cli.reporting import Reporter
from airoto_client.cli.single import TIMEOUT, add_frame_option, frame_of, open_frame
from airoto_client.cli.stopping import Stopper
from airoto_client.exit_codes import ExitCode


def register(verbs: Any) -> None:
    """Add the command."""
    parser = add_command(verbs, "detect", run, "Boxes of what answers to phrases on one frame.")
    add_plate_options(parser)
    add_frame_option(parser, "the plate's first")
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
    recipe.detect.frame = frame_of(options, recipe.plate)
    with using_server(options, reporter, stopper) as server:
        uploads = open_frame(server, reporter, recipe, recipe.detect.frame)
        recipes.validate(recipe, parts=recipes.Parts.DETECT_CALL)
        recipe = share_files(server, recipe)
        request = {"recipe": recipes.to_dict(recipe), "uploads": uploads}
        answer = server.link.call("Detect", request, timeout=TIMEOUT)
    for entry in answer.get("objects", []):
        reporter.event(events.found(entry, recipe.detect.frame))
    for phrase in answer.get("phrases_not_found", []):
        reporter.event(events.warning(f"nothing was found for {phrase!r}", recipe.detect.frame))
    return ExitCode.DONE
