"""`airoto farm submit JOB --to MANAGER`: a job into a manager's queue."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from airoto_client.cli import events
from airoto_client.cli.options import add_talk_options
from airoto_client.cli.reporting import Reporter
from airoto_client.cli.stopping import Stopper
from airoto_client.exit_codes import ExitCode
from airoto_client.farm import deadline10, deadline_cloud, opencue
from airoto_client.farm.job import FarmJob, read_job
from airoto_client.farm.managers import Submission

_SUBMIT: dict[str, Callable[..., Submission]] = {
    deadline_cloud.NAME: deadline_cloud.submit,
    opencue.NAME: opencue.submit,
    deadline10.NAME: deadline10.submit,
}


def register(commands: Any) -> None:
    """Add the command to those of `farm`."""
    text = "Put a job into a farm manager's queue, or write the files that it takes."
    one = commands.add_parser("submit", help=text, description=text, allow_abbrev=False)
    one.set_defaults(call=_submit)
    one.add_argument("job", metavar="JOB", help="a job's folder")
    one.add_argument("--to", required=True, choices=tuple(_SUBMIT), help="the manager")
    one.add_argument(
        "--files-only", action="store_true", help="write its files and hand over nothing"
    )
    one.add_argument(
        "--with",
        dest="bundle",
        metavar="BUNDLE",
        help="deadline-cloud: a job bundle whose steps wait for the mattes (as Nuke's submitter "
        "exports one); both become one job",
    )
    add_talk_options(one)


def _submit(options: argparse.Namespace, reporter: Reporter, stopper: Stopper) -> ExitCode:
    job = read_job(options.job)
    done = submit_to(options.to, job, files_only=options.files_only, bundle=options.bundle)
    for path in done.files:
        reporter.event(events.result("farm_file", str(path)))
    for step, name in done.ids.items():
        reporter.event(events.submitted(done.manager, step, name))
    return ExitCode.DONE


def submit_to(
    manager: str, job: FarmJob, *, files_only: bool = False, bundle: str | None = None
) -> Submission:
    """Hand a job to a manager.

    Raises:
        BadRequestError: there is no such manager, or it takes no bundle.
        AIRotoError: as the manager's own `submit`.
    """
    if bundle is not None:
        return deadline_cloud.submit(job, files_only=files_only, bundle=bundle)
    return _SUBMIT[manager](job, files_only=files_only)
