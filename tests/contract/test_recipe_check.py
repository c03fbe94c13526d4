"""Every rule for a recipe, with the path of the field that breaks it."""

from __future__ import annotations

import math
from typing import Any, Callable

import pytest

from airoto.errors import RecipeError
from airoto.wire.messages import (
    Box,
    DrawnMaskKind,
    Format,
    LockedFrame,
    Point,
    PointLabel,
    Prompt,
    Recipe,
    RotoObject,
    Window,
)
from airoto.wire.recipe import Parts, RecipeLimits, check, to_json, validate, with_defaults

NEGATIVE = PointLabel.POINT_LABEL_NEGATIVE


def put(path: str, value: Any) -> Callable[[Recipe], None]:
    """Sets one field: `objects[0].prompts[1].frame`."""

    def change(recipe: Recipe) -> None:
        target: Any = recipe
        *way, last = path.replace("[", ".").replace("]", "").split(".")
        for step in way:
            target = target[int(step)] if step.isdigit() else getattr(target, step)
        setattr(target, last, value)

    return change


def clear(*names: str) -> Callable[[Recipe], None]:
    def change(recipe: Recipe) -> None:
        target: Any = recipe
        for name in names[:-1]:
            target = getattr(target, name)
        target.ClearField(names[-1])

    return change


def prompt(new: Prompt) -> Callable[[Recipe], None]:
    """Replaces the first prompt of the first object."""

    def change(recipe: Recipe) -> None:
        recipe.objects[0].prompts[0].CopyFrom(new)

    return change


def points(*new: Point) -> Callable[[Recipe], None]:
    return prompt(Prompt(frame=1001, points=new))


def box(x_min: float, y_min: float, x_max: float, y_max: float) -> Callable[[Recipe], None]:
    return prompt(Prompt(frame=1001, box=Box(x_min=x_min, y_min=y_min, x_max=x_max, y_max=y_max)))


def image(size: int) -> Callable[[Recipe], None]:
    def change(recipe: Recipe) -> None:
        recipe.objects[0].prompts[0].mask.image = bytes(size)

    return change


def large_masks(recipe: Recipe) -> None:
    for frame in range(1002, 1006):
        recipe.objects[1].prompts.add(frame=frame).mask.image = bytes(1 << 20)


POINT = "objects[0].prompts[0].points[0]"
FIRST = "objects[0].prompts[0]"
WINDOW = "plate.format.data_window"

