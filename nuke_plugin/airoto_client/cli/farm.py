"""`airoto farm template|run|task|submit|status|report|server`: mattes as a farm's job."""

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
from airoto_client.cli import events, farm_looking, farm_script, farm_submit
from airoto_client.cli.options import (
    add_command,
    add_server_options,
    add_talk_options,
    using_server,
)
from airoto_client.cli.recipe import read_recipe
from airoto_client.cli.reporting import Reporter
from airoto_client.cli.stopping import Stopper
from airoto_client.exit_codes import ExitCode
from airoto_client.farm.job import TEMPLATE_FILE, FarmJob, Step, Task, read_job
from airoto_client.farm.openjd import template
from airoto_client.farm.plan import Farming, needs_gpu, plan, settings, write_folder
from airoto_client.files import atomic_file
from airoto_client.presets.compiler import compile_presets

# Modules of `airoto[farm]`, and the package each comes with.
_MODULES = {"yaml": "PyYAML", "openjd.model": "openjd-model", "openjd.sessions": "openjd-sessions"}


def register(verbs: Any) -> None:
    """Add the command and its own commands."""
    parser = add_command(verbs, "farm", run, "Mattes as the job of a render farm (docs/farm.md).")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, dest="what")
    _add_template(commands)
    _add_run(commands)
    _add_task(commands)
    _add_server(commands)
    farm_submit.register(commands)
    farm_looking.register(commands)


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


def run(options: argparse.Namespace, reporter: Reporter, stopper: Stopper) -> ExitCode:
    """Do what was asked for."""
    code: ExitCode = options.call(options, reporter, stopper)
    return code


# ---- template --------------------------------------------------------------------------------


def _add_template(commands: Any) -> None:
    text = "Write a recipe's job: its folder, with an Open Job Description template in it."
    parser = _add(commands, "template", _template, text)
    add_plan_options(parser)
    add_server_options(parser)
    add_talk_options(parser)


def _template(options: argparse.Namespace, reporter: Reporter, stopper: Stopper) -> ExitCode:
    need("yaml")
    job, _ = planned(options, reporter, stopper)
    for step in job.steps:
        reporter.event(events.note(f"{step.name}: {len(step.tasks)} tasks"))
    reporter.event(events.result("template", str(write_template(job))))
    return ExitCode.DONE


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


# ---- run ---------------------------------------------------------------------------------------


def _add_run(commands: Any) -> None:
    text = "Run a job on this machine: ready tasks in parallel, finished ones not again."
    parser = _add(commands, "run", _run, text)
    add_plan_options(parser)
    group = parser.add_argument_group("how it is run")
    group.add_argument("--workers", type=int, default=1, metavar="N", help="tasks at a time")
    group.add_argument(
        "--threads",
        type=int,
        metavar="N",
        help="of each worker's server (default: the processors shared out); results do not "
        "depend on it",
    )
    group.add_argument("--nuke", default="nuke", metavar="COMMAND", help="for tasks that need it")
    add_server_options(parser)
    add_talk_options(parser)


