"""A script of Nuke becomes a farm job: plate, track, matte by node, then the Writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from airoto.errors import BadRequestError
from airoto.wire import recipe as recipes
from airoto_client.farm.job import Host, Stage, read_job
from airoto_client.farm.plan import Farming, settings
from airoto_client.farm.script import STEP_FILE, job_of, write_script_job, writes_of
from airoto_client.nk.requests import requests_of
from airoto_client.nk.script import read_script
from airoto_client.node.asking import SeenPlate
from airoto_client.node.preset_values import Taken, dump
from airoto_client.node.state import Point, Prompt, RotoObject, State
from airoto_client.node.state import dump as dump_state

FIELDS = {
    "format": {"width": 192, "height": 108, "pixel_aspect": 1.0},
    "proxy_scale": 1.0,
    "colour": {"space": "ACEScg"},
}


def node_text(name: str, *, why: str = "", priority: int = 0) -> str:
    """An AIRoto node as a script has it, as far as a farm cares."""
    prompts = tuple(Prompt(n, points=(Point(80.5, 61.5),)) for n in (1001, 1011))
    state = State(objects=(RotoObject(1, "hero", prompts=prompts),), current=1)
    seen = SeenPlate("00" * 8, "00" * 8, "" if why else "/plates/p.%04d.exr", why, FIELDS)
    values = {"farm.chunk_frames": (8, "SHOWX")}
    if priority:
        values["farm.priority"] = (priority, "SHOWX")
    kept = dump(Taken({"name": "SHOWX", "version": 1, "hash": "sha256:" + "0" * 64}, values))
    return f"""Group {{
 name {name}
 addUserKnob {{1 airoto_kind l "" +INVISIBLE}}
 airoto_kind AIRoto
 node_id {name.lower()}
 state "{dump_state(state)}"
 plate_seen "{seen.dump()}"
 preset "{kept}"
 first 1001
 last 1020
}}
 Output {{
  inputs 0
 }}
