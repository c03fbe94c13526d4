"""How far a job is: its tasks by their logs, its frames by the files themselves.

A matte counts as there when its header names the job's recipe, whatever the logs say: logs may be
lost, and somebody else may have made the frame.
"""

from __future__ import annotations

import enum
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airoto.errors import PlateError
from airoto.sequence import Pattern, compress_frames
from airoto.wire import recipe as recipes
from airoto.wire.messages import Recipe
from airoto_client.farm.job import FarmJob, Stage, Step
from airoto_client.farm.logs import TaskState
from airoto_client.farm.stories import TaskStory, step_stories
from airoto_client.marks import provenance_of


class FrameState(str, enum.Enum):
    """How far a frame of a step is."""

    DONE = "done"
    RUNNING = "running"
    FAILED = "failed"
    MISSING = "missing"


# One character of a strip stands for a frame, or for the worst of several.
_SIGNS = {
    FrameState.DONE: "█",
    FrameState.RUNNING: "▒",
    FrameState.FAILED: "x",
    FrameState.MISSING: "·",
}
_WORST = (FrameState.FAILED, FrameState.MISSING, FrameState.RUNNING, FrameState.DONE)
_NARROW, _WIDE = 10, 120


@dataclass(frozen=True)
class StepStatus:
    """How far a step is.

    Attributes:
        frames: in order. Of a step of several groups, a frame is as far as its least finished.
    """

    step: Step
    tasks: tuple[TaskStory, ...]
    frames: Mapping[int, FrameState]

    def count(self, state: TaskState) -> int:
        """Tasks of that state."""
        return sum(one.state is state for one in self.tasks)

    @property
    def done(self) -> bool:
        """Whether all of its frames are."""
        return all(state is FrameState.DONE for state in self.frames.values())

    def of(self, state: FrameState) -> list[int]:
        """Frames of that state."""
        return [frame for frame, found in self.frames.items() if found is state]

    @property
    def failures(self) -> list[TaskStory]:
        """Tasks that failed."""
        return [one for one in self.tasks if one.state is TaskState.FAILED]


@dataclass(frozen=True)
class JobStatus:
    """How far a job is."""

    job: FarmJob
    steps: tuple[StepStatus, ...]

    @property
    def done(self) -> bool:
        """Whether nothing is left to do."""
        return all(step.done for step in self.steps)

    @property
    def failed(self) -> bool:
        """Whether a task failed and was not made good since."""
        return any(FrameState.FAILED in step.frames.values() for step in self.steps)


def job_status(job: FarmJob) -> JobStatus:
    """Look at logs and mattes.

    Raises:
        RecipeError: the job's recipe cannot be read.
    """
    found: dict[str, StepStatus] = {}
    # From the end: where a step is done, nobody needs what it was made from any more.
    for step in reversed(job.steps):
        stories = step_stories(job, step)
        frames = _by_tasks(stories)
        after = [found[one.name] for one in job.steps if step.name in one.depends_on]
        if step.stage is Stage.MATTE and step.recipe:
            frames = _by_files(frames, mattes_there(job, step))
        elif after and all(one.done for one in after):
            frames = dict.fromkeys(frames, FrameState.DONE)
        found[step.name] = StepStatus(step, tuple(stories), frames)
    return JobStatus(job, tuple(found[step.name] for step in job.steps))


def mattes_there(job: FarmJob, step: Step) -> dict[int, Mapping[str, Any]]:
    """Provenance of the finished mattes of a matte step's recipe, by frame.

    Raises:
        RecipeError: the recipe cannot be read.
    """
    recipe = job_recipe(job, step)
    digest = job.recipes[step.recipe]
    return {
        frame: made
        for frame in range(recipe.plate.frames.first, recipe.plate.frames.last + 1)
        if (made := _made(matte_path(recipe, frame))) is not None
        and made.get("recipe_hash") == digest
    }


