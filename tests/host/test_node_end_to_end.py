"""AIRoto through the double: real bridge, real server, real pixels."""

from __future__ import annotations

from pathlib import Path

import nuke
import numpy as np
import OpenImageIO as oiio
import pytest
import session
from studio import FIRST, HEIGHT, HERO, LAST, WIDTH

from airoto_nuke import gate, nodes, sync, tasks
from airoto_nuke.knobs import NodeKind


def test_a_click_becomes_a_tracked_matte_on_the_true_frame_numbers(studio):
    node = studio.tracked()
    assert node["status"].value() == f"current: 6 frames, {FIRST}-{LAST}"
    reader = node.node("Checked")
    assert (reader["first"].value(), reader["last"].value()) == (FIRST, LAST)
    for frame in range(FIRST, LAST + 1):
        file = Path(reader["file"].evaluate(frame))
        pixels = oiio.ImageBuf(str(file)).get_pixels(oiio.FLOAT)
        names = oiio.ImageBuf(str(file)).spec().channelnames
        assert file.name == f"matte.{frame}.exr"
        assert np.array_equal(studio.alpha(node, frame), pixels[:, :, names.index("A")])


def test_the_click_lands_on_the_pixel_that_was_sampled(studio):
    node = studio.node()
    studio.click(node, 10.5, 20.5)
    point = nodes.state_of(node).objects[0].prompts[0].points[0]
    assert (point.x, point.y) == pytest.approx((10.5, 20.5), abs=1e-6)
    assert node["point1"].value() == pytest.approx((10.5, HEIGHT - 20.5), abs=1e-6)
    studio.press(node, "track")
    # The null engine draws a disc around the click, so the matte's middle is the click.
    rows, columns = np.nonzero(studio.alpha(node, FIRST) == 1)
    assert rows.min() == 0 or abs(rows.mean() - 20) < 6
    assert columns.min() == 0
    assert studio.alpha(node, FIRST)[20, 10] == 1
    assert studio.alpha(node, FIRST)[HEIGHT - 20, 10] == 0


def test_every_view_fills_what_the_viewer_shows(studio):
    node = studio.node()
    node["foreground_layer"].setValue(True)
    studio.click(node, *HERO)
    studio.press(node, "track")
    plate = studio.channel(studio.plate, FIRST, "rgba.red")
    alpha = studio.alpha(node, FIRST)
    for view in ("Mask", "Trimap", "Confidence"):
        node["view"].setValue(view)
        assert studio.channel(node, FIRST, "rgba.red").max() > 0.9
    node["view"].setValue("Overlay")
    shown = studio.channel(node, FIRST, "rgba.red")
    assert np.allclose(shown[alpha == 0], plate[alpha == 0])
    assert np.allclose(shown[alpha == 1], plate[alpha == 1] * 0.5 + 0.5, atol=1e-3)
    node["view"].setValue("Foreground")
    assert np.allclose(
        studio.channel(node, FIRST, "rgba.red")[alpha == 1], plate[alpha == 1], rtol=2e-3, atol=1e-3
    )
    node["view"].setValue("Final")
    assert np.array_equal(studio.channel(node, FIRST, "rgba.red"), plate)


def test_objects_come_back_in_layers_of_their_own_and_never_in_other(studio):
    node = studio.node()
    names = ["hero", "dog", "cat", "hat", "bag"]
    for number, name in enumerate(names):
        studio.press(node, "add_object")
        node["object_name"].setValue(name)
        studio.click(node, 20 + 30 * number, 50)
    studio.press(node, "track")
    channels = node.channels()
    assert {f"matte_{name}.alpha" for name in names} <= set(channels)
    assert not [one for one in channels if one.startswith("other")]
    total = np.sum([studio.channel(node, FIRST, f"matte_{name}.alpha") for name in names], axis=0)
    assert np.allclose(np.minimum(total, 1), studio.alpha(node, FIRST), atol=1e-3)


