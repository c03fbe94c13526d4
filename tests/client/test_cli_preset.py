"""`airoto preset`: as a TD types it."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from airoto.presets.index import read_index
from airoto.wire import recipe as recipes
from airoto.wire.messages import Compression
from airoto_client.presets.applying import apply_preset
from airoto_client.presets.compiler import compile_presets
from airoto_client.presets.folders import read_file

STUDIO = """\
format = 1
version = 2
lock = ["output.compression"]
[output]
compression = "dwaa"
[policy]
commercial_only = true
"""
SHOW = """\
format = 1
show = "SHOWX"
version = 3
note = "hair-heavy"
[matte]
feather = 0.5
[output]
compression = "piz"
"""
HAIR = """\
format = 1
show = "SHOWX"
task = "hair hero"
version = 4
[matte]
engine = "vitmatte-base"
"""


@pytest.fixture
def folder(cli) -> Path:
    made = cli.folder / "presets"
    made.mkdir()
    for name, text in (("studio", STUDIO), ("show", SHOW), ("hair", HAIR)):
        (made / f"{name}.toml").write_text(text)
    cli.environment["AIROTO_PRESET_PATH"] = str(made)
    cli.environment["AIROTO_PRESET_INDEX"] = str(cli.folder / "index.json")
    return made


def test_all_presets_are_listed_with_their_files(cli, folder: Path) -> None:
    ran = cli.run("preset", "list", "--json")
    assert ran.code == 0
    assert [(one["name"], one["level"], one["version"]) for one in ran.of("preset")] == [
        ("SHOWX", "show", 3),
        ("SHOWX:hair hero", "task", 4),
        ("studio", "studio", 2),
    ]
    assert f"SHOWX  v3  show  {folder}/show.toml\n" in cli.run("preset", "list").out


def test_showing_one_tells_where_each_value_comes_from(cli, folder: Path) -> None:
    ran = cli.run("preset", "show", "SHOWX:hair hero", "--json")
    (found,) = ran.of("resolved")
    assert found["values"] == {
        "matte.engine": {"value": "vitmatte-base", "from": "SHOWX:hair hero", "locked_by": ""},
        "matte.feather": {"value": 0.5, "from": "SHOWX", "locked_by": ""},
        "output.compression": {"value": "dwaa", "from": "studio", "locked_by": "studio"},
    }
    assert found["policy"] == [{"preset": "studio", "commercial_only": True}]
    text = cli.run("preset", "show", "SHOWX:hair hero").out
    assert 'output.compression = "dwaa"  (studio, locked by studio)\n' in text
    assert 'track.engine = "auto"  (built-in)' in cli.run("preset", "show", "SHOWX", "--all").out
    wrong = cli.run("preset", "show", "SHOWX:fur")
    assert (wrong.code, "there are: hair hero" in wrong.err) == (2, True)


def test_check_names_file_key_found_and_allowed_and_ends_with_2(cli, folder: Path) -> None:
    assert cli.run("preset", "check").code == 0
    wrong = folder / "bad.toml"
    wrong.write_text('format = 1\nversion = 1\nshow = "Y"\n[matte]\nfeathr = 1\ngrow = "x"\n')
    for arguments in ((), (str(wrong),)):
        ran = cli.run("preset", "check", *arguments)
        assert ran.code == 2
        assert f"{wrong}: 2 keys are wrong, first matte.feathr: an unknown key" in ran.err
        assert "matte.grow: 'x'; allowed: a number, -256 to 256" in ran.err
    told = cli.run("preset", "check", "--json")
    (one,) = told.of("problem")
    assert [each["path"] for each in one["violations"]] == ["matte.feathr", "matte.grow"]
    assert "output.compression does not count: studio locked it" in told.out
    assert cli.run("preset", "check", str(folder / "show.toml")).code == 0


def test_two_presets_are_compared_and_a_recipe_with_its_own(cli, folder: Path, recipe_file) -> None:
    assert cli.run("preset", "diff", "studio", "SHOWX").out == "matte.feather: 0.0 -> 0.5\n"
    place = recipe_file()
    recipe = recipes.read(place)
    recipe.preset.name = "SHOWX"
    recipe.matte.grow = -2
    recipes.write(recipe, place)
    found = {one["key"]: one for one in cli.run("preset", "diff", place, "--json").of("difference")}
    assert found["matte.grow"]["left"] == -2
    assert found["matte.feather"]["right"] == 0.5


def test_a_new_preset_can_be_read_and_never_replaces_one(cli, folder: Path, recipe_file) -> None:
    out = folder / "sq010.toml"
    assert cli.run("preset", "new", "SHOWX/sq010", "--out", out).code == 0
    assert str(read_file(str(out)).scope) == "SHOWX/sq010"
    assert cli.run("preset", "new", "SHOWX/sq010", "--out", out).code == 4
    place = recipe_file()
    recipe = recipes.read(place)
    recipe.matte.grow = 1.25
    recipe.matte.trimap.mode = 2
    recipes.write(recipe, place)
    out = cli.folder / "new.toml"
    assert cli.run("preset", "new", "SHOWY:fur", "--out", out, "--from", place).code == 0
    values = read_file(str(out)).values
    assert values["matte.grow"] == 1.25
    assert values["matte.trimap.mode"] == "fixed"
    assert "output.compression" not in values, "the studio locked it"


def test_compile_writes_the_index_and_keeps_what_is_down(cli, folder: Path) -> None:
    index = cli.folder / "index.json"
    ran = cli.run("preset", "compile")
    assert (ran.code, ran.out) == (0, f"index: {index}\n")
    assert len(read_index(str(index)).presets) == 3
    folder.rename(cli.folder / "gone")
    ran = cli.run("preset", "compile")
    assert ran.code == 0
    assert "its 3 presets are kept" in ran.err
    assert len(read_index(str(index)).presets) == 3
    assert cli.run("preset", "compile", "--fresh").code == 0
    assert not read_index(str(index)).presets


def test_presets_are_found_along_the_hosts_path(cli, folder: Path) -> None:
    del cli.environment["AIROTO_PRESET_PATH"]
    place = cli.folder / "tools/airoto"
    place.mkdir(parents=True)
    folder.rename(place / "presets")
    cli.environment["NUKE_PATH"] = f"/nowhere:{cli.folder}/tools"
    assert len(cli.run("preset", "list", "--json").of("preset")) == 3


def test_a_watched_index_follows_its_files_until_a_signal(cli, folder: Path) -> None:
    index = cli.folder / "index.json"
    process = cli.start("preset", "compile", "--watch", "0.1", "--json")
    try:
        assert json.loads(process.stdout.readline())["event"] == "result"
        (folder / "show.toml").write_text(SHOW.replace("version = 3", "version = 44"))
        assert json.loads(process.stdout.readline())["presets"] == 3
        assert read_index(str(index)).resolve("SHOWX").version == 44
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 143
    finally:
        process.kill()
        process.communicate()


# ---- roto --preset ----------------------------------------------------------------------------


def test_a_preset_fills_what_a_recipe_leaves_open_and_is_pinned(
    cli, folder: Path, recipe_file
) -> None:
    index = compile_presets([str(folder)]).index
    recipe = recipes.read(recipe_file())
    recipe.matte.feather = 2.0
    recipe.matte.engine = ""
    apply_preset(recipe, index.resolve("SHOWX:hair hero"))
    assert (recipe.matte.feather, recipe.matte.engine) == (2.0, "vitmatte-base")
    assert recipe.output.compression == Compression.COMPRESSION_DWAA
    assert (recipe.preset.name, recipe.preset.version) == ("SHOWX:hair hero", 4)
    assert recipe.preset.policy[0].commercial_only
    recipes.validate(recipe)


def test_an_option_against_a_lock_is_refused_before_any_work(cli, folder: Path) -> None:
    line = ("roto", "a.%04d.exr", "--out", "m.%04d.exr", "--point", "1:1,1", "--preset", "SHOWX")
    ran = cli.run(*line, "--compression", "piz")
    assert ran.code == 2
    assert "output.compression is 'piz', and the preset studio locked it to 'dwaa'" in ran.err
    assert cli.run(*line[:-1], "SHOWZ").code == 2
