"""`airoto render RECIPE`: the mattes of a recipe."""

from __future__ import annotations

import argparse
from typing import Any

from airoto.errors import BadRequestError
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
from airoto_client.link import Message

_OVERWRITES = {
    "resume": Overwrite.OVERWRITE_RESUME,
    "replace": Overwrite.OVERWRITE_REPLACE,
    "refuse": Overwrite.OVERWRITE_REFUSE,
}


_STAGES = {"track": "RENDER_STAGE_TRACK", "matte": "RENDER_STAGE_MATTE"}


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
    _add_part_options(parser)
    add_overwrite_option(parser)
    add_threads_option(parser)
    add_preview_option(parser)
    add_server_options(parser)
    add_talk_options(parser)


def _add_part_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("a part of it, for farms (docs/farm.md)")
    group.add_argument(
        "--stage",
        choices=tuple(_STAGES),
        help="track: leave masks in the server's cache, write no files; matte: write files from "
        "masks that are there",
    )
    group.add_argument("--group", metavar="NAME", help="track: the group of objects")
    group.add_argument(
        "--may-track",
        action="store_true",
        help="matte: track where masks are missing; otherwise that is an error",
    )


def _part(options: argparse.Namespace) -> Message:
    """A `RenderPart`; empty for all of the render.

    Raises:
        BadRequestError: options that do not go together.
    """
    if options.group is not None and options.stage != "track":
        raise BadRequestError("--group goes with --stage track")
    if options.may_track and options.stage != "matte":
        raise BadRequestError("--may-track goes with --stage matte")
    if options.stage == "track" and options.preview is not None:
        raise BadRequestError("--preview needs mattes, which --stage track does not make")
    if options.stage is None:
        return {}
    return {
        "stage": _STAGES[options.stage],
        "group": options.group or "",
        "may_track": options.may_track,
    }


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
    part = _part(options)
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
            part,
        ).run()
