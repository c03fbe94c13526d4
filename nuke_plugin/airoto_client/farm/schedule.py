"""Which task of a job is next: dependencies, retries, what was finished before. No processes."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from airoto_client.exit_codes import RETRYABLE, ExitCode
from airoto_client.farm.job import FarmJob, Stage, Step, Task
from airoto_client.farm.logs import is_finished

# Frames beside its own whose masks a matte depends on, at most.
_BESIDE = 8


class State(enum.Enum):
    """Where a task is in this run."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass
class Entry:
    """One task in this run.

    Attributes:
        tries: how often it ended badly in this run.
        code: of its last end.
    """

    step: Step
    task: Task
    number: int
    state: State = State.WAITING
    tries: int = 0
    code: ExitCode = ExitCode.DONE

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.step.name} {self.task.name}"


@dataclass
class Schedule:
    """All tasks of a job; those that are finished are done from the start.

    Attributes:
        retries: how often a task may end with "again" before it has failed.
    """

    job: FarmJob
    retries: int
    entries: list[Entry] = field(default_factory=list)

    def __post_init__(self) -> None:
        for step in self.job.steps:
            for number, task in enumerate(step.tasks, start=1):
                done = is_finished(self.job, step, task)
                state = State.DONE if done else State.WAITING
                self.entries.append(Entry(step, task, number, state))

    def next(self, step: str = "") -> Entry | None:
        """A task that is ready, of that step if there is one; it runs from now on."""
        ready = [one for one in self.entries if one.state is State.WAITING and self._is_ready(one)]
        ready.sort(key=lambda one: one.step.name != step)
        if not ready:
            return None
        ready[0].state = State.RUNNING
        return ready[0]

    def ended(self, entry: Entry, code: int) -> bool:
        """A task ended; whether it is going to run again."""
        entry.code = ExitCode(code) if code in set(ExitCode) else ExitCode.INTERNAL
        if entry.code is ExitCode.DONE:
            entry.state = State.DONE
            return False
        entry.tries += 1
        again = entry.code in RETRYABLE and entry.tries <= self.retries
        entry.state = State.WAITING if again else State.FAILED
        if again and entry.code is ExitCode.MISSING:
            self._track_again(entry)
        return again

    def count(self, state: State, step: str = "") -> int:
        """Tasks in a state."""
        return sum(
            one.state is state and (not step or one.step.name == step) for one in self.entries
        )

    @property
    def is_over(self) -> bool:
        """Whether nothing runs and nothing is ready."""
        return not self.count(State.RUNNING) and not any(
            one.state is State.WAITING and self._is_ready(one) for one in self.entries
        )

    @property
    def code(self) -> ExitCode:
        """Of the whole run: that of the first task that failed."""
        failed = [one.code for one in self.entries if one.state is State.FAILED]
        return failed[0] if failed else ExitCode.DONE

    def _is_ready(self, entry: Entry) -> bool:
        return all(
            one.state is State.DONE
            for one in self.entries
            if one.step.name in entry.step.depends_on
        )

    def _track_again(self, entry: Entry) -> None:
        """What left no masks for a task has to be run again first."""
        first, last = entry.task.frames
        for one in self.entries:
            begin, end = one.task.frames
            if (
                one.step.name in entry.step.depends_on
                and one.step.stage is Stage.TRACK
                and one.state is State.DONE
                and begin <= last + _BESIDE
                and end >= first - _BESIDE
            ):
                one.state = State.WAITING