CASES: list[tuple[Callable[[Recipe], None], str, str, str]] = [
    (put("version", 0), "version", "0", "1"),
    (put("version", 2), "version", "2", "1; upgrade AIRoto to read a newer recipe"),
    (
        put("plate.path", ""),
        "plate.path",
        "'' is no frame pattern: it names no file",
        "a file, or a pattern such as name.%04d.exr",
    ),
    (
        put("plate.path", "a.%04d.%04d.exr"),
        "plate.path",
        "'a.%04d.%04d.exr' is no frame pattern: it has more than one place for the frame number",
        "a file, or a pattern such as name.%04d.exr",
    ),
    (
        put("plate.path", "a_%V.%04d.exr"),
        "plate.view",
        "no view",
        "the view that the path's %V or %v stands for",
    ),
    (put("plate.view", "le\nft"), "plate.view", '"le\\nft"', "text without control characters"),
    (put("plate.layer", "x" * 4097), "plate.layer", "4097 characters", "at most 4096"),
    (clear("plate", "frames"), "plate.frames", "absent", "first and last frame"),
    (put("plate.frames.last", 200_000), "plate.frames", "199000 frames", "at most 100000"),
    (
        clear("plate", "format"),
        "plate.format",
        "absent",
        "width and height of the full-size plate",
    ),
    (put("plate.format.width", 0), "plate.format.width", "0", "1 to 65536"),
    (put("plate.format.height", -1), "plate.format.height", "-1", "1 to 65536"),
    (put("plate.format.height", 65537), "plate.format.height", "65537", "1 to 65536"),
    (put("plate.format.pixel_aspect", -1), "plate.format.pixel_aspect", "-1", "0.01 to 100"),
    (
        put("plate.format.pixel_aspect", math.nan),
        "plate.format.pixel_aspect",
        "nan",
        "a finite number",
    ),
    (put(f"{WINDOW}.x_max", -64), f"{WINDOW}.x_max", "-64", "above x_min (-64)"),
    (put(f"{WINDOW}.y_min", 9000), f"{WINDOW}.y_max", "2224", "above y_min (9000)"),
    (put(f"{WINDOW}.x_max", 131073), f"{WINDOW}.x_max", "131073", "-131072 to 131072"),
    (put("plate.colour.exposure", 20.5), "plate.colour.exposure", "20.5", "-20 to 20"),
    (
        put("plate.colour.exposure", math.inf),
        "plate.colour.exposure",
        "inf",
        "a finite number",
    ),
    (
        put("plate.colour.config_hash", "sha256:ABC"),
        "plate.colour.config_hash",
        '"sha256:ABC"',
        "sha256: and 64 hex digits",
    ),
    (
        put("plate.missing_frames", 7),
        "plate.missing_frames",
        "7",
        "MISSING_FRAMES_UNSPECIFIED, MISSING_FRAMES_ERROR, MISSING_FRAMES_HOLD, "
        "MISSING_FRAMES_SKIP",
    ),
    (put("plate.proxy_scale", 1.5), "plate.proxy_scale", "1.5", "0 (full size) to 1"),
    (put("plate.proxy_scale", -0.5), "plate.proxy_scale", "-0.5", "0 (full size) to 1"),
    (clear("objects"), "objects", "0 objects", "1 to 64"),
    (put("objects[0].id", 0), "objects[0].id", "0", "1 or more"),
    (put("objects[1].id", 1), "objects[1].id", "1, as objects[0]", "an id of its own"),
    (
        put("objects[1].name", "HERO"),
        "objects[1].name",
        '"HERO", as objects[0]',
        "a name of its own, whatever the case",
    ),
    (
        put("objects[0].colour", "red"),
        "objects[0].colour",
        '"red"',
        "#rrggbb, or empty",
    ),
    (
        put("objects[0].group", "g" * 65),
        "objects[0].group",
        f'"{"g" * 58}…',
        "at most 64 characters",
    ),
    (
        lambda recipe: recipe.objects[0].ClearField("prompts"),
        "objects[0].prompts",
        "no prompts",
        "a prompt on one frame at least; or none for the only object of a recipe whose "
        "matte.engine names one that needs no trimap",
    ),
    (
        put("objects[0].prompts[1].frame", 1001),
        "objects[0].prompts[1].frame",
        "1001, as prompts[0]",
        "one prompt per frame",
    ),
    (
        put(f"{FIRST}.frame", 1000),
        f"{FIRST}.frame",
        "1000",
        "the plate's frames (1001 to 1100)",
    ),
    (
        put("objects[1].prompts[0].frame", 1101),
        "objects[1].prompts[0].frame",
        "1101",
        "the plate's frames (1001 to 1100)",
    ),
    (
        prompt(Prompt(frame=1001)),
        FIRST,
        "an empty prompt",
        "points, a box, a text or a mask",
    ),
    (
        prompt(Prompt(frame=1001, text=" ")),
        FIRST,
        "an empty prompt",
        "points, a box, a text or a mask",
    ),
    (
        points(Point(x=1, y=1, label=NEGATIVE), Point(x=2, y=2, label=NEGATIVE)),
        f"{FIRST}.points",
        "negative points alone",
        "a positive point, a box, a text or a mask",
    ),
    (
        points(*[Point(x=1, y=1)] * 257),
        f"{FIRST}.points",
        "257 points",
        "at most 256",
    ),
    (points(Point(x=5120)), f"{POINT}.x", "5120", "inside the data window (-64..4160)"),
    (points(Point(x=4160)), f"{POINT}.x", "4160", "inside the data window (-64..4160)"),
    (points(Point(y=-64.01)), f"{POINT}.y", "-64.01", "inside the data window (-64..2224)"),
    (points(Point(x=math.nan)), f"{POINT}.x", "nan", "a finite number"),
    (
        put(f"{POINT}.label", 3),
        f"{POINT}.label",
        "3",
        "POINT_LABEL_UNSPECIFIED, POINT_LABEL_POSITIVE, POINT_LABEL_NEGATIVE",
    ),
    (box(5, 1, 5, 9), f"{FIRST}.box.x_max", "5", "above x_min (5)"),
    (box(1, 9, 5, 1), f"{FIRST}.box.y_max", "1", "above y_min (9)"),
    (
        box(-100, 1, -64, 9),
        f"{FIRST}.box.x_min",
        "-100..-64",
        "a box that overlaps the data window (-64..4160)",
    ),
    (
        box(1, 2224, 5, 3000),
        f"{FIRST}.box.y_min",
        "2224..3000",
        "a box that overlaps the data window (-64..2224)",
    ),
    (box(1, 1, math.inf, 9), f"{FIRST}.box.x_max", "inf", "a finite number"),
    (put(f"{FIRST}.mask.path", ""), f"{FIRST}.mask", "an empty mask", "a path, or an image"),
    (image(0), f"{FIRST}.mask.image", "0 bytes", "1 to 1048576 bytes"),
    (image((1 << 20) + 1), f"{FIRST}.mask.image", "1048577 bytes", "1 to 1048576 bytes"),
    (put(f"{FIRST}.candidate", 4), f"{FIRST}.candidate", "4", "0 to 3"),
    (
        put("segment.engine", "SAM 2"),
        "segment.engine",
        '"SAM 2"',
        "auto or an engine's name in lower case",
    ),
    (
        put("segment.engine", "none"),
        "segment.engine",
        '"none"',
        "auto or an engine's name in lower case",
    ),
    (
        put("track.engine", "../x"),
        "track.engine",
        '"../x"',
        "auto, none or an engine's name in lower case",
    ),
    (
        put("track.direction", -1),
        "track.direction",
        "-1",
        "DIRECTION_UNSPECIFIED, DIRECTION_BOTH, DIRECTION_FORWARD, DIRECTION_BACKWARD",
    ),
    (
        put("matte.engine", "a" * 65),
        "matte.engine",
        f'"{"a" * 58}…',
        "auto, none or an engine's name in lower case",
    ),
    (put("matte.grow", -257), "matte.grow", "-257", "-256 to 256"),
    (put("matte.feather", -1), "matte.feather", "-1", "0 to 256"),
    (put("matte.remove_holes", -1), "matte.remove_holes", "-1", "0 to 100000000"),
    (put("matte.remove_dots", 1e9), "matte.remove_dots", "1000000000", "0 to 100000000"),
    (put("matte.stability", 1.5), "matte.stability", "1.5", "0 to 1"),
    (put("matte.stability", -0.1), "matte.stability", "-0.1", "0 to 1"),
    (put("matte.trimap.narrow", 513), "matte.trimap.narrow", "513", "0 to 512"),
    (put("matte.trimap.wide", -1), "matte.trimap.wide", "-1", "0 to 512"),
    (put("processing.working_size", 63), "processing.working_size", "63", "64 to 8192"),
    (put("processing.working_size", 8193), "processing.working_size", "8193", "64 to 8192"),
    (put("processing.threads", 65), "processing.threads", "65", "0 to 64"),
    (
        put("output.path", ""),
        "output.path",
        "'' is no frame pattern: it names no file",
        "a file, or a pattern such as name.%04d.exr",
    ),
    (
        put("output.path", "hero.exr"),
        "output.path",
        '"hero.exr"',
        "a place for the frame number, such as %04d",
    ),
    (
        put("output.path", "%V/hero.%04d.exr"),
        "output.path",
        '"%V/hero.%04d.exr"',
        "%V and %v where plate.view is set",
    ),
    (
        put("output.path", "plates/plate.####.exr"),
        "output.path",
        '"plates/plate.####.exr"',
        "files other than the plate's own",
    ),
]


