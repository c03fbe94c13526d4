"""Which task is next: dependencies, what was finished before, what is run again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from airoto_client.exit_codes import ExitCode
from airoto_client.farm.job import FarmJob, Host, Stage, Step, Task
from airoto_client.farm.logs import TaskLog, TaskState, is_finished, read_log
from airoto_client.farm.schedule import Schedule, State


def job(folder: Path) -> FarmJob:
    track = tuple(Task(f"o.{a}-{b}", (), (a, b)) for a, b in ((1, 50), (51, 100)))
    matte = tuple(Task(f"{a}-{a + 9}", (), (a, a + 9)) for a in (1, 41, 91))
    steps = (
        Step("track", Stage.TRACK, Host.AIROTO, track, "recipe.airoto.json"),
        Step("matte", Stage.MATTE, Host.AIROTO, matte, "recipe.airoto.json", ("track",)),
    )
    return FarmJob("sh", str(folder), {"recipe.airoto.json": "sha256:1"}, steps)


def drain(schedule: Schedule) -> list[str]:
    """Take and end everything that is ready, well."""
    order = []
    while (entry := schedule.next()) is not None:
        order.append(entry.name)
        schedule.ended(entry, 0)
    return order


def test_mattes_wait_for_all_tracking(tmp_path: Path) -> None:
    schedule = Schedule(job(tmp_path), retries=1)
    first, second = schedule.next(), schedule.next()
    assert first is not None
    assert second is not None
    assert schedule.next() is None
    schedule.ended(first, 0)
    assert schedule.next() is None
    assert not schedule.is_over
    schedule.ended(second, 0)
    assert drain(schedule) == ["matte 1-10", "matte 41-50", "matte 91-100"]
    assert schedule.is_over
    assert schedule.code is ExitCode.DONE


@pytest.mark.parametrize("code", [5, 7, 10])
def test_what_may_be_run_again_is_so_often_and_no_oftener(tmp_path: Path, code: int) -> None:
    schedule = Schedule(job(tmp_path), retries=2)
    ends = []
    while (entry := schedule.next()) is not None and entry.number == 1:
        ends.append(schedule.ended(entry, code))
    assert ends == [True, True, False]
    assert schedule.count(State.FAILED) == 1
    assert schedule.code == code


def test_what_is_broken_fails_at_once_and_what_depends_on_it_is_not_begun(tmp_path: Path) -> None:
    schedule = Schedule(job(tmp_path), retries=5)
    entry = schedule.next()
    assert entry is not None
    assert not schedule.ended(entry, 3)
    assert drain(schedule) == ["track o.51-100"]
    assert schedule.is_over
    assert schedule.count(State.WAITING, "matte") == 3
    assert schedule.code is ExitCode.PLATE
    # A code that nobody knows is a fault of ours.
    other = Schedule(job(tmp_path), retries=5)
    entry = other.next()
    assert entry is not None
    assert not other.ended(entry, 77)
    assert other.code is ExitCode.INTERNAL


def test_missing_masks_are_tracked_again_first_and_only_those(tmp_path: Path) -> None:
    schedule = Schedule(job(tmp_path), retries=1)
    for _ in range(2):
        entry = schedule.next()
        assert entry is not None
        schedule.ended(entry, 0)
    entry = schedule.next()
    assert entry is not None
    assert schedule.ended(entry, int(ExitCode.MISSING))
    assert drain(schedule)[:1] == ["track o.1-50"]
    # Frames 41 to 50 lie beside the other segment too.
    schedule = Schedule(job(tmp_path), retries=1)
    for _ in range(3):
        entry = schedule.next()
        assert entry is not None
        schedule.ended(entry, 0)
    entry = schedule.next()
    assert entry is not None
    assert entry.task.name == "41-50"
    assert schedule.ended(entry, int(ExitCode.MISSING))
    assert drain(schedule)[:2] == ["track o.1-50", "track o.51-100"]


def test_a_task_is_finished_by_its_last_attempt_for_the_recipe_of_now(tmp_path: Path) -> None:
    made = job(tmp_path)
    step = made.step("matte")
    task = step.tasks[0]
    matte = tmp_path / "a.0001.exr"
    matte.touch()
    log = TaskLog(made, step, task)
    log.tell({"event": "frame", "frame": 1, "path": str(matte)})
    assert read_log(log.path).state is TaskState.RUNNING
    log.end(0)
    assert is_finished(made, step, task)
    matte.unlink()
    assert not is_finished(made, step, task), "its file is gone"
    matte.touch()
    other = FarmJob(made.name, made.folder, {"recipe.airoto.json": "sha256:2"}, made.steps)
    assert not is_finished(other, step, task), "it was for another recipe"
    TaskLog(made, step, task).end(5)
    record = read_log(log.path)
    assert (record.state, record.attempts, record.exit_code) == (TaskState.FAILED, 2, 5)


@pytest.mark.parametrize("code", [None, "0", 0.0, [0], False])
def test_an_end_without_a_proper_exit_code_is_no_success(tmp_path: Path, code: object) -> None:
    made = job(tmp_path)
    step = made.step("track")
    log = TaskLog(made, step, step.tasks[0])
    log.end(0)
    ended = json.loads(log.path.read_text().splitlines()[-1])
    with log.path.open("a") as file:
        file.write(json.dumps({**ended, "exit_code": code}) + "\n")
    record = read_log(log.path)
    assert (record.state, record.exit_code) == (TaskState.FAILED, 1)


def test_an_attempt_that_was_given_up_does_not_end_the_next_one(tmp_path: Path) -> None:
    made = job(tmp_path)
    step = made.step("track")
    log = TaskLog(made, step, step.tasks[0])
    # Its worker died, another began, and only then the first one came to its end.
    given_up = {"event": "end", "exit_code": 5, "host": "blade7", "pid": 1}
    with log.path.open("a") as file:
        file.write(json.dumps(given_up) + "\n")
        file.write('{"event": "progr')  # and somebody died within a line
    assert read_log(log.path).state is TaskState.RUNNING
    again = TaskLog(made, step, step.tasks[0])
    again.end(0)
    record = read_log(log.path)
    assert (record.state, record.attempts) == (TaskState.DONE, 2)
