"""The canonical form and its hash: the same for the same recipe, however it is written."""

from __future__ import annotations

import json
import random
from typing import Any, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airoto.wire.messages import (
    Compression,
    DrawnMaskKind,
    MissingFrames,
    Overwrite,
    Point,
    PointLabel,
    Recipe,
    Window,
)
from airoto.wire.recipe import canonical, from_json, recipe_hash, to_json, with_defaults

Change = Callable[[Recipe], None]


def put(path: str, value: Any) -> Change:
    def change(recipe: Recipe) -> None:
        target: Any = recipe
        *way, last = path.split(".")
        for step in way:
            target = target[int(step)] if step.isdigit() else getattr(target, step)
        setattr(target, last, value)

    return change


def test_the_hash_has_its_form_and_stays_what_it_is(recipe: Recipe) -> None:
    assert recipe_hash(recipe) == (
        "sha256:207dc38f164a3f54db4a24e657a028417b8bde97b902ade5ad80cb2cd791e6fd"
    )


def shuffled(data: Any, seed: random.Random) -> Any:
    """The same JSON with the keys of every object in another order."""
    if isinstance(data, dict):
        items = [(key, shuffled(value, seed)) for key, value in data.items()]
        seed.shuffle(items)
        return dict(items)
    return [shuffled(item, seed) for item in data] if isinstance(data, list) else data