def test_segmenting_a_frame_shows_candidates_and_the_choice_is_kept_with_the_prompt(studio):
    node = studio.node()
    studio.click(node, *HERO)
    studio.press(node, "segment")
    assert node["candidate_scores"].value() == "1: 0.90, 2: 0.80, 3: 0.70"
    sizes = []
    for choice in ("1", "2", "3"):
        node["candidate"].setValue(choice)
        sizes.append(studio.alpha(node, FIRST).sum())
    assert sizes[1] < sizes[0] < sizes[2]
    assert nodes.state_of(node).objects[0].prompts[0].candidate == 3
    assert studio.alpha(node, FIRST + 1).sum() == 0  # a candidate belongs to its frame
    studio.press(node, "track")
    studio.press(node, "hide_candidates")
    assert studio.alpha(node, FIRST + 1).sum() == pytest.approx(sizes[2], rel=0.05)


def test_candidates_of_other_prompts_are_never_shown(studio):
    node = studio.node()
    studio.click(node, *HERO)
    studio.press(node, "segment")
    assert node["show_candidate"].value() == 1
    studio.click(node, 5, 5)
    assert node["show_candidate"].value() == 0
    nuke.undo()
    assert len(nodes.state_of(node).objects[0].prompts[0].points) == 1


def test_a_plate_that_is_no_untouched_read_is_rendered_as_the_node_sees_it(studio):
    brighter = nuke.nodes.Multiply(value=(2.0, 2.0, 2.0, 1.0), inputs=[studio.plate])
    node = studio.node(plate=brighter)
    studio.click(node, *HERO)
    studio.press(node, "track")
    files = [Path(one) for one in studio.app.written]
    assert len(files) == LAST - FIRST + 1
    kept = sorted(Path(nodes.folder_of(node)).glob("plate/*/plate.*.exr"))
    assert [one.name for one in kept] == [f"plate.{n}.exr" for n in range(FIRST, LAST + 1)]
    pixels = oiio.ImageBuf(str(kept[2])).get_pixels(oiio.FLOAT)
    wanted = studio.channel(brighter, FIRST + 2, "rgba.green").astype(np.float16)
    assert np.array_equal(pixels[:, :, 1].astype(np.float16), wanted)
    assert not nuke.allNodes("Write", recurseGroups=True), "the Write is gone"
    studio.click(node, 40, 40)
    studio.press(node, "track")
    assert len(studio.app.written) == LAST - FIRST + 1, "the cached plate is used again"
    brighter["value"].setValue([3.0, 3.0, 3.0, 1.0])
    studio.press(node, "track")
    assert len(studio.app.written) == 2 * (LAST - FIRST + 1), "another plate is rendered"


def test_an_untouched_read_is_never_rendered(studio):
    dot = nuke.nodes.Dot(inputs=[studio.plate])
    node = studio.tracked(plate=dot)
    assert node["has_result"].value() == 1
    assert studio.app.written == []


def test_a_time_offset_shifts_no_matte(studio):
    shifted = nuke.nodes.TimeOffset(time_offset=100, inputs=[studio.plate])
    node = studio.node(plate=shifted)
    assert (node["first"].value(), node["last"].value()) == (FIRST + 100, LAST + 100)
    nuke.frame(FIRST + 100)
    studio.click(node, *HERO)
    studio.press(node, "track")
    assert node.node("Checked")["first"].value() == FIRST + 100
    kept = sorted(Path(nodes.folder_of(node)).glob("plate/*/plate.*.exr"))
    green = oiio.ImageBuf(str(kept[0])).get_pixels(oiio.FLOAT)[:, :, 1]
    assert np.array_equal(green, studio.channel(studio.plate, FIRST, "rgba.green"))


def test_overscan_reaches_the_server_and_comes_back(studio):
    plate = nuke.nodes.Read(
        file=f"{studio.clip}/plate_overscan/plate.####.exr", first=FIRST, last=LAST,
        colorspace="ACEScg",
    )  # fmt: skip
    assert plate.bbox().w() > WIDTH
    node = studio.node(plate=plate)
    studio.click(node, *HERO)
    studio.press(node, "track")
    assert node.bbox().w() == plate.bbox().w()
    assert studio.alpha(node, FIRST)[round(HERO[1]), round(HERO[0])] == 1


