"""AIDetect: greyed with the reason; phrases become boxes, boxes the objects of an AIRoto node."""

from __future__ import annotations

import nuke
import pytest
import session
from studio import FIRST, HEIGHT, WIDTH

from airoto_client.node import links
from airoto_client.node.state import Box
from airoto_nuke import detect_panel, nodes
from airoto_nuke.knobs import NodeKind


def detector(studio):
    """A node on the plate whose server was asked, with the engine that needs no weights."""
    node = studio.node(NodeKind.DETECT)
    session.press(node, "check_server")
    session.pump(lambda: node["server_state"].value() != "asking")
    node["detect_engine"].setValue("null")
    node["text"].setValue("red car . dog")
    return node


def test_it_is_greyed_until_the_server_was_asked(studio, monkeypatch):
    monkeypatch.setattr(links, "_known", {})
    node = studio.node(NodeKind.DETECT)
    assert not node["detect"].enabled()
    assert node["status"].value() == detect_panel.NOT_ASKED
    session.press(node, "check_server")
    session.pump(lambda: node["server_state"].value() != "asking")
    assert not node["detect"].enabled()
    assert "grounding-dino" in node["status"].value(), "why not, in the engine's words"
    node["detect_engine"].setValue("null")
    assert node["detect"].enabled()
    assert node["status"].value() == "ready"
    node["detect_engine"].setValue("nonsense")
    assert node["status"].value() == "the server has no detector 'nonsense'"


def test_from_the_menu_it_asks_by_itself_and_without_a_server_says_nothing(studio, monkeypatch):
    monkeypatch.setattr(links, "_known", {})
    monkeypatch.setenv("AIROTO_SERVER", f"unix:{studio.folder}/nobody.sock")
    nuke.menu("Nodes").findItem("AIRoto/AIDetect").invoke()
    node = nuke.toNode("AIDetect1")
    session.pump(lambda: node["server_state"].value() != "asking")
    assert "no AIRoto server answers" in node["server_state"].value()
    assert studio.app.said == []
    assert not node["detect"].enabled()


@pytest.mark.parametrize(
    ("engines", "engine", "words"),
    [
        ([], "auto", "the server has no detector"),
        ([("dino", True, True, "")], "auto", ""),
        ([("dino", True, False, "")], "dino", ""),
        ([("dino", False, False, "no weights")], "auto", "dino: no weights"),
        ([("dino", False, False, "no weights")], "dino", "dino: no weights"),
        ([("null", True, False, "")], "auto", "the server has no detector"),
    ],
)
def test_why_a_server_cannot_detect_is_what_it_says_of_itself(engines, engine, words):
    info = {
        "engines": [
            {
                "role": "ENGINE_ROLE_DETECTOR", "name": name, "available": available,
                "is_default": default, "reason": reason,
            }
            for name, available, default, reason in engines
        ]
    }  # fmt: skip
    assert detect_panel.why_not(info, engine) == words


def test_phrases_become_boxes_that_can_be_dragged(studio):
    node = detector(studio)
    studio.press(node, "detect")
    state = nodes.state_of(node)
    assert state.objects, studio.app.said
    assert node["found"].values() == [f"{one.name}, frame {FIRST}" for one in state.objects]
    box = state.objects[0].prompt(FIRST).box
    assert node["box1"].visible()
    assert node["box1"].label() == state.objects[0].name
    shown = (box.x_min, HEIGHT - box.y_max, box.x_max, HEIGHT - box.y_min)
    assert node["box1"].value() == pytest.approx(shown)
    nuke.frame(FIRST + 1)
    assert not node["box1"].visible()
    nuke.frame(FIRST)
    node["box1"].setValue([10, 20, 50, 60])
    moved = nodes.state_of(node).objects[0].prompt(FIRST).box
    assert moved == Box(10, HEIGHT - 60, 50, HEIGHT - 20)
    nuke.undo()
    assert nodes.state_of(node) == state


def test_a_plate_that_is_no_read_is_rendered_for_the_one_frame(studio):
    node = detector(studio)
    node.setInput(0, nuke.nodes.Multiply(inputs=[studio.plate]))
    nuke.frame(FIRST + 2)
    studio.press(node, "detect")
    assert nodes.state_of(node).objects[0].prompts[0].frame == FIRST + 2
    assert len(studio.app.written) == 1


def test_what_was_found_becomes_a_new_roto_node_that_tracks(studio):
    node = detector(studio)
    studio.press(node, "detect")
    found = nodes.state_of(node)
    for one in nuke.allNodes():
        one.setSelected(False)
    studio.press(node, "make_objects")
    made = nuke.toNode("AIRoto1")
    assert made.input(0) is studio.plate
    state = nodes.state_of(made)
    assert [one.name for one in state.objects] == [one.name for one in found.objects]
    assert [one.prompts for one in state.objects] == [one.prompts for one in found.objects]
    for name in ("segment_engine", "track_engine", "matte_engine"):
        made[name].setValue("null")
    studio.press(made, "track")
    assert made["status"].value().startswith("current"), studio.app.said
    x = round((state.objects[0].prompts[0].box.x_min + state.objects[0].prompts[0].box.x_max) / 2)
    assert 0 <= x < WIDTH


def test_they_join_the_objects_of_the_selected_node_under_free_names(studio):
    node = detector(studio)
    studio.press(node, "detect")
    count = len(nodes.state_of(node).objects)
    target = studio.node()
    for one in nuke.allNodes():
        one.setSelected(one is target)
    before = nuke.Undo.undoSize()
    studio.press(node, "make_objects")
    studio.press(node, "make_objects")
    state = nodes.state_of(target)
    assert len(state.objects) == 2 * count
    assert len({one.name for one in state.objects}) == 2 * count
    assert len({one.id for one in state.objects}) == 2 * count
    assert nuke.Undo.undoSize() == before + 2
    nuke.undo()
    assert len(nodes.state_of(target).objects) == count


def test_no_phrase_and_no_plate_are_refused_in_words(studio):
    node = detector(studio)
    node["text"].setValue(" ")
    studio.press(node, "detect")
    assert "nothing to find" in studio.app.said[-1]
    node["text"].setValue("dog")
    node.setInput(0, None)
    studio.press(node, "detect")
    assert "no plate" in studio.app.said[-1]
    studio.press(node, "make_objects")
    assert "nothing was found" in studio.app.said[-1]
