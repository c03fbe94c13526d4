"""On a farm: a render's range is looked at before its first frame, and made where allowed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import nuke
import pytest
import session
from nuke._app import app
from studio import FIRST, HERO, LAST

from airoto_client.lease_files import leases_in
from airoto_client.nk.requests import requests_of
from airoto_client.node import links
from airoto_client.presets.compiler import compile_presets, write_index
from airoto_nuke import asked, gate, nodes, startup, sync

PRESET = """format = 1
show = "SHOWX"
version = 2
[segment]
engine = "null"
[track]
engine = "null"
[matte]
engine = "null"
grow = 1.0
[farm]
chunk_frames = 3
priority = 60
on_blade = {on_blade}
"""


def started_as(*words: str) -> None:
    nuke.rawArgs[:] = ["Nuke17.0", *words]


def on_farm(studio) -> list[int]:
    """Render the script's Write as `nuke -x -F` would, in a new session; frames are written."""
    path = studio.save("shot")
    session.reset(gui=False)
    started_as("-F", f"{FIRST}-{LAST}", "-x", str(path))
    startup.every_mode()
    nuke.scriptOpen(str(path))
    write = nuke.toNode("out")
    nuke.execute(write, FIRST, LAST)
    return app.written


@pytest.fixture
def show(tmp_path, monkeypatch):
    """Presets whose farm policy a test chooses."""
    folder, index = tmp_path / "presets", tmp_path / "index.json"
    folder.mkdir()
    monkeypatch.setenv("AIROTO_PRESET_INDEX", str(index))

    def write(on_blade: bool) -> None:
        (folder / "show.toml").write_text(PRESET.format(on_blade=str(on_blade).lower()))
        made = compile_presets([str(folder)])
        assert not made.problems
        write_index(str(index), made.data)

    return write


def prompted(studio, preset: str = ""):
    """A node that was prompted and never tracked, and a Write."""
    studio.plate.setSelected(True)
    node = startup.create_preset("AIRoto", preset) if preset else studio.node()
    node["server"].setValue(studio.server)
    studio.click(node, *HERO)
    studio.write(node)
    return node


@pytest.mark.parametrize(
    ("words", "frames"),
    [
        (["-F", "3", "-x", "a.nk"], [3]),
        (["-F", "1-10x3", "-F", "-2--1", "-x", "a.nk"], [-2, -1, 1, 4, 7, 10]),
        (["-x", "a.nk", "5,7"], [5, 6, 7]),
        (["-F", "1,9,4", "-t", "a.py"], [1, 5, 9]),
        (["-x", "a.nk"], []),
        (["-t", "-F", "all"], []),
    ],
)
def test_frames_are_read_off_the_command_line(words, frames):
    assert asked.frames_on_command_line(["Nuke17.0", *words]) == frames


@pytest.mark.parametrize(
    ("words", "executes"),
    [(["-x", "a"], True), (["-ix", "a"], True), (["-X", "W"], True), (["-t", "x.py"], False)],
)
def test_who_renders_by_itself_is_known(words, executes):
    assert asked.executes_script(["Nuke17.0", *words]) is executes


def test_without_frames_on_the_command_line_the_write_or_the_script_says_them(terminal):
    write = terminal.write(terminal.node())
    assert asked.frames_of_render(write) == []
    started_as("-x", "a.nk")
    nuke.root()["first_frame"].setValue(5)
    nuke.root()["last_frame"].setValue(7)
    assert asked.frames_of_render(write) == [5, 6, 7]
    write["use_limit"].setValue(True)
    write["first"].setValue(6)
    write["last"].setValue(6)
    assert asked.frames_of_render(write) == [6]


RETIME = {"input.first": 10, "input.last": 20, "output.first": 10, "output.last": 15}