@pytest.mark.parametrize(
    ("change", "path", "found", "allowed"),
    CASES,
    ids=[f"{case[1]}: {case[2]}"[:60] for case in CASES],
)
def test_a_broken_rule_is_named_and_no_other(
    recipe: Recipe, change: Callable[[Recipe], None], path: str, found: str, allowed: str
) -> None:
    change(recipe)
    (violation,) = check(recipe)
    assert (violation.path, violation.found, violation.allowed) == (path, found, allowed)


@pytest.mark.parametrize(
    "name", ["", "9lives", "a b", "a.b", "naïve", "hero\n", "x" * 65, "../x", "a-b"]
)
def test_a_name_that_is_no_layer_is_refused(recipe: Recipe, name: str) -> None:
    recipe.objects[1].name = name
    assert "objects[1].name" in {violation.path for violation in check(recipe)}


@pytest.mark.parametrize("name", ["_", "A1", "other", "R", "x" * 64])
def test_a_name_that_is_a_layer_is_taken(recipe: Recipe, name: str) -> None:
    recipe.objects[1].name = name
    assert check(recipe) == []


def test_frames_in_the_wrong_order_are_refused_once(recipe: Recipe) -> None:
    recipe.plate.frames.first = 1200
    assert [str(violation) for violation in check(recipe)] == [
        "plate.frames: 1200 to 1100; allowed: first not after last"
    ]


