"""State operations, the recipe form, geometry: without Nuke and without a server."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airoto.errors import BadRequestError, RecipeError
from airoto.wire.recipe import check, from_dict, recipe_hash, to_dict
from airoto_client.node import recipe_form, state_ops
from airoto_client.node import state as states
from airoto_client.node.recipe_form import Settings
from airoto_client.node.state import Box, Lock, Point, Prompt, RotoObject, State
from airoto_nuke.geometry import Canvas, sampled_area, sampled_point

numbers = st.floats(-1e5, 1e5, allow_nan=False)
texts = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)
names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,10}", fullmatch=True)
points = st.builds(Point, numbers, numbers, st.booleans())
boxes = st.builds(Box, numbers, numbers, numbers, numbers)
prompts = st.builds(
    Prompt, st.integers(-100, 100), st.lists(points, max_size=3).map(tuple),
    st.none() | boxes, texts, texts, st.just(""), st.integers(0, 3),
)  # fmt: skip


def sorted_prompts(found: list[Prompt]) -> tuple[Prompt, ...]:
    return tuple(sorted({one.frame: one for one in found}.values(), key=lambda one: one.frame))


objects = st.builds(
    RotoObject, st.integers(1, 99), names, st.sampled_from(["", "#12aBff"]), texts,
    st.lists(prompts, max_size=3).map(sorted_prompts),
)  # fmt: skip
locks = st.builds(Lock, st.integers(-9, 99), texts, st.lists(names, max_size=2).map(tuple))
all_states = st.builds(
    State, st.lists(objects, max_size=3, unique_by=lambda one: one.id).map(tuple),
    st.integers(0, 9), st.lists(locks, max_size=2).map(tuple),
)  # fmt: skip


@given(all_states)
def test_a_state_survives_its_knob(state):
    assert states.load(states.dump(state)) == state


@given(all_states)
def test_a_states_text_has_nothing_that_tcl_could_read(state):
    assert not set(states.dump(state)) & set(' \t\n"$[]{}\\;')


def test_a_new_node_has_an_empty_state():
    assert states.load("") == State()


@pytest.mark.parametrize("text", ["nonsense", "%7B%7D", '{"version":1,"objects":[{}]}', "[]"])
def test_a_damaged_state_is_refused_in_words(text):
    with pytest.raises(BadRequestError, match="stored prompts"):
        states.load(text)


def test_a_newer_state_is_refused_and_not_guessed_at():
    with pytest.raises(BadRequestError, match="newer AIRoto"):
        states.load(json.dumps({"version": states.VERSION + 1}))


def test_the_first_click_makes_an_object_and_later_ones_go_to_it():
    state = state_ops.add_point(State(), 7, 1.5, 2.5)
    state = state_ops.add_point(state, 7, 3, 4, positive=False)
    assert [one.name for one in state.objects] == ["object1"]
    assert state.objects[0].prompts == (Prompt(7, (Point(1.5, 2.5, True), Point(3.0, 4.0, False))),)


def test_the_last_point_of_a_frame_takes_the_prompt_with_it():
    state = state_ops.add_point(State(), 7, 1, 2)
    assert state_ops.delete_point(state, 7, 0).objects[0].prompts == ()


def test_a_copied_prompt_says_the_same_on_the_other_frame():
    state = state_ops.set_box(state_ops.add_point(State(), 7, 1, 2), 7, Box(0, 0, 5, 5))
    state = state_ops.copy_prompt(state, 7, 3)
    assert [one.frame for one in state.objects[0].prompts] == [3, 7]
    assert state.objects[0].prompts[0].points == state.objects[0].prompts[1].points


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: state_ops.rename_object(s, 1, "2dog"), "no name"),
        (lambda s: state_ops.rename_object(s, 2, "OBJECT1"), "already"),
        (lambda s: state_ops.recolour_object(s, 1, "red"), "#rrggbb"),
        (lambda s: state_ops.remove_object(s, 9), "no object 9"),
        (lambda s: state_ops.delete_point(s, 1, 4), "no point 5"),
        (lambda s: state_ops.set_box(s, 1, Box(5, 0, 5, 1)), "empty"),
        (lambda s: state_ops.copy_prompt(s, 99, 1), "no prompt on frame 99"),
        (lambda s: state_ops.choose_candidate(s, 1, 4), "allowed: 0"),
        (lambda s: state_ops.unlock_frame(s, 1), "not locked"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(change, words):
    state = state_ops.add_object(state_ops.add_point(State(), 1, 1, 1))
    with pytest.raises(BadRequestError, match=words):
        change(state_ops.select_object(state, 1))


def test_removing_the_current_object_leaves_another_one_current():
    state = state_ops.add_object(state_ops.add_object(State()))
    assert state_ops.remove_object(state, 2).current == 1
    assert state_ops.remove_object(state_ops.remove_object(state, 2), 1).current == 0


def test_keys_are_found_in_both_directions():
    state = State()
    for frame in (5, 9):
        state = state_ops.add_point(state, frame, 1, 1)
    assert (state_ops.next_key(state, 5), state_ops.previous_key(state, 9)) == (9, 5)
    assert (state_ops.next_key(state, 9), state_ops.previous_key(state, 5)) == (None, None)


# ---- the recipe ----------------------------------------------------------------------

RECIPE = {
    "version": 1,
    "name": "shot",
    "plate": {
        "path": "plate.%04d.exr",
        "frames": {"first": 1, "last": 9},
        "format": {
            "width": 64, "height": 36, "pixel_aspect": 2.0,
            "data_window": {"x_min": -4, "y_min": -4, "x_max": 68, "y_max": 40},
        },
        "colour": {"space": "ACEScg", "config": "a.ocio", "exposure": 1.5, "view": "Raw",
                   "display": "sRGB"},
        "view": "left", "layer": "beauty", "missing_frames": "MISSING_FRAMES_HOLD",
        "proxy_scale": 0.5, "movie_first_frame": 3,
    },
    "objects": [
        {"id": 3, "name": "hero", "colour": "#102030", "group": "g", "prompts": [
            {"frame": 2, "points": [{"x": 1.5, "y": 2.5},
                                    {"x": 3, "y": 4, "label": "POINT_LABEL_NEGATIVE"}],
             "box": {"x_min": 0, "y_min": 1, "x_max": 20, "y_max": 30}, "text": "a dog",
             "candidate": 2},
            {"frame": 5, "mask": {"path": "mask.exr"}},
            {"frame": 6, "mask": {"image": "iVBORw0KGgo="}},
        ]},
    ],
    "segment": {"engine": "classic"},
    "track": {"engine": "none", "memory_mode": "MEMORY_MODE_SHOT",
              "direction": "DIRECTION_BACKWARD"},
    "matte": {"engine": "classic", "trimap": {"mode": "TRIMAP_MODE_FIXED", "narrow": 3, "wide": 9},
              "grow": -2.5, "feather": 1, "remove_holes": 4, "remove_dots": 5, "stability": 0.25},
    "processing": {"working_size": 640, "seed": 7, "threads": 2},
    "output": {"path": "m.%04d.exr", "compression": "COMPRESSION_PIZ", "trimap": True,
               "foreground": True, "confidence": True, "overwrite": "OVERWRITE_REPLACE"},
}  # fmt: skip


def returned(recipe: dict) -> dict:
    state, knobs = recipe_form.from_recipe(recipe)
    return recipe_form.to_recipe(states.load(states.dump(state)), knobs)


def test_every_field_of_a_recipe_survives_the_knobs():
    assert check(from_dict(RECIPE)) == []
    back = returned(RECIPE)
    assert recipe_hash(from_dict(back)) == recipe_hash(from_dict(RECIPE))
    for place in (("name",), ("processing", "threads"), ("output", "overwrite")):
        found, wanted = back, RECIPE
        for name in place:
            found, wanted = found[name], wanted[name]
        assert found == wanted
    assert back["objects"][0]["colour"] == "#102030"


def test_what_a_recipe_leaves_open_stays_what_it_was():
    small = {name: RECIPE[name] for name in ("version", "plate", "objects", "output")}
    assert recipe_hash(from_dict(returned(small))) == recipe_hash(from_dict(small))


@given(
    st.builds(
        Settings, st.just("n"), st.integers(0, 5), st.integers(6, 9),
        st.sampled_from(["", "ACEScg"]), st.just(""), numbers,
        st.sampled_from(["auto", "null"]), st.sampled_from(["auto", "none"]),
        st.sampled_from(["segment", "shot"]), st.sampled_from(["both", "forward", "backward"]),
        st.sampled_from(["auto", "none"]), st.sampled_from(["adaptive", "fixed"]),
        numbers, numbers, numbers, numbers, numbers, numbers, numbers,
        st.integers(0, 9), st.integers(0, 9),
        st.sampled_from(["ZIPS", "RLE", "DWAA", "PIZ", "none"]),
        st.booleans(), st.booleans(), st.booleans(),
    )
)  # fmt: skip
@settings(max_examples=60)
def test_knobs_survive_the_recipe(knobs):
    recipe = recipe_form.to_recipe(State(), knobs)
    wire = to_dict(from_dict(recipe))  # as it comes back from a file
    assert recipe_form.from_recipe(wire)[1] == knobs


@pytest.mark.parametrize("data", [{}, {"version": 9}, [], {"version": 1, "objects": [{"id": 1}]}])
def test_what_is_no_recipe_is_refused(data):
    with pytest.raises(RecipeError):
        recipe_form.from_recipe(data)


def test_the_plates_colour_loses_against_what_the_artist_set():
    plate = {"path": "a.%04d.exr", "colour": {"space": "linear"}}
    own = recipe_form.to_recipe(State(), Settings(colour_space="ACEScg"), plate=plate)
    asked = recipe_form.to_recipe(State(), Settings(), plate=plate)
    assert own["plate"]["colour"]["space"] == "ACEScg"
    assert asked["plate"]["colour"]["space"] == "linear"


# ---- geometry ------------------------------------------------------------------------


@given(numbers, numbers, st.integers(1, 9000), st.integers(1, 9000))
def test_the_flip_is_its_own_inverse(x, y, width, height):
    canvas = Canvas(width, height)
    assert canvas.to_nuke(*canvas.to_recipe(x, y)) == pytest.approx((x, y), abs=1e-6)


def test_nukes_lower_left_pixel_is_the_recipes_bottom_row():
    assert Canvas(1920, 1080).to_recipe(0.5, 0.5) == (0.5, 1079.5)


@pytest.mark.parametrize("aspect", [1.0, 2.0, 0.9])
def test_the_viewers_sample_is_counted_over_the_picture_as_it_is_shown(aspect):
    canvas = Canvas(2048, 1556, aspect)
    shown = 2048 * aspect / 1556
    # The corners of the picture: a whole width across, and as much height as is shown.
    corners = (-1.0, -1.0 / shown, 1.0, 1.0 / shown)
    assert sampled_area(canvas, corners) == pytest.approx((0, 0, 2048, 1556))
    assert sampled_point(canvas, (0.0, 0.0, 0.0, 0.0)) == pytest.approx((1024, 778))


def test_a_sampled_area_becomes_a_box_with_y_down():
    assert Canvas(100, 50).box_to_recipe(10, 5, 30, 20) == Box(10, 30, 30, 45)
