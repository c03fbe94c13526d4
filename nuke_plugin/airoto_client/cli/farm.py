"""`airoto farm template|run|task|submit|status|report|server`: mattes as a farm's job."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from airoto.errors import BadRequestError
from airoto_client.cli import events, farm_looking, farm_submit
from airoto_client.cli.farm_plan import add_plan_options, need, planned, write_template
from airoto_client.cli.options import add_command, add_server_options, add_talk_options
from airoto_client.cli.reporting import Reporter
from airoto_client.cli.stopping import Stopper
from airoto_client.exit_codes import ExitCode
from airoto_client.farm.job import FarmJob, Step, Task, read_job


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
