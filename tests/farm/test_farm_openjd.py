"""A job as an Open Job Description template: valid, and run for real by `openjd`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from openjd.model import DocumentType, decode_job_template, document_string_to_object

from airoto_client.farm.job import FarmJob, Host, Needs, Stage, Step, Task, read_job
from airoto_client.farm.logs import TaskState, read_log
from airoto_client.farm.openjd import template
from airoto_server.app.sample import SamplePaths

from .conftest import AIROTO, MakeRecipe, airoto

OPENJD = Path(sys.executable).with_name("openjd")


def one_command(folder: Path) -> Path:
    """`airoto` as one file, as a template names it."""
    path = folder / "airoto"
    path.write_text(f'#!/bin/sh\nexec {" ".join(AIROTO)} "$@"\n')
    path.chmod(0o755)
    return path


def checked(job: FarmJob) -> dict[str, object]:
    """The template of a job, which the specification's own reader takes."""
    text = yaml.safe_dump(template(job))
    data = document_string_to_object(document=text, document_type=DocumentType.YAML)
    decode_job_template(template=data)
    return data


def test_every_kind_of_step_is_valid_and_asks_for_what_it_needs(tmp_path: Path) -> None:
    task = Task("1-10", ("render",), (1, 10))
    needs = Needs(gpus=1, gpu_memory=8000, memory=16000)
    steps = (
        Step("plate", Stage.PLATE, Host.NUKE, (task,)),
        Step("track", Stage.TRACK, Host.AIROTO, (task, task), needs=needs, depends_on=("plate",)),
        Step("matte", Stage.MATTE, Host.AIROTO, (task,), depends_on=("track",)),
        Step("comp", Stage.COMP, Host.NUKE, (task,), depends_on=("plate", "matte")),
    )
    made = checked(FarmJob("sh {{Param.X}} \n 010", str(tmp_path), {}, steps))
    plate, track, matte, comp = made["steps"]  # type: ignore[misc]
    assert track["hostRequirements"]["amounts"] == [
        {"name": "amount.worker.gpu", "min": 1},
        {"name": "amount.worker.gpu.memory", "min": 8000},
        {"name": "amount.worker.memory", "min": 16000},
    ]
    assert "hostRequirements" not in matte
    assert [one["dependsOn"] for one in comp["dependencies"]] == ["plate", "matte"]
    assert "stepEnvironments" not in plate, "Nuke needs no server of ours"
    assert "--nuke" in comp["script"]["actions"]["onRun"]["args"]
    assert track["parameterSpace"]["taskParameterDefinitions"][0]["range"] == "1-2"


def test_openjd_runs_the_sample_clip(
    clip: SamplePaths, sample_recipe: MakeRecipe, tmp_path: Path
) -> None:
    job = tmp_path / "job"
    airoto("farm", "template", sample_recipe(tmp_path / "out"), "--job", job, "--chunk-frames", 4)
    ran = subprocess.run([OPENJD, "check", job / "template.yaml"], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout
    command = [OPENJD, "run", job / "template.yaml", "-p", f"Airoto={one_command(tmp_path)}"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    ran = subprocess.run(
        [*command, "-p", "Threads=1"], capture_output=True, text=True, env=environment, timeout=500
    )
    assert ran.returncode == 0, ran.stdout
    assert "openjd_progress: 100.0" in ran.stdout
    found = read_job(job)
    for step in found.steps:
        for task in step.tasks:
            assert read_log(found.log(step, task)).state is TaskState.DONE
    made = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert made == [f"a.{frame}.exr" for frame in range(clip.first, clip.first + 8)]
    # Servers ended with their environments, and nothing of them is left.
    assert not list(tmp_path.glob("airoto-*"))


def test_a_task_tells_whether_to_run_it_again(sample_recipe: MakeRecipe, tmp_path: Path) -> None:
    job = tmp_path / "job"
    airoto("farm", "template", sample_recipe(tmp_path / "out"), "--job", job)
    # Nothing was tracked: masks are missing.
    session = tmp_path / "session"
    session.mkdir()
    started = airoto("farm", "server", "start", session, "--job", job, "--threads", 1)
    try:
        target = started.stdout.partition("AIROTO_SERVER=")[2].strip()
        os.environ["AIROTO_SERVER"] = target
        ran = airoto("farm", "task", job, "matte", 1, "--openjd", code=9)
        assert "openjd_fail: tracked masks are not in the cache" in ran.stdout
        assert "(exit code 9, missing: run it again)" in ran.stdout
    finally:
        del os.environ["AIROTO_SERVER"]
        airoto("farm", "server", "stop", session)
    assert not list(session.iterdir())
    found = read_job(job)
    step = found.step("matte")
    record = read_log(found.log(step, step.tasks[0]))
    assert (record.state, record.exit_code) == (TaskState.FAILED, 9)
    assert record.events[-2]["kind"] == "result_missing"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("rotate", "1"), "has no step 'rotate'; there are: track, matte"),
        (("track", "7"), "the step track has no task 7; allowed: 1 to 2"),
        (("matte", "9-9"), "has no task '9-9'; there are: 1001-1008"),
    ],
)
def test_a_task_that_is_not_there_is_refused(
    sample_recipe: MakeRecipe, tmp_path: Path, arguments: tuple[str, str], said: str
) -> None:
    job = tmp_path / "job"
    airoto("farm", "template", sample_recipe(tmp_path / "out"), "--job", job)
    assert said in airoto("farm", "task", job, *arguments, code=2).stderr


@pytest.mark.parametrize(
    ("verb", "absent", "said"),
    [
        ("template", "yaml", "PyYAML"),
        ("run", "openjd.sessions", "openjd-sessions"),
    ],
)
def test_what_is_not_installed_is_named_with_the_way_to_get_it(
    sample_recipe: MakeRecipe, tmp_path: Path, verb: str, absent: str, said: str
) -> None:
    code = (
        f"import sys; sys.modules[{absent!r}] = None\n"
        "from airoto_client.cli import main\n"
        f"sys.exit(main(['farm', {verb!r}, {str(sample_recipe(tmp_path / 'out'))!r}]))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 2
    assert f"this needs {said}, not installed in {sys.prefix}" in ran.stderr
    assert "pip install 'airoto[farm]'" in ran.stderr
    assert not (tmp_path / "shot.farm").exists()
