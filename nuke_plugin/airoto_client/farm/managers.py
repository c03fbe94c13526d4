"""What all farm managers are told alike: how a task is run, and what became of a submission.

A manager counts the tasks of a step from 1 and puts the number into one command line;
`airoto farm task` knows the rest from the job's folder.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from airoto.errors import AIRotoError, BadRequestError, ServerUnreachableError, TimedOutError
from airoto_client.farm.job import FarmJob, Step

# A manager's command that says nothing for so many seconds is given up.
_PATIENCE = 600.0


@dataclass(frozen=True)
class Submission:
    """What was handed over.

    Attributes:
        manager: its name, as `--to` takes it.
        files: what was written for it, in the order in which it is read.
        ids: what the manager calls what it was given, by step; one of the whole job under "".
            Empty where the files were only written.
    """

    manager: str
    files: tuple[Path, ...]
    ids: dict[str, str]


def task_command(job: FarmJob, step: Step, number: str) -> list[str]:
    """The command of a task of a step.

    Args:
        number: what the manager replaces by the task's number, from 1.
    """
    return ["airoto", "farm", "task", job.folder, step.name, number]


def run_manager(command: Sequence[str], what: str) -> str:
    """Run a manager's own command and return what it printed.

    Raises:
        BadRequestError: it is not installed here.
        ServerUnreachableError: it failed; with the end of what it said.
        TimedOutError: it did not end.
    """
    try:
        done = subprocess.run(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=_PATIENCE,
            check=False,
        )
    except OSError as exc:
        raise BadRequestError(
            f"{what} cannot be spoken to: {command[0]} cannot be run: {exc.strerror or exc}",
            hint="install it here, or write the files alone with --files-only",
        ) from exc
    except subprocess.TimeoutExpired as exc:
        raise TimedOutError(
            f"{what} did not answer: {command[0]} ran for more than {_PATIENCE:.0f} seconds"
        ) from exc
    if done.returncode:
        raise refused(what, f"{command[0]} ended with {done.returncode}", done.stdout)
    return done.stdout


def refused(what: str, why: str, said: str) -> AIRotoError:
    """The error of a manager that did not take a job."""
    last = "; ".join(line.strip() for line in said.splitlines()[-4:] if line.strip())
    return ServerUnreachableError(
        f"{what} did not take the job: {why}" + (f": {last}" if last else "")
    )