def test_a_trimap_wider_at_simple_edges_is_refused(recipe: Recipe) -> None:
    recipe.matte.trimap.narrow, recipe.matte.trimap.wide = 8, 4
    assert [str(violation) for violation in check(recipe)] == [
        "matte.trimap.wide: 4; allowed: not below narrow (8)"
    ]
    recipe.matte.trimap.wide = 0
    assert check(recipe) == []


def test_a_painted_trimap_needs_a_matter(recipe: Recipe) -> None:
    mask = recipe.objects[0].prompts[0].mask
    mask.path, mask.kind = "trimap.png", DrawnMaskKind.DRAWN_MASK_KIND_TRIMAP
    assert check(recipe) == []
    recipe.matte.engine = "none"
    assert [one.path for one in check(recipe)] == ["objects[0].prompts[0].mask.kind"]


@pytest.mark.parametrize("name", ["trimap", "foreground", "confidence"])
@pytest.mark.parametrize("path", ["a.%04d.png", "a.%04d.TIF", "a.####.tiff"])
def test_extra_layers_need_exr(recipe: Recipe, name: str, path: str) -> None:
    recipe.output.path = path
    recipe.output.trimap = False
    assert check(recipe) == []
    setattr(recipe.output, name, True)
    assert [violation.path for violation in check(recipe)] == [f"output.{name}"]


@pytest.mark.parametrize("path", ["a.%04d.jpg", "a.%04d", "a.%04d.exr.tmp"])
def test_an_output_of_another_format_is_refused(recipe: Recipe, path: str) -> None:
    recipe.output.path = path
    recipe.output.trimap = False
    (violation,) = check(recipe)
    assert violation.path == "output.path"
    assert violation.allowed == "a path in .exr, .png, .tif, .tiff"


def test_one_frame_needs_no_place_for_its_number(recipe: Recipe) -> None:
    del recipe.objects[1]
    del recipe.objects[0].prompts[1]
    recipe.plate.frames.last = 1001
    recipe.output.path = "hero.exr"
    assert check(recipe) == []


def test_too_many_objects_are_refused(recipe: Recipe) -> None:
    for number in range(3, 66):
        new = RotoObject(id=number, name=f"o{number}", prompts=[Prompt(frame=1001, text="a")])
        recipe.objects.append(new)
    assert [str(violation) for violation in check(recipe)] == [
        "objects: 65 objects; allowed: 1 to 64"
    ]


def test_a_recipe_too_large_for_one_message_is_refused(recipe: Recipe) -> None:
    large_masks(recipe)
    (violation,) = check(recipe)
    assert violation.path == "objects"
    assert violation.allowed == "at most 3145728; give large drawn masks by path"


def test_a_server_can_have_limits_of_its_own(recipe: Recipe) -> None:
    limits = RecipeLimits(frames=99, objects=1, points=1)
    assert [violation.path for violation in check(recipe, limits=limits)] == [
        "plate.frames",
        "objects",
        "objects[0].prompts[0].points",
    ]


def test_points_are_held_against_the_display_window_without_a_data_window(recipe: Recipe) -> None:
    recipe.plate.format.ClearField("data_window")
    assert [str(violation) for violation in check(recipe)] == [
        "objects[0].prompts[0].points[1].x: -60; allowed: inside the display window (0..4096)"
    ]


def test_the_edges_of_the_data_window_are_half_open(recipe: Recipe) -> None:
    points(Point(x=-64, y=-64), Point(x=4159.999, y=2223.999))(recipe)
    assert check(recipe) == []


def test_points_in_a_data_window_inside_the_display_window(recipe: Recipe) -> None:
    recipe.plate.format.CopyFrom(
        Format(width=200, height=200, data_window=Window(x_min=50, y_min=50, x_max=90, y_max=90))
    )
    recipe.objects[0].prompts[1].box.CopyFrom(Box(x_min=0, y_min=0, x_max=51, y_max=51))
    points(Point(x=60, y=40))(recipe)
    assert [violation.path for violation in check(recipe)] == [f"{POINT}.y"]


