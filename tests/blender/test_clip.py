"""A Movie Clip Editor's clip and the node: files, frames, what is refused."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(("start", "offset"), [(101, 1), (50, -3)])
def test_a_clip_becomes_the_plate_on_its_own_frames(shot, start, offset):
    ran = shot.run(
        "made = make(folder, clip, server)\nfrom airoto_blender import editors, nodes, plates\n"
        "window = bpy.context.window_manager.windows[0]\narea = window.screen.areas[0]\n"
        "area.type = 'CLIP_EDITOR'\nspace, said = area.spaces.active, []\n"
        "def press():\n"
        "    with bpy.context.temp_override(window=window, area=area):\n"
        "        try:\n            bpy.ops.airoto.plate_from_clip(node_id=made.node_id)\n"
        "        except RuntimeError as exc:\n            said.append(str(exc))\n"
        "before = made.plate\npress()\nkept = made.plate == before\n"
        "movie = bpy.data.movieclips.load(f'{clip}/plate_acescg/plate.1002.exr')\n"
        f"movie.frame_start, movie.frame_offset = {start}, {offset}\n"
        "movie.colorspace_settings.name = 'ACEScg'\nmade.colour_space = ''\n"
        "space.clip = movie\nspace.show_stable = False\npress()\n"
        "frames = []\n"
        "for frame in range(40, 110):\n"
        "    bpy.context.scene.frame_current = frame\n"
        "    space.clip_user.frame_current = frame\n"
        "    frames.append([editors.clip_frame(space, made), nodes.plate_frame(made, frame)])\n"
        "tell(said=said, kept=kept, frames=frames, span=[made.first, made.last],\n"
        "     plate=made.plate.filepath, colour=plates.colour_of(made)['space'])"
    )
    assert ran.code == 0, ran.said
    assert ran.facts["kept"]
    assert "shows no clip" in ran.facts["said"][0]
    assert len(ran.facts["said"]) == 1
    assert ran.facts["span"] == [1001, 1004]
    assert ran.facts["colour"] == "ACEScg"
    for number, (seen, meant) in enumerate(ran.facts["frames"], 40):
        # The clip names its second file, which Blender shows on the clip's first frame.
        assert seen == meant == number - start + offset + 1002
