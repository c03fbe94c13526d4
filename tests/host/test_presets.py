"""Presets in the node: taken from the menu, shown, kept to, reset, pinned in the recipe."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import nuke
import pytest
import session
from studio import FIRST, HERO, LAST

from airoto.presets.places import session_index
from airoto.wire import recipe as recipes
from airoto_client.node import preset_known
from airoto_client.node.preset_values import KNOBS
from airoto_client.presets.compiler import compile_presets, write_index
from airoto_nuke import buttons, nodes, plates, startup, sync
from airoto_nuke.knobs import NodeKind
from airoto_server.ops.matte_file import read_provenance

FILES = {
    "studio": 'format = 1\nversion = 1\n[output]\ncompression = "dwaa"\n',
    "show": 'format = 1\nshow = "SHOWX"\nversion = 3\n'
    'lock = ["output.compression", "matte.engine"]\n[matte]\nengine = "null"\nfeather = 0.5\n'
    '[segment]\nengine = "null"\n[track]\nengine = "null"\n'
    '[paths]\ncache_folder = "{script_dir}/{show}/{task}/{node}"\n'
    '[layers]\nmatte = "{show}_{object}"\n[policy]\nengines = ["vitmatte-*"]\n',
    "hair": 'format = 1\nshow = "SHOWX"\ntask = "hair hero"\nversion = 5\n[matte]\ngrow = 1.5\n'
    '[menu]\nnodes = ["AIRoto", "AIMatte", "AITrimap", "AIDetect"]\n',
}  # fmt: skip
NAME = "SHOWX:hair hero"


class Shop:
    """A folder of presets and its index."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.index = folder / "presets", folder / "index.json"
        self.folder.mkdir()
        for name, text in FILES.items():
            self.write(name, text)
        self.compile()

    def write(self, name: str, text: str) -> None:
        (self.folder / f"{name}.toml").write_text(text)

    def compile(self) -> None:
        made = compile_presets([str(self.folder)])
        assert not made.problems
        write_index(str(self.index), made.data)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    for name in ("AIROTO_SHOW", "AIROTO_SEQUENCE", "AIROTO_PRESET_PATH", "NUKE_PATH"):
        monkeypatch.delenv(name, raising=False)
    made = Shop(tmp_path)
    monkeypatch.setenv("AIROTO_PRESET_INDEX", str(made.index))
    return made


def made(studio, kind: NodeKind = NodeKind.ROTO):
    """A node with the preset, on the plate."""
    for one in nuke.allNodes():
        one.setSelected(False)
    studio.plate.setSelected(True)
    node = startup.create_preset(kind.value, NAME)
    node["server"].setValue(studio.server)
    return node


def recipe_of(node):
    return nodes.recipe_of(node, plates.plate_of(node), nodes.state_of(node), output="m.%04d.exr")


def test_the_menu_has_an_entry_for_each_node_of_a_task(shop, studio):
    menu = nuke.menu("Nodes").findItem("AIRoto")
    group = menu.findItem("SHOWX")
    assert [one.name() for one in group.items()] == [
        f"{kind} hair hero (SHOWX)" for kind in ("AIRoto", "AIMatte", "AITrimap", "AIDetect")
    ]
    studio.plate.setSelected(True)
    group.findItem("AIMatte hair hero (SHOWX)").invoke()
    node = nuke.toNode("AIMatte1")
    assert node["preset_name"].value() == "SHOWX:hair hero, version 5"
    assert node["feather"].value() == 0.5


@pytest.mark.parametrize("kind", NodeKind)
def test_a_node_has_the_values_and_tells_where_they_come_from(shop, studio, kind):
    node = made(studio, kind)
    sources = dict(one.split(": ") for one in node["preset_sources"].value().split("; "))
    if kind is not NodeKind.DETECT:
        assert node["grow"].value() == 1.5
        assert sources["grow"] == "SHOWX:hair hero"
        assert sources["feather"] == "SHOWX"
        assert sources["compression"] == "studio (locked)"
        assert not node["compression"].enabled()
        assert node["compression"].tooltip().startswith("Locked by the preset SHOWX. ")
        assert node["grow"].enabled()
    assert sources["cache_folder"] == "SHOWX"
    assert node["preset_changed"].value() == "nothing"
    assert node["preset_news"].value() == "as it was taken"
    assert "/SHOWX/hair_hero/" in nodes.folder_of(node)


def test_a_locked_knob_goes_back_and_says_why(shop, studio):
    node = made(studio)
    node["compression"].setValue("PIZ")
    assert node["compression"].value() == "DWAA"
    assert studio.app.said[-1] == "compression is locked by the preset SHOWX"


def test_a_lock_that_was_got_round_stops_the_recipe(shop, studio):
    node = made(studio)
    node["knobChanged"].setValue("")
    node["matte_engine"].setValue("classic")
    with pytest.raises(Exception, match="SHOWX locked it to 'null'"):
        recipe_of(node)


def test_what_the_artist_changes_is_the_nodes_own_until_it_is_reset(shop, studio):
    node = made(studio)
    node["grow"].setValue(-2)
    assert node["preset_changed"].value() == "grow 1.5 -> -2.0"
    assert "grow: node" in node["preset_sources"].value()
    studio.press(node, "reset_to_show")
    assert node["grow"].value() == 1.5
    nuke.undo()
    assert node["grow"].value() == -2


def test_a_preset_that_changed_changes_no_node_until_the_artist_takes_it(shop, studio):
    node = made(studio)
    before = recipe_of(node)
    shop.write("hair", FILES["hair"].replace("version = 5", "version = 6").replace("1.5", "2.5"))
    shop.compile()
    sync.refresh(node)
    assert node["preset_news"].value() == "version 6 now: matte.grow 1.5 -> 2.5"
    assert recipe_of(node) == before, "what was approved"
    studio.press(node, "reset_to_show")
    assert node["grow"].value() == 2.5
    assert recipe_of(node)["preset"]["version"] == 6
    node["grow"].setValue(9)
    studio.press(node, "reset_to_pinned")
    assert node["grow"].value() == 2.5


