"""A render in Blender's background: node, real server, multilayer EXR."""

from __future__ import annotations

import numpy as np
import pytest
from in_blender import channels

FRAMES = range(1001, 1005)


def test_the_tree_gets_the_command_lines_mattes_bit_for_bit(shot, reference):
    ran = shot.run(
        "made = make(folder, clip, server)\nrender()\n"
        "tell(status=made.status, outputs=list(made.outputs.keys()))"
    )
    assert ran.code == 0, ran.said
    assert ran.facts["status"] == "current: 4 frames, 1001-1004"
    assert ran.facts["outputs"] == ["Image", "Foreground", "Matte", "matte_hero", "matte_bag"]
    for frame in FRAMES:
        comp, matte = shot.comp(frame), channels(reference / f"matte.{frame}.exr")
        assert matte["A"].max() == 1
        for ours, theirs in (("Matte", "A"), ("matte_hero",) * 2, ("matte_bag",) * 2):
            theirs = theirs if theirs == "A" else f"{theirs}.A"
            assert np.array_equal(comp[f"{ours}.V"], matte[theirs]), (frame, ours)
        plate = channels(shot.clip / "plate_acescg" / f"plate.{frame}.exr")
        for channel in "RGB":
            expected = plate[channel] * matte["A"]
            assert np.allclose(comp[f"Foreground.{channel}"], expected, rtol=2**-11, atol=2**-24)
        assert np.array_equal(comp["Foreground.A"], matte["A"])


def test_state_and_mattes_survive_saving_appending_and_a_server_that_is_gone(shot):
    first = shot.run(
        "made = make(folder, clip, server, shared=True)\nrender()\nsave(folder / 'shot.blend')"
    )
    assert first.code == 0, first.said
    before = {frame: shot.comp(frame) for frame in FRAMES}
    for name in shot.written:
        (shot.folder / "out" / name).unlink()
    # Finished mattes are found again, so nobody is asked.
    again = shot.run(
        "bpy.ops.wm.open_mainfile(filepath=str(folder / 'shot.blend'))\n"
        "made = node()\nmade.server = 'unix:/nowhere/server.sock'\nrender()\n"
        "state = made.state\nbpy.ops.wm.read_factory_settings(use_empty=True)\n"
        "with bpy.data.libraries.load(str(folder / 'shot.blend')) as (there, here):\n"
        "    here.node_groups = ['Comp']\n"
        "copy = next(one for one in here.node_groups[0].nodes if one.bl_idname == 'AIRotoNode')\n"
        "tell(same=copy.state == state, plate=copy.plate.filepath, key=copy.result_key)"
    )
    assert again.code == 0, again.said
    assert again.facts["same"]
    assert again.facts["plate"]
    assert again.facts["key"]
    for frame in FRAMES:
        for name, pixels in shot.comp(frame).items():
            assert np.array_equal(pixels, before[frame][name])


def test_a_correction_is_rendered_and_the_old_matte_is_not(shot):
    ran = shot.run(
        "made = make(folder, clip, server)\nrender()\n"
        "from airoto_blender import nodes\n"
        "old = made.result_key\n"
        "nodes.edit(made, 'correct', state_ops.add_point(nodes.state_of(made), 1004, 20, 90))\n"
        "stale = made.status\nrender()\n"
        "tell(stale=stale, status=made.status, changed=made.result_key != old)"
    )
    assert ran.code == 0, ran.said
    assert ran.facts["stale"].startswith("stale")
    assert ran.facts["status"].startswith("current")
    assert ran.facts["changed"]
    assert shot.comp(1004)["matte_bag.V"][90, 20] == 1


def test_without_a_server_nothing_is_written_and_the_exit_code_says_so(shot):
    ran = shot.run("make(folder, clip, server)\nrender()", server="unix:/nowhere/server.sock")
    assert ran.code == 5, ran.said
    assert "/nowhere/server.sock" in ran.said
    assert shot.written == []


