"""A render in Blender's background: node, real server, multilayer EXR."""

from __future__ import annotations

import numpy as np
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
    server = new_server()
    ran = shot.run(
        "import os, signal\nmade = make(folder, clip, server)\n"
        "def kill(scene, *_):\n"
        f"    if scene.frame_current == 1001: os.kill({server.pid}, signal.SIGKILL)\n"
        "bpy.app.handlers.render_post.append(kill)\nrender()",
        server=server.target,
    )
    assert ran.code == 5, ran.said
    assert "AIRoto: error: frame 1002" in ran.said
    assert shot.written == ["comp.1001.exr", "main.1001.exr"]


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