def _run(options: argparse.Namespace, reporter: Reporter, stopper: Stopper) -> ExitCode:
    need("yaml", "openjd.model", "openjd.sessions")
    from airoto_client.farm.runner import LocalRun

    if not 1 <= options.workers <= 256:
        raise BadRequestError(f"--workers: {options.workers}; allowed: 1 to 256")
    if Path(options.recipe).is_dir():
        job = _job_there(options)
    else:
        job, _ = planned(options, reporter, stopper)
        write_template(job)
    threads = options.threads or max(1, (os.cpu_count() or 1) // options.workers)
    started = LocalRun(
        job,
        options.workers,
        threads,
        job.wishes.retries if options.retries is None else options.retries,
        tell=reporter.event,
        asked_to_stop=lambda: stopper.asked,
        server=options.server or "",
        nuke=options.nuke,
    )
    code = started.run()
    stopper.check()
    reporter.event(events.note(f"the job is {'done' if code is ExitCode.DONE else 'not done'}"))
    if code is ExitCode.DONE:
        reporter.event(events.result("job", job.folder))
    return code


def _job_there(options: argparse.Namespace) -> FarmJob:
    """The job in a folder, which is cut already.

    Raises:
        BadRequestError: it is none, or options want it cut anew.
    """
    for name in ("job", "preset", "chunk_frames", "cache"):
        if getattr(options, name) is not None:
            option = f"--{name.replace('_', '-')}"
            raise BadRequestError(f"{option} goes with a recipe; {options.recipe} is a job")
    return read_job(options.recipe)


# ---- task --------------------------------------------------------------------------------------


def _add_task(commands: Any) -> None:
    text = "Run one task of a job, as blades do; the exit code tells whether to run it again."
    parser = _add(commands, "task", _task, text)
    parser.add_argument("job", metavar="JOB", help="the job's folder")
    parser.add_argument("step", metavar="STEP", help="track, matte, ...")
    parser.add_argument("task", metavar="TASK", help="its number from 1, or its name")
    parser.add_argument("--nuke", default="nuke", metavar="COMMAND", help="for tasks that need it")
    parser.add_argument(
        "--openjd", action="store_true", help="also tell progress as Open Job Description reads it"
    )
    add_talk_options(parser)


def _task(options: argparse.Namespace, reporter: Reporter, stopper: Stopper) -> ExitCode:
    from airoto_client.cli.farm_task import run_task

    job = read_job(options.job)
    step = job.step(options.step)

    def airoto(arguments: list[str], told: Reporter) -> ExitCode:
        from airoto_client.cli import parse

        asked = parse(arguments)
        code: ExitCode = asked.run(asked, told, stopper)
        return code

    return run_task(
        job,
        step,
        _task_of(step, options.task),
        told=reporter,
        stopper=stopper,
        airoto=airoto,
        nuke=options.nuke,
        openjd=options.openjd,
    )


def _task_of(step: Step, named: str) -> Task:
    if named.isascii() and named.isdigit():
        if not 1 <= int(named) <= len(step.tasks):
            raise BadRequestError(
                f"the step {step.name} has no task {named}; allowed: 1 to {len(step.tasks)}"
            )
        return step.tasks[int(named) - 1]
    return step.task(named)


# ---- server ------------------------------------------------------------------------------------


def _add_server(commands: Any) -> None:
    text = "A server for a session of a farm's worker: what templates call."
    parser = _add(commands, "server", _server, text)
    parser.add_argument("action", choices=("start", "stop", "keep"))
    parser.add_argument("session", metavar="DIR", help="the session's working directory")
    parser.add_argument("--job", metavar="JOB", help="the job's folder")
    parser.add_argument("--use", default="", metavar="TARGET", help="a server that is there")
    parser.add_argument("--cache", default="", metavar="DIR", help="default: as the job says")
    parser.add_argument("--threads", type=int, default=0, metavar="N")
    parser.add_argument("options", nargs="*", metavar="OPTION", help="keep: for airoto serve")
    add_talk_options(parser)


def _server(options: argparse.Namespace, reporter: Reporter, stopper: Stopper) -> ExitCode:
    from airoto_client.farm import session_server

    session = Path(options.session).absolute()
    if options.action == "stop":
        session_server.stop(session)
        return ExitCode.DONE
    if options.action == "keep":
        session_server.keep(session, options.options, lambda: stopper.asked)
        return ExitCode.DONE
    target = options.use
    if not target:
        if options.job is None:
            raise BadRequestError("server start needs --job JOB or --use TARGET")
        cache = options.cache or str(read_job(options.job).cache_folder)
        serve = ["--cache", cache, "--threads", str(options.threads)]
        target = session_server.start(session, serve)
    reporter.event(events.note(f"the session's tasks use the server at {target}"))
    print(f"openjd_env: AIROTO_SERVER={target}", flush=True)
    return ExitCode.DONE


def _add(commands: Any, name: str, call: Any, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=text, allow_abbrev=False
    )
    parser.set_defaults(call=call)
    return parser


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # the package above it
        return False
