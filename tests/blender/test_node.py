"""The node by itself: what artists press, and what Blender does to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from in_blender import channels


def write_movie(path: Path, frames: int) -> None:
    """A bright disc on grey, 128x96, H.264."""
    av = pytest.importorskip("av")
    y, x = np.mgrid[:96, :128]
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for number in range(frames):
            picture = np.full((96, 128, 3), 60, np.uint8)
            picture[(x - 58 - number) ** 2 + (y - 40) ** 2 < 400] = (230, 180, 90)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode())


def test_operators_prompt_segment_and_track(shot):
    ran = shot.run(
        "made = make(folder, clip, server)\n"
        "bpy.context.scene.frame_set(1002)\n"
        "bpy.ops.airoto.add_object(name='dog')\n"
        "bpy.ops.airoto.click(x=30.5, y=20.5)\n"
        "bpy.ops.airoto.click(x=90, y=90, positive=False)\n"
        "bpy.ops.airoto.segment()\n"
        "scores = made.candidate_scores\n"
        "bpy.ops.airoto.choose(number=1)\n"
        "bpy.ops.airoto.track()\n"
        "from airoto_blender import nodes\n"
        "one = nodes.state_of(made).objects[-1]\n"
        "tell(status=made.status, scores=scores, name=one.name, frame=one.prompts[0].frame,\n"
        "     candidate=one.prompts[0].candidate, outputs=list(made.outputs.keys()),\n"
        "     points=[[p.x, p.y, p.positive] for p in one.prompts[0].points])"
    )
    assert ran.code == 0, ran.said
    assert ran.facts["status"] == "current: 4 frames, 1001-1004", ran.said
    assert ran.facts["points"] == [[30.5, 20.5, True], [90, 90, False]]
    assert (ran.facts["name"], ran.facts["frame"], ran.facts["candidate"]) == ("dog", 1002, 1)
    assert ran.facts["scores"].startswith("dog 1: ")
    assert ran.facts["outputs"][-1] == "matte_dog"


def test_a_wrong_press_says_why_and_changes_nothing(shot):
    ran = shot.run(
        "made = make(folder, clip, server)\n"
        "before, said = made.state, []\n"
        "for press in (lambda: bpy.ops.airoto.add_object(name='hero'),\n"
        "              lambda: bpy.ops.airoto.box(box=(9, 9, 3, 3)),\n"
        "              lambda: bpy.ops.airoto.choose(number=2)):\n"
        "    try:\n"
        "        press()\n"
        "    except RuntimeError as exc:\n"
        "        said.append(str(exc))\n"
        "tell(same=made.state == before, said=said)"
    )
    assert ran.code == 0, ran.said
    assert ran.facts["same"]
    assert "already" in ran.facts["said"][0]
    assert "box is empty" in ran.facts["said"][1]
    assert "no prompt on frame" in ran.facts["said"][2]


def test_a_copy_works_in_a_folder_of_its_own_and_wires_outlive_a_renaming(shot):
    ran = shot.run(
        "made = make(folder, clip, server)\n"
        "from airoto_blender import nodes, recipes\n"
        "with_copy = made.id_data.copy()\n"
        "copy = next(one for one in with_copy.nodes if one.bl_idname == 'AIRotoNode')\n"
        "nodes.refresh(copy)\n"
        "nodes.edit(made, 'rename', state_ops.rename_object(nodes.state_of(made), 1, 'star'))\n"
        "wired = [one.from_socket.name for one in made.id_data.links if one.from_node == made]\n"
        "tell(ids=copy.node_id != made.node_id, trees=copy.node_tree != made.node_tree,\n"
        "     folders=recipes.folder_of(copy) != recipes.folder_of(made), wired=wired,\n"
        "     copied=list(copy.outputs.keys()))"
    )
    assert ran.code == 0, ran.said
    assert ran.facts["ids"]
    assert ran.facts["trees"]
    assert ran.facts["folders"]
    assert "matte_star" in ran.facts["wired"]
    assert "matte_hero" in ran.facts["copied"]


def test_objects_are_chosen_renamed_and_taken_away_and_prompts_gone_to(shot):
    ran = shot.run(
        "made = make(folder, clip, server)\nfrom airoto_blender import nodes\n"
        "scene, said = bpy.context.scene, []\nscene.frame_set(1001)\n"
        "bpy.ops.airoto.select_object(number=1)\nbpy.ops.airoto.click(x=10, y=12)\n"
        "first = len(nodes.state_of(made).object(1).prompt(1001).points)\n"
        "bpy.ops.airoto.rename_object(number=2, name='case')\n"
        "bpy.ops.airoto.go_to_prompt()\nthere = scene.frame_current\n"
        "for press in (bpy.ops.airoto.go_to_prompt,\n"
        "              lambda: bpy.ops.airoto.rename_object(number=1, name='case'),\n"
        "              lambda: bpy.ops.airoto.remove_object(number=7)):\n"
        "    try:\n        press()\n    except RuntimeError as exc:\n"
        "        said.append(str(exc))\n"
        "bpy.ops.airoto.go_to_prompt(backward=True)\nback = scene.frame_current\n"
        "bpy.ops.airoto.remove_object(number=1)\n"
        "tell(first=first, there=there, back=back, said=said,\n"
        "     names=[one.name for one in nodes.state_of(made).objects],\n"
        "     outputs=list(made.outputs.keys()))"
    )
    assert ran.code == 0, ran.said
    assert ran.facts["first"] == 2
    assert (ran.facts["there"], ran.facts["back"]) == (1003, 1001)
    assert "no prompt lies behind frame 1003" in ran.facts["said"][0]
    assert "already" in ran.facts["said"][1]
    assert "no object 7" in ran.facts["said"][2]
    assert ran.facts["names"] == ["case"]
    assert ran.facts["outputs"] == ["Image", "Foreground", "Matte", "matte_case"]


def test_a_movie_is_a_plate_as_a_sequence_is(shot):
    movie = shot.folder / "plate.mp4"
    write_movie(movie, 6)
    ran = shot.run(
        "made = make(folder, clip, server)\nfrom airoto_blender import nodes, plates\n"
        f"image = bpy.data.images.load({str(movie)!r})\n"
        "made.plate, made.colour_space = image, ''\n"
        "bpy.ops.airoto.take_plate()\nplate = plates.plate_of(made)\n"
        "nodes.edit(made, 'begin', type(nodes.state_of(made))())\n"
        "scene = bpy.context.scene\nscene.frame_set(3)\n"
        "bpy.ops.airoto.add_object(name='disc')\nbpy.ops.airoto.click(x=60.5, y=40.5)\n"
        "bpy.ops.airoto.segment()\nbpy.ops.airoto.track()\n"
        "tell(span=[made.first, made.last, made.start], movie=plate.is_movie,\n"
        "     size=[plate.width, plate.height], status=made.status, scores=made.candidate_scores,\n"
        "     frame=nodes.state_of(made).objects[0].prompts[0].frame,\n"
        "     folder=nodes.shown_folder(made))"
    )
    assert ran.code == 0, ran.said
    assert ran.facts["span"] == [1, 6, 1]
    assert (ran.facts["movie"], ran.facts["size"]) == (True, [128, 96])
    assert (ran.facts["status"], ran.facts["frame"]) == ("current: 6 frames, 1-6", 3)
    assert ran.facts["scores"].startswith("disc 1: ")
    assert channels(shot.folder / ran.facts["folder"] / "matte.0003.exr")["A"][40, 60] == 1