@pytest.mark.parametrize(
    ("kind", "knobs", "frames"),
    [
        ("TimeOffset", {"time_offset": 3}, {7, 8, 9}),
        ("FrameHold", {"first_frame": 4}, {4}),
        ("FrameHold", {"first_frame": 4, "increment": 5}, {9}),
        ("Retime", {**RETIME, "speed": 2.0}, {10, 12, 14}),
        ("Retime", {**RETIME, "speed": 0.25}, {10, 11}),
        ("Retime", {**RETIME, "output.first": 11, "speed": 1.0, "before": "hold"}, {10, 11}),
        ("Retime", {**RETIME, "output.last": 11, "speed": 1.0, "after": "black"}, {10, 11}),
        ("Retime", {**RETIME, "output.last": 11, "speed": 1.0, "after": "loop"}, None),
        ("Retime", {**RETIME, "speed": 1.0, "reverse": True}, None),
        ("TimeBlur", {"divisions": 4, "shutter": 2.0, "shutteroffset": "start"},
         {10, 11, 12, 13, 14}),
        ("TimeBlur", {"divisions": 4, "shutter": 0.8, "shutteroffset": "centred"}, {10, 11, 12}),
        ("TimeBlur", {"divisions": 0, "shutter": 0.5}, None),
        ("TimeEcho", {"framesbehind": 2}, {8, 9, 10, 11, 12}),
        ("TimeWarp", {"lookup": 3.5}, {3, 4}),
        ("Kronos", {}, None),
        ("Multiply", {}, {10, 11, 12}),
    ],
)  # fmt: skip
def test_frames_are_followed_through_nodes_that_ask_for_others(terminal, kind, knobs, frames):
    node = terminal.node()
    between = getattr(nuke.nodes, kind)(inputs=[node])
    for name, value in knobs.items():
        between[name].setValue(value)
    (found,) = asked.asked_of_ours(terminal.write(between), range(10, 13))
    assert found.node is node
    assert found.unknown is (frames is None)
    assert found.frames == (frames or set())
    between["disable"].setValue(True)
    (found,) = asked.asked_of_ours(terminal.write(between, "second"), range(10, 13))
    assert found.frames == {10, 11, 12}


def test_animation_counts_frame_by_frame_and_branches_add_up(terminal):
    node = terminal.node()
    warped = nuke.nodes.TimeWarp(inputs=[node])
    warped["lookup"].setExpression("2*frame", 0)
    both = nuke.nodes.Merge2(inputs=[nuke.nodes.Dot(inputs=[node]), warped])
    (found,) = asked.asked_of_ours(terminal.write(both), [10, 11])
    assert found.frames == {10, 11, 20, 22}
    assert not found.unknown


def test_a_render_with_missing_frames_stops_before_the_first_with_a_list_and_a_command(studio):
    node = prompted(studio)
    nuke.frame(FIRST + 3)
    studio.click(node, *HERO)
    nuke.frame(FIRST)
    studio.press(node, "track_to_next_key")
    with pytest.raises(RuntimeError) as caught:
        on_farm(studio)
    words = str(caught.value)
    assert f"the matte of AIRoto1 is missing on 2 frames ({LAST - 1}-{LAST}) of 6" in words
    script = studio.folder / "shot.nk"
    assert f"airoto farm template {script} --node AIRoto1 --job {script}.airoto-job" in words
    assert app.written == []


def test_behind_a_frame_hold_only_the_held_frame_has_to_be_there(studio):
    node = studio.node()
    studio.click(node, *HERO)
    studio.press(node, "track_to_next_key")  # all: there is no next key
    hold = nuke.nodes.FrameHold(first_frame=FIRST + 1, inputs=[node])
    studio.write(hold)
    for frame in range(FIRST + 2, LAST + 1):
        manifest = Path(nodes.folder_of(node)) / "mattes" / node["result_key"].value()
        (manifest / f"matte.{frame}.exr").unlink()
    assert len(on_farm(studio)) == LAST - FIRST + 1


