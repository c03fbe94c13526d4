"""A worker of `airoto farm run`: a process that runs tasks in Open Job Description sessions.

It reads one JSON object a line, `{"step": ..., "task": NUMBER}`, and answers each with one:
`{"exit_code": ..., "message": ...}`. The end of its standard input, or SIGTERM, ends it: what
runs is cancelled, environments are exited, and nothing is left.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import signal
import sys
import threading
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from openjd.model import (
    Job,
    ParameterValue,
    ParameterValueType,
    create_job,
    decode_job_template,
    preprocess_job_parameters,
)
from openjd.sessions import LOG, ActionState, ActionStatus, Session, SessionState

from airoto_client.exit_codes import ExitCode
from airoto_client.farm.job import read_job
from airoto_client.farm.openjd import FOLDER, template
from airoto_client.farm.session_server import WATCH_VARIABLE

_LOOK_SECONDS = 0.1
_GOING = (None, ActionState.RUNNING)


class Stopping(Exception):
    """The worker was told to end."""


class Worker:
    """Runs tasks one after the other, in one session as long as they are of one step.

    Args:
        folder: the job's.
        root: where sessions have their working directories.
        parameters: of the template.
    """

    def __init__(self, folder: Path, root: Path, parameters: Mapping[str, str]) -> None:
        made = decode_job_template(template=template(read_job(folder)))
        self._root = root
        self._values = preprocess_job_parameters(
            job_template=made,
            job_parameter_values={FOLDER: str(folder), **parameters},
            job_template_dir=folder,
            current_working_dir=folder,
        )
        self._job: Job = create_job(job_template=made, job_parameter_values=self._values)
        self._session: Session | None = None
        self._step = ""
        self._entered: list[str] = []
        self._ended = threading.Event()
        self.stopped = threading.Event()

    def run(self, step_name: str, number: int) -> dict[str, Any]:
        """Run a task; its exit code, and why it failed.

        Raises:
            Stopping: the worker was told to end.
        """
        step = next(one for one in self._job.steps if one.name == step_name)
        session = self._session
        if session is None or self._step != step_name or session.state != SessionState.READY:
            self.close()
            failed = self._open(step)
            if failed is not None:
                self.close()
                return failed
        assert self._session is not None
        value = ParameterValue(type=ParameterValueType.INT, value=str(number))
        self._session.run_task(
            step_script=step.script, task_parameter_values={"Task": value}, step_name=step.name
        )
        return self._outcome(self._session)

    def close(self) -> None:
        """Exit environments and end the session."""
        session, self._session = self._session, None
        if session is None:
            return
        while self._entered:
            name = self._entered.pop()
            self._ended.clear()
            session.exit_environment(identifier=name, keep_session_running=bool(self._entered))
            self._ended.wait()
        session.cleanup()

    def _open(self, step: Any) -> dict[str, Any] | None:
        """Begin a session and enter the step's environments; what failed, if something did."""
        session = Session(
            session_id=uuid.uuid4().hex[:8],
            job_parameter_values=self._values,
            callback=self._told,
            os_env_vars={WATCH_VARIABLE: str(os.getpid())},
            session_root_directory=self._root,
        )
        self._session, self._step = session, step.name
        for environment in step.stepEnvironments or ():
            self._ended.clear()
            self._entered.append(str(environment.name))
            session.enter_environment(
                environment=environment, identifier=environment.name, step_name=step.name
            )
            outcome = self._outcome(session)
            if outcome["exit_code"]:
                outcome["message"] = f"the environment {environment.name} failed to start"
                return outcome
        return None

    def _outcome(self, session: Session) -> dict[str, Any]:
        """Wait for the running action.

        Raises:
            Stopping: it was cancelled, since the worker has to end.
        """
        cancelled = False
        while not self._ended.wait(_LOOK_SECONDS):
            if self.stopped.is_set() and not cancelled:
                cancelled = True
                with contextlib.suppress(RuntimeError):  # it has just ended
                    session.cancel_action()
        self._ended.clear()
        if self.stopped.is_set():
            raise Stopping
        status = session.action_status
        assert status is not None
        code = 0 if status.state is ActionState.SUCCESS else status.exit_code
        if code is None or (code == 0 and status.state is not ActionState.SUCCESS):
            code = int(ExitCode.SERVER if status.state is ActionState.TIMEOUT else 1)
        return {"exit_code": code, "message": status.fail_message or ""}

    def _told(self, _session: str, status: ActionStatus) -> None:
        if status.state not in _GOING:
            self._ended.set()


def main(folder: str, root: str, parameters: str, log: str) -> int:
    """The worker's process; `parameters` are JSON, `log` is the file of its sessions."""
    _log_to(Path(log))
    worker = Worker(Path(folder), Path(root), json.loads(parameters))
    asked: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()

    def stop(*_: object) -> None:
        worker.stopped.set()
        asked.put(None)

    def read() -> None:
        for line in sys.stdin:
            asked.put(json.loads(line))
        stop()  # whoever asks has gone

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ours to pass on as SIGTERM
    threading.Thread(target=read, name="asked", daemon=True).start()
    try:
        while not worker.stopped.is_set():
            one = asked.get()
            if one is None:
                break
            answer = worker.run(one["step"], one["task"])
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()
    except Stopping:
        pass
    finally:
        worker.close()
    return 0


def _log_to(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    LOG.addHandler(handler)
    LOG.propagate = False
    LOG.setLevel(logging.INFO)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
