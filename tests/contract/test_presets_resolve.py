"""What presets say together: nearest wins, locks hold, rules only add up."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from airoto.errors import BadRequestError
from airoto.presets.index import Index, index_from, menu_of
from airoto.presets.keys import KEYS, RECIPE_KEYS
from airoto.presets.model import BUILT_IN, Menu, Preset, Setting
from airoto.presets.names import Scope
from airoto.presets.places import in_context, search_path
from airoto.presets.policy import Rule, allows
from airoto.presets.recipe_values import put_values, values_of
from airoto.presets.resolve import (
    BUILT_IN_LAYER,
    Layer,
    chain,
    combine,
    layer_of,
    overruled,
    resolve,
)
from airoto.wire.messages import Recipe
from airoto.wire.recipe import from_dict, to_dict, validate

NAMES = ("matte.engine", "matte.grow", "track.direction", "output.trimap")
ENGINES = ("classic", "cutie-base", "sam2.1-tiny", "vitmatte-base")

rules = st.builds(
    Rule,
    preset=st.sampled_from(("studio", "SHOWX")),
    engines=st.lists(st.sampled_from((*ENGINES, "sam2*", "*")), max_size=2).map(tuple),
    licences=st.lists(st.sampled_from(("MIT", "apache-2.0")), max_size=2).map(tuple),
    commercial_only=st.booleans(),
)


@st.composite
def layers(draw: Any) -> Layer:
    name = draw(st.sampled_from("abcdef"))
    keys = draw(st.sets(st.sampled_from(NAMES)))
    return Layer(
        {key: Setting(draw(st.integers(0, 3)), name) for key in sorted(keys)},
        dict.fromkeys(sorted(draw(st.sets(st.sampled_from(NAMES)))), name),
        tuple(draw(st.lists(rules, max_size=2))),
    )


@given(layers(), layers(), layers())
def test_which_neighbours_are_combined_first_does_not_matter(a: Layer, b: Layer, c: Layer) -> None:
    assert combine(combine(a, b), c) == combine(a, combine(b, c))


@given(layers())
def test_an_empty_layer_changes_nothing(a: Layer) -> None:
    assert combine(Layer(), a) == a == combine(a, Layer())


@given(st.lists(layers(), min_size=1, max_size=5))
def test_a_lock_is_never_overridden_from_below(given_layers: list[Layer]) -> None:
    made = BUILT_IN_LAYER
    for near in given_layers:
        before = made
        made = combine(made, near)
        for key, owner in before.locks.items():
            assert made.values[key] == before.values[key]
            assert made.locks[key] == owner


@given(st.lists(layers(), min_size=1, max_size=5))
def test_the_nearest_value_above_the_first_lock_wins(given_layers: list[Layer]) -> None:
    made = BUILT_IN_LAYER
    for near in given_layers:
        made = combine(made, near)
    for key in NAMES:
        wanted = BUILT_IN_LAYER.values[key]
        for one in given_layers:
            wanted = one.values.get(key, wanted)
            if key in one.locks:
                break
        assert made.values[key] == wanted


@given(layers(), layers(), st.sampled_from(ENGINES), st.sampled_from(("MIT", "Apache-2.0")))
def test_a_nearer_layer_never_allows_what_a_farther_one_forbids(
    far: Layer, near: Layer, engine: str, licence: str
) -> None:
    both = combine(far, near).rules
    wanted = allows(far.rules, engine, licence, False) and allows(
        near.rules, engine, licence, False
    )
    assert allows(both, engine, licence, False) == wanted


def preset(show: str = "", sequence: str = "", task: str = "", **said: Any) -> Preset:
    return Preset(Scope(show, sequence, task), version=said.pop("version", 1), **said)


def presets(*them: Preset) -> dict[Scope, Preset]:
    return {one.scope: one for one in them}


ALL = presets(
    preset(values={"matte.grow": 1.0, "matte.feather": 1.0, "output.compression": "zips"},
           locks=("output.compression",), rule=Rule("studio", commercial_only=True)),
    preset("SHOWX", values={"matte.grow": 2.0, "output.compression": "dwaa"}, version=7),
    preset("SHOWX", "sq010", values={"matte.grow": 3.0}, rule=Rule("SHOWX/sq010", ("classic",))),
    preset("SHOWX", "", "hair", values={"matte.grow": 4.0}, inherits="soft"),
    preset(task="hair", values={"matte.remove_dots": 9.0}),
    preset(task="soft", values={"matte.feather": 5.0, "matte.grow": 6.0}),
)  # fmt: skip


def test_task_beats_sequence_beats_show_beats_studio_beats_built_in() -> None:
    found = resolve(ALL, Scope("SHOWX", "sq010", "hair"))
    assert found.presets == (
        "studio", "SHOWX", "SHOWX/sq010", "studio:hair", "studio:soft", "SHOWX:hair",
    )  # fmt: skip
    assert found.values["matte.grow"] == Setting(4.0, "SHOWX:hair")
    assert found.values["matte.feather"] == Setting(5.0, "studio:soft")
    assert found.values["matte.remove_dots"] == Setting(9.0, "studio:hair")
    assert found.values["output.compression"] == Setting("zips", "studio")
    assert found.values["matte.engine"] == Setting("auto", BUILT_IN)
    assert [one.preset for one in found.rules] == ["studio", "SHOWX/sq010"]
    assert resolve(ALL, Scope("SHOWX", "sq999")).values["matte.grow"] == Setting(2.0, "SHOWX")


def test_a_value_that_a_lock_overrules_is_told() -> None:
    (one,) = overruled(chain(ALL, Scope("SHOWX", "sq010", "hair")))
    assert (one.key, one.preset, one.locked_by) == ("output.compression", "SHOWX", "studio")


@pytest.mark.parametrize(
    ("scope", "words"),
    [
        (Scope("SHOWY"), "no preset is for the show 'SHOWY'; there are: SHOWX"),
        (Scope("SHOWX", "", "fur"), "no preset for the task 'fur' in SHOWX; there are: hair, soft"),
    ],
)
def test_a_show_or_task_that_is_not_there_is_named(scope: Scope, words: str) -> None:
    with pytest.raises(BadRequestError, match=words):
        resolve(ALL, scope)


def test_tasks_that_inherit_in_a_ring_are_refused() -> None:
    ring = presets(preset(task="a", inherits="b"), preset(task="b", inherits="a"))
    with pytest.raises(BadRequestError, match="in a ring: a <- b <- a"):
        resolve(ring, Scope(task="a"))


def test_the_hash_is_over_what_holds_and_not_over_who_said_it() -> None:
    one = resolve(presets(preset(values={"matte.grow": 2.0}, note="a")), Scope())
    other = presets(preset("X", values={"matte.grow": 2.0}, version=4, file="b"))
    assert resolve(other, Scope("X")).hash == one.hash
    assert resolve(presets(preset(values={"matte.grow": 2.5})), Scope()).hash != one.hash
    locked = preset(values={"matte.grow": 2.0}, locks=("matte.grow",))
    assert resolve(presets(locked), Scope()).hash != one.hash


def test_the_index_gives_back_what_was_put_in() -> None:
    full = preset(
        "SHOWX", "", "hair hero", values={"matte.grow": -1.5, "output.trimap": False},
        locks=("matte.grow",), rule=Rule("SHOWX:hair hero", ("a*",), ("MIT",), True),
        plates=("/shows/x",), menu=Menu(("AIRoto", "AIMatte"), "fur", "soft edges"),
        inherits="soft", note="n", file="/f.toml", version=3,
    )  # fmt: skip
    data = {"presets": [full.as_dict()], "problems": ["p"]}
    assert index_from(data, "i") == Index({full.scope: full}, ("p",))
    with pytest.raises(BadRequestError, match="the index of presets i is damaged"):
        index_from({"presets": [{"name": "a b"}]}, "i")


def test_menu_entries_are_found_by_what_people_type() -> None:
    entries = menu_of([preset("SHOWX", "", "hair hero", menu=Menu(("AIRoto", "AIMatte"))),
                       preset("SHOWX")])  # fmt: skip
    assert [one["label"] for one in entries] == [
        "AIRoto hair hero (SHOWX)",
        "AIMatte hair hero (SHOWX)",
    ]
    assert entries[0]["preset"] == "SHOWX:hair hero"


def test_folders_are_those_of_the_variable_then_those_of_the_host() -> None:
    found = search_path({"AIROTO_PRESET_PATH": "/a:/b/", "NUKE_PATH": "/n:/a"})
    assert found == ("/a", "/b", "/n/airoto/presets", "/a/airoto/presets")
    assert search_path({}) == ()


def test_a_name_is_taken_for_what_the_session_works_on() -> None:
    session = {"AIROTO_SHOW": "SHOWX", "AIROTO_SEQUENCE": "sq010"}
    assert in_context("studio:hair", session) == "SHOWX/sq010:hair"
    assert in_context("SHOWX:hair hero", session) == "SHOWX/sq010:hair hero"
    assert in_context("SHOWY:hair", session) == "SHOWY:hair"
    assert in_context("studio", {}) == "studio"


# ---- keys -------------------------------------------------------------------------------------


def test_every_built_in_value_is_allowed_and_written_as_it_is_kept() -> None:
    for key in KEYS.values():
        assert key.wrong(key.default) == "", key.name
        assert key.written(key.default) == key.default


@given(st.sampled_from(sorted(KEYS)), st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
    st.lists(st.integers(), max_size=2)))  # fmt: skip
def test_a_value_is_allowed_or_it_is_said_what_is(name: str, value: Any) -> None:
    key = KEYS[name]
    if key.wrong(value):
        return
    kept = key.written(value)
    assert key.wrong(kept) == ""
    assert key.written(kept) == kept
    assert not (isinstance(kept, float) and not math.isfinite(kept))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("paths.cache_folder", "{shot}/x"), ("paths.cache_folder", "{script_dir"),
        ("layers.matte", "roto"), ("layers.matte", "1{object}"), ("layers.matte", "a-{object}"),
        ("segment.engine", "none"), ("matte.grow", True), ("processing.working_size", 32),
        ("processing.seed", 1.5), ("matte.engine", "ViT Matte"), ("matte.feather", math.nan),
    ],
)  # fmt: skip
def test_wrong_values_are_refused(name: str, value: Any) -> None:
    assert KEYS[name].wrong(value)


def test_every_key_of_a_recipe_goes_into_a_valid_recipe_and_comes_back(recipe: Recipe) -> None:
    wanted: dict[str, Any] = {}
    for name in RECIPE_KEYS:
        key = KEYS[name]
        words = getattr(key, "words", None)
        number = min(getattr(key, "high", 0), 64)
        other = not key.default if isinstance(key.default, bool) else "other"
        wanted[name] = words[-1] if words else number if hasattr(key, "high") else other
    data = to_dict(recipe)
    put_values(data, wanted)
    made = from_dict(data)
    validate(made)
    assert values_of(to_dict(made)) == wanted


@given(st.dictionaries(st.sampled_from(("matte.grow", "matte.feather")), st.floats(0, 9)))
def test_layers_of_presets_are_made_of_what_they_say(values: dict[str, float]) -> None:
    assume(values)
    made = layer_of(preset("X", values=values, locks=("matte.grow",)))
    assert {key: one.value for key, one in made.values.items()} == values
    assert made.locks == {"matte.grow": "X"}
