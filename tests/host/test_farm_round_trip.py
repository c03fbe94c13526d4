"""Preset -> node -> script -> farm job -> node, without loss; and the menu that begins it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import nuke
import pytest
import session
from serving import running_server
from studio import FIRST, HERO, LAST

from airoto.wire import recipe as recipes
from airoto_client.farm.job import Host, read_job
from airoto_client.node import links
from airoto_client.presets.compiler import compile_presets, write_index
from airoto_nuke import buttons, farm_menu, nodes, plates, preset_tokens, startup, sync

PRESET = """format = 1
show = "SHOWX"
version = 4
lock = ["matte.grow"]
[segment]
engine = "null"
[track]
engine = "null"
[matte]
engine = "null"
grow = 1.5
[matte.trimap]
wide = 12
[output]
compression = "dwaa"
confidence = true
[policy]
commercial_only = true
[farm]
chunk_frames = 4
priority = 61
queue = "gpu"
limits = "licences, disk"
retries = 5
"""


@pytest.fixture
def show(tmp_path, monkeypatch):
    """The show's presets, for the session and for the command line."""
    folder, index = tmp_path / "presets", tmp_path / "index.json"
    folder.mkdir()
    (folder / "show.toml").write_text(PRESET)
    write_index(str(index), compile_presets([str(folder)]).data)
    monkeypatch.setenv("AIROTO_PRESET_INDEX", str(index))
    monkeypatch.setenv("AIROTO_PRESET_PATH", str(folder))
    return folder / "show.toml"


@pytest.fixture
def node(show, studio):
    """A node with the show's preset, prompted, never tracked; the script is saved."""
    studio.plate.setSelected(True)
    made = startup.create_preset("AIRoto", "SHOWX")
    studio.click(made, *HERO)
    nuke.frame(FIRST + 3)
    studio.click(made, *HERO)
    studio.write(made)
    studio.save("shot")
    return made


def airoto(*arguments: object, **environment: str) -> str:
    done = subprocess.run(
        [*links.command(), *map(str, arguments)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_nothing_is_lost_from_preset_to_node_to_recipe_to_job_to_node(show, node, studio, tmp_path):
    script, folder = studio.folder / "shot.nk", tmp_path / "job"
    plate, state = plates.plate_of(node), nodes.state_of(node)
    wanted = nodes.recipe_of(node, plate, state, output="m.%04d.exr")
    # What the show says by now does not count: the node keeps what it took.
    later = PRESET.replace("priority = 61", "priority = 5").replace("grow = 1.5", "grow = 9")
    show.write_text(later)
    airoto("farm", "template", script, "--job", folder)

    job = read_job(folder)
    wishes = job.wishes
    assert (wishes.pool, wishes.priority, wishes.retries) == ("gpu", 61, 5)
    assert wishes.limits == ("licences", "disk")
    assert [task.frames for task in job.step("matte").tasks] == [
        (FIRST, FIRST + 3),
        (FIRST + 4, LAST),
    ]
    recipe = recipes.read(folder / "recipe.airoto.json")
    assert recipe.preset.name == "SHOWX"
    assert recipe.matte.grow == 1.5
    assert recipes.to_dict(recipe)["preset"] == recipes.to_dict(recipes.from_dict(wanted))["preset"]

    with running_server("--cache", str(tmp_path / "cache")) as server:
        for step in job.steps:
            assert step.host is Host.AIROTO
            for number, _ in enumerate(step.tasks, 1):
                airoto("farm", "task", folder, step.name, number, AIROTO_SERVER=server)
    sync.refresh(node)
    assert node["status"].value() == f"current: 6 frames, {FIRST}-{LAST}"
    assert studio.alpha(node, FIRST).max() > 0
    nuke.execute(nuke.toNode("out"), FIRST, LAST)

    studio.plate.setSelected(True)
    other = studio.node(engine="auto")
    buttons.put_recipe(other, recipes.to_dict(recipe))
    assert preset_tokens.taken_by(other).pin == preset_tokens.taken_by(node).pin
    assert nodes.state_of(other).objects == nodes.state_of(node).objects
    again = nodes.recipe_of(
        other, plates.plate_of(other), nodes.state_of(other), output="m.%04d.exr"
    )
    assert {**again, "name": ""} == {**wanted, "name": ""}
    assert sync.key_now(other, nodes.state_of(other)) == sync.key_now(node, state)


def entry() -> None:
    nuke.menu("Nodes").findItem("AIRoto/Render mattes on farm...").invoke()


def test_the_menu_offers_what_the_preset_says_and_writes_the_job(node, studio, tmp_path):
    folder = tmp_path / "job"
    studio.app.answers = [{"job folder": str(folder), "priority": "70", "Writes too": "yes"}]
    node["seed"].setValue(3)  # not saved yet: the menu saves
    entry()
    session.pump(lambda: any("The job lies in" in one for one in studio.app.said))
    job = read_job(folder)
    assert (job.wishes.priority, job.wishes.pool, job.wishes.limits) == (
        70, "gpu", ("licences", "disk")
    )  # fmt: skip
    assert [step.name for step in job.steps] == ["track", "matte", "comp"]
    assert recipes.read(folder / "recipe.airoto.json").processing.seed == 3


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"priority": "700"}, "priority: '700'; allowed: a whole number, 0 to 100"),
        ({"frames a task": "many"}, "frames a task: 'many'; allowed: a whole number"),
        ({"nodes": "Nobody"}, "has no AIRoto node 'Nobody'"),
        ({"then": "submit", "submit to": "the moon"}, "airoto farm submit failed"),
    ],
)
def test_what_is_wrong_is_told(node, studio, tmp_path, answer, words):
    studio.app.answers = [{"job folder": str(tmp_path / "job"), **answer}]
    entry()
    session.pump(lambda: any(words in one for one in studio.app.said))


def test_cancel_does_nothing_and_no_node_is_told(node, studio):
    studio.app.answers = [None]
    entry()
    assert not list(studio.folder.glob("airoto/jobs/*"))
    nuke.delete(node)
    entry()
    assert "there is no AIRoto node to be made" in studio.app.said[-1]


def test_a_job_that_is_run_here_goes_on_by_itself_and_logs(node, tmp_path, monkeypatch):
    order = farm_menu.order_of([node], job=str(tmp_path / "job"), then=farm_menu.RUN)
    assert order.commands()[1] == ["farm", "run", order.job]
    command = tmp_path / "airoto"
    command.write_text('#!/bin/sh\nmkdir -p "$(dirname "$0")/job"\necho "$@"\n')
    command.chmod(0o755)
    monkeypatch.setenv("AIROTO_COMMAND", str(command))
    told: list[str] = []
    farm_menu.make(order, told.append)
    log = Path(order.job) / "run.log"
    assert told == [f"the job runs here; it tells how it goes in {log}"]
    session.pump(lambda: log.read_text() == f"farm run {order.job}\n")
