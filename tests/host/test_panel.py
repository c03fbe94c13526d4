"""The panel: handles, lists, undo, recipes, refusals."""

from __future__ import annotations

import json
from pathlib import Path

import nuke
import pytest
import session
from studio import FIRST, HEIGHT, HERO, LAST, WIDTH

from airoto.wire.recipe import check, from_dict
from airoto_nuke import nodes, panel, sync


def prompt(node, frame=FIRST):
    state = nodes.state_of(node)
    return state.object(state.current).prompt(frame)


def test_the_menu_has_all_nodes_and_makes_groups(studio):
    names = [item.name() for item in nuke.menu("Nodes").findItem("AIRoto").items()]
    assert names == ["AIRoto", "AIMatte", "AITrimap", "AIDetect", "Render mattes on farm..."]
    for name in names[:4]:
        nuke.menu("Nodes").findItem(f"AIRoto/{name}").invoke()
        made = nuke.toNode(f"{name}1")
        assert made.Class() == "Group"
        assert made["airoto_kind"].value() == name


def test_dragging_a_handle_moves_its_point_and_undo_moves_it_back(studio):
    node = studio.node()
    studio.click(node, 30.5, 40.5)
    before = prompt(node)
    session.drag(node, "point1", 50.5, 60.5)
    assert (prompt(node).points[0].x, prompt(node).points[0].y) == (50.5, HEIGHT - 60.5)
    nuke.undo()
    assert prompt(node) == before
    assert node["point1"].value() == pytest.approx((30.5, HEIGHT - 40.5))
    nuke.redo()
    assert prompt(node).points[0].x == 50.5


def test_handles_follow_the_frame_and_the_object_and_lose_nothing(studio):
    node = studio.node()
    studio.click(node, 30.5, 40.5)
    nuke.frame(FIRST + 1)
    assert not node["point1"].visible()
    studio.click(node, 70.5, 20.5)
    studio.press(node, "add_object")
    assert not node["point1"].visible()
    nuke.frame(FIRST)
    node["object"].setValue("1: object1")
    assert node["point1"].visible()
    assert node["point1"].value() == pytest.approx((30.5, HEIGHT - 40.5))
    assert node["point1"].label() == "1 +"
    state = nodes.state_of(node)
    assert [p.frame for p in state.objects[0].prompts] == [FIRST, FIRST + 1]
    assert prompt(node, FIRST + 1).points[0].x == pytest.approx(70.5)


def test_more_points_than_handles_are_kept(studio):
    node = studio.node()
    for number in range(11):
        studio.click(node, 10.5 + number, 20.5)
    assert len(prompt(node).points) == 11
    node["point_number"].setValue(11)
    studio.press(node, "delete_point")
    assert len(prompt(node).points) == 10


def test_a_box_is_the_sampled_area(studio):
    node = studio.node()
    session.sample(studio.plate, 20, 30, 60, 80)
    studio.press(node, "add_box")
    box = prompt(node).box
    wanted = (20, HEIGHT - 80, 60, HEIGHT - 30)
    assert (box.x_min, box.y_min, box.x_max, box.y_max) == pytest.approx(wanted)
    studio.press(node, "remove_box")
    assert prompt(node) is None


def test_clicks_are_right_in_proxy_mode(studio):
    node = studio.node()
    nuke.root()["proxy"].setValue(True)
    assert studio.plate.width() == WIDTH // 2
    studio.click(node, 30.5, 40.5)
    point = prompt(node).points[0]
    assert (point.x, point.y) == pytest.approx((30.5, 40.5))


def test_a_plate_is_rendered_full_size_in_proxy_mode_and_the_mode_comes_back(studio):
    node = studio.node(plate=nuke.nodes.Multiply(inputs=[studio.plate]))
    studio.click(node, *HERO)
    nuke.root()["proxy"].setValue(True)
    studio.press(node, "track")
    assert node["status"].value().startswith("current"), studio.app.said
    assert nuke.root()["proxy"].value() is True


def test_one_step_of_the_artist_is_one_step_to_undo(studio):
    node = studio.node()
    before = nuke.Undo.undoSize()
    session.press(node, "check_server")
    session.pump(lambda: node["server_state"].value() != "asking")
    studio.click(node, 30, 40)
    studio.press(node, "segment")
    studio.press(node, "track")
    assert nuke.Undo.undoSize() == before + 1


def test_looking_changes_nothing_in_the_script(studio):
    node = studio.tracked()
    nuke.modified(False)
    sync.refresh(node)
    nuke.frame(FIRST + 2)
    assert nuke.modified() is False


def test_a_list_of_frames_goes_there(studio):
    node = studio.node()
    studio.click(node, 30, 40)
    nuke.frame(FIRST + 3)
    studio.click(node, 30, 40)
    studio.click(node, 32, 40, positive=False)
    assert node["prompt_frames"].values() == [f"{FIRST}: 1 point", f"{FIRST + 3}: 2 points"]
    studio.press(node, "previous_key")
    assert nuke.frame() == FIRST
    node["prompt_frames"].setValue(f"{FIRST + 3}: 2 points")
    studio.press(node, "go_to_prompt")
    assert nuke.frame() == FIRST + 3
    node["copy_to"].setValue(LAST)
    studio.press(node, "copy_prompt")
    assert len(prompt(node, LAST).points) == 2
    studio.press(node, "delete_prompt")
    assert prompt(node, FIRST + 3) is None


def test_a_name_that_cannot_be_a_layer_is_refused_and_goes_back(studio):
    node = studio.node()
    studio.press(node, "add_object")
    node["object_name"].setValue("2 dogs")
    assert node["object_name"].value() == "object1"
    assert "no name of an object" in studio.app.said[-1]


