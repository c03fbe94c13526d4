"""`airoto recipe check|show|hash FILE`: look at a recipe without a server."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from airoto.wire import recipe as recipes
from airoto.wire.messages import Recipe
from airoto_client.cli.options import add_command, add_talk_options
from airoto_client.cli.reporting import Reporter
from airoto_client.cli.stopping import Stopper
from airoto_client.exit_codes import ExitCode


def register(verbs: Any) -> None:
    """Add the command."""
    parser = add_command(verbs, "recipe", run, "Check, show or hash a recipe.")
    parser.add_argument(
        "what",
        choices=("check", "show", "hash"),
        help="check: name every wrong field; show: with all defaults and absolute paths, as "
        "it is sent; hash: as it is written into the mattes",
    )
    parser.add_argument("file", metavar="FILE", help="a recipe (shot.airoto.json)")
    add_talk_options(parser)


def run(options: argparse.Namespace, _reporter: Reporter, _stopper: Stopper) -> ExitCode:
    """Do what was asked."""
    recipe = read_recipe(options.file)
    if options.what == "show":
        print(recipes.to_json(recipes.with_defaults(recipe)), end="", flush=True)
        return ExitCode.DONE
    digest = recipes.recipe_hash(recipe)
    if options.json:
        found = {"event": "recipe", "path": options.file, "valid": True, "recipe_hash": digest}
        print(json.dumps(found), flush=True)
    elif options.what == "hash":
        print(digest, flush=True)
    elif not options.quiet:
        print(f"{options.file} is a valid recipe", flush=True)
    return ExitCode.DONE


def read_recipe(file: str) -> Recipe:
    """A recipe as it is sent: valid, and its paths absolute.

    Relative paths count from the recipe's file, and the hash is over the absolute ones.

    Raises:
        RecipeError: it cannot be read or is wrong; with the path of every wrong field.
    """
    recipe = recipes.read(file)
    recipes.validate(recipe)
    return recipes.resolved(recipe, Path(file).absolute().parent)
