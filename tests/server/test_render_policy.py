"""What a preset forbids is refused by the server, with the preset's name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airoto.errors import BadRequestError, EngineForbiddenError, RecipeError
from airoto.presets.policy import Rule
from airoto.wire import messages as pb
from airoto_client.presets import compiler
from airoto_client.presets.compiler import compile_presets
from airoto_server.app.sample import SamplePaths
from airoto_server.ops.matte_file import read_provenance
from airoto_server.sessions.policies import Policies

from .conftest import RunningServer, StartServer
from .rendering import Message, drawn_recipe, render, sample_recipe

HASH = "sha256:" + "7" * 64


def pinned(recipe: Message, **rule: Any) -> Message:
    rule = {"preset": "SHOWX", **rule}
    return {
        **recipe,
        "preset": {"name": "SHOWX:hair hero", "version": 3, "hash": HASH, "policy": [rule]},
    }


@pytest.mark.parametrize(
    ("role", "rule", "words"),
    [
        ("segment", {"engines": ["sam2.1-*"]}, "SHOWX forbids the engine 'classic'.*sam2.1-"),
        ("track", {"engines": ["sam2.1-*"]}, "SHOWX forbids the engine 'classic'"),
        ("matte", {"licences": ["Apache-2.0"]}, "SHOWX forbids the licence MIT of 'classic'"),
    ],
)
@pytest.mark.parametrize("named", ["classic", "auto"])
def test_a_forbidden_engine_is_refused_before_any_work(
    server: RunningServer, clip: SamplePaths, tmp_path: Path,
    role: str, rule: Message, words: str, named: str,
) -> None:  # fmt: skip
    null = {name: {"engine": "null"} for name in ("segment", "track", "matte")}
    recipe = sample_recipe(clip, tmp_path / "m.####.exr", **{**null, role: {"engine": named}})
    with pytest.raises(EngineForbiddenError, match=words) as caught:
        render(server.link, pinned(recipe, **rule))
    assert caught.value.violations[0].path == f"{role}.engine"
    assert not list(tmp_path.iterdir())


def test_every_call_obeys(server: RunningServer, clip: SamplePaths, tmp_path: Path) -> None:
    recipe = pinned(sample_recipe(clip, tmp_path / "m.####.exr"), engines=["sam2.1-*"])
    for method, request in (
        ("Segment", {"recipe": recipe, "frame": clip.first}),
        ("Matte", {"recipe": recipe, "frame": clip.first, "mask": {"path": str(clip.alphas[0])}}),
        ("Detect", {"recipe": {**recipe, "detect": {"text": "ball", "frame": clip.first,
                                                    "engine": "grounding-dino-tiny"}}}),
    ):  # fmt: skip
        with pytest.raises(EngineForbiddenError, match="SHOWX"):
            server.link.call(method, request, timeout=60)


def test_auto_takes_what_is_allowed_and_the_header_names_the_preset(
    server: RunningServer, clip: SamplePaths, tmp_path: Path
) -> None:
    recipe = drawn_recipe(clip, tmp_path / "m.####.exr", track={"engine": "auto"})
    allowed = pinned(recipe, engines=["classic-grabcut"], commercial_only=True)
    outcome = render(server.link, allowed, frames={"first": clip.first, "last": clip.first + 1})
    made = read_provenance(Path(outcome.frames[clip.first]["path"])) or {}
    assert [one["name"] for one in made["engines"] if one["role"] == "tracker"] == [
        "classic-grabcut"
    ]
    assert made["choices"]["preset"] == f"SHOWX:hair hero, version 3, {HASH}"


# ---- the server's own presets --------------------------------------------------------------

FILES = {
    "studio": "format = 1\nversion = 1\n[policy]\ncommercial_only = true\n",
    "show": 'format = 1\nshow = "SHOWX"\nversion = 3\n[policy]\nengines = ["sam2.1-*"]\n'
    'plates = ["PLATES"]\n',
    "other": 'format = 1\nshow = "SHOWY"\nversion = 1\n',
}


def write_index(folder: Path, plates: Path | str) -> Path:
    for name, text in FILES.items():
        (folder / f"{name}.toml").write_text(text.replace("PLATES", str(plates)))
    made = compile_presets([str(folder)])
    assert not made.problems
    compiler.write_index(str(folder / "index.json"), made.data)
    return folder / "index.json"


def policies(folder: Path, *, required: bool = False, plates: Path | str = "/shows/x") -> Policies:
    return Policies(write_index(folder, plates), required=required)


def named(name: str, plate: str = "/plates/a.####.exr") -> pb.Recipe:
    recipe = pb.Recipe(version=1)
    recipe.plate.path = plate
    if name:
        recipe.preset.name = name
    return recipe


def who(rules: tuple[Rule, ...]) -> list[str]:
    return [one.preset for one in rules]


def test_a_stripped_pin_does_not_get_round_the_show_of_the_plate(tmp_path: Path) -> None:
    plates, link = tmp_path / "show_x", tmp_path / "link"
    plates.mkdir()
    link.symlink_to(plates)
    held = policies(tmp_path, plates=plates)
    assert who(held.rules(named(""))) == ["studio"]
    for folder in (plates, link, tmp_path / "elsewhere" / ".." / "show_x"):
        for name in ("", "SHOWY"):
            assert who(held.rules(named(name, f"{folder}/a.####.exr"))) == ["studio", "SHOWX"]
    assert who(held.rules(named("SHOWX:hair"))) == ["studio", "SHOWX"], "its task is not there"


def test_rules_of_the_recipe_and_of_the_server_add_up(tmp_path: Path) -> None:
    recipe = named("SHOWX")
    recipe.preset.policy.add(preset="old", engines=["classic"])
    assert who(policies(tmp_path).rules(recipe)) == ["old", "studio", "SHOWX"]
    assert who(Policies().rules(recipe)) == ["old"]


def test_a_preset_can_be_required(tmp_path: Path) -> None:
    held = policies(tmp_path, required=True)
    assert held.rules(named("SHOWY"))
    for name in ("", "SHOWZ", "SHOWZ:hair"):
        with pytest.raises(RecipeError, match="a preset of this server's: SHOWX, SHOWY, studio"):
            held.rules(named(name))
    with pytest.raises(BadRequestError, match="an index of presets"):
        Policies(required=True)


def test_the_index_is_followed_and_the_last_one_holds_while_it_is_broken(tmp_path: Path) -> None:
    held = policies(tmp_path)
    index = tmp_path / "index.json"
    assert len(held.rules(named("SHOWX"))) == 2
    index.write_text("{")
    assert len(held.rules(named("SHOWX"))) == 2
    (tmp_path / "show.toml").write_text('format = 1\nshow = "SHOWX"\nversion = 4\n')
    compiler.write_index(str(index), compile_presets([str(tmp_path)]).data)
    assert who(held.rules(named("SHOWX"))) == ["studio"]
    with pytest.raises(BadRequestError, match="cannot be read"):
        Policies(tmp_path / "none.json")


def test_a_server_with_presets_refuses_what_a_recipe_does_not_mention(
    start_server: StartServer, clip: SamplePaths, tmp_path: Path
) -> None:
    index = write_index(tmp_path, Path(str(clip.acescg)).parent)
    held = start_server("--threads", 1, "--presets", index)
    recipe = drawn_recipe(clip, tmp_path / "m.####.exr", track={"engine": "classic"})
    with pytest.raises(EngineForbiddenError, match="the preset SHOWX forbids the engine 'classic'"):
        render(held.link, recipe)
