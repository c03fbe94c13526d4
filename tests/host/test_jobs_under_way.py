"""What an artist may do while something is tracked: delete, close, undo, edit, copy."""

from __future__ import annotations

import nuke
import pytest
import session
from studio import FIRST, HERO, LAST

from airoto.errors import OutputError
from airoto_client.node import staleness
from airoto_nuke import nodes, tasks


def begun(studio):
    """A node that is being tracked; nothing of it was heard yet."""
    node = studio.node()
    studio.click(node, *HERO)
    session.press(node, "track")
    assert tasks.is_running(node)
    return node


def quiet() -> None:
    """Until nothing comes any more."""
    import threading

    for thread in threading.enumerate():
        if thread.name == "airoto":
            thread.join(30)
    session.pump()


def test_deleting_the_node_ends_its_job_and_raises_nothing(studio):
    node = begun(studio)
    node_id = nodes.id_of(node)
    nuke.delete(node)
    quiet()
    assert node_id not in tasks._running
    assert studio.app.said == []


def test_closing_the_script_ends_its_jobs_and_raises_nothing(studio):
    begun(studio)
    nuke.scriptClear()
    quiet()
    assert studio.app.said == []


def test_opening_the_same_script_again_finds_a_node_that_can_track(studio):
    node = begun(studio)
    path = studio.save("shot")
    nuke.scriptOpen(str(path))
    quiet()
    again = nuke.toNode(node._knobs["name"]._value)
    studio.plate = nuke.toNode("Plate")
    studio.press(again, "track")
    assert again["status"].value().startswith("current"), studio.app.said


def test_an_edit_meanwhile_leaves_what_arrives_stale(studio):
    node = begun(studio)
    studio.click(node, 10, 10)
    studio.wait(node)
    assert node["progress"].value() == "done"
    assert not node["status"].value().startswith("current")
    nuke.undo()
    assert node["status"].value() == f"current: 6 frames, {FIRST}-{LAST}"


def test_an_undo_meanwhile_leaves_the_prompts_undone(studio):
    node = begun(studio)
    nuke.undo()
    studio.wait(node)
    assert nodes.state_of(node).objects == ()
    nuke.redo()
    assert node["status"].value().startswith("current")


def test_a_copy_made_meanwhile_has_a_life_of_its_own(studio):
    node = begun(studio)
    for one in nuke.allNodes():
        one.setSelected(one is node)
    path = studio.folder / "copy.nk"
    nuke.nodeCopy(str(path))
    copied = nuke.nodePaste(str(path))
    assert not tasks.is_running(copied)
    studio.wait(node)
    assert node["status"].value().startswith("current")
    assert copied["has_result"].value() == 0


def test_a_second_press_is_refused_in_words(studio):
    node = begun(studio)
    session.press(node, "segment")
    assert "still at work" in studio.app.said[-1]
    studio.wait(node)


@pytest.mark.parametrize("when", ["frame", "end"])
def test_a_manifest_that_cannot_be_kept_ends_the_job_in_words(studio, monkeypatch, when):
    def full(path, manifest):
        raise OutputError("no space left", path=path)

    monkeypatch.setattr(staleness, "write_manifest", full)
    if when == "frame":
        from airoto_client.node import delivery

        monkeypatch.setattr(delivery, "_SHOW_EVERY", 0.0)
    node = begun(studio)
    studio.wait(node)
    assert "no space left" in studio.app.said[-1]
    assert node["progress"].value().startswith("failed")
    assert not tasks.is_running(node)
    monkeypatch.undo()
