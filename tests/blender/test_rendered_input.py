"""What Blender renders itself goes to the server as planes: by shared memory where it can be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest
from in_blender import channels, roto

from airoto.ring_layout import MEMORY_NAME
from airoto_client.grpc_link import GrpcLink

FRAMES = range(1001, 1005)
WIRED = "made = make(folder, clip, server, engine={!r})\ngrade = wire(made, clip)\n"


@pytest.fixture(scope="session")
def brighter(tmp_path_factory, clip, server) -> Path:
    """What `wire` gives, as files, and the command line's mattes of it."""
    folder = tmp_path_factory.mktemp("brighter")
    for frame in FRAMES:
        plate = channels(clip / "plate_acescg" / f"plate.{frame}.exr")
        pixels = np.stack([2 * plate[one] for one in "RGB"], axis=-1).astype(np.float32)
        file = oiio.ImageOutput.create(f"{folder}/plate.{frame}.exr")
        spec = oiio.ImageSpec(pixels.shape[1], pixels.shape[0], 3, "half")
        assert file.open(f"{folder}/plate.{frame}.exr", spec)
        assert file.write_image(np.ascontiguousarray(pixels))
        file.close()
    plate = f"{folder}/plate.%04d.exr"
    roto(plate, "Linear Rec.709 (sRGB)", "classic", out=folder, server=server)
    return folder


def test_a_graded_plate_gets_the_mattes_of_its_files_bit_for_bit(shot, brighter):
    ran = shot.run(
        WIRED.format("classic") + "render()\n"
        "tell(status=made.status, warning=made.warning,\n"
        "     scenes=len(bpy.data.scenes), trees=len(bpy.data.node_groups) - IS_5)"
    )
    assert ran.code == 0, ran.said
    assert ran.facts == {
        "status": "current: 4 frames, 1001-1004", "warning": "", "scenes": 1, "trees": 1,
    }  # fmt: skip
    for frame in FRAMES:
        comp, matte = shot.comp(frame), channels(brighter / f"matte.{frame}.exr")
        assert 0 < matte["A"].mean() < 1
        for ours, theirs in (("Matte", "A"), ("matte_hero", "matte_hero.A")):
            assert np.array_equal(comp[f"{ours}.V"], matte[theirs]), (frame, ours)
        plate = channels(brighter / f"plate.{frame}.exr")
        for one in "RGB":
            expected = plate[one] * matte["A"]
            assert np.allclose(comp[f"Foreground.{one}"], expected, rtol=2**-11, atol=2**-24)


def test_an_input_that_is_what_it_was_needs_no_server_and_another_one_is_noticed(shot):
    ran = shot.run(
        WIRED.format("null") + "render()\nold = made.result_key\n"
        "made.server = 'unix:/nowhere/server.sock'\nrender()\nsame = made.result_key == old\n"
        "made.server = server\ngrade.inputs['Exposure'].default_value = 0\nrender()\n"
        "tell(same=same, changed=made.result_key != old, status=made.status)"
    )
    assert ran.code == 0, ran.said
    assert ran.facts == {"same": True, "changed": True, "status": "current: 4 frames, 1001-1004"}
    assert "the input is another on frame 1001" in ran.said
    plate = channels(shot.clip / "plate_acescg" / "plate.1004.exr")["R"]
    comp = shot.comp(1004)
    assert np.allclose(comp["Foreground.R"], plate * comp["Matte.V"], rtol=2**-11, atol=2**-24)


def test_without_room_for_a_ring_frames_go_in_pieces_and_the_node_says_so(shot):
    ran = shot.run(
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (16 << 20, 16 << 20))\n"
        + WIRED.format("null")
        + "render()\ntell(status=made.status, warning=made.warning)"
    )
    assert ran.code == 0, ran.said
    assert ran.facts["status"].startswith("current: 4")
    assert ran.facts["warning"].startswith("slow: frames go to the server in pieces, since no ring")
    assert f"warning: AI Roto: {ran.facts['warning']}" in ran.said


