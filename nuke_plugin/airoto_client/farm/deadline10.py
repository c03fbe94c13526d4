"""Deadline 10: one job for each step, as pairs of job info and plug-in info files.

Every step becomes a job of the CommandLine plug-in whose frames are the numbers of its tasks; all
share a batch name. A job can name those that it waits for only when they have ids, so the files
are submitted in order and each gets the ids of those before.

Source: Deadline 10 User Manual, "Manual Job Submission". Tried against our own reader of these
files, not against a repository of Deadline.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from airoto.errors import BadRequestError
from airoto_client.farm.job import FarmJob, Step
from airoto_client.farm.managers import Submission, refused, run_manager, task_command
from airoto_client.files import atomic_file

NAME = "deadline10"
FOLDER = "deadline10"
COMMAND = "deadlinecommand"
_WHAT = "Deadline"
_ID = re.compile(r"^\s*JobID=(\S+)\s*$", re.MULTILINE)


def job_info(job: FarmJob, step: Step, ids: Mapping[str, str]) -> dict[str, str]:
    """Of one step, as keys and values.

    Args:
        ids: of the steps that were submitted before.
    """
    wishes = job.wishes
    said = {
        "Plugin": "CommandLine",
        "Name": f"{job.name} {step.name}",
        "BatchName": job.name,
        "Comment": f"AIRoto mattes, {step.stage.value}",
        "Frames": f"1-{len(step.tasks)}",
        "ChunkSize": "1",
        "Priority": str(wishes.priority),
        "OverrideTaskFailureDetection": "true",
        "FailureDetectionTaskErrors": str(wishes.retries + 1),
    }
    if wishes.pool:
        said["Pool"] = wishes.pool
    if wishes.limits:
        said["LimitGroups"] = ",".join(wishes.limits)
    if step.depends_on:
        before = [ids[name] for name in step.depends_on if name in ids]
        if len(before) == len(step.depends_on):
            said["JobDependencies"] = ",".join(before)
    said["EnvironmentKeyValue0"] = f"AIROTO_CACHE={job.cache_folder}"
    return said


def plugin_info(job: FarmJob, step: Step) -> dict[str, str]:
    """Of one step: the command line, as the CommandLine plug-in takes it.

    Raises:
        BadRequestError: the job's folder has a character that Deadline's arguments cannot hold.
    """
    command = task_command(job, step, "<STARTFRAME>")
    return {
        "Executable": command[0],
        "Arguments": " ".join(_quoted(word) for word in command[1:]),
        "Shell": "default",
        "ShellExecute": "False",
        "SingleFramesOnly": "True",
    }


def write(job: FarmJob, ids: Mapping[str, str] | None = None) -> dict[str, tuple[Path, Path]]:
    """Write `deadline10/<step>.job` and `<step>.plugin` of every step into the job's folder.

    Raises:
        OutputError: they cannot be written.
        BadRequestError: as `plugin_info`.
    """
    return {step.name: _write(job, step, ids or {}) for step in job.steps}


def submit(job: FarmJob, *, files_only: bool = False) -> Submission:
    """Hand the steps over, each waiting for those that it depends on.

    Args:
        files_only: write the files and run nothing.

    Raises:
        ServerUnreachableError: Deadline refused a step; names those that it had taken already.
        BadRequestError: `deadlinecommand` is not installed here.
    """
    written = write(job)
    ids: dict[str, str] = {}
    if not files_only:
        for step in job.steps:
            pair = _write(job, step, ids)
            said = run_manager([COMMAND, *map(str, pair)], _WHAT)
            found = _ID.search(said)
            if not found:
                taken = ", ".join(f"{name} is {id_}" for name, id_ in ids.items())
                raise refused(
                    _WHAT,
                    f"no JobID for the step {step.name}" + (f" ({taken})" if taken else ""),
                    said,
                )
            ids[step.name] = found.group(1)
    return Submission(NAME, tuple(path for pair in written.values() for path in pair), ids)


def _write(job: FarmJob, step: Step, ids: Mapping[str, str]) -> tuple[Path, Path]:
    folder = Path(job.folder) / FOLDER
    paths = folder / f"{step.name}.job", folder / f"{step.name}.plugin"
    for path, said in zip(paths, (job_info(job, step, ids), plugin_info(job, step))):
        with atomic_file(path) as file:
            lines = "".join(f"{key}={_one_line(value)}\n" for key, value in said.items())
            file.write(lines.encode())
    return paths


def _one_line(value: str) -> str:
    return " ".join(value.split("\n"))


def _quoted(word: str) -> str:
    if '"' in word or "\n" in word:
        raise BadRequestError(
            f"{word!r} cannot stand in a command line of Deadline; "
            "allowed: no quotation mark, no line break"
        )
    # <STARTFRAME> is replaced inside quotes too, but reads better without.
    return f"<QUOTE>{word}<QUOTE>" if re.search(r"\s", word) else word
