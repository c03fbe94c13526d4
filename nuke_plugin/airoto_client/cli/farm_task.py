"""One task of a farm job, run here: its command, its log, its words for the manager."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Callable

from airoto.errors import AIRotoError, BadRequestError, BusyError, EngineError
from airoto_client.cli import events
from airoto_client.cli.events import Event
from airoto_client.cli.reporting import Reporter, describe
from airoto_client.cli.stopping import Stopped, Stopper
from airoto_client.exit_codes import RETRYABLE, ExitCode, exit_code_of
from airoto_client.farm.job import FarmJob, Host, Step, Task
from airoto_client.farm.logs import TaskLog
from airoto_client.farm.session_server import WATCH_VARIABLE, lives

# What Nuke ends with where it gets no licence.
_NO_LICENCE = 100
_LOOK_SECONDS = 0.5

# Runs the arguments of an `airoto` command.
RunAiroto = Callable[[list[str], Reporter], ExitCode]


class TaskReporter(Reporter):
    """Puts every event into the task's log, and tells it in words.

    Args:
        openjd: also as lines that Open Job Description knows.
    """

    def __init__(self, log: TaskLog, told: Reporter, *, openjd: bool) -> None:
        self._log = log
        self._told = told
        self._openjd = openjd

    def event(self, event: Event) -> None:
        self._log.tell({**event, "time": time.time()})
        self._told.event(event)
        if not self._openjd:
            return
        if event["event"] == "progress":
            share = 100.0 * event["done"] / max(1, event["total"])
            self._say("progress", f"{min(100.0, share):.1f}")
            self._say("status", describe(event))
        elif event["event"] in ("queue", "summary"):
            self._say("status", describe(event))

    def detail(self, message: str) -> None:
        self._told.detail(message)

    def failed(self, exc: AIRotoError) -> None:
        """Write down why the task fails; the error itself is told further up."""
        code = exit_code_of(exc)
        self._log.tell(events.error(exc, code))
        if self._openjd:
            again = "run it again" if code in RETRYABLE else "running it again will not help"
            self._say(
                "fail", f"{exc.message} (exit code {int(code)}, {code.name.lower()}: {again})"
            )

    def close(self) -> None:
        self._told.close()

    @staticmethod
    def _say(what: str, text: str) -> None:
        print(f"openjd_{what}: {' '.join(text.split())}", flush=True)


def run_task(
    job: FarmJob,
    step: Step,
    task: Task,
    *,
    told: Reporter,
    stopper: Stopper,
    airoto: RunAiroto,
    nuke: str = "nuke",
    openjd: bool = False,
) -> ExitCode:
    """Run a task to its end; the exit code is also the last line of its log.

    Args:
        told: hears what is going on.
        airoto: runs a command of our own.
        nuke: the command for tasks that need the host.
    """
    _end_with_worker()
    log = TaskLog(job, step, task)
    reporter = TaskReporter(log, told, openjd=openjd)
    code = ExitCode.INTERNAL
    try:
        arguments = task.arguments(job.folder)
        if step.host is Host.AIROTO:
            code = airoto(arguments, reporter)
        else:
            code = _nuke([nuke, *arguments], job, reporter, stopper)
    except AIRotoError as exc:
        if stopper.asked:
            code = stopper.code
        else:
            code = exit_code_of(exc)
            reporter.failed(exc)
        raise
    except Stopped:
        code = stopper.code
        raise
    finally:
        log.end(int(code))
    return code


def _end_with_worker() -> None:
    """Stop cleanly when the worker that has a session's processes as its own has died."""
    watched = os.environ.get(WATCH_VARIABLE, "")
    if not watched.isdigit():
        return

    def look() -> None:
        while lives(int(watched)):
            time.sleep(_LOOK_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=look, name="worker-watch", daemon=True).start()


def _nuke(command: list[str], job: FarmJob, reporter: Reporter, stopper: Stopper) -> ExitCode:
    """Run the host, whose lines become notes.

    Raises:
        BusyError: it got no licence.
        EngineError: it failed.
    """
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=Path(job.folder),
            text=True,
            errors="replace",
        )
    except OSError as exc:
        raise BadRequestError(
            f"{command[0]} cannot be run: {exc.strerror}", hint="name the command with --nuke"
        ) from exc
    assert process.stdout is not None
    with process, stopper.when_asked(process.terminate), stopper.when_forced(process.kill):
        for line in process.stdout:
            if line.strip():
                reporter.event(events.note(line.rstrip()))
    stopper.check()
    if process.returncode == _NO_LICENCE:
        raise BusyError(f"{command[0]} got no licence (exit code {_NO_LICENCE})")
    if process.returncode:
        raise EngineError(f"{command[0]} ended with exit code {process.returncode}")
    return ExitCode.DONE