def test_preset_to_node_to_recipe_to_node_loses_nothing(shop, studio, tmp_path):
    node = made(studio)
    studio.click(node, *HERO)
    data = recipe_of(node)
    assert data["preset"] == preset_known.resolved(NAME).pin()
    file = tmp_path / "shot.airoto.json"
    recipes.write(recipes.from_dict(data), file)
    recipes.validate(recipes.read(file))
    again = studio.node()
    buttons.put_recipe(again, recipes.to_dict(recipes.read(file)))
    for key, knob in KNOBS.items():
        if key.partition(".")[0] in ("segment", "track", "matte", "processing", "output"):
            assert again[knob].value() == node[knob].value(), knob
    assert again["preset"].value() == node["preset"].value()
    assert again["preset_name"].value() == node["preset_name"].value()
    assert not again["compression"].enabled()
    shop.index.unlink()
    buttons.put_recipe(again, recipes.to_dict(recipes.read(file)))
    assert recipe_of(again)["preset"] == data["preset"], "the pin needs no index"


def test_tracking_delivers_the_layer_and_the_header_of_the_preset(shop, studio):
    node = made(studio)
    studio.click(node, *HERO)
    studio.press(node, "track")
    assert node["status"].value() == f"current: 6 frames, {FIRST}-{LAST}", studio.app.said
    assert "SHOWX_object1.alpha" in node.channels()
    file = Path(node.node("Checked")["file"].evaluate(FIRST))
    made_by = read_provenance(file) or {}
    assert made_by["choices"]["preset"].startswith("SHOWX:hair hero, version 5, sha256:")


def test_a_forbidden_engine_is_refused_by_the_server_with_the_presets_name(shop, studio):
    shop.write("show", FILES["show"].replace('"matte.engine"]', '"output.trimap"]'))
    shop.compile()
    node = made(studio)
    node["matte_engine"].setValue("classic")
    studio.click(node, *HERO)
    studio.press(node, "track")
    assert "the preset SHOWX forbids the engine 'classic'" in studio.app.said[-1]
    assert "vitmatte-*" in studio.app.said[-1]


def test_a_plain_node_obeys_the_sessions_show(shop, studio, monkeypatch):
    startup.create("ROTO")
    assert nuke.toNode("AIRoto1")["preset_name"].value() == "studio, version 1"
    monkeypatch.setenv("AIROTO_SHOW", "SHOWX")
    monkeypatch.setenv("AIROTO_SEQUENCE", "sq010")
    startup.create("MATTE")
    assert nuke.toNode("AIMatte1")["preset_name"].value() == "SHOWX/sq010, version 3"
    monkeypatch.setenv("AIROTO_SHOW", "OTHER")
    startup.create("ROTO")
    assert nuke.toNode("AIRoto2")["preset_name"].value() == "studio, version 1"
    assert not studio.app.menus["Nodes"].findItem("AIRoto/OTHER")


def test_a_script_keeps_locks_and_pin_where_there_is_no_index(shop, studio):
    node = made(studio)
    wanted = node["preset"].value()
    path = studio.save("kept")
    shop.index.unlink()
    name = node.name()
    nuke.scriptClear()
    nuke.scriptOpen(str(path))
    again = nuke.toNode(name)
    sync.refresh(again)
    assert again["preset"].value() == wanted
    assert not again["compression"].enabled()
    assert "is not there" in again["preset_news"].value()


def test_terminal_mode_makes_nodes_with_presets_and_says_what_is_wrong(shop, terminal):
    node = startup.create_preset("AIRoto", NAME)
    assert node["grow"].value() == 1.5
    with pytest.raises(RuntimeError, match="there are: hair hero"):
        startup.create_preset("AIRoto", "SHOWX:fur")
    assert len(nodes.ours()) == 1, "nothing half-made is left"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 9, "menu": 3}', '{"menu": [{}]}'])
def test_a_damaged_index_is_told_and_starts_all_the_same(shop, studio, text):
    shop.index.write_text(text)
    session.reset(gui=True)
    startup.windows()
    assert nuke.menu("Nodes").findItem("AIRoto/AIRoto") is not None
    startup.create("ROTO")
    assert nuke.toNode("AIRoto1")["preset_name"].value() == "no preset"


def test_the_index_is_made_in_the_background_and_the_menu_follows(shop, studio, monkeypatch):
    monkeypatch.delenv("AIROTO_PRESET_INDEX")
    monkeypatch.setenv("HOME", str(shop.folder.parent))
    monkeypatch.setenv("AIROTO_PRESET_PATH", f"/nowhere{os.pathsep}{shop.folder}")
    session.reset(gui=True)
    startup.windows()
    menu = nuke.menu("Nodes").findItem("AIRoto")
    assert menu.findItem("SHOWX") is None
    session.pump(lambda: menu.findItem("SHOWX") is not None)
    assert Path(session_index()).is_file()


def test_the_command_line_reads_what_the_node_wrote(shop, studio, tmp_path):
    node = made(studio)
    studio.click(node, *HERO)
    file = tmp_path / "shot.airoto.json"
    file.write_text(json.dumps(recipe_of(node)))
    command = [
        os.environ["AIROTO_COMMAND"],
        "preset",
        "diff",
        str(file),
        "--path",
        str(shop.folder),
        "--json",
    ]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True)
    assert [json.loads(line)["event"] for line in done.stdout.splitlines()] == ["note"]
