"""What a saved script asks for, read without Nuke, is what its nodes ask for in it."""

from __future__ import annotations

import shutil
from pathlib import Path

import nuke
import pytest
import session
from studio import FIRST, HERO, LAST

from airoto.errors import BadRequestError
from airoto_client.nk.requests import requests_of
from airoto_client.node import cache_paths
from airoto_nuke import nodes, plates, startup
from airoto_nuke.knobs import NodeKind


def asked_by(node) -> tuple[dict, str]:
    """Recipe and key in the host."""
    plate, state = plates.plate_of(node), nodes.state_of(node)
    key = nodes.wanted_key(node, plate, state)
    output = cache_paths.result_pattern(nodes.folder_of(node), key)
    recipe = nodes.recipe_of(node, plate, state, output=output)
    return nodes.with_locks(node, state, recipe), key


def test_recipe_and_key_are_those_of_the_host(studio):
    node = studio.tracked()
    studio.press(node, "lock_frame")
    for knob, value in (("grow", -1.5), ("memory_mode", "shot"), ("stability", 0.0),
                        ("trimap_layer", False), ("confidence_layer", True), ("seed", 7),
                        ("compression", "PIZ"), ("exposure", 0.25)):  # fmt: skip
        node[knob].setValue(value)
    write = studio.write(nuke.nodes.Dot(inputs=[node]))
    (found,) = requests_of(studio.save("shot"))
    recipe, key = asked_by(node)
    assert found.recipe == recipe
    assert (found.key, found.frames, found.plate) == (key, (FIRST, LAST), "Plate")
    assert found.why_render == ""
    assert found.writes == (write.fullName(),)
    assert found.recipe["locked"][0]["path"].startswith(str(studio.folder))


def test_a_plate_that_the_host_renders_is_said_to_be(studio):
    node = studio.node(plate=nuke.nodes.Multiply(inputs=[studio.plate]))
    studio.click(node, *HERO)
    (found,) = requests_of(studio.save("shot"))
    recipe, key = asked_by(node)
    assert (found.recipe, found.key) == (recipe, key)
    assert found.why_render == "the plate is not a Read"
    assert found.plate == ""


def test_a_script_saved_under_another_name_asks_for_a_folder_of_its_own(studio):
    studio.click(studio.node(), *HERO)
    first = studio.save("shot")
    second = first.with_name("shot_v002.nk")
    shutil.copy(first, second)
    before, after = requests_of(first)[0], requests_of(second)[0]
    assert before.key == after.key
    assert before.folder != after.folder
    nuke.scriptOpen(str(second))
    assert after.folder == nodes.folder_of(nuke.toNode(after.node))


def test_nodes_inside_groups_are_found_by_full_name(studio):
    node = studio.node()
    studio.click(node, *HERO)
    text = studio.save("shot").read_text()
    head, body = text[: text.index("Read {")], text[text.index("Read {") :]
    nested = studio.folder / "nested.nk"
    nested.write_text(f"{head}Group {{\n inputs 0\n name Outer\n}}\n{body}end_group\n")
    (found,) = requests_of(nested, ["Outer.AIRoto1"])
    assert found.node == "Outer.AIRoto1"
    assert found.plate == "Outer.Plate"
    assert "Outer_AIRoto1" in found.folder


def test_nodes_that_cannot_be_made_are_refused_in_words(studio):
    node, other = studio.node(), studio.node(NodeKind.MATTE)
    path = studio.save("shot")
    with pytest.raises(BadRequestError, match=r"AIRoto1 \(.*line \d+\): no object has a prompt"):
        requests_of(path)
    studio.click(node, *HERO)
    path = studio.save("shot")
    with pytest.raises(BadRequestError, match="no AIRoto node 'Nobody'; it has: AIRoto1, AIMatte1"):
        requests_of(path, ["Nobody"])
    with pytest.raises(BadRequestError, match="AIMatte1 is an AIMatte"):
        requests_of(path, [other.fullName()])
    text = path.read_text()
    path.write_text("\n".join(
        line for line in text.splitlines() if not line.startswith(" plate_seen ")
    ))  # fmt: skip
    with pytest.raises(BadRequestError, match="does not say what its plate is"):
        requests_of(path)
    node["grow"].setValue(1)
    path = studio.save("shot")
    path.write_text(path.read_text().replace("\n grow 1\n", "\n grow {{curve x1 0 x9 5}}\n"))
    with pytest.raises(BadRequestError, match=r"its knob grow is .*curve x1 0 x9 5"):
        requests_of(path)
    node["disable"].setValue(True)
    with pytest.raises(BadRequestError, match="no AIRoto node that is to be made"):
        requests_of(studio.save("shot"))


def test_the_plate_step_of_a_job_renders_what_the_node_sees(studio, capsys):
    from airoto_nuke import farm_step

    node = studio.node(plate=nuke.nodes.Multiply(inputs=[studio.plate]))
    studio.click(node, *HERO)
    path = studio.save("shot")
    (found,) = requests_of(path)
    pattern = found.recipe["plate"]["path"]
    task = ["plate", str(path), found.node, str(FIRST), str(FIRST + 1), pattern]
    session.reset(gui=False)
    session.set_root_format(192, 108)
    startup.every_mode()
    assert farm_step.main(task) == 0
    folder = Path(pattern).parent
    assert sorted(one.name for one in folder.iterdir()) == [
        f"plate.{n}.exr" for n in (FIRST, FIRST + 1)
    ]
    for wrong, words in (
        ([*task[:5], pattern.replace("plate/", "plates/")], "is not what it was"),
        ([*task[:2], "Nobody", *task[3:]], "has no AIRoto node Nobody"),
        (task[:3], "usage: plate"),
        ([*task[:3], "one", *task[4:]], "usage: plate"),
    ):
        assert farm_step.main(wrong) == 2
        assert words in capsys.readouterr().err
