"""OpenCue: an outline with a layer for each step.

Layers have a frame for each task; Cuebot puts its number into the command. A layer waits for all
of those that its step depends on. Serialised by PyOutline (`opencue-pyoutline`) and checked
without a Cuebot; not launched on one.
"""

from __future__ import annotations

import contextlib
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from airoto.errors import AIRotoError, EngineUnavailableError
from airoto_client.farm.job import FarmJob, Step
from airoto_client.farm.managers import Submission, refused, task_command
from airoto_client.files import atomic_file

NAME = "opencue"
FILE = "opencue.xml"
_WHAT = "OpenCue"
# What Cuebot replaces in a command.
_FRAME = "#IFRAME#"


def specification(job: FarmJob) -> str:
    """The job as OpenCue's XML job specification.

    Raises:
        EngineUnavailableError: PyOutline is not installed.
    """
    with _outline_package() as config, tempfile.TemporaryDirectory() as session:
        # PyOutline makes a folder of its own for every job; nothing of ours needs it.
        before = config.get("outline", "session_dir")
        config.set("outline", "session_dir", session)
        try:
            return str(_launcher(job).serialize(use_pycuerun=False))
        finally:
            config.set("outline", "session_dir", before)


def submit(job: FarmJob, *, files_only: bool = False) -> Submission:
    """Write `opencue.xml` into the job's folder and launch it on the Cuebot that PyCue knows.

    Args:
        files_only: write the file and launch nothing.

    Raises:
        EngineUnavailableError: PyOutline is not installed.
        OutputError: the file cannot be written.
        ServerUnreachableError: Cuebot did not take the job.
    """
    path = Path(job.folder) / FILE
    text = specification(job)
    with atomic_file(path) as file:
        file.write(text.encode())
    if files_only:
        return Submission(NAME, (path,), {})
    with _outline_package():
        import opencue

        try:
            taken = opencue.api.launchSpecAndWait(text)
        except opencue.CueException as exc:
            raise refused(_WHAT, type(exc).__name__, str(exc)) from exc
    return Submission(NAME, (path,), {"": str(taken[0].id()) if taken else job.name})


def _launcher(job: FarmJob) -> Any:
    from outline import Outline
    from outline.cuerun import OutlineLauncher

    outline = Outline(_identifier(job.name))
    layers: dict[str, Any] = {}
    for step in job.steps:
        layers[step.name] = layer = _layer(job, step)
        outline.add_layer(layer)
        for before in step.depends_on:
            layer.depend_all(layers[before])
    return OutlineLauncher(
        outline,
        priority=job.wishes.priority,
        maxretries=job.wishes.retries,
        nomail=True,
        **({"facility": job.wishes.pool} if job.wishes.pool else {}),
    )


def _layer(job: FarmJob, step: Step) -> Any:
    from outline.modules.shell import Shell

    options: dict[str, Any] = {}
    if step.needs.memory:
        options["memory"] = f"{step.needs.memory}m"
    if step.needs.gpus:
        options["gpus"] = step.needs.gpus
    if step.needs.gpu_memory:
        options["gpu_memory"] = f"{step.needs.gpu_memory}m"
    if job.wishes.limits:
        options["limits"] = list(job.wishes.limits)
    # PyOutline joins the words with spaces, and a shell runs the line.
    words = [
        word if word == _FRAME else shlex.quote(word) for word in task_command(job, step, _FRAME)
    ]
    return Shell(
        step.name,
        command=words,
        range=f"1-{len(step.tasks)}",
        chunk=1,
        env={"AIROTO_CACHE": str(job.cache_folder)},
        **options,
    )


def _identifier(name: str) -> str:
    """The job's name as Cuebot takes it: letters, digits, `.`, `_`, `-`."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in name)


@contextlib.contextmanager
def _outline_package() -> Iterator[Any]:
    """PyOutline's configuration, where it is installed."""
    try:
        from outline.config import config
    except ImportError as exc:
        raise _missing(exc) from exc
    yield config


def _missing(exc: ImportError) -> AIRotoError:
    return EngineUnavailableError(
        f"{_WHAT} needs the package opencue-pyoutline: {exc}",
        hint="pip install 'airoto[opencue]'",
    )
