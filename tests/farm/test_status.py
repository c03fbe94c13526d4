"""How far a job is, by its logs and its mattes; and the report."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airoto_client.farm.curves import Curve, chart, flicker
from airoto_client.farm.logs import TaskState
from airoto_client.farm.report import page, slow_frames, write_report
from airoto_client.farm.status import FrameState, job_status, status_event, status_lines, strip
from airoto_client.farm.stories import task_story

from .jobs import FIRST, LAST, frame_event, make_job, put_matte, tell

ENDED = {"event": "end", "exit_code": 0, "time": 50.0}


def test_a_job_that_nobody_began_misses_everything(tmp_path: Path) -> None:
    job, _ = make_job(tmp_path)
    status = job_status(job)
    assert not status.done
    assert not status.failed
    assert [len(one.of(FrameState.MISSING)) for one in status.steps] == [40, 40]
    assert [one.count(TaskState.WAITING) for one in status.steps] == [2, 4]


def test_a_frame_is_done_when_its_file_names_the_recipe(tmp_path: Path) -> None:
    job, recipe = make_job(tmp_path)
    for frame in (1001, 1002, 1005):
        put_matte(recipe, job, frame)
    put_matte(recipe, job, 1003, recipe_hash="sha256:another")
    matte = job_status(job).steps[1]
    assert matte.of(FrameState.DONE) == [1001, 1002, 1005]
    assert 1003 in matte.of(FrameState.MISSING)


def test_what_a_log_calls_done_is_missing_when_its_file_is_gone(tmp_path: Path) -> None:
    job, recipe = make_job(tmp_path)
    step = job.step("matte")
    tell(job, step, step.tasks[0], [frame_event(1001, 1.0), frame_event(1002, 2.0), ENDED])
    put_matte(recipe, job, 1001)
    matte = job_status(job).steps[1]
    assert matte.of(FrameState.DONE) == [1001]
    assert 1002 in matte.of(FrameState.MISSING)


def test_steps_before_finished_mattes_are_done(tmp_path: Path) -> None:
    job, recipe = make_job(tmp_path)
    for frame in range(FIRST, LAST + 1):
        put_matte(recipe, job, frame)
    status = job_status(job)
    assert status.done
    assert "40 of 40" in status_lines(status, 80)[1]


def test_a_failure_names_its_reason_its_code_and_its_log(tmp_path: Path) -> None:
    job, _ = make_job(tmp_path)
    step = job.step("track")
    tell(
        job,
        step,
        step.tasks[0],
        [
            {"event": "error", "exit_code": 3, "message": "plate.1004.exr is not there"},
            {"event": "end", "exit_code": 3},
        ],
    )
    status = job_status(job)
    assert status.failed
    said = "\n".join(status_lines(status, 100))
    assert "plate.1004.exr is not there" in said
    assert "(3)" in said
    assert str(job.log(step, step.tasks[0])) in said
    event = status_event(status)
    assert event["steps"][0]["failures"][0]["exit_code"] == 3
    json.dumps(event)


def test_a_later_attempt_makes_a_failure_good(tmp_path: Path) -> None:
    job, _ = make_job(tmp_path)
    step = job.step("track")
    task = step.tasks[0]
    tell(job, step, task, [{"event": "task"}, {"event": "end", "exit_code": 5}])
    assert task_story(job, step, task).state is TaskState.FAILED
    tell(job, step, task, [{"event": "task"}])
    assert task_story(job, step, task).state is TaskState.RUNNING
    tell(job, step, task, [ENDED])
    record = task_story(job, step, task)
    assert record.state is TaskState.DONE
    assert record.attempts == 2


def test_frames_keep_what_was_told_when_they_were_made(tmp_path: Path) -> None:
    job, _ = make_job(tmp_path)
    step = job.step("matte")
    task = step.tasks[0]
    made = [{"event": "task"}, frame_event(1001, 1.0), frame_event(1002, 3.5, area=7.0)]
    kept = {"event": "frame", "frame": 1002, "status": "kept", "path": "", "objects": []}
    tell(job, step, task, [*made, {"event": "task"}, kept, ENDED])
    record = task_story(job, step, task)
    assert record.frames[1001].seconds is None
    assert record.frames[1002].seconds == 2.5
    assert record.frames[1002].area == {1: 7.0}


@given(junk=st.lists(st.binary(max_size=60), max_size=12))
def test_a_log_with_junk_in_it_is_read_all_the_same(
    junk: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    job, _ = make_job(tmp_path_factory.mktemp("junk"))
    step = job.step("matte")
    path = job.log(step, step.tasks[0])
    path.parent.mkdir(parents=True)
    begin, end = (json.dumps(one).encode() + b"\n" for one in ({"event": "task"}, ENDED))
    path.write_bytes(begin + b"\n".join(junk) + b"\n" + end)
    assert task_story(job, step, step.tasks[0]).state is TaskState.DONE


@given(
    states=st.lists(st.sampled_from(list(FrameState)), max_size=300),
    width=st.integers(min_value=1, max_value=100),
)
def test_a_strip_fits_and_hides_no_failure(states: list[FrameState], width: int) -> None:
    line = strip(dict(enumerate(states)), width)
    assert len(line) == min(len(states), width)
    assert ("x" in line) == (FrameState.FAILED in states)
    assert ("·" in line) <= (FrameState.MISSING in states)


def test_flicker_is_of_what_comes_back_not_of_what_moves() -> None:
    steady = {frame: 100.0 + 10 * frame for frame in range(10)}
    assert max(flicker(steady).values()) == pytest.approx(0)
    jump = {0: 100.0, 1: 50.0, 2: 100.0}
    assert flicker(jump) == {1: pytest.approx(0.5)}
    assert flicker({0: 0.0, 1: 0.0, 2: 0.0}) == {1: 0.0}


def test_a_chart_breaks_its_line_where_frames_are_missing() -> None:
    curve = Curve("hero", "#fff", {1: 1.0, 2: 2.0, 5: 3.0, 6: 1.0, 9: 2.0})
    drawn = chart([curve], (1, 9), marks=[5])
    assert drawn.count("<polyline") == 2
    assert drawn.count("<circle") == 1
    assert drawn.count('class="mark"') == 1


def test_frames_twice_as_slow_as_the_middle_one_are_slow(tmp_path: Path) -> None:
    job, _ = make_job(tmp_path)
    step = job.step("matte")
    times = [1.0, 2.0, 3.0, 4.0, 9.0, 10.0]
    events = [frame_event(FIRST + index, time) for index, time in enumerate(times)]
    tell(job, step, step.tasks[0], [*events, ENDED])
    assert [one.frame for one in slow_frames([task_story(job, step, step.tasks[0])])] == [1005]


def test_a_report_holds_everything_and_escapes_what_others_named(tmp_path: Path) -> None:
    job, recipe = make_job(tmp_path)
    step = job.step("matte")
    warning = {"event": "warning", "frame": 1004, "message": "<script>alert(1)</script>"}
    doubt = {"frame": 1004, "object": 1, "reason": "flicker", "weight": 0.7, "message": "it jumps"}
    events = [warning, {**warning, "frame": 1005}, {"event": "review", "frames": [doubt]}, ENDED]
    tell(job, step, step.tasks[0], events)
    for frame in range(FIRST, LAST + 1):
        put_matte(recipe, job, frame)
    path = write_report(job_status(job), [], notes=["pictures were left out"])
    said = path.read_text()
    assert "<script" not in said
    assert "1004-1005" in said
    assert "it jumps" in said
    assert "pictures were left out" in said
    assert said.count("<svg") == 3
    assert not re.search(r"(src|href)=.(?!data:)(https?:)?//", said)
    assert list(path.parent.glob(".*")) == []


def test_a_report_of_an_unfinished_job_says_so(tmp_path: Path) -> None:
    job, _ = make_job(tmp_path)
    assert "not finished" in page(job_status(job), [])