@pytest.mark.parametrize("other", ["box", "text", "mask"])
def test_negative_points_beside_something_positive_are_taken(recipe: Recipe, other: str) -> None:
    new = Prompt(frame=1001, points=[Point(x=1, y=1, label=NEGATIVE)])
    if other == "box":
        new.box.CopyFrom(Box(x_min=0, y_min=0, x_max=9, y_max=9))
    elif other == "text":
        new.text = "a ball"
    else:
        new.mask.path = "rough.png"
    prompt(new)(recipe)
    assert check(recipe) == []


def test_a_recipe_in_order_passes_with_its_defaults_written_out_too(recipe: Recipe) -> None:
    validate(recipe)
    validate(with_defaults(recipe))


def test_a_recipe_is_refused_as_a_whole(recipe: Recipe) -> None:
    put("plate.format.width", 0)(recipe)
    put("objects[0].name", "a b")(recipe)
    put("objects[1].prompts[0].frame", 5)(recipe)
    put("matte.grow", 999)(recipe)
    with pytest.raises(RecipeError) as caught:
        validate(recipe)
    assert [violation.path for violation in caught.value.violations] == [
        "plate.format.width",
        "objects[0].name",
        "objects[1].prompts[0].frame",
        "matte.grow",
    ]
    assert caught.value.message.startswith(
        "the recipe has 4 wrong fields: plate.format.width: 0; allowed: 1 to 65536; objects[0]"
    )
    assert caught.value.message.endswith("; and 1 more")


def test_checking_leaves_the_recipe_as_it_is(recipe: Recipe) -> None:
    before = recipe.SerializeToString(deterministic=True)
    check(recipe)
    assert recipe.SerializeToString(deterministic=True) == before
    assert "null" not in to_json(recipe)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (Parts.SOURCE, {"plate.path"}),
        (Parts.PLATE, {"plate.path", "plate.frames", "plate.format"}),
        (Parts.MATTE_CALL, {"plate.path", "plate.frames", "plate.format", "matte.grow"}),
        (Parts.SEGMENT_CALL, {"plate.path", "plate.frames", "plate.format", "objects"}),
        (Parts.OUTPUT, {"output.path"}),
        (
            Parts.ALL,
            {"plate.path", "plate.frames", "plate.format", "objects", "matte.grow", "output.path"},
        ),
    ],
)
def test_only_the_parts_asked_for_are_looked_at(parts: Parts, expected: set[str]) -> None:
    recipe = Recipe(version=1)
    recipe.matte.grow = 999
    assert {violation.path for violation in check(recipe, parts=parts)} == expected


def test_an_object_without_prompts_may_be_segmented_but_not_tracked(recipe: Recipe) -> None:
    recipe.objects[1].ClearField("prompts")
    assert check(recipe, parts=Parts.SEGMENT_CALL) == []
    assert [violation.path for violation in check(recipe)] == ["objects[1].prompts"]


def test_the_version_counts_whatever_is_asked_for() -> None:
    assert [violation.path for violation in check(Recipe(), parts=Parts.OUTPUT)] == ["version"]


@pytest.mark.parametrize(
    ("locked", "path", "found"),
    [
        ([LockedFrame(frame=1)], "locked[0].frame", "1"),
        (
            [LockedFrame(frame=1002), LockedFrame(frame=1002)],
            "locked[1].frame",
            "1002, as locked[0]",
        ),
        ([LockedFrame(frame=1002, sha256="sha256:no")], "locked[0].sha256", '"sha256:no"'),
    ],
)
def test_a_locked_frame_is_one_of_the_plates_and_named_once(
    recipe: Recipe, locked: list[LockedFrame], path: str, found: str
) -> None:
    recipe.locked.extend(locked)
    wrong = {violation.path: violation.found for violation in check(recipe)}
    assert wrong == {path: found}


def test_an_object_on_a_locked_frame_needs_no_prompt(recipe: Recipe) -> None:
    del recipe.objects[0].prompts[:]
    assert [violation.path for violation in check(recipe)] == ["objects[0].prompts"]
    recipe.locked.add(frame=1002)
    assert check(recipe) == []
