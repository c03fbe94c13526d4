"""The pin of a preset: checked, carried, and hashed where it decides something."""

from __future__ import annotations

import pytest

from airoto.errors import EngineForbiddenError, RecipeError
from airoto.presets.names import Scope, parse_name
from airoto.presets.policy import Rule, allows, check
from airoto.wire.messages import PolicyRule, PresetPin, Recipe
from airoto.wire.recipe import from_json, recipe_hash, to_json, validate

PIN = PresetPin(name="SHOWX:hair hero", version=3, hash="sha256:" + "0" * 64)
RULE = PolicyRule(preset="SHOWX", engines=["classic", "sam2.1-*"], licences=["MIT"])


def test_a_pin_goes_through_the_file_unchanged(recipe: Recipe) -> None:
    recipe.preset.CopyFrom(PIN)
    recipe.preset.policy.append(RULE)
    validate(recipe)
    assert from_json(to_json(recipe)) == recipe


def test_who_made_the_values_does_not_change_the_hash_but_what_is_allowed_does(
    recipe: Recipe,
) -> None:
    before = recipe_hash(recipe)
    recipe.preset.CopyFrom(PIN)
    assert recipe_hash(recipe) == before
    recipe.preset.policy.append(RULE)
    limited = recipe_hash(recipe)
    assert limited != before
    recipe.preset.policy[0].preset = "another name"
    recipe.preset.version = 4
    assert recipe_hash(recipe) == limited


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (PresetPin(name=""), "preset.name"),
        (PresetPin(name="SHOW X"), "preset.name"),
        (PresetPin(name="studio", hash="sha256:12"), "preset.hash"),
        (PresetPin(name="studio", policy=[PolicyRule(engines=["Sam 2"])]), "policy[0].engines[0]"),
        (PresetPin(name="studio", policy=[PolicyRule(licences=[" "])]), "policy[0].licences[0]"),
        (PresetPin(name="studio", policy=[PolicyRule()] * 65), "preset.policy"),
        (PresetPin(name="studio", policy=[PolicyRule(preset="a\x00")]), "policy[0].preset"),
    ],
)
def test_a_wrong_pin_is_refused_by_the_path_of_its_field(
    recipe: Recipe, change: PresetPin, path: str
) -> None:
    recipe.preset.CopyFrom(change)
    with pytest.raises(RecipeError) as caught:
        validate(recipe)
    assert path in str(caught.value)


@pytest.mark.parametrize(
    ("name", "scope"),
    [
        ("studio", Scope()),
        ("SHOWX", Scope("SHOWX")),
        ("SHOWX/sq010", Scope("SHOWX", "sq010")),
        ("SHOWX:hair hero", Scope("SHOWX", "", "hair hero")),
        ("studio:hair", Scope("", "", "hair")),
    ],
)
def test_a_name_is_read_as_it_is_written(name: str, scope: Scope) -> None:
    assert parse_name(name) == scope
    assert str(scope) == name


def test_every_rule_has_to_allow_an_engine() -> None:
    free = Rule("SHOWX", commercial_only=True)
    few = Rule("SHOWX:hair", engines=("sam2.1-*", "classic"), licences=("apache-2.0",))
    assert allows([free, few], "sam2.1-tiny", "Apache-2.0", True)
    for engine, licence, commercial, who in (
        ("modnet", "CC-BY-NC-SA-4.0", False, "SHOWX"),
        ("cutie-base", "MIT", True, "SHOWX:hair"),
        ("classic", "MIT", True, "SHOWX:hair"),
    ):
        with pytest.raises(EngineForbiddenError, match=f"the preset {who} forbids .*{engine}"):
            check([free, few], engine, licence, commercial, field="matte.engine")
