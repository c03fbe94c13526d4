"""`airoto farm run`: a job's tasks on this machine, several workers at a time."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import queue
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

from airoto.errors import BadRequestError
from airoto_client.exit_codes import ExitCode
from airoto_client.farm.job import LOG_FOLDER, FarmJob, Host
from airoto_client.farm.schedule import Entry, Schedule, State
from airoto_client.farm.session_server import end_all
from airoto_client.files import write_error

_LOCK = "run.lock"
_LOOK_SECONDS = 0.2
# Seconds that workers have to cancel what runs and to stop their servers.
_GRACE = 90.0

Tell = Callable[[dict[str, Any]], None]


@dataclass
class _Worker:
    """A worker's process, and what it does now."""

    process: subprocess.Popen[str]
    root: Path
    entry: Entry | None = None
    step: str = ""


@dataclass
class LocalRun:
    """One run of a job.

    Attributes:
        workers: tasks at a time; each worker has a server of its own.
        threads: of each server; results do not depend on it.
        tell: hears of every task.
        asked_to_stop: looked at all the time.
        server: address of a server that is there; empty: workers start their own.
        nuke: the command for steps that need the host.
    """

    job: FarmJob
    workers: int
    threads: int
    retries: int
    tell: Tell
    asked_to_stop: Callable[[], bool]
    server: str = ""
    nuke: str = "nuke"
    _answers: queue.Queue[tuple[_Worker, dict[str, Any] | None]] = field(
        default_factory=queue.Queue
    )
    _numbers: int = 0

    def run(self) -> ExitCode:
        """Run what is not finished; the exit code of the first task that failed for good.

        Raises:
            BadRequestError: the job is being run already.
        """
        with _only_one(Path(self.job.folder)), _root() as root:
            schedule = Schedule(self.job, self.retries)
            before = schedule.count(State.DONE)
            if before:
                of_all = len(schedule.entries)
                self.tell({"event": "note", "message": f"{before} of {of_all} tasks were done"})
            workers: list[_Worker] = []
            try:
                self._work(schedule, workers, root)
            finally:
                _end(workers)
            return schedule.code

    def _work(self, schedule: Schedule, workers: list[_Worker], root: Path) -> None:
        while not schedule.is_over and not self.asked_to_stop():
            self._hand_out(schedule, workers, root)
            try:
                worker, answer = self._answers.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                continue
            if answer is None:
                workers.remove(worker)
                code = worker.process.wait()
                # What it ran must have ended before somebody else is given the same task.
                _clean(worker.root)
                answer = {"exit_code": int(ExitCode.SERVER), "message": _death(code)}
            entry, worker.entry = worker.entry, None
            if entry is not None:
                self._ended(schedule, entry, answer)

    def _hand_out(self, schedule: Schedule, workers: list[_Worker], root: Path) -> None:
        """Give every idle worker a task, starting workers as long as there are tasks."""
        for worker in [one for one in workers if one.entry is None]:
            self._give(schedule.next(worker.step), worker)
        while len(workers) < self.workers:
            entry = schedule.next()
            if entry is None:
                return
            worker = self._start(root)
            workers.append(worker)
            self._give(entry, worker)

    def _give(self, entry: Entry | None, worker: _Worker) -> None:
        if entry is None:
            return
        worker.entry, worker.step = entry, entry.step.name
        self._tell_task(entry, f"{entry.name} begins")
        assert worker.process.stdin is not None
        with contextlib.suppress(OSError):  # it is dead, which is heard from its other pipe
            asked = {"step": entry.step.name, "task": entry.number}
            worker.process.stdin.write(json.dumps(asked) + "\n")
            worker.process.stdin.flush()

    def _ended(self, schedule: Schedule, entry: Entry, answer: dict[str, Any]) -> None:
        again = schedule.ended(entry, int(answer["exit_code"]))
        if entry.state is State.DONE:
            said = "is done"
        else:
            why = answer.get("message") or "its log tells why"
            what = "is run again" if again else "failed"
            said = f"{what} (exit code {answer['exit_code']}): {why}"
        self._tell_task(entry, f"{entry.name} {said}")
        step = entry.step
        done = schedule.count(State.DONE, step.name)
        self.tell(
            {
                "event": "progress",
                "stage": step.name,
                "done": done,
                "total": len(step.tasks),
                "seconds_left": None,
            }
        )

    def _tell_task(self, entry: Entry, message: str) -> None:
        self.tell(
            {
                "event": "task",
                "step": entry.step.name,
                "task": entry.task.name,
                "state": entry.state.value,
                "exit_code": int(entry.code),
                "message": message,
            }
        )

    def _start(self, root: Path) -> _Worker:
        self._numbers += 1
        parameters = {"Airoto": str(_command(root)), "Threads": str(self.threads)}
        if self.server:
            parameters["Server"] = self.server
        if any(step.host is Host.NUKE for step in self.job.steps):
            parameters["Nuke"] = self.nuke
        name = f"worker-{self._numbers}"
        own = root / name
        own.mkdir()
        log = Path(self.job.folder) / LOG_FOLDER / f"{name}.log"
        command = [sys.executable, "-m", "airoto_client.farm.worker"]
        process = subprocess.Popen(
            [*command, self.job.folder, str(own), json.dumps(parameters), str(log)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=own,
            env={**os.environ, "TMPDIR": str(own)},
            text=True,
            start_new_session=True,  # our Ctrl-C is not theirs
        )
        worker = _Worker(process, own)
        listening = threading.Thread(target=self._listen, args=(worker,), daemon=True)
        listening.start()
        return worker

    def _listen(self, worker: _Worker) -> None:
        assert worker.process.stdout is not None
        for line in worker.process.stdout:
            self._answers.put((worker, json.loads(line)))
        self._answers.put((worker, None))


def _end(workers: list[_Worker]) -> None:
    """Let workers go: they cancel what runs, and stop their servers."""
    for worker in workers:
        if worker.entry is None and worker.process.stdin is not None:
            with contextlib.suppress(OSError):
                worker.process.stdin.close()
        else:
            worker.process.terminate()
    end = time.monotonic() + _GRACE
    for worker in workers:
        try:
            worker.process.wait(max(0.1, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            worker.process.kill()
            worker.process.wait()


def _death(code: int) -> str:
    if code < 0:
        return f"its worker was killed by {signal.Signals(-code).name}"
    return f"its worker ended with exit code {code}"


@contextlib.contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Hold the job's lock, which ends with this process however it ends."""
    path = folder / _LOCK
    try:
        file = path.open("a")
    except OSError as exc:
        raise write_error(exc, path) from exc
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            raise BadRequestError(
                f"the job in {folder} is being run already", path=str(path)
            ) from exc
        yield


@contextlib.contextmanager
def _root() -> Iterator[Path]:
    """A folder for everything temporary; when it goes, so does what dead workers left."""
    root = Path(tempfile.mkdtemp(prefix="airoto-farm-"))
    try:
        yield root
    finally:
        for one in root.glob("worker-*"):
            _clean(one)
        shutil.rmtree(root, ignore_errors=True)


def _clean(root: Path) -> None:
    """End the servers that a worker left, and remove its folder."""
    end_all(root)
    shutil.rmtree(root, ignore_errors=True)


def _command(root: Path) -> Path:
    """This installation's `airoto` as one file, as templates name it."""
    path = root / "airoto"
    if not path.exists():
        python = shlex.quote(sys.executable)
        path.write_text(f'#!/bin/sh\nexec {python} -P -m airoto_client.cli "$@"\n')
        path.chmod(0o755)
    return path
