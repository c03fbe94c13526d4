"""The node by itself: what artists press, and what Blender does to it."""

from __future__ import annotations


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
        "from airoto_blender import nodes\n"
        "with_copy = made.id_data.copy()\n"
        "copy = next(one for one in with_copy.nodes if one.bl_idname == 'AIRotoNode')\n"
        "nodes.refresh(copy)\n"
        "nodes.edit(made, 'rename', state_ops.rename_object(nodes.state_of(made), 1, 'star'))\n"
        "wired = [one.from_socket.name for one in made.id_data.links if one.from_node == made]\n"
        "tell(ids=copy.node_id != made.node_id, trees=copy.node_tree != made.node_tree,\n"
        "     folders=nodes.folder_of(copy) != nodes.folder_of(made), wired=wired,\n"
        "     copied=list(copy.outputs.keys()))"
    )
    assert ran.code == 0, ran.said
    assert ran.facts["ids"]
    assert ran.facts["trees"]
    assert ran.facts["folders"]
    assert "matte_star" in ran.facts["wired"]
    assert "matte_hero" in ran.facts["copied"]