def test_a_server_that_is_killed_leaves_finished_frames_and_no_other(shot, new_server):
    # Many frames, so that the server is nowhere near the last one.
    plate = shot.folder / "plate_acescg"
    plate.mkdir()
    for number in range(60):
        source = shot.clip / "plate_acescg" / f"plate.{1001 + number % 4}.exr"
        (plate / f"plate.{1001 + number}.exr").symlink_to(source)
    server = new_server()
    ran = shot.run(
        "import os, signal\nfrom airoto_client.node import remote\n"
        "made = make(folder, folder, server)\nbpy.context.scene.frame_end = made.last = 1060\n"
        "render_there = remote.render\n"
        "def killing(ask, emit, stop):\n"
        "    def one_by_one(event):\n"
        "        emit(event)\n"
        "        if isinstance(event, remote.FrameDone) and event.frame == 1001:\n"
        f"            os.kill({server.pid}, signal.SIGKILL)\n"
        "    render_there(ask, one_by_one, stop)\n"
        "remote.render = killing\nrender()",
        server=server.target,
    )
    assert ran.code == 5, ran.said
    frames = range(1001, 1001 + len(shot.written) // 2)
    assert 0 < len(frames) < 60
    assert shot.written == [f"{name}.{frame}.exr" for name in ("comp", "main") for frame in frames]
    assert f"AIRoto: error: frame {frames[-1] + 1}: " in ran.said


ASKED = (
    "from airoto_client.node import remote\nmade = make(folder, clip, server)\n"
    "render_there, asked = remote.render, []\n"
    "def noted(ask, emit, stop):\n"
    "    asked.append(ask.frames)\n"
    "    render_there(ask, emit, stop)\n"
    "remote.render = noted\nscene = bpy.context.scene\n"
)


# The worker tells of frames up to one, and then of none until its work is given up.
HOLDING = (
    "import threading, time\nfrom airoto.errors import CancelledError\n"
    "from airoto_blender import tasks\nfrom airoto_client.node import remote\n"
    "made = make(folder, clip, server)\nscene = bpy.context.scene\n"
    "render_there, asked, given_up = remote.render, [], threading.Event()\n"
    "def holding(ask, emit, stop):\n"
    "    asked.append(ask.frames)\n"
    "    def one_by_one(event):\n"
    "        emit(event)\n"
    "        if isinstance(event, remote.FrameDone) and event.frame == {after}:\n"
    "            try:\n"
    "                while ask.frames[1] > {after}: stop.check(); time.sleep(0.01)\n"
    "            except CancelledError:\n"
    "                given_up.set()\n"
    "                raise\n"
    "    render_there(ask, one_by_one, stop)\n"
    "remote.render = holding\n"
)


@pytest.mark.parametrize(
    ("current", "asked"), [(1, [[1001, 1004]]), (1001, [[1001, 1004]]), (1003, [[1003] * 2])]
)
def test_an_animation_is_asked_for_in_one_go_as_soon_as_it_cannot_be_a_still(shot, current, asked):
    ran = shot.run(
        f"{ASKED}scene.frame_set({current})\nrender()\ntell(asked=asked, status=made.status)"
    )
    assert ran.code == 0, ran.said
    assert ran.facts["asked"][: len(asked)] == asked
    assert ran.facts["asked"][len(asked) :] in ([], [[1001, 1004]])
    assert ran.facts["status"] == "current: 4 frames, 1001-1004"
    assert len(shot.written) == 8


def test_a_still_has_its_matte_and_waits_for_no_other(shot):
    ran = shot.run(
        HOLDING.format(after=1001) + "for frame in (1001, 1003):\n"
        "    scene.frame_set(frame)\n"
        "    bpy.ops.render.render(write_still=True)\n"
        "tell(asked=asked, given_up=given_up.wait(60), running=tasks.is_running(made),\n"
        "     progress=made.progress, status=made.status)"
    )
    assert ran.code == 0, ran.said
    assert ran.facts["given_up"]  # 1002 is never told of while the still is rendered
    assert not ran.facts["running"]
    assert ran.facts["asked"] == [[1001, 1004], [1003, 1003]]
    assert ran.facts["progress"] == ""
    assert ran.facts["status"] == "current: 2 frames, 1001-1003"


def test_what_failed_behind_a_still_is_not_told_of_another(shot):
    ran = shot.run(
        "from airoto.errors import ServerUnreachableError\n"
        "from airoto_client.node import remote\n"
        "made = make(folder, clip, server)\nscene = bpy.context.scene\n"
        "render_there = remote.render\n"
        "def failing(ask, emit, stop):\n"
        "    def one_by_one(event):\n"
        "        emit(event)\n"
        "        if isinstance(event, remote.FrameDone):\n"
        "            raise ServerUnreachableError('gone for the test')\n"
        "    render_there(ask, one_by_one, stop)\n"
        "for frame, remote.render in ((1001, failing), (1003, render_there)):\n"
        "    scene.frame_set(frame)\n"
        "    bpy.ops.render.render(write_still=True)\n"
        "tell(status=made.status)"
    )
    assert ran.code == 0, ran.said
    assert ran.facts["status"] == "current: 2 frames, 1001-1003"


def test_a_frame_that_is_not_being_made_is_not_waited_for(shot):
    # As a host that renders frames in an order of its own.
    ran = shot.run(
        HOLDING.format(after=1002) + "from airoto_blender import work\n"
        "work.track(made, 1002, 1004, until=1002)\nwork.wait_for(made, 1001)\n"
        "tell(running=tasks.is_running(made), given_up=given_up.wait(60))"
    )
    assert ran.code == 0, ran.said
    assert ran.facts == {"running": False, "given_up": True}


def test_blenders_command_line_says_what_is_rendered(shot):
    ran = shot.run(
        "from airoto_blender.host import is_animation\n"
        "lines = ('-b a.blend -a', '-b a.blend -s 1 -e 4 --render-anim', '-b a.blend -f 1',\n"
        "         '-b a.blend --render-frame 1..4', '-b a.blend', '-b a.blend -f 1 -a',\n"
        "         '-b a.blend -P a.py -- -a')\n"
        "tell(said=[is_animation(line.split()) for line in lines], own=is_animation())"
    )
    assert ran.facts["said"] == [True, True, False, False, None, None, None]
    assert ran.facts["own"] is None


HELD = (
    "import threading\nfrom airoto.errors import ServerUnreachableError\n"
    "from airoto_client.node import remote\n"
    "made = make(folder, clip, server)\nwritten, render_there = threading.Event(), remote.render\n"
    "told = []\n"
    "def held(ask, emit, stop):\n"
    "    def one_by_one(event):\n"
    "        emit(event)\n"
    "        if isinstance(event, remote.FrameDone) and event.frame == 1002:\n"
    "            {then}\n"
    "    render_there(ask, one_by_one, stop)\n"
    "remote.render = held\n"
    "def after(scene, *_):\n"
    "    if scene.frame_current == 1002: written.set()\n"
    "bpy.app.handlers.render_write.append(after)\nrender()\n"
    "bpy.app.handlers.render_write.remove(after)\n"  # with it bpy 4.5 hangs at its end
    "tell(told=told, status=made.status)"
)


def test_a_frame_waits_for_its_own_matte_alone(shot, reference):
    ran = shot.run(HELD.format(then="told.append(written.wait(60))"))
    assert ran.code == 0, ran.said
    assert ran.facts["told"] == [True]  # 1002 was written before the server told of 1003
    assert ran.facts["status"] == "current: 4 frames, 1001-1004"
    for frame in FRAMES:
        matte = channels(reference / f"matte.{frame}.exr")
        assert np.array_equal(shot.comp(frame)["Matte.V"], matte["A"])


def test_what_fails_behind_a_frame_leaves_that_frame_and_none_after_it(shot):
    ran = shot.run(HELD.format(then="raise ServerUnreachableError('gone for the test')"))
    assert ran.code == 5, ran.said
    assert "AIRoto: error: frame 1003: gone for the test" in ran.said
    assert shot.written == ["comp.1001.exr", "comp.1002.exr", "main.1001.exr", "main.1002.exr"]


def test_a_server_that_says_nothing_is_given_up(shot, new_server):
    server = new_server()
    process = shot.start(
        "made = make(folder, clip, server)\nmade.patience = 3\nsave(folder / 'ready.blend')\n"
        f"import os, signal; os.kill({server.pid}, signal.SIGSTOP)\nrender()",
        server=server.target,
    )
    said, _ = process.communicate(timeout=120)
    server.kill()
    assert process.returncode == 5, said
    # Whoever gives up first: gRPC while it connects, or our own patience.
    assert "said nothing for 3 seconds" in said or server.target in said, said
    assert shot.written == []


def test_a_damaged_matte_never_gets_into_a_picture(shot):
    first = shot.run("made = make(folder, clip, server)\nrender()\nsave(folder / 'shot.blend')")
    assert first.code == 0, first.said
    for name in shot.written:
        (shot.folder / "out" / name).unlink()
    matte = next((shot.folder / "cache").rglob("matte.1003.exr"))
    matte.write_bytes(matte.read_bytes()[:200])
    ran = shot.run(
        "bpy.ops.wm.open_mainfile(filepath=str(folder / 'shot.blend'))\n"
        "node().server = 'unix:/nowhere/server.sock'\nrender()"
    )
    assert ran.code != 0
    assert "1003" in ran.said
    assert shot.written == ["comp.1001.exr", "comp.1002.exr", "main.1001.exr", "main.1002.exr"]


LINKED = (
    "import os\n"
    "with bpy.data.libraries.load(str(folder / 'lib' / 'shot.blend'), link=True) as (_, here):\n"
    "    here.node_groups = ['Comp']\n"
    "scene = bpy.context.scene\n"
    "scene.render.resolution_x, scene.render.resolution_y = WIDTH, HEIGHT\n"
    "scene.frame_start, scene.frame_end = FIRST, LAST\n"
    "show(scene, here.node_groups[0])\n"
    "scene.render.filepath = f'{folder}/out/main.####'\n"
    "os.mkdir(folder / 'shots')\nsave(folder / 'shots' / 'user.blend')\n"
)


def test_a_node_linked_from_another_blend_renders_what_was_made_there(shot):
    first = shot.run(
        "made = make(folder, clip, server, shared=True)\nimport os\nos.mkdir(folder / 'lib')\n"
        "save(folder / 'lib' / 'shot.blend')\nmade.cache_folder = ''\n"
        "render()\nsave(folder / 'lib' / 'shot.blend')\ntell(file=made.result_file)"
    )
    assert first.code == 0, first.said
    assert first.facts["file"].startswith("//airoto/shot/"), "relative to the library"
    before = {frame: shot.comp(frame) for frame in FRAMES}
    for name in shot.written:
        (shot.folder / "out" / name).unlink()
    ran = shot.run(LINKED + "render()", server="unix:/nowhere/server.sock")
    assert ran.code == 0, ran.said
    for frame in FRAMES:
        for name, pixels in shot.comp(frame).items():
            assert np.array_equal(pixels, before[frame][name])


def test_a_linked_node_is_not_changed_and_a_matte_that_is_gone_ends_the_render(shot):
    first = shot.run(
        "made = make(folder, clip, server, shared=True)\nimport os\nos.mkdir(folder / 'lib')\n"
        "render()\nsave(folder / 'lib' / 'shot.blend')"
    )
    assert first.code == 0, first.said
    for name in shot.written:
        (shot.folder / "out" / name).unlink()
    next((shot.folder / "cache").rglob("matte.1002.exr")).unlink()
    ran = shot.run(LINKED + "render()")
    assert ran.code == 9, ran.said
    assert "frame 1002" in ran.said
    assert shot.written == ["comp.1001.exr", "main.1001.png"]


def test_a_slow_server_is_waited_for(shot, new_server, reference):
    server = new_server()
    ran = shot.run(
        "import os, signal, threading\nmade = make(folder, clip, server)\n"
        f"os.kill({server.pid}, signal.SIGSTOP)\n"
        f"threading.Timer(3, os.kill, ({server.pid}, signal.SIGCONT)).start()\nrender()",
        server=server.target,
    )
    assert ran.code == 0, ran.said
    for frame in FRAMES:
        theirs = channels(reference / f"matte.{frame}.exr")["A"]
        assert np.array_equal(shot.comp(frame)["Matte.V"], theirs)