end_group
"""


def script(folder: Path, *nodes: str) -> Path:
    path = folder / "shot.nk"
    writes = "Write {\n name out\n}\n"
    root = "Root {\n inputs 0\n first_frame 1001\n last_frame 1012\n}\n"
    path.write_text(
        root
        + "Read {\n inputs 0\n name Plate\n}\nset N1 [stack 0]\n"
        + "".join(f"push $N1\n{one}" for one in nodes)
        + writes
    )
    return path


def farming(request, _) -> Farming:
    return settings({}, request.farm, gpu=False)


def test_one_node_is_the_job_of_its_recipe_cut_as_the_preset_says(tmp_path):
    requests = requests_of(script(tmp_path, node_text("AIRoto1")))
    made = job_of(requests, tmp_path / "job", farming)
    assert [step.name for step in made.job.steps] == ["track", "matte"]
    matte = made.job.step("matte")
    assert [task.frames for task in matte.tasks] == [(1001, 1008), (1009, 1016), (1017, 1020)]
    assert matte.tasks[0].argv[1] == "{job}/recipe.airoto.json"
    write_script_job(made)
    assert read_job(tmp_path / "job") == made.job
    assert not (tmp_path / "job" / STEP_FILE).exists()
    kept = recipes.read(tmp_path / "job" / "recipe.airoto.json")
    assert recipes.to_dict(kept) == recipes.to_dict(recipes.from_dict(requests[0].recipe))
    assert kept.preset.name == "SHOWX"
    write_script_job(made)  # the same again is no conflict


def test_a_plate_that_nuke_renders_is_a_step_before_and_writes_are_one_after(tmp_path):
    path = script(tmp_path, node_text("AIRoto1", why="the plate is not a Read"))
    requests = requests_of(path)
    comp = writes_of(read_script(path), requests)
    assert comp == {"out": (1001, 1012)}
    made = job_of(requests, tmp_path / "job", farming, comp=comp)
    by_name = {step.name: step for step in made.job.steps}
    assert list(by_name) == ["plate", "track", "matte", "comp"]
    assert [by_name[one].depends_on for one in by_name] == [
        (), ("plate",), ("track",), ("matte",)
    ]  # fmt: skip
    plate, last = by_name["plate"], by_name["comp"]
    assert (plate.stage, plate.host) == (Stage.PLATE, Host.NUKE)
    pattern = requests[0].recipe["plate"]["path"]
    assert plate.tasks[0].argv == (
        "-t", f"{{job}}/{STEP_FILE}", "plate", str(path), "AIRoto1", "1001", "1008", pattern
    )  # fmt: skip
    assert [task.argv for task in last.tasks] == [
        ("-F", f"{a}-{b}", "-X", "out", str(path)) for a, b in ((1001, 1008), (1009, 1012))
    ]
    write_script_job(made)
    compile((tmp_path / "job" / STEP_FILE).read_text(), STEP_FILE, "exec")
    assert read_job(tmp_path / "job") == made.job


def test_several_nodes_are_one_job_with_steps_of_their_own(tmp_path):
    first, second = node_text("AIRoto1"), node_text("AIRoto2", why="it is a movie")
    requests = requests_of(script(tmp_path, first, second))
    made = job_of(requests, tmp_path / "job", farming, comp={"out": (1, 2)})
    assert [step.name for step in made.job.steps] == [
        "track_AIRoto1", "matte_AIRoto1", "plate_AIRoto2", "track_AIRoto2", "matte_AIRoto2", "comp"
    ]  # fmt: skip
    assert made.job.step("matte_AIRoto2").depends_on == ("track_AIRoto2",)
    assert made.job.step("track_AIRoto2").depends_on == ("plate_AIRoto2",)
    # The Write gets the second node's picture alone.
    assert made.job.step("comp").depends_on == ("matte_AIRoto2",)
    assert made.job.step("track_AIRoto2").tasks[0].argv[1] == "{job}/AIRoto2.airoto.json"
    write_script_job(made)
    assert read_job(tmp_path / "job") == made.job
    assert set(made.job.recipes) == {"AIRoto1.airoto.json", "AIRoto2.airoto.json"}


def test_nodes_whose_presets_ask_for_different_queues_are_refused(tmp_path):
    path = script(tmp_path, node_text("AIRoto1"), node_text("AIRoto2", priority=90))
    with pytest.raises(BadRequestError, match="AIRoto1 and AIRoto2 ask for different queues"):
        job_of(requests_of(path), tmp_path / "job", farming)
    flags = {"farm.priority": 70}
    made = job_of(
        requests_of(path), tmp_path / "job", lambda one, _: settings(flags, one.farm, gpu=False)
    )
    assert made.job.wishes.priority == 70


def test_a_folder_with_the_job_of_another_recipe_is_refused_before_anything_is_written(tmp_path):
    path = script(tmp_path, node_text("AIRoto1"))
    write_script_job(job_of(requests_of(path), tmp_path / "job", farming))
    before = (tmp_path / "job" / "job.json").read_bytes()
    path.write_text(path.read_text().replace(" first 1001\n", " first 1001\n grow 2\n"))
    with pytest.raises(BadRequestError, match="holds the job of another recipe"):
        write_script_job(job_of(requests_of(path), tmp_path / "job", farming))
    assert (tmp_path / "job" / "job.json").read_bytes() == before


def test_a_node_whose_plate_is_made_of_mattes_that_are_not_made_has_to_wait(tmp_path):
    path = script(tmp_path, node_text("AIRoto1"), node_text("AIRoto2"))
    first, second = requests_of(path)
    text = path.read_text().replace(f"push $N1\n{node_text('AIRoto2')}", node_text("AIRoto2"))
    path.write_text(text)
    with pytest.raises(BadRequestError, match="AIRoto2 gets the picture of AIRoto1"):
        requests_of(path)
    assert requests_of(path, ["AIRoto1"])[0].writes == ("out",)
    path.write_text(
        text.replace(" node_id airoto1\n", f" node_id airoto1\n result_key {first.key}\n")
    )
    assert [one.key for one in requests_of(path)] == [first.key, second.key]
