"""What Deadline 10, OpenCue and AWS Deadline Cloud are told of a job."""

from __future__ import annotations

import json
import os
import shlex
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from airoto.errors import BadRequestError, ServerUnreachableError
from airoto_client.farm import deadline10, deadline_cloud, opencue

from .jobs import make_job

# Deadline's command as far as a submission meets it: it reads both files, refuses what it
# would refuse, remembers what it took, and answers with an id.
_DEADLINE = """
import sys, pathlib
taken = pathlib.Path(__file__).with_name("taken")
ids = taken.read_text().split() if taken.exists() else []
said = [dict(line.rstrip("\\n").split("=", 1) for line in open(name)) for name in sys.argv[1:]]
job, plugin = said
assert job["Plugin"] == "CommandLine" and plugin["Executable"], said
for one in filter(None, job.get("JobDependencies", "").split(",")):
    if one not in ids:
        sys.exit(f"Error: no job {one}")
if "refused" in job["Name"]:
    sys.exit("Error: the repository is read-only")
ids.append(f"id{len(ids)}")
taken.write_text(" ".join(ids))
print(f"Result=Success\\nJobID={ids[-1]}\\nThe job was submitted successfully.")
"""


def read(path: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in path.read_text().splitlines())


@pytest.fixture
def deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "deadlinecommand.py"
    script.write_text(_DEADLINE)
    command = folder / "deadlinecommand"
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "{script}" "$@"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder / "taken"


def test_deadline_gets_a_job_for_each_step_and_the_ids_of_those_before(
    tmp_path: Path, deadline: Path
) -> None:
    job, _ = make_job(tmp_path, {"farm.queue": "roto", "farm.limits": "gpu, nuke"})
    done = deadline10.submit(job)
    assert done.ids == {"track": "id0", "matte": "id1"}
    said = read(tmp_path / "JOB/deadline10/matte.job")
    assert said["JobDependencies"] == "id0"
    assert said["Frames"] == "1-4"
    assert said["Pool"] == "roto"
    assert said["LimitGroups"] == "gpu,nuke"
    assert said["BatchName"] == "sh010 mattes"
    assert "JobDependencies" not in read(tmp_path / "JOB/deadline10/track.job")
    arguments = read(tmp_path / "JOB/deadline10/matte.plugin")["Arguments"]
    assert arguments == f"farm task {job.folder} matte <STARTFRAME>"


def test_deadline_files_alone_need_no_deadline(tmp_path: Path) -> None:
    job, _ = make_job(tmp_path / "a shot")
    done = deadline10.submit(job, files_only=True)
    assert done.ids == {}
    assert [path.name for path in done.files] == [
        "track.job",
        "track.plugin",
        "matte.job",
        "matte.plugin",
    ]
    assert "<QUOTE>" in read(done.files[1])["Arguments"]


def test_deadline_that_refuses_is_quoted(
    tmp_path: Path, deadline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, _ = make_job(tmp_path)
    object.__setattr__(job, "name", "refused")
    with pytest.raises(ServerUnreachableError, match="the repository is read-only"):
        deadline10.submit(job)


def test_deadline_that_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    job, _ = make_job(tmp_path)
    with pytest.raises(BadRequestError, match="deadlinecommand cannot be run") as caught:
        deadline10.submit(job)
    assert "--files-only" in caught.value.hint


def test_opencue_gets_a_layer_for_each_step_with_a_frame_for_each_task(tmp_path: Path) -> None:
    pytest.importorskip("outline.cuerun", reason="opencue-pyoutline is not installed")
    job, _ = make_job(tmp_path / "a shot", {"farm.limits": "gpu", "farm.memory": 4096})
    done = opencue.submit(job, files_only=True)
    text = done.files[0].read_text()
    spec = ElementTree.fromstring(text[text.index("<spec>") :])
    layers = {one.get("name"): one for one in spec.iter("layer")}
    assert list(layers) == ["track", "matte"]
    matte = layers["matte"]
    assert matte.findtext("range") == "1-4"
    assert matte.findtext("chunk") == "1"
    assert matte.findtext("memory") == "4096m"
    assert [one.text for one in matte.iter("limit")] == ["gpu"]
    command = shlex.split(matte.findtext("cmd") or "", comments=False)
    assert command == ["airoto", "farm", "task", job.folder, "matte", "#IFRAME#"]
    depend = spec.find("depends/depend")
    assert depend is not None
    assert depend.get("type") == "LAYER_ON_LAYER"
    assert (depend.findtext("deplayer"), depend.findtext("onlayer")) == ("matte", "track")


def test_opencue_leaves_no_session_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("outline.cuerun", reason="opencue-pyoutline is not installed")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    job, _ = make_job(tmp_path)
    opencue.submit(job, files_only=True)
    assert not (tmp_path / "home").exists()


# ---- AWS Deadline Cloud -----------------------------------------------------------------------

# As `deadline-cloud-for-nuke` writes its bundles, in short.
_NUKE = {
    "specificationVersion": "jobtemplate-2023-09",
    "extensions": ["TASK_CHUNKING"],
    "name": "sh010.nk",
    "parameterDefinitions": [
        {"name": "NukeScriptFile", "type": "PATH", "objectType": "FILE", "dataFlow": "IN"},
        {"name": "Frames", "type": "STRING", "minLength": 1},
    ],
    "steps": [
        {
            "name": "Render",
            "parameterSpace": {
                "taskParameterDefinitions": [
                    {
                        "name": "Frame",
                        "type": "CHUNK[INT]",
                        "range": "{{Param.Frames}}",
                        "chunks": {"defaultTaskCount": 1, "rangeConstraint": "CONTIGUOUS"},
                    }
                ]
            },
            "script": {"actions": {"onRun": {"command": "nuke", "args": ["-x"]}}},
        }
    ],
}


@pytest.fixture
def nuke_bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "template.json").write_text(json.dumps(_NUKE))
    script = tmp_path / "sh010.nk"
    script.write_text("Root {\n}\n")
    values = [
        {"name": "NukeScriptFile", "value": str(script)},
        {"name": "Frames", "value": "1001-1040"},
        {"name": "deadline:priority", "value": 7},
    ]
    (folder / "parameter_values.json").write_text(json.dumps({"parameterValues": values}))
    assets = {"inputs": {"filenames": [str(script)], "directories": []}}
    (folder / "asset_references.json").write_text(json.dumps({"assetReferences": assets}))
    return folder