def test_a_mask_on_a_frame_is_a_prompt(studio):
    node = studio.node()
    shape = nuke.nodes.Rectangle(area=(20, 10, 60, 50), inputs=[studio.plate])
    node.setInput(1, shape)
    studio.press(node, "use_mask")
    prompt = nodes.state_of(node).objects[0].prompts[0]
    assert prompt.frame == FIRST
    assert Path(prompt.mask).is_file()
    node["matte_engine"].setValue("none")
    studio.press(node, "track")
    wanted = studio.channel(shape, FIRST, "rgba.alpha")
    assert np.abs(studio.alpha(node, FIRST) - wanted).mean() < 0.01


@pytest.mark.parametrize("kind", [NodeKind.MATTE, NodeKind.TRIMAP])
def test_a_rough_mask_becomes_a_matte_or_a_trimap(studio, kind):
    node = studio.node(kind)
    shape = nuke.nodes.Rectangle(area=(40, 20, 120, 90), inputs=[studio.plate])
    node.setInput(1, shape)
    studio.press(node, "make")
    assert node["status"].value() == f"current: 6 frames, {FIRST}-{LAST}", studio.app.said
    alpha = studio.alpha(node, FIRST + 3)
    assert alpha[HEIGHT - 55, 80] == 1
    assert alpha[5, 5] == 0
    assert np.isclose(alpha, 0.5).any(), "the unknown band of the trimap, or the null matter's"
    shape["area"].setValue([40, 20, 100, 90])
    sync.refresh(node)
    assert node["status"].value().startswith("STALE")


def test_a_cancelled_track_keeps_finished_frames_and_frees_the_node_at_once(studio):
    node = studio.node()
    studio.click(node, *HERO)
    session.press(node, "track")
    node["cancel"].execute()
    assert not tasks.is_running(node)
    assert node["progress"].value() == "cancelled; finished frames are kept"
    studio.press(node, "track")
    assert node["status"].value() == f"current: 6 frames, {FIRST}-{LAST}"


def test_cancel_while_the_plate_is_rendered_leaves_no_half_frame_and_no_write(studio):
    node = studio.node(plate=nuke.nodes.Multiply(inputs=[studio.plate]))
    studio.click(node, *HERO)
    studio.app.cancel_progress_at = 40
    session.press(node, "track")
    studio.app.cancel_progress_at = None
    assert not nuke.allNodes("Write", recurseGroups=True)
    names = {one.name for one in Path(nodes.folder_of(node)).rglob("*.exr")}
    assert names
    assert all(one.startswith("plate.") for one in names)


def test_buttons_defer_rendering_because_scripts_of_knobs_count_as_executing(studio):
    node = studio.node(plate=nuke.nodes.Multiply(inputs=[studio.plate]))
    studio.click(node, *HERO)
    node["track"].execute()
    assert studio.app.written == [], "nothing is rendered inside the button's script"
    session.pump(lambda: not tasks.is_running(node))
    assert len(studio.app.written) == LAST - FIRST + 1


def test_terminal_mode_tracks_in_step_and_speaks_in_plain_lines(terminal):
    node = terminal.node()
    nuke.frame(FIRST)
    from airoto_client.node import state_ops

    state = state_ops.add_point(nodes.state_of(node), FIRST, *HERO)
    sync.edit(node, "add point", state)
    node["track"].execute()
    assert node["status"].value() == f"current: 6 frames, {FIRST}-{LAST}"
    assert any("matte: " in line or "track: " in line for line in terminal.app.said)
    write = terminal.write(node)
    nuke.execute(write, FIRST, LAST)
    assert len(terminal.app.written) == LAST - FIRST + 1


def test_no_server_is_said_with_the_next_step_and_nothing_hangs(studio):
    node = studio.node()
    node["server"].setValue(f"unix:{studio.folder}/nobody.sock")
    studio.click(node, *HERO)
    studio.press(node, "track")
    assert "Start local server" in studio.app.said[-1]
    assert node["progress"].value().startswith("failed")
    assert node["stale"].value() == 1
    assert gate.problems(studio.write(node), FIRST)


def test_the_grpc_link_gives_the_same_matte_as_the_bridge(studio):
    first = studio.tracked()
    other = studio.node()
    other["link"].setValue("grpc")
    studio.click(other, *HERO)
    studio.press(other, "track")
    assert np.array_equal(studio.alpha(first, LAST), studio.alpha(other, LAST))
    assert nodes.folder_of(first) != nodes.folder_of(other)