def job_recipe(job: FarmJob, step: Step) -> Recipe:
    """The recipe of a step.

    Raises:
        RecipeError: it cannot be read.
    """
    return recipes.read(Path(job.folder) / step.recipe)


def matte_path(recipe: Recipe, frame: int) -> Path:
    """Where the matte of a frame lies."""
    return Pattern.parse(recipe.output.path).path(frame, recipe.plate.view)


def strip(frames: Mapping[int, FrameState], width: int) -> str:
    """The frames as one line of at most `width` characters; several share one, the worst shows."""
    states = list(frames.values())
    if not states:
        return ""
    cells = min(len(states), max(1, width))
    line = []
    for index in range(cells):
        begin, end = index * len(states) // cells, (index + 1) * len(states) // cells
        some = set(states[begin:end])
        line.append(_SIGNS[next(one for one in _WORST if one in some)])
    return "".join(line)


def status_lines(status: JobStatus, width: int | None = None) -> list[str]:
    """The status as lines for people."""
    columns = (width or shutil.get_terminal_size((100, 24)).columns) - 14
    columns = max(_NARROW, min(_WIDE, columns))
    lines = [f"{status.job.name}  {status.job.folder}"]
    for step in status.steps:
        tasks = Counter(one.state for one in step.tasks)
        told = ", ".join(f"{tasks[state]} {state.value}" for state in TaskState if tasks[state])
        count = len(step.of(FrameState.DONE))
        lines.append(
            f"{step.step.name:<12}  {count} of {len(step.frames)} frames; "
            f"{len(step.tasks)} tasks: {told}"
        )
        lines.append(f"{'':<12}  {strip(step.frames, columns)}")
        missing = step.of(FrameState.MISSING)
        if missing and count:
            lines.append(f"{'':<12}  missing: {compress_frames(missing)}")
        for record in step.failures:
            code = "" if record.exit_code is None else f" ({record.exit_code})"
            lines.append(f"{'':<12}  {record.task.name} failed{code}: {record.error}")
            lines.append(f"{'':<12}    {status.job.log(step.step, record.task)}")
    return lines


def status_event(status: JobStatus) -> dict[str, Any]:
    """The status as a JSON event."""
    return {
        "event": "farm_status",
        "job": status.job.name,
        "folder": status.job.folder,
        "done": status.done,
        "failed": status.failed,
        "steps": [
            {
                "step": step.step.name,
                "stage": step.step.stage.value,
                "tasks": {state.value: step.count(state) for state in TaskState},
                "frames": {state.value: step.of(state) for state in FrameState},
                "failures": [
                    {
                        "task": record.task.name,
                        "exit_code": record.exit_code,
                        "message": record.error,
                        "log": str(status.job.log(step.step, record.task)),
                    }
                    for record in step.failures
                ],
            }
            for step in status.steps
        ],
    }


def _by_tasks(records: Sequence[TaskStory]) -> dict[int, FrameState]:
    known = {
        TaskState.DONE: FrameState.DONE,
        TaskState.RUNNING: FrameState.RUNNING,
        TaskState.FAILED: FrameState.FAILED,
        TaskState.WAITING: FrameState.MISSING,
    }
    found: dict[int, FrameState] = {}
    for record in records:
        first, last = record.task.frames
        state = known[record.state]
        for frame in range(first, last + 1):
            other = found.get(frame, state)
            found[frame] = min(state, other, key=_WORST.index)
    return dict(sorted(found.items()))


def _by_files(
    frames: Mapping[int, FrameState], there: Mapping[int, Mapping[str, Any]]
) -> dict[int, FrameState]:
    """A frame whose file is there is done; one whose file is not is not."""
    return {
        frame: FrameState.DONE
        if frame in there
        else FrameState.MISSING
        if state is FrameState.DONE
        else state
        for frame, state in frames.items()
    }


def _made(path: Path) -> dict[str, Any] | None:
    try:
        return provenance_of(path)
    except PlateError:
        return None
