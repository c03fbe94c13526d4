"""`airoto farm ... SCRIPT.nk`: the AIRoto nodes of a script of Nuke as a job."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Callable

from airoto.errors import BadRequestError
from airoto.presets.keys import Value
from airoto.wire.messages import Recipe
from airoto_client.cli import events
from airoto_client.cli.options import parse_frames
from airoto_client.cli.reporting import Reporter
from airoto_client.farm.job import FarmJob
from airoto_client.farm.plan import Farming
from airoto_client.farm.script import job_of, write_script_job, writes_of
from airoto_client.nk.requests import requests_of
from airoto_client.nk.script import read_script

_SUFFIXES = (".nk", ".gizmo", ".nknc", ".nkind")


def add_options(parser: argparse.ArgumentParser) -> None:
    """What only scripts have."""
    group = parser.add_argument_group("of a script (.nk)")
    group.add_argument(
        "--node",
        action="append",
        default=[],
        metavar="NAME",
        help="full name of an AIRoto node (Group1.AIRoto1); again for more (default: all)",
    )
    group.add_argument(
        "--comp", action="store_true", help="render the Writes below them in the end, with Nuke"
    )
    group.add_argument(
        "--comp-frames",
        type=parse_frames,
        metavar="FIRST-LAST",
        help="of these Writes (default: their limits, else the script's range)",
    )


def is_script(path: str) -> bool:
    """Whether it is a script by its name."""
    return Path(path).suffix.lower() in _SUFFIXES


def planned(
    options: argparse.Namespace,
    folder: Path,
    cache: str,
    farming: Callable[[Recipe, Mapping[str, Value]], Farming],
    reporter: Reporter,
) -> tuple[FarmJob, Recipe]:
    """The job of a script, its folder written but for the template; and its first recipe.

    Args:
        farming: how a recipe is cut and queued, beside what its node took from its preset.

    Raises:
        ScriptError: it is no script.
        BadRequestError: a node cannot be made, or an option is wrong.
        OutputError: the folder cannot be written.
    """
    path = Path(options.recipe)
    requests = requests_of(path, options.node)
    comp: dict[str, tuple[int, int]] = {}
    if options.comp:
        comp = writes_of(read_script(path), requests)
        if not comp:
            raise BadRequestError(f"--comp: no Write of {path} gets the picture of these nodes")
        if options.comp_frames is not None:
            span = options.comp_frames
            comp = dict.fromkeys(comp, (span.first, span.last))
    made = job_of(
        requests, folder, lambda one, recipe: farming(recipe, one.farm), cache=cache, comp=comp
    )
    for one in requests:
        first, last = one.frames
        plate = one.why_render and f", its plate by Nuke ({one.why_render})"
        reporter.event(events.note(f"{one.node}: frames {first}-{last}{plate}"))
    write_script_job(made)
    return made.job, next(iter(made.recipes.values()))
