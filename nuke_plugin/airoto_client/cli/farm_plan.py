"""How a recipe or a script becomes a farm's job: the options, and the job's folder."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airoto.errors import BadRequestError
from airoto.presets.keys import Value
from airoto.presets.places import search_path
from airoto.wire.messages import Recipe
from airoto.wire.recipe import validate
from airoto_client.cli import events, farm_script
from airoto_client.cli.options import using_server
from airoto_client.cli.recipe import read_recipe
from airoto_client.cli.reporting import Reporter
from airoto_client.cli.stopping import Stopper
from airoto_client.farm.job import TEMPLATE_FILE, FarmJob
from airoto_client.farm.openjd import template
from airoto_client.farm.plan import Farming, needs_gpu, plan, settings, write_folder
from airoto_client.files import atomic_file
from airoto_client.presets.compiler import compile_presets

# Modules of `airoto[farm]`, and the package each comes with.
_MODULES = {"yaml": "PyYAML", "openjd.model": "openjd-model", "openjd.sessions": "openjd-sessions"}


def add_plan_options(parser: argparse.ArgumentParser) -> None:
    """How a recipe becomes a job; `planned` reads them."""
    parser.add_argument(
        "recipe",
        metavar="RECIPE",
        help="shot.airoto.json, or a script (.nk); for run also a job's folder",
    )
    parser.add_argument(
        "--job", metavar="DIR", help="the job's folder (default: NAME.farm beside the recipe)"
    )
    farm_script.add_options(parser)
    group = parser.add_argument_group("how it is cut and queued (else as the preset says)")
    group.add_argument("--preset", metavar="NAME", help="default: the one that the recipe names")
    group.add_argument("--chunk-frames", type=int, metavar="N", help="frames of a matte task")
    group.add_argument("--queue", metavar="NAME", help="queue or pool")
    group.add_argument("--priority", type=int, metavar="N", help="0 to 100")
    group.add_argument("--retries", type=int, metavar="N", help="of a task that fails")
    group.add_argument("--limits", metavar="A,B", help="limits that the job counts for")
    group.add_argument("--memory", type=int, metavar="MIB", help="that a blade has to have")
    group.add_argument("--gpu-memory", type=int, metavar="MIB", help="that its GPU has to have")
    group.add_argument(
        "--gpu",
        choices=("auto", "yes", "no"),
        default="auto",
        help="auto: where the recipe names a neural engine, or --server tells that `auto` is one",
    )
    group.add_argument(
        "--cache",
        metavar="DIR",
        help="folder that all blades see (default: `cache` in the job's folder)",
    )
    group.add_argument(
        "--may-track",
        action="store_true",
        help="matte tasks whose masks are missing track them, instead of failing",
    )


def planned(
    options: argparse.Namespace, reporter: Reporter, stopper: Stopper
) -> tuple[FarmJob, Recipe]:
    """The job that the options ask for, its folder written but for the template.

    Raises:
        BadRequestError: a recipe, preset or option is wrong.
        OutputError: the folder cannot be written.
    """
    info = None
    if options.gpu == "auto" and options.server is not None:
        with using_server(options, reporter, stopper) as server:
            info = server.info
    cache = str(Path(options.cache).absolute()) if options.cache else ""

    def farming(recipe: Recipe, taken: Mapping[str, Value]) -> Farming:
        return _farming(options, reporter, info, recipe, taken)

    if farm_script.is_script(options.recipe):
        return farm_script.planned(options, _folder(options), cache, farming, reporter)
    recipe = read_recipe(options.recipe)
    validate(recipe)
    job = plan(recipe, _folder(options), farming(recipe, {}), cache=cache)
    write_folder(job, recipe)
    return job, recipe


def _farming(
    options: argparse.Namespace,
    reporter: Reporter,
    info: Mapping[str, Any] | None,
    recipe: Recipe,
    taken: Mapping[str, Value],
) -> Farming:
    """How a recipe is cut and queued.

    Args:
        info: what a server tells of its engines, where one was asked.
        taken: what a node took from its preset; it counts before what that preset says now.
    """
    gpu = options.gpu == "yes" or (options.gpu == "auto" and needs_gpu(recipe, info))
    names = ("chunk_frames", "queue", "priority", "retries", "limits", "memory", "gpu_memory")
    flags: dict[str, Value] = {
        f"farm.{name}": getattr(options, name)
        for name in names
        if getattr(options, name) is not None
    }
    preset = taken if taken and not options.preset else None
    if preset is None:
        preset = _preset_values(options.preset, recipe, reporter)
    return settings(flags, preset, gpu=gpu, may_track=options.may_track)


def _folder(options: argparse.Namespace) -> Path:
    if options.job:
        return Path(options.job).absolute()
    name = Path(options.recipe).name.partition(".")[0]
    return Path(options.recipe).absolute().parent / f"{name}.farm"


def _preset_values(named: str | None, recipe: Recipe, reporter: Reporter) -> dict[str, Value]:
    """What the preset says of farms; nothing where none is named.

    Raises:
        BadRequestError: a preset that an option names is not there.
    """
    name = named or recipe.preset.name
    if not name:
        return {}
    compiled = compile_presets(search_path(os.environ))
    for one in compiled.problems:
        reporter.event(events.problem(one))
    try:
        return dict(compiled.index.resolve(name).said)
    except BadRequestError as exc:
        if named:
            raise
        # The recipe stands on its own; only where it is queued would come from the preset.
        reporter.event(events.warning(f"farm defaults are the built-in ones: {exc.message}"))
        return {}


def write_template(job: FarmJob) -> Path:
    """Write `template.yaml` into the job's folder; its path.

    Raises:
        BadRequestError: the packages for it are not installed.
        OutputError: it cannot be written.
    """
    need("yaml")
    import yaml

    path = Path(job.folder) / TEMPLATE_FILE
    text = yaml.safe_dump(template(job), sort_keys=False, allow_unicode=True, width=1000)
    with atomic_file(path) as file:
        file.write(text.encode())
    return path


def need(*modules: str) -> None:
    """Refuse to go on without what `airoto[farm]` brings.

    Raises:
        BadRequestError: names the packages that are missing, and how to get them.
    """
    missing = [_MODULES[name] for name in modules if not _is_there(name)]
    if missing:
        raise BadRequestError(
            f"this needs {', '.join(missing)}, not installed in {sys.prefix}",
            hint="install the extra `farm` (Python 3.11 or newer): pip install 'airoto[farm]'",
        )


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # the package above it
        return False