@pytest.mark.parametrize(
    ("prepare", "button", "words"),
    [
        (lambda s, n: n.setInput(0, None), "add_positive", "no plate"),
        (lambda s, n: None, "track", "nothing to track"),
        (lambda s, n: None, "segment", "no object has a prompt"),
        (lambda s, n: None, "use_mask", "no mask"),
        (lambda s, n: n["last"].setValue(FIRST - 9), "track", "is empty"),
        (lambda s, n: n["first"].setValue(FIRST + 2), "track", "outside the range"),
        (lambda s, n: n["cache_folder"].setValue("{nowhere}"), "track", "known: {script_dir}"),
        (lambda s, n: n["track_engine"].setValue("nonsense"), "track", "nonsense"),
        (lambda s, n: s.app.root["name"].setValue(""), "track", "never saved"),
        (lambda s, n: n["view_name"].setValue("left"), "track", "no view 'left'"),
        (lambda s, n: s.app.root["views"].setValue("left right"), "track", "works on one"),
        (lambda s, n: None, "lock_frame", "is missing"),
        (lambda s, n: None, "bake", "stale or missing"),
    ],
)
def test_what_cannot_be_done_is_said_with_the_next_step(studio, prepare, button, words):
    node = studio.node()
    session.sample(studio.plate, 5, 5)
    if button in ("track", "lock_frame", "bake") and words != "nothing to track":
        studio.click(node, *HERO)
    prepare(studio, node)
    studio.press(node, button)
    assert words in studio.app.said[-1]


def test_a_recipe_is_copied_as_the_server_takes_it_and_pasted_into_another_node(studio):
    node = studio.node()
    studio.click(node, *HERO)
    node["feather"].setValue(1.5)
    studio.press(node, "copy_recipe")
    path = Path(studio.app.said[-1].splitlines()[-1])
    data = json.loads(path.read_text())
    assert check(from_dict(data)) == []
    other = studio.node()
    studio.app.answers.append(str(path))
    studio.press(other, "paste_recipe")
    assert nodes.state_of(other).objects == nodes.state_of(node).objects
    assert other["feather"].value() == 1.5
    studio.press(other, "track")
    assert other["status"].value().startswith("current"), studio.app.said


def test_an_older_node_gets_the_knobs_it_lacks_and_keeps_the_rest(studio):
    node = studio.node()
    studio.click(node, *HERO)
    node["feather"].setValue(2.0)
    for name in ("seed", "on_missing", "lock_frame"):
        node.removeKnob(node[name])
    path = studio.save("shot")
    nuke.scriptOpen(str(path))
    again = nuke.toNode("AIRoto1")
    assert again["seed"].value() == 0
    assert again["on_missing"].value() == "error"
    assert "entry.press" in again["lock_frame"].value()
    assert again["feather"].value() == 2.0
    assert len(nodes.state_of(again).objects[0].prompts) == 1


def test_a_node_of_a_newer_airoto_is_left_alone(studio):
    node = studio.node()
    newer = "%7B%22version%22:99%7D"
    node["state"].setValue(newer)
    assert "newer AIRoto" in node["status"].value()
    studio.click(node, *HERO)
    assert "newer AIRoto" in studio.app.said[-1]
    assert node["state"].value() == newer
    studio.app.said.clear()


def test_frames_to_look_at_lead_there(studio):
    node = studio.tracked()
    manifest = nodes.shown_manifest(node)
    from dataclasses import replace

    from airoto.review import Seen as FrameNote

    frames = {**manifest.frames, LAST: (FrameNote(1, 0.2, 50.0),)}
    panel.fill(node, nodes.state_of(node), replace(manifest, frames=frames))
    assert node["review"].value().startswith(f"{LAST}: object1: area shrinks")
    studio.press(node, "go_to_review")
    assert nuke.frame() == LAST


def test_the_server_tells_who_it_is_and_what_it_has(studio):
    node = studio.node()
    session.press(node, "check_server")
    session.pump(lambda: node["server_state"].value() != "asking")
    assert node["server_state"].value().startswith("AIRoto ")
    assert "null" in node["engines"].value()
    assert "[" not in node["engines"].value()


def test_a_local_server_is_started_and_used(studio, tmp_path):
    import os
    import signal
    import time

    from airoto_client.node import links

    node = studio.node()
    folder = tmp_path / "s"
    folder.mkdir(mode=0o700)
    target = f"unix:{folder}/a.sock"
    node["server"].setValue(target)
    before = set(links.started())
    try:
        session.press(node, "start_server")
        session.pump(lambda: node["server_state"].value() != "asking", timeout=120)
        assert node["server_state"].value().startswith("AIRoto "), node["server_state"].value()
        studio.click(node, *HERO)
        studio.press(node, "track")
        assert node["status"].value().startswith("current"), studio.app.said
    finally:
        links.forget(target)
        for pid in set(links.started()) - before:
            os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + 20
        while set(links.started()) - before and time.monotonic() < deadline:
            time.sleep(0.05)


def test_a_plate_with_wide_pixels_keeps_clicks_and_format(studio):
    plate = nuke.nodes.Constant(color=(0.2, 0.3, 0.4, 1.0))
    session.set_root_format(WIDTH, HEIGHT, pixel_aspect=2.0)
    node = studio.node(plate=plate)
    node["first"].setValue(FIRST)
    node["last"].setValue(FIRST + 1)
    studio.click(node, 30.5, 40.5)
    assert (prompt(node).points[0].x, prompt(node).points[0].y) == pytest.approx((30.5, 40.5))
    studio.press(node, "track")
    assert node["status"].value().startswith("current"), studio.app.said
    assert node.format().pixelAspect() == 2.0
    assert studio.alpha(node, FIRST)[40, 30] == 1
