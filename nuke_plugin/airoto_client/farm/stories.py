"""What the tasks of a job told of frames: their logs (`logs`), read for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airoto_client.farm.job import FarmJob, Stage, Step, Task
from airoto_client.farm.logs import Event, TaskRecord, TaskState, read_attempts, record_of


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


def step_stories(job: FarmJob, step: Step) -> list[TaskStory]:
    """The stories of a step's tasks, in their order."""
    return [task_story(job, step, task) for task in step.tasks]


def task_story(job: FarmJob, step: Step, task: Task) -> TaskStory:
    """What the log of a task says; `WAITING` where there is none."""
    attempts = read_attempts(job.log(step, task))
    record = record_of(attempts)
    events = [event for attempt in attempts for event in attempt]
    times = [time for event in record.events if (time := _number(event.get("time"))) is not None]
    return TaskStory(
        step.name,
        task,
        record.state,
        attempts=record.attempts,
        frames=_frames(events) if step.stage is not Stage.TRACK else {},
        warnings=tuple(
            dict.fromkeys(
                (event.get("frame"), str(event.get("message", "")))
                for event in events
                if event.get("event") == "warning"
            )
        ),
        doubts=_doubts(record.events),
        error=_error(record),
        exit_code=record.exit_code,
        seconds=times[-1] - times[0] if len(times) > 1 else None,
    )


def _error(record: TaskRecord) -> str:
    if record.state is not TaskState.FAILED:
        return ""
    for event in reversed(record.events):
        if event.get("event") == "error":
            return str(event.get("message", ""))
    return f"it ended with {record.exit_code} and said nothing"


def _frames(events: Iterable[Event]) -> dict[int, FrameRecord]:
    found: dict[int, FrameRecord] = {}
    before: float | None = None
    for event in events:
        if event.get("event") == "task":
            before = None
        if event.get("event") != "frame":
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


def _doubts(events: Iterable[Event]) -> tuple[Doubt, ...]:
    return tuple(
        Doubt(
            int(one.get("frame", 0)),
            int(one.get("object", 0)),
            str(one.get("reason", "")),
            float(one.get("weight", 0.0)),
            str(one.get("message", "")),
        )
        for event in events
        if event.get("event") == "review"
        for one in event.get("frames", [])
    )


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None
