"""`airoto render RECIPE`: the mattes of a recipe."""

from __future__ import annotations

import argparse
from typing import Any

from airoto.wire.messages import Overwrite, Recipe
from airoto.wire.recipe import validate
from airoto_client.cli.inputs import share_plate
from airoto_client.cli.options import (
    add_command,
    add_preview_option,
    add_server_options,
    add_talk_options,
    add_threads_option,
    parse_frames,
    preview_folder,
    using_server,
)
from airoto_client.cli.recipe import read_recipe
from airoto_client.cli.reporting import Reporter
from airoto_client.cli.shot import ShotRender
from airoto_client.cli.stopping import Stopper
from airoto_client.exit_codes import ExitCode

_OVERWRITES = {
    "resume": Overwrite.OVERWRITE_RESUME,
    "replace": Overwrite.OVERWRITE_REPLACE,
    "refuse": Overwrite.OVERWRITE_REFUSE,
}


def register(verbs: Any) -> None:
    """Add the command."""
    parser = add_command(verbs, "render", run, "Make the mattes that a recipe describes.")
    parser.add_argument("recipe", metavar="RECIPE", help="a recipe (shot.airoto.json)")
    parser.add_argument(
        "--frames",
        type=parse_frames,
        metavar="FIRST-LAST",
        help="deliver only these (tracking still sees what it needs)",
    )
    add_overwrite_option(parser)
    add_threads_option(parser)
    add_preview_option(parser)
    add_server_options(parser)
    add_talk_options(parser)


def add_overwrite_option(parser: argparse.ArgumentParser) -> None:
    """What to do about mattes that are there."""
    parser.add_argument(
        "--overwrite",
        choices=tuple(_OVERWRITES),
        help="resume: keep frames of the same recipe (the default); replace: make all again; "
        "refuse: stop if one is there",
    )


def set_job_options(recipe: Recipe, options: argparse.Namespace) -> None:
    """What the command line may change without changing the recipe's hash."""
    if options.overwrite:
        recipe.output.overwrite = _OVERWRITES[options.overwrite]
    if options.threads:
        recipe.processing.threads = options.threads


def run(options: argparse.Namespace, reporter: Reporter, stopper: Stopper) -> ExitCode:
    """Render."""
    recipe = read_recipe(options.recipe)
    set_job_options(recipe, options)
    validate(recipe)
    with using_server(options, reporter, stopper) as server:
        span = recipe.plate.frames
        shared = share_plate(server, reporter, recipe.plate, (span.first, span.last))
        return ShotRender(
            server,
            reporter,
            stopper,
            recipe,
            shared,
            options.frames,
            preview_folder(options, recipe.output.path),
        ).run()