def test_mattes_of_one_node_are_the_input_of_another(shot):
    ran = shot.run(
        "made = make(folder, clip, server)\n"
        "from airoto_blender import nodes\n"
        "second = made.id_data.nodes.new('AIRotoNode')\n"
        "made.view = 'FOREGROUND'\n"
        "made.id_data.links.new(made.outputs['Image'], second.inputs['Image'])\n"
        "second.first, second.last, second.start = FIRST, LAST, FIRST\n"
        "second.server, second.cache_folder = server, f'{folder}/second'\n"
        "for name in ('segment_engine', 'track_engine', 'matte_engine'):\n"
        "    setattr(second, name, 'null')\n"
        "nodes.edit(second, 'prompt', state_ops.add_point(\n"
        "    state_ops.add_object(nodes.state_of(second), 'star'), FIRST, 60, 50))\n"
        "ids = {made.node_id, second.node_id}\nrender()\n"
        "from airoto_blender.upstream import Upstream, fill\n"
        "with Upstream(second) as upstream:\n"
        "    red = upstream.frame(1002)['R']\n"
        "    left = float(red[:, 40:80].mean())\n"
        "tell(first=made.status, second=second.status, red=left,\n"
        "     ids=ids == {one.node_id for one in nodes.ours()})"
    )
    assert ran.code == 0, ran.said
    assert ran.facts["first"] == ran.facts["second"] == "current: 4 frames, 1001-1004"
    assert ran.facts["red"] > 0
    assert ran.facts["ids"]


def test_what_cannot_be_rendered_leaves_no_file_and_says_why(shot):
    ran = shot.run(
        "made = make(folder, clip, server)\ntree = made.id_data\n"
        "layers = tree.nodes.new('CompositorNodeRLayers')\n"
        "tree.links.new(layers.outputs[0], made.inputs['Image'])\n"
        "made.plate = None\nrender()"
    )
    assert ran.code == 3, ran.said
    assert "what comes into AI Roto cannot be rendered on frame 1001" in ran.said
    assert "camera" in ran.said
    assert shot.written == []


def test_a_server_that_dies_while_frames_are_given_leaves_no_file(shot, new_server):
    server = new_server()
    ran = shot.run(
        WIRED.format("null") + "import os, signal\nframes = []\n"
        "def kill(scene, *_):\n"
        "    frames.append(scene.frame_current)\n"
        f"    if frames == [1001, 1002]: os.kill({server.pid}, signal.SIGKILL)\n"
        "bpy.app.handlers.render_post.append(kill)\nrender()",
        server=server.target,
    )
    assert ran.code == 5, ran.said
    assert shot.written == []


def test_a_node_inside_a_group_is_told_to_come_out(shot):
    ran = shot.run(
        "made = make(folder, clip, server)\n"
        "tree = bpy.data.node_groups.new('Inner', 'CompositorNodeTree')\n"
        "inner = tree.nodes.new('AIRotoNode')\n"
        "tree.links.new(tree.nodes.new('CompositorNodeImage').outputs[0], inner.inputs['Image'])\n"
        "from airoto_blender import plates\n"
        "try:\n"
        "    plates.plate_of(inner)\n"
        "except Exception as exc:\n"
        "    tell(said=str(exc))"
    )
    assert ran.code == 0, ran.said
    assert "inside the group Inner" in ran.facts["said"]


def mapped_by(pid: int) -> int:
    """How many rings of shared memory a server maps."""
    return Path(f"/proc/{pid}/maps").read_text().count(f"/memfd:{MEMORY_NAME} ")


def test_a_blender_that_dies_while_it_gives_frames_leaves_no_shared_memory(shot, new_server):
    server = new_server()
    with GrpcLink(server.target) as link:
        process = shot.start(
            WIRED.format("null") + "def die(scene, *_):\n"
            "    if scene.frame_current == 1003: import os, signal; os.kill(os.getpid(), 9)\n"
            "bpy.app.handlers.render_post.append(die)\nrender()",
            server=server.target,
        )
        said, _ = process.communicate(timeout=120)
        assert process.returncode == -9, said
        assert mapped_by(server.pid) == 1
        ran = shot.run(WIRED.format("null") + "render()", server=server.target)
        assert ran.code == 0, ran.said
        assert mapped_by(server.pid) == 0
        rings = Path(link.call("GetServerInfo", {})["ring_folder"])
        assert list(rings.iterdir()) == []
    assert shot.comp(1004)["Matte.V"].max() == 1