@given(seed=st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_matter(seed: random.Random) -> None:
    recipe = Recipe(version=1)
    recipe.plate.frames.last = 9
    recipe.plate.format.width = 7
    recipe.objects.add(id=1, name="a").prompts.add(frame=3).points.add(x=1, y=2)
    text = json.dumps(shuffled(json.loads(to_json(recipe)), seed))
    assert canonical(from_json(text)) == canonical(recipe)


DEFAULTS: list[Change] = [
    put("plate.missing_frames", MissingFrames.MISSING_FRAMES_ERROR),
    put("plate.proxy_scale", 1.0),
    put("plate.movie_first_frame", 1),
    put("plate.format.pixel_aspect", 1.0),
    lambda recipe: recipe.plate.format.data_window.CopyFrom(Window(x_max=100, y_max=50)),
    lambda recipe: recipe.plate.colour.SetInParent(),
    put("objects.0.prompts.0.points.0.label", PointLabel.POINT_LABEL_POSITIVE),
    put("segment.engine", "auto"),
    lambda recipe: recipe.segment.SetInParent(),
    put("track.engine", "auto"),
    put("track.memory_mode", 1),
    put("track.direction", 1),
    put("matte.engine", "auto"),
    put("matte.trimap.mode", 1),
    put("matte.grow", -0.0),
    lambda recipe: recipe.matte.trimap.SetInParent(),
    put("processing.seed", 0),
    lambda recipe: recipe.processing.SetInParent(),
    put("output.compression", Compression.COMPRESSION_ZIPS),
]

WITHOUT_EFFECT: list[Change] = [
    put("name", "another"),
    put("objects.0.colour", "#00ff00"),
    put("processing.threads", 4),
    put("output.overwrite", Overwrite.OVERWRITE_REPLACE),
    put("objects.0.prompts.0.points.0.x", -0.0),
]

WITH_EFFECT: list[Change] = [
    put("version", 2),
    put("plate.path", "b.%04d.exr"),
    put("plate.frames.last", 10),
    put("plate.format.width", 101),
    put("plate.format.pixel_aspect", 2.0),
    lambda recipe: recipe.plate.format.data_window.CopyFrom(Window(x_max=101, y_max=50)),
    put("plate.colour.space", "ACEScg"),
    put("plate.colour.exposure", 0.1),
    put("plate.view", "left"),
    put("plate.layer", "beauty"),
    put("plate.missing_frames", MissingFrames.MISSING_FRAMES_HOLD),
    put("plate.proxy_scale", 0.5),
    put("plate.movie_first_frame", 2),
    put("objects.0.id", 3),
    put("objects.0.name", "Hero"),
    put("objects.0.group", "g"),
    put("objects.0.prompts.0.frame", 2),
    put("objects.0.prompts.0.text", "a"),
    put("objects.0.prompts.0.candidate", 1),
    put("objects.0.prompts.0.points.0.x", 1e-9),
    put("objects.0.prompts.0.points.0.label", PointLabel.POINT_LABEL_NEGATIVE),
    put("objects.0.prompts.0.mask.path", "a.png"),
    put("objects.0.prompts.0.mask.image", b"a"),
    put("objects.0.prompts.0.mask.kind", DrawnMaskKind.DRAWN_MASK_KIND_TRIMAP),
    lambda recipe: recipe.objects[0].prompts[0].box.SetInParent(),
    lambda recipe: recipe.objects[0].prompts[0].points.reverse(),
    put("segment.engine", "classic"),
    put("track.engine", "none"),
    put("track.memory_mode", 2),
    put("track.direction", 2),
    put("matte.engine", "none"),
    put("matte.trimap.mode", 2),
    put("matte.trimap.wide", 3),
    put("matte.grow", 0.5),
    put("processing.working_size", 512),
    put("processing.seed", 1),
    put("output.path", "b.####.exr"),
    put("output.compression", Compression.COMPRESSION_DWAA),
    put("output.trimap", True),
]


def small() -> Recipe:
    """A recipe with all defaults left out."""
    recipe = Recipe(version=1)
    recipe.plate.path = "a.%04d.exr"
    recipe.plate.frames.last = 9
    recipe.plate.format.width, recipe.plate.format.height = 100, 50
    first = recipe.objects.add(id=1, name="hero").prompts.add(frame=1)
    first.points.add(x=0, y=7)
    first.points.add(x=5, y=7)
    recipe.objects.add(id=2, name="prop").prompts.add(frame=4).text = "ball"
    recipe.output.path = "m.%04d.exr"
    return recipe


@pytest.mark.parametrize("change", DEFAULTS + WITHOUT_EFFECT)
def test_what_results_do_not_depend_on_leaves_the_hash(change: Change) -> None:
    changed = small()
    change(changed)
    assert changed != small()
    assert recipe_hash(changed) == recipe_hash(small())


@pytest.mark.parametrize("change", WITH_EFFECT)
def test_what_results_depend_on_changes_the_hash(change: Change) -> None:
    changed = small()
    change(changed)
    assert recipe_hash(changed) != recipe_hash(small())


@given(st.sets(st.sampled_from(DEFAULTS)))
def test_any_set_of_defaults_written_out_leaves_the_hash(changes: set[Change]) -> None:
    changed = small()
    for change in changes:
        change(changed)
    assert recipe_hash(changed) == recipe_hash(small())


def test_defaults_are_written_out_in_a_copy() -> None:
    recipe = small()
    full = with_defaults(recipe)
    assert recipe == small()
    assert with_defaults(full) == full
    assert canonical(full) == canonical(recipe)
    assert full.plate.format.data_window == Window(x_max=100, y_max=50)
    assert full.objects[0].prompts[0].points[0] == Point(x=0, y=7, label=1)  # type: ignore[arg-type]
    assert full.output.overwrite == Overwrite.OVERWRITE_RESUME


def test_what_the_server_chooses_stays_open() -> None:
    full = with_defaults(small())
    assert full.processing.working_size == 0
    assert full.processing.threads == 0
    assert (full.matte.trimap.narrow, full.matte.trimap.wide) == (0, 0)


def test_whole_numbers_and_floats_are_equal() -> None:
    one = from_json('{"version": 1, "matte": {"grow": 1, "feather": -0.0}}')
    other = from_json('{"version": 1.0, "matte": {"grow": 1.0, "feather": 0}}')
    assert canonical(one) == canonical(other)


def test_objects_and_prompts_are_sorted_but_points_are_not() -> None:
    recipe, other = small(), small()
    recipe.objects[0].prompts.add(frame=0, text="first")
    other.objects[0].prompts.insert(0, recipe.objects[0].prompts[1])
    other.objects.reverse()
    assert canonical(other) == canonical(recipe)
    other.objects[1].prompts[1].points.reverse()
    assert canonical(other) != canonical(recipe)


def test_text_counts_by_its_signs_not_by_their_encoding() -> None:
    composed, decomposed = small(), small()
    composed.plate.path, decomposed.plate.path = "pl\u00e4te.exr", "pla\u0308te.exr"
    assert recipe_hash(composed) == recipe_hash(decomposed)


def test_the_canonical_form_is_sorted_json_without_spaces() -> None:
    text = canonical(small()).decode()
    data = json.loads(text)
    assert text == json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert data["objects"][0]["prompts"][0]["box"] is None
    assert data["matte"]["engine"] == "auto"
    assert "threads" not in data["processing"]
    assert "name" not in data
    assert "colour" not in data["objects"][0]
    assert "overwrite" not in data["output"]


def test_stability_is_on_where_nothing_is_said_and_zero_is_something_said() -> None:
    silent, full, none = (
        from_json(f'{{"version": 1, "matte": {{{text}}}}}')
        for text in ("", '"stability": 1', '"stability": 0')
    )
    assert with_defaults(silent).matte.stability == 1
    assert recipe_hash(silent) == recipe_hash(full) != recipe_hash(none)