def read_yaml(path: Path) -> dict[str, Any]:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    found: dict[str, Any] = yaml.safe_load(path.read_bytes())
    return found


def test_a_bundle_is_what_deadline_clouds_own_loader_reads(tmp_path: Path) -> None:
    parameters = pytest.importorskip(
        "deadline.client.job_bundle.parameters", reason="the package deadline is not installed"
    )
    loader = pytest.importorskip("deadline.client.job_bundle.loader")
    job, _ = make_job(tmp_path, {"farm.priority": 80})
    folder = deadline_cloud.write_bundle(job)
    assert loader.is_job_bundle_dir(str(folder))
    loader.validate_directory_symlink_containment(str(folder))
    found = {one["name"]: one for one in parameters.read_job_bundle_parameters(str(folder))}
    assert found["JobFolder"]["value"] == job.folder
    assert found["JobFolder"]["dataFlow"] == "NONE"
    assert found["deadline:priority"]["value"] == 80
    model = pytest.importorskip("openjd.model")
    decoded = model.decode_job_template(template=read_yaml(folder / "template.yaml"))
    assert [one.name for one in decoded.steps] == ["track", "matte"]


def test_nukes_render_waits_for_the_mattes_in_one_job(tmp_path: Path, nuke_bundle: Path) -> None:
    model = pytest.importorskip("openjd.model", reason="openjd-model is not installed")
    before = {path.name: path.read_bytes() for path in nuke_bundle.iterdir()}
    job, _ = make_job(tmp_path)
    folder = deadline_cloud.write_bundle(job, nuke_bundle)
    template = read_yaml(folder / "template.yaml")
    decoded = model.decode_job_template(template=template, supported_extensions=["TASK_CHUNKING"])
    steps = {one.name: one for one in decoded.steps}
    assert list(steps) == ["track", "matte", "Render"]
    assert [one.dependsOn for one in steps["Render"].dependencies] == ["matte"]
    assert template["name"] == "sh010.nk"
    values = read_yaml(folder / "parameter_values.yaml")["parameterValues"]
    named = {one["name"]: one["value"] for one in values}
    assert named["Frames"] == "1001-1040"
    assert named["deadline:priority"] == 7
    assert named["JobFolder"] == job.folder
    assets = read_yaml(folder / "asset_references.yaml")["assetReferences"]
    assert assets["inputs"]["filenames"] == [str(tmp_path / "sh010.nk")]
    assert job.folder in assets["referencedPaths"]
    assert before == {path.name: path.read_bytes() for path in nuke_bundle.iterdir()}
    assert sorted(path.suffix for path in folder.iterdir()) == [".yaml"] * 3


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"specificationVersion": "jobtemplate-2030-01"}, "specificationVersion"),
        ({"steps": [{"name": "matte"}]}, "steps called as AIRoto's: matte"),
        (
            {"parameterDefinitions": [{"name": "JobFolder", "type": "STRING"}]},
            "a parameter JobFolder",
        ),
    ],
)
def test_a_bundle_that_cannot_be_joined_is_refused_and_nothing_is_left(
    tmp_path: Path, nuke_bundle: Path, change: dict[str, Any], said: str
) -> None:
    pytest.importorskip("yaml", reason="PyYAML is not installed")
    (nuke_bundle / "template.json").write_text(json.dumps({**_NUKE, **change}))
    job, _ = make_job(tmp_path)
    with pytest.raises(BadRequestError, match=said):
        deadline_cloud.write_bundle(job, nuke_bundle)
    assert not (Path(job.folder) / "deadline-cloud").exists()
    assert list(Path(job.folder).glob(".deadline*")) == []


@pytest.mark.parametrize("text", ["[1, 2]", "a: [", ""])
def test_a_template_that_is_none_is_named(tmp_path: Path, nuke_bundle: Path, text: str) -> None:
    pytest.importorskip("yaml", reason="PyYAML is not installed")
    (nuke_bundle / "template.json").write_text(text)
    job, _ = make_job(tmp_path)
    with pytest.raises(BadRequestError, match=r"template\.json"):
        deadline_cloud.write_bundle(job, nuke_bundle)
