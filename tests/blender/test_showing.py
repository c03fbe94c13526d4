"""Presets on the node, and approved frames."""

from __future__ import annotations

import numpy as np
import pytest
from in_blender import channels

from airoto_client.presets.compiler import compile_presets, write_index

STUDIO = 'format = 1\nversion = 1\n[output]\ncompression = "dwaa"\n'
SHOW = (
    'format = 1\nshow = "SHOWX"\nversion = 3\nlock = ["output.compression", "matte.engine"]\n'
    '[matte]\nengine = "null"\nfeather = 0.5\n[segment]\nengine = "null"\n[track]\n'
    'engine = "null"\n[paths]\ncache_folder = "{temp}/{show}/{task}/{node}"\n'
)
HAIR = 'format = 1\nshow = "SHOWX"\ntask = "hair"\nversion = 5\n[matte]\ngrow = 1.3\n'


@pytest.fixture
def index(shot, monkeypatch):
    """An index of presets that Blender's process is told of."""
    folder = shot.folder / "presets"
    folder.mkdir()
    for name, text in (("studio", STUDIO), ("show", SHOW), ("hair", HAIR)):
        (folder / f"{name}.toml").write_text(text)
    made = compile_presets([str(folder)])
    assert not made.problems
    place = shot.folder / "index.json"
    write_index(str(place), made.data)
    return place


def test_a_preset_is_taken_told_of_kept_to_and_reset(shot, index):
    ran = shot.run(
        f"import os\nos.environ['AIROTO_PRESET_INDEX'] = {str(index)!r}\n"
        "made = make(folder, clip, server)\n"
        "from airoto_blender import nodes, plates, presets, recipes\n"
        "bpy.ops.airoto.preset(name='SHOWX:hair')\n"
        "taken = [made.compression, made.matte_engine, round(made.grow, 4), made.feather]\n"
        "made.compression = 'PIZ'\nkept = [made.compression, made.progress]\n"
        "made.grow = 2.0\nchanged = presets.told(made)\n"
        "bpy.ops.airoto.reset_preset()\ngrown = round(made.grow, 4)\n"
        "plate, state = plates.plate_of(made), nodes.state_of(made)\n"
        "recipe = recipes.recipe_of(made, plate, state, output='m')\n"
        "where = recipes.folder_of(made)\nmade.cache_folder = f'{folder}/cache'\n"
        "bpy.ops.airoto.track()\nsave(folder / 'shot.blend')\n"
        "bpy.ops.wm.open_mainfile(filepath=str(folder / 'shot.blend'))\nagain = node()\n"
        "locked = presets.locked(again)\nsaid = ''\n"
        "try:\n    bpy.ops.airoto.preset(name='SHOWX:nothing')\n"
        "except RuntimeError as exc:\n    said = str(exc)\n"
        "bpy.ops.airoto.preset(name='')\nagain.compression = 'PIZ'\n"
        "tell(taken=taken, kept=kept, changed=changed, grown=grown, pin=recipe['preset'],\n"
        "     where=where, status=again.status, locked=locked, said=said,\n"
        "     free=again.compression, folder=nodes.shown_folder(again))"
    )
    assert ran.code == 0, ran.said
    facts = ran.facts
    assert facts["taken"] == ["DWAA", "null", 1.3, 0.5]
    assert facts["kept"][0] == "DWAA"
    assert "compression is locked by the preset SHOWX" in facts["kept"][1]
    assert facts["changed"][0] == "SHOWX:hair, version 5"
    assert "grow 1.3 -> 2.0" in facts["changed"][1]
    assert facts["changed"][2] == "the show now: as it was taken"
    assert facts["grown"] == 1.3
    assert facts["pin"]["name"] == "SHOWX:hair"
    assert "/SHOWX/hair/" in facts["where"]
    assert set(facts["locked"]) == {"compression", "matte_engine"}
    assert "no preset for the task 'nothing'" in facts["said"]
    assert facts["free"] == "PIZ"


def test_an_approved_frame_is_kept_whatever_is_tracked_later(shot):
    ran = shot.run(
        "made = make(folder, clip, server)\nfrom airoto_blender import nodes\n"
        "said = []\nscene = bpy.context.scene\nscene.frame_set(1002)\n"
        "def press(operator):\n"
        "    try:\n        operator()\n    except RuntimeError as exc:\n"
        "        said.append(str(exc))\n"
        "press(bpy.ops.airoto.lock_frame)\n"
        "bpy.ops.airoto.track()\nfirst = nodes.shown_folder(made)\n"
        "bpy.ops.airoto.lock_frame()\nlocks = nodes.state_of(made).locked_frames\n"
        "nodes.edit(made, 'correct', state_ops.add_point(nodes.state_of(made), 1001, 20, 90))\n"
        "bpy.ops.airoto.track()\nsecond = nodes.shown_folder(made)\nrender()\n"
        "status = made.status\n"
        "nodes.edit(made, 'more', state_ops.add_object(nodes.state_of(made), 'third'))\n"
        "nodes.edit(made, 'more', state_ops.add_point(nodes.state_of(made), 1001, 5, 5))\n"
        "press(bpy.ops.airoto.track)\nbpy.ops.airoto.unlock_frame()\n"
        "tell(said=said, locks=locks, first=first, second=second, status=status,\n"
        "     unlocked=nodes.state_of(made).locked_frames)"
    )
    assert ran.code == 0, ran.said
    facts = ran.facts
    assert "the matte of frame 1002 is" in facts["said"][0]
    assert "approved with hero, bag" in facts["said"][1]
    assert (facts["locks"], facts["unlocked"]) == ([1002], [])
    assert facts["status"] == "current: 4 frames, 1001-1004"
    before = channels(shot.folder / facts["first"] / "matte.1002.exr")["A"]
    after = channels(shot.folder / facts["second"] / "matte.1002.exr")["A"]
    assert np.array_equal(before, after), "the approved frame"
    assert np.array_equal(shot.comp(1002)["Matte.V"], after)
    corrected = channels(shot.folder / facts["second"] / "matte.1001.exr")["A"]
    assert corrected[90, 20] > 0.5, "another frame has the correction"