def test_mattes_that_others_made_from_the_saved_script_are_shown(studio, tmp_path):
    """Preset -> node -> script -> recipe -> `airoto render` -> node."""
    node = prompted(studio)
    (request,) = requests_of(studio.save("shot"))
    recipe = tmp_path / "recipe.airoto.json"
    recipe.write_text(json.dumps(request.recipe))
    command = [*links.command(), "render", str(recipe), "--server", studio.server]
    for frames in (f"{FIRST}-{FIRST + 1}", f"{FIRST}-{LAST}"):
        subprocess.run([*command, "--frames", frames], check=True, capture_output=True)
        sync.refresh(node)
        last = int(frames.partition("-")[2])
        assert (node["result_first"].value(), node["result_last"].value()) == (FIRST, last)
    assert node["status"].value() == f"current: 6 frames, {FIRST}-{LAST}"
    assert nodes.shown_manifest(node).frames[FIRST][0].area > 0
    assert studio.alpha(node, FIRST).max() > 0
    assert len(on_farm(studio)) == LAST - FIRST + 1


def test_a_script_that_was_saved_without_mattes_finds_those_of_the_farm(studio, tmp_path):
    prompted(studio)
    (request,) = requests_of(studio.save("shot"))
    recipe = tmp_path / "recipe.airoto.json"
    recipe.write_text(json.dumps(request.recipe))
    command = [*links.command(), "render", str(recipe), "--server", studio.server]
    subprocess.run(command, check=True, capture_output=True)
    assert len(on_farm(studio)) == LAST - FIRST + 1
    # A file of another recipe does not count.
    folder = Path(request.recipe["output"]["path"]).parent
    (folder / "result.json").unlink()
    (folder / f"matte.{LAST}.exr").write_bytes(b"no matte")
    with pytest.raises(RuntimeError, match=f"missing on frame {LAST} of 6"):
        on_farm(studio)


def test_a_blade_makes_what_is_missing_where_the_preset_allows_it(show, studio):
    show(on_blade=True)
    node = prompted(studio, "SHOWX")
    folder = Path(nodes.folder_of(node))
    assert len(on_farm(studio)) == LAST - FIRST + 1
    (result,) = (folder / "mattes").iterdir()
    assert len(list(result.glob("matte.*.exr"))) == LAST - FIRST + 1
    assert list(leases_in(result)) == []
    said = "\n".join(app.said)
    assert f"AIRoto1: making 6 frames, {FIRST}-{LAST}, on this blade" in said
    made = {path: path.stat().st_mtime_ns for path in result.iterdir()}
    nuke.rawArgs[:] = ["Nuke17.0", "-F", f"{FIRST}-{LAST}", "-x", "shot.nk"]
    nuke.execute(nuke.toNode("out"), FIRST, LAST)
    assert {path: path.stat().st_mtime_ns for path in result.iterdir()} == made


def test_a_blade_makes_nothing_where_the_preset_is_silent_or_windows_render(show, studio):
    show(on_blade=False)
    prompted(studio, "SHOWX")
    with pytest.raises(RuntimeError, match="missing on 6 frames"):
        on_farm(studio)


def test_a_plate_that_nuke_has_to_render_is_not_made_inside_a_render(show, studio):
    show(on_blade=True)
    node = prompted(studio, "SHOWX")
    node.setInput(0, nuke.nodes.Multiply(inputs=[studio.plate]))
    sync.refresh(node)
    with pytest.raises(RuntimeError, match="so Nuke has to render it, which it cannot do"):
        on_farm(studio)


def test_a_server_that_does_not_answer_is_told_with_what_is_missing(show, studio, tmp_path):
    show(on_blade=True)
    node = prompted(studio, "SHOWX")
    node["server"].setValue(f"unix:{tmp_path}/nobody.sock")
    with pytest.raises(RuntimeError, match=r"(?s)missing on 6 frames.*making it here failed: no A"):
        on_farm(studio)


def test_frames_are_listed_briefly():
    assert gate.ranges([7]) == "frame 7"
    assert gate.ranges([1, 2, 3, 9, 11, 12]) == "6 frames (1-3, 9, 11-12)"
    assert gate.ranges(range(0, 40, 2)) == "20 frames (0, 2, 4, 6, 8, 10, ...)"
