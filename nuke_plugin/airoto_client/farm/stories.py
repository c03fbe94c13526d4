"""What the tasks of a job told of frames: their logs, read for people. Standard library only.

`logs` says what a log is. Lines that are no events are left out: a task that was killed may have
left half of one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airoto_client.farm.job import FarmJob, Stage, Step, Task
from airoto_client.farm.logs import TaskState

Event = Mapping[str, Any]

# A log longer than this is read from its end: nobody wants a status that reads gigabytes.
_MOST_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class FrameRecord:
    """A frame as its task told of it last.

    Attributes:
        status: `done`, `kept` or `skipped`.
        confidence, area: of each object by its id; 0 to 1, and in plate pixels.
        seconds: since the frame before of the same attempt; None for its first, or where the log
            has no times.
    """

    frame: int
    status: str
    path: str
    confidence: Mapping[int, float]
    area: Mapping[int, float]
    seconds: float | None


@dataclass(frozen=True)
class Doubt:
    """A frame worth looking at, as the server told: the worst have a `weight` of 1."""

    frame: int
    object_id: int
    reason: str
    weight: float
    message: str


@dataclass(frozen=True)
class TaskStory:
    """What became of one task.

    Attributes:
        warnings: frame (None: of no one frame) and message; all attempts', without repetitions.
        error: why the last attempt ended, empty where it did not fail.
        exit_code: of the last attempt; None while it runs.
        seconds: from the first to the last event of the last attempt; None without times.
        told: when it said something last, seconds since 1970; None without a log.
    """

    step: str
    task: Task
    state: TaskState
    attempts: int = 0
    frames: Mapping[int, FrameRecord] = field(default_factory=dict)
    warnings: tuple[tuple[int | None, str], ...] = ()
    doubts: tuple[Doubt, ...] = ()
    error: str = ""
    exit_code: int | None = None
    seconds: float | None = None
    told: float | None = None


def step_stories(job: FarmJob, step: Step) -> list[TaskStory]:
    """The stories of a step's tasks, in their order."""
    return [task_story(job, step, task) for task in step.tasks]


def task_story(job: FarmJob, step: Step, task: Task) -> TaskStory:
    """What the log of a task says; `WAITING` where there is none."""
    path = job.log(step, task)
    try:
        told = path.stat().st_mtime
        events = list(read_events(path))
    except OSError:
        return TaskStory(step.name, task, TaskState.WAITING)
    last = attempts(events)[-1] if events else []
    return TaskStory(
        step.name,
        task,
        _state(last),
        attempts=len(attempts(events)),
        frames=_frames(events) if step.stage is not Stage.TRACK else {},
        warnings=tuple(
            dict.fromkeys(
                (event.get("frame"), str(event.get("message", "")))
                for event in events
                if event["event"] == "warning"
            )
        ),
        doubts=_doubts(last),
        error=_error(last),
        exit_code=_exit_code(last),
        seconds=_span(last),
        told=told,
    )


def read_events(path: Path) -> Iterator[Event]:
    """The events of a log, the first first.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _MOST_BYTES))
        for line in file:
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict) and isinstance(event.get("event"), str):
                yield event


def attempts(events: Iterable[Event]) -> list[list[Event]]:
    """The events of each attempt: one begins with the event `task`."""
    found: list[list[Event]] = []
    for event in events:
        if event["event"] == "task" or not found:
            found.append([])
        found[-1].append(event)
    return found


def _state(events: list[Event]) -> TaskState:
    code = _exit_code(events)
    if code is None:
        return TaskState.RUNNING
    return TaskState.DONE if code == 0 else TaskState.FAILED


def _exit_code(events: list[Event]) -> int | None:
    for event in reversed(events):
        if event["event"] in ("error", "end"):
            code = event.get("exit_code")
            return int(code) if isinstance(code, (int, float)) else 1
    return None


def _error(events: list[Event]) -> str:
    for event in reversed(events):
        if event["event"] == "error":
            return str(event.get("message", ""))
    code = _exit_code(events)
    return f"it ended with {code} and said nothing" if code else ""


def _frames(events: Iterable[Event]) -> dict[int, FrameRecord]:
    found: dict[int, FrameRecord] = {}
    before: float | None = None
    for event in events:
        if event["event"] == "task":
            before = None
        if event["event"] != "frame":
            continue
        now = _number(event.get("time"))
        frame = int(event.get("frame", 0))
        objects = [one for one in event.get("objects", []) if isinstance(one, dict)]
        made = event.get("status") == "done"
        record = FrameRecord(
            frame,
            str(event.get("status", "")),
            str(event.get("path", "")),
            {int(one["id"]): float(one.get("confidence", 0.0)) for one in objects if "id" in one},
            {int(one["id"]): float(one.get("area", 0.0)) for one in objects if "id" in one},
            now - before if made and now is not None and before is not None else None,
        )
        # A frame that a later attempt found finished keeps what was told when it was made.
        if made or frame not in found:
            found[frame] = record
        before = now
    return found


def _doubts(events: list[Event]) -> tuple[Doubt, ...]:
    return tuple(
        Doubt(
            int(one.get("frame", 0)),
            int(one.get("object", 0)),
            str(one.get("reason", "")),
            float(one.get("weight", 0.0)),
            str(one.get("message", "")),
        )
        for event in events
        if event["event"] == "review"
        for one in event.get("frames", [])
    )


def _span(events: list[Event]) -> float | None:
    times = [time for time in (_number(one.get("time")) for one in events) if time is not None]
    return times[-1] - times[0] if len(times) > 1 else None


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None
