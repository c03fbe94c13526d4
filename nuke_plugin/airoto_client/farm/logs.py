"""What a task told, line by line, and how it ended: written by the task, read by whoever asks.

A log holds every attempt of a task, one JSON object a line: a `task` event, then the events of
`airoto --json` (docs/command-line.md), then an `end` event with the exit code. An attempt whose
blade died has no end. Standard library only.
"""

from __future__ import annotations

import enum
import json
import os
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airoto_client.farm.job import FarmJob, Step, Task
from airoto_client.files import write_error

Event = dict[str, Any]


class TaskState(enum.Enum):
    """Where a task is, as its log tells; a RUNNING one may be dead."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class TaskRecord:
    """What a log tells.

    Attributes:
        attempts: how often it was begun.
        exit_code: of the last attempt; None where it has none.
        events: of the last attempt, `task` and `end` among them.
    """

    state: TaskState
    attempts: int = 0
    exit_code: int | None = None
    events: tuple[Event, ...] = ()

    @property
    def recipe_hash(self) -> str:
        """Of the recipe that the last attempt was for."""
        return str(self.events[0].get("recipe_hash", "")) if self.events else ""


class TaskLog:
    """The log of a task that runs now; close it with `end`.

    Raises:
        OutputError: it cannot be written.
    """

    def __init__(self, job: FarmJob, step: Step, task: Task) -> None:
        self.path = job.log(step, task)
        self._began = time.time()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Unbuffered and appended: a line is there as soon as it is told, whoever dies then.
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
            size = os.fstat(self._file).st_size
            if size and os.pread(self._file, 1, size - 1) != b"\n":
                os.write(self._file, b"\n")  # an attempt that died within a line
        except OSError as exc:
            raise write_error(exc, self.path) from exc
        self.tell(
            {
                "event": "task",
                "step": step.name,
                "task": task.name,
                "frames": list(task.frames),
                "recipe_hash": job.recipes.get(step.recipe, ""),
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "time": self._began,
            }
        )

    def tell(self, event: Event) -> None:
        """Add one event."""
        try:
            os.write(self._file, (json.dumps(event, ensure_ascii=False) + "\n").encode())
        except OSError as exc:
            raise write_error(exc, self.path) from exc

    def end(self, exit_code: int) -> None:
        """Add the end, and close."""
        now = time.time()
        self.tell(
            {
                "event": "end",
                "exit_code": exit_code,
                "seconds": now - self._began,
                "time": now,
                "host": socket.gethostname(),
                "pid": os.getpid(),
            }
        )
        os.close(self._file)


def read_log(path: Path) -> TaskRecord:
    """What a log tells; `WAITING` where there is none."""
    return record_of(read_attempts(path))


def read_attempts(path: Path) -> list[list[Event]]:
    """The events of every attempt, each from its `task` event on; none where there is no log.

    Lines that somebody died in are left out.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return []
    attempts: list[list[Event]] = []
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if not isinstance(event, dict):
            continue
        if event.get("event") == "task":
            attempts.append([])
        if not attempts:
            continue
        if event.get("event") == "end" and not _is_of(event, attempts[-1][0]):
            continue  # an attempt that was given up, and ended later
        attempts[-1].append(event)
    return attempts


def record_of(attempts: Sequence[Sequence[Event]]) -> TaskRecord:
    """What attempts come to."""
    if not attempts:
        return TaskRecord(TaskState.WAITING)
    events = tuple(attempts[-1])
    last = events[-1]
    if last.get("event") != "end":
        return TaskRecord(TaskState.RUNNING, len(attempts), None, events)
    code = last.get("exit_code")
    if type(code) is not int:  # no log of ours; what it did is not known to have gone well
        code = 1
    state = TaskState.DONE if code == 0 else TaskState.FAILED
    return TaskRecord(state, len(attempts), code, events)


def _is_of(end: Event, begin: Event) -> bool:
    return all(end.get(name) == begin.get(name) for name in ("host", "pid"))


def is_finished(job: FarmJob, step: Step, task: Task) -> bool:
    """Whether a task need not be run again: its last attempt ended well, for the recipe of now,
    and the files that it told of are there.

    Of tracked masks only a server knows; a matte task that misses them says so.
    """
    record = read_log(job.log(step, task))
    if record.state is not TaskState.DONE:
        return False
    if record.recipe_hash != job.recipes.get(step.recipe, ""):
        return False
    told = (one.get("path") for one in record.events if one.get("event") == "frame")
    return all(Path(path).exists() for path in told if path)
