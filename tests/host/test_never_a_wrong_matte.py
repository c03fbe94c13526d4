"""In a render a stale or missing matte is an error; black only where the artist chose it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nuke
import numpy as np
import OpenImageIO as oiio
import pytest
import session
from studio import FIRST, HERO, LAST, Studio

from airoto_nuke import nodes, sync


def refused(studio: Studio, write: object, frame: int = FIRST) -> str:
    """The words with which a render is refused; nothing may be written."""
    written = len(studio.app.written)
    with pytest.raises(RuntimeError) as caught:
        nuke.execute(write, frame, frame)
    assert len(studio.app.written) == written
    return str(caught.value)


def reopened_without_airoto(studio: Studio, monkeypatch, *, gui: bool) -> None:
    """The saved script in a Nuke that has never heard of AIRoto."""
    path = studio.save("shot")
    session.reset(gui=gui)
    session.set_root_format(192, 108)
    monkeypatch.setitem(sys.modules, "airoto_nuke", None)  # importing it fails
    nuke.scriptOpen(str(path))


def test_an_edit_leaves_the_last_result_visible_and_marks_it_stale(studio):
    node = studio.tracked()
    before = studio.alpha(node, FIRST)
    studio.click(node, 10, 10)
    assert node["status"].value().startswith("STALE")
    assert np.array_equal(studio.alpha(node, FIRST), before)
    assert "stale" in refused(studio, studio.write(node))


def test_an_undo_makes_the_old_result_current_again(studio):
    node = studio.tracked()
    write = studio.write(node)
    studio.click(node, 10, 10)
    nuke.undo()
    assert node["status"].value().startswith("current")
    nuke.execute(write, FIRST, LAST)


def test_switching_back_a_setting_finds_the_old_result(studio):
    node = studio.tracked()
    first = node["result_key"].value()
    node["grow"].setValue(3.0)
    studio.press(node, "track")
    assert node["result_key"].value() != first
    node["grow"].setValue(0.0)
    assert node["result_key"].value() == first
    assert node["stale"].value() == 0


def test_a_plate_that_changes_upstream_is_noticed_by_the_render(studio):
    grade = nuke.nodes.Multiply(inputs=[studio.plate])
    node = studio.tracked(plate=grade)
    write = studio.write(node)
    nuke.execute(write, FIRST, FIRST)
    grade["value"].setValue([2.0, 1.0, 1.0, 1.0])
    assert "stale" in refused(studio, write)


def test_an_animated_change_on_a_later_frame_is_noticed(studio):
    grade = nuke.nodes.Multiply(inputs=[studio.plate])
    node = studio.tracked(plate=grade)
    grade["value"].setExpression("1+(frame==1005)", 0)
    assert "stale" in refused(studio, studio.write(node), FIRST)


def test_plate_files_that_were_rendered_again_are_noticed(studio, tmp_path):
    for path in sorted((studio.clip / "plate_acescg").glob("*.exr")):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    plate = nuke.nodes.Read(
        file=f"{tmp_path}/plate.####.exr", first=FIRST, last=LAST, colorspace="ACEScg"
    )
    node = studio.tracked(plate=plate)
    write = studio.write(node)
    nuke.execute(write, FIRST, FIRST)
    os.utime(tmp_path / f"plate.{LAST}.exr", (1, 1))
    assert "stale" in refused(studio, write)


def test_a_frame_that_was_never_made_is_refused(studio):
    node = studio.node()
    studio.click(node, *HERO)
    nuke.frame(FIRST + 3)
    studio.click(node, *HERO)
    nuke.frame(FIRST)
    studio.press(node, "track_to_next_key")
    write = studio.write(node)
    nuke.execute(write, FIRST, FIRST + 3)
    assert "missing" in refused(studio, write, LAST)
    studio.press(node, "track")
    nuke.execute(write, LAST, LAST)


def test_windows_show_the_last_result_where_the_new_one_has_no_frame_yet(studio):
    node = studio.tracked()
    before = {frame: studio.alpha(node, frame) for frame in (FIRST, LAST)}
    nuke.frame(FIRST + 3)
    studio.click(node, 10, 10)
    studio.press(node, "retrack")
    assert "current: 3 frames" in node["status"].value()
    assert np.array_equal(studio.alpha(node, FIRST), before[FIRST])
    assert not np.array_equal(studio.alpha(node, LAST), before[LAST])
    write = studio.write(node)
    assert "missing" in refused(studio, write, FIRST)
    node["on_missing"].setValue("black")
    nuke.execute(write, FIRST, FIRST)
    image = oiio.ImageBuf(studio.app.written[-1])
    alpha = image.get_pixels(oiio.FLOAT)[:, :, image.spec().channelnames.index("A")]
    assert alpha.max() == 0
    node["on_missing"].setValue("error")
    studio.press(node, "track")
    assert node["has_previous"].value() == 0
    assert not np.array_equal(studio.alpha(node, FIRST), before[FIRST])


def test_a_file_that_another_recipe_made_is_refused(studio):
    node = studio.tracked()
    pattern = Path(nodes.shown_pattern(node))
    key = node["result_key"].value()
    node["grow"].setValue(4.0)
    studio.press(node, "track")
    other = Path(nodes.shown_pattern(node))
    node["grow"].setValue(0.0)
    assert node["result_key"].value() == key
    name = f"matte.{FIRST}.exr"
    (pattern.parent / name).write_bytes((other.parent / name).read_bytes())
    assert "another recipe" in refused(studio, studio.write(node))


def test_a_deleted_file_is_refused_and_never_black(studio):
    node = studio.tracked()
    Path(nodes.shown_pattern(node) % FIRST).unlink()
    assert "is not there" in refused(studio, studio.write(node))


def test_black_is_rendered_only_where_it_was_chosen(studio):
    node = studio.tracked()
    node["on_missing"].setValue("black")
    studio.click(node, 10, 10)
    write = studio.write(node)
    nuke.execute(write, FIRST, FIRST)
    assert node["stale"].value() == 1


@pytest.mark.parametrize("gui", [True, False])
def test_a_script_without_airoto_opens_and_shows_its_mattes(studio, monkeypatch, gui):
    node = studio.tracked()
    wanted = studio.alpha(node, FIRST + 2)
    reopened_without_airoto(studio, monkeypatch, gui=gui)
    again = nuke.toNode("AIRoto1")
    assert np.array_equal(studio.alpha(again, FIRST + 2), wanted)
    write = studio.write(again)
    nuke.execute(write, FIRST, LAST)
    if gui:
        again["add_positive"].execute()
        assert "not installed" in studio.app.said[-1]


def test_without_airoto_a_stale_matte_still_stops_a_render(studio, monkeypatch):
    node = studio.tracked()
    studio.click(node, 10, 10)
    reopened_without_airoto(studio, monkeypatch, gui=False)
    words = refused(studio, studio.write(nuke.toNode("AIRoto1")))
    assert "AIRoto_has_no_current_matte" in words


def test_without_airoto_a_frame_outside_the_result_stops_a_render(studio, monkeypatch):
    studio.tracked()
    reopened_without_airoto(studio, monkeypatch, gui=False)
    write = studio.write(nuke.toNode("AIRoto1"))
    assert "AIRoto_has_no_current_matte" in refused(studio, write, LAST + 1)


def test_without_airoto_a_deleted_matte_stops_a_render(studio, monkeypatch):
    node = studio.tracked()
    Path(nodes.shown_pattern(node) % FIRST).unlink()
    reopened_without_airoto(studio, monkeypatch, gui=False)
    assert "No such file" in refused(studio, studio.write(nuke.toNode("AIRoto1")))


def test_a_node_that_was_never_tracked_shows_the_plate_and_stops_a_render(studio):
    node = studio.node()
    red = studio.channel(studio.plate, FIRST, "rgba.red")
    assert np.array_equal(studio.channel(node, FIRST, "rgba.red"), red)
    assert studio.alpha(node, FIRST).max() == 0
    assert "missing" in refused(studio, studio.write(node))


def test_a_disabled_node_stops_nothing(studio):
    node = studio.node()
    node["disable"].setValue(True)
    nuke.execute(studio.write(node), FIRST, FIRST)


def test_nodes_inside_groups_are_guarded_too(studio):
    group = nuke.nodes.Group(name="Outer")
    with group:
        entrance = nuke.nodes.Input(name="in")
        inner = sync.create(nodes.NodeKind.ROTO)
        inner.setInput(0, entrance)
        nuke.nodes.Output(inputs=[inner])
    group.setInput(0, studio.plate)
    assert "Outer.AIRoto1" in refused(studio, studio.write(group))


def test_a_script_that_moved_with_its_folder_finds_its_mattes(studio, tmp_path):
    node = studio.tracked()
    wanted = studio.alpha(node, FIRST)
    studio.save("shot")
    moved = tmp_path / "elsewhere"
    studio.folder.rename(moved)
    nuke.scriptOpen(str(moved / "shot.nk"))
    again = nuke.toNode("AIRoto1")
    assert np.array_equal(studio.alpha(again, FIRST), wanted)
    assert again["status"].value().startswith("current")


def test_a_copy_shows_the_same_result_and_has_a_folder_of_its_own(studio):
    node = studio.tracked()
    path = studio.folder / "copy.nk"
    for one in nuke.allNodes():
        one.setSelected(one is node)
    nuke.nodeCopy(str(path))
    copied = nuke.nodePaste(str(path))
    copied.setInput(0, studio.plate)
    sync.refresh(copied)
    assert copied.name() == "AIRoto2"
    assert nodes.folder_of(copied) != nodes.folder_of(node)
    assert copied["status"].value().startswith("current")
    studio.click(copied, 10, 10)
    studio.press(copied, "track")
    assert node["status"].value().startswith("current")
    assert not np.array_equal(studio.alpha(copied, FIRST), studio.alpha(node, FIRST))


def test_approved_frames_stay_whatever_is_tracked_later(studio):
    node = studio.tracked()
    nuke.frame(FIRST + 2)
    approved = studio.alpha(node, FIRST + 2)
    studio.press(node, "lock_frame")
    assert node["locked"].value() == str(FIRST + 2)
    studio.click(node, 150, 20)
    studio.press(node, "track")
    assert node["status"].value().startswith("current"), studio.app.said
    assert np.array_equal(studio.alpha(node, FIRST + 2), approved)
    assert not np.array_equal(studio.alpha(node, FIRST + 3), approved)
    nuke.execute(studio.write(node), FIRST, LAST)
    studio.press(node, "unlock_frame")
    assert node["status"].value().startswith("STALE")


def test_baked_reads_need_nothing_of_ours(studio):
    node = studio.tracked()
    studio.press(node, "bake")
    baked = next(one for one in nuke.allNodes("Read") if one is not studio.plate)
    assert np.array_equal(studio.alpha(baked, LAST), studio.alpha(node, LAST))
    studio.click(node, 10, 10)
    studio.press(node, "bake")
    assert "stale or missing" in studio.app.said[-1]


def test_an_approved_frame_is_a_keyframe_of_its_neighbours(studio):
    node = studio.tracked()
    nuke.frame(LAST)
    approved = studio.alpha(node, LAST)
    studio.press(node, "lock_frame")
    nuke.frame(FIRST)
    studio.press(node, "delete_prompt")
    studio.click(node, 20.5, 20.5)
    studio.press(node, "track")
    assert node["status"].value().startswith("current"), studio.app.said
    assert np.array_equal(studio.alpha(node, LAST), approved)
    at = (round(HERO[1]), round(HERO[0]))
    assert studio.alpha(node, FIRST)[at] == 0
    assert studio.alpha(node, LAST - 1)[at] > 0.4, "it follows what was approved"


def test_an_approved_frame_is_found_after_the_script_got_another_name(studio):
    node = studio.tracked()
    approved = studio.alpha(node, FIRST)
    studio.press(node, "lock_frame")
    studio.save("shot_v2")
    studio.click(node, 150, 20)
    studio.press(node, "track")
    assert node["status"].value().startswith("current"), studio.app.said
    assert np.array_equal(studio.alpha(node, FIRST), approved)


def test_a_copy_keeps_the_approved_frames(studio):
    node = studio.tracked()
    approved = studio.alpha(node, FIRST)
    studio.press(node, "lock_frame")
    for one in nuke.allNodes():
        one.setSelected(one is node)
    nuke.nodeCopy(str(studio.folder / "copy.nk"))
    copied = nuke.nodePaste(str(studio.folder / "copy.nk"))
    copied.setInput(0, studio.plate)
    studio.click(copied, 150, 20)
    studio.press(copied, "track")
    assert copied["status"].value().startswith("current"), studio.app.said
    assert np.array_equal(studio.alpha(copied, FIRST), approved)


def test_an_approved_matte_that_is_gone_is_an_error_and_never_tracked_over(studio):
    node = studio.tracked()
    studio.press(node, "lock_frame")
    for one in Path(nodes.folder_of(node)).rglob("locked/*/*.exr"):
        one.unlink()
    studio.click(node, 150, 20)
    studio.press(node, "track")
    assert node["progress"].value().startswith("failed")
    assert not node["status"].value().startswith("current")


def test_a_proxys_matte_cannot_be_approved_nor_mixed_with_approved_frames(studio):
    node = studio.node()
    node["size"].setValue("proxy")
    studio.click(node, *HERO)
    studio.press(node, "track")
    studio.press(node, "lock_frame")
    assert "made at proxy size" in studio.app.said[-1]
    node["size"].setValue("full")
    studio.press(node, "track")
    studio.press(node, "lock_frame")
    node["size"].setValue("proxy")
    studio.press(node, "track")
    assert "approved at full size" in studio.app.said[-1]
