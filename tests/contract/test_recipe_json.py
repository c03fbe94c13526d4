"""Recipes as files and dicts: nothing is lost, nothing unknown is taken."""

from __future__ import annotations

import json
import math
import stat
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from airoto.errors import BadRequestError, OutputError, RecipeError
from airoto.wire import jsonform, messages
from airoto.wire import recipe as recipes
from airoto.wire.messages import (
    DownloadRequest,
    MissingFrames,
    PlaneHeader,
    Recipe,
    RenderSummary,
)

SCALARS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_UINT32: st.integers(0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: st.integers(0, 2**64 - 1),
    FieldDescriptor.CPPTYPE_DOUBLE: st.floats(allow_nan=False, allow_infinity=False),
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
}


def value_of(field: Any) -> st.SearchStrategy[Any]:
    if field.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
        return st.sampled_from(sorted(field.enum_type.values_by_number))
    if field.type == FieldDescriptor.TYPE_BYTES:
        return st.binary(max_size=8)
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return st.text(st.characters(codec="utf-8"), max_size=8)
    return SCALARS[field.cpp_type]


@st.composite
def filled(draw: st.DrawFn, cls: type[Message]) -> Any:
    """Any message of a class: every field now absent, now there."""
    message = cls()
    chosen: set[str] = set()
    for field in cls.DESCRIPTOR.fields:
        if not draw(st.booleans()):
            continue
        if field.containing_oneof is not None:
            if field.containing_oneof.name in chosen:
                continue
            chosen.add(field.containing_oneof.name)
        target = getattr(message, field.name)
        if jsonform.is_map(field):
            kinds: Any = field.message_type
            key, value = (value_of(kinds.fields_by_name[name]) for name in ("key", "value"))
            target.update(draw(st.dictionaries(key, value, max_size=2)))
        elif jsonform.is_repeated(field):
            item = value_of(field) if field.message_type is None else filled(target.add().__class__)
            del target[:]
            target.extend(draw(st.lists(item, max_size=2)))
        elif field.message_type is not None:
            target.SetInParent()
            target.CopyFrom(draw(filled(target.__class__)))
        else:
            setattr(message, field.name, draw(value_of(field)))
    return message


@given(filled(Recipe))
def test_a_recipe_goes_through_its_file_form_without_loss(recipe: Recipe) -> None:
    recipe.version = 1
    text = recipes.to_json(recipe)
    assert recipes.from_json(text) == recipe
    assert recipes.to_json(recipes.from_json(text.encode())) == text
    assert recipes.from_dict(recipes.to_dict(recipe)) == recipe


@given(st.data())
@pytest.mark.parametrize(
    "name", ["RenderRequest", "MatteRequest", "RenderResponse", "Provenance", "PlaneHeader"]
)
def test_every_message_goes_through_json_without_loss(name: str, data: st.DataObject) -> None:
    cls = getattr(messages, name)
    message = data.draw(filled(cls))
    text = json.dumps(jsonform.to_dict(message))
    assert jsonform.from_dict(cls, jsonform.load_json(text, "it")) == message


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "shot 10.airoto.json"


def test_a_recipe_file_is_written_and_read(recipe: Recipe, path: Path) -> None:
    recipes.write(recipe, path)
    assert recipes.read(path) == recipe
    text = path.read_text()
    assert text.endswith("}\n")
    assert '\n  "plate": {\n    "path": "plates/plate.%04d.exr"' in text
    assert "data_window" in text
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_recipe_file_has_the_usual_permissions(recipe: Recipe, path: Path) -> None:
    recipes.write(recipe, path)
    path.with_name("other").touch()
    modes = {stat.S_IMODE(entry.stat().st_mode) for entry in path.parent.iterdir()}
    assert len(modes) == 1


def test_a_recipe_that_cannot_be_written_leaves_nothing(recipe: Recipe, path: Path) -> None:
    path.mkdir()
    with pytest.raises(OutputError, match=r"shot 10\.airoto\.json cannot be written") as caught:
        recipes.write(recipe, path)
    assert caught.value.path == str(path)
    assert list(path.parent.iterdir()) == [path]
    with pytest.raises(OutputError):
        recipes.write(recipe, path.parent / "nowhere" / "a.json")


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_could_not_be_read_is_not_written(recipe: Recipe, path: Path, number: float) -> None:
    recipe.objects[0].prompts[0].points[1].y = number
    with pytest.raises(RecipeError) as caught:
        recipes.write(recipe, path)
    assert caught.value.violations[0].path == "objects[0].prompts[0].points[1].y"
    assert list(path.parent.iterdir()) == []


def test_a_file_that_is_not_there_is_named(path: Path) -> None:
    with pytest.raises(RecipeError, match=r"cannot be read: No such file") as caught:
        recipes.read(path)
    assert caught.value.path == str(path)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (b"", "line 1, column 1"),
        (b'{\n  "version": 1,\n}', "line 3, column 1"),
        (b'{"version": 1} {}', "line 1, column 16"),
        (b'{"name": "\xff"}', "byte 10"),
        (b"[" * 200_000, "nested too deeply"),
        (b"[]", "a list of 0; allowed: an object"),
        (b"null", "null; allowed: an object"),
        (b'{"version": ' + b"9" * 5000 + b"}", "integer string conversion"),
    ],
)
def test_what_is_no_json_is_refused_with_its_place(text: bytes, where: str, path: Path) -> None:
    path.write_bytes(text)
    with pytest.raises(RecipeError, match=where) as caught:
        recipes.read(path)
    assert str(path) in caught.value.message
    assert caught.value.path == str(path)


def test_a_file_that_is_too_large_is_refused(path: Path) -> None:
    path.write_bytes(b" " * (recipes.FILE_BYTES + 1))
    with pytest.raises(RecipeError, match="larger than 16777216 bytes"):
        recipes.read(path)


def test_a_byte_order_mark_does_no_harm() -> None:
    assert recipes.from_json(b'\xef\xbb\xbf{"version": 1}') == Recipe(version=1)


@pytest.mark.parametrize(
    ("data", "path", "found", "allowed"),
    [
        ('{"plat": {}}', "plat", "an unknown field", "plate, the nearest name"),
        (
            '{"plate": {"format": {"dataWindow": {}}}}',
            "plate.format.dataWindow",
            "an unknown field",
            "data_window, as in the .proto file",
        ),
        (
            '{"plate": {"frames": {"zzz": 1}}}',
            "plate.frames.zzz",
            "an unknown field",
            "first, last",
        ),
        (
            '{"objects": [{}, {"prompts": [{"frame": 1, "frame": 2}]}]}',
            "objects[1].prompts[0].frame",
            "given twice",
            "once",
        ),
        (
            '{"objects": [{"prompts": [{"points": [{"x": NaN}]}]}]}',
            "objects[0].prompts[0].points[0].x",
            "nan",
            "a finite number",
        ),
        (
            '{"matte": {"grow": -Infinity}}',
            "matte.grow",
            "-inf",
            "a finite number",
        ),
        ('{"matte": {"grow": 1e999}}', "matte.grow", "inf", "a finite number"),
        ('{"matte": {"grow": "NaN"}}', "matte.grow", '"NaN"', "a finite number"),
        ('{"matte": {"grow": true}}', "matte.grow", "true", "a finite number"),
        ('{"version": "1"}', "version", '"1"', "a whole number from 0 to 4294967295"),
        ('{"version": -1}', "version", "-1", "a whole number from 0 to 4294967295"),
        ('{"version": 0.5}', "version", "0.5", "a whole number from 0 to 4294967295"),
        (
            '{"plate": {"frames": {"first": 2147483648}}}',
            "plate.frames.first",
            "2147483648",
            "a whole number from -2147483648 to 2147483647",
        ),
        ('{"name": 3}', "name", "3", "text"),
        ('{"name": "\\ud800"}', "name", '"\\ud800"', "text"),
        ('{"output": {"trimap": 1}}', "output.trimap", "1", "true or false"),
        ('{"objects": {}}', "objects", "an object", "a list"),
        ('{"objects": [null]}', "objects[0]", "null", "an object"),
        ('{"plate": "a.exr"}', "plate", '"a.exr"', "an object"),
        (
            '{"output": {"overwrite": "resume"}}',
            "output.overwrite",
            '"resume"',
            "OVERWRITE_UNSPECIFIED, OVERWRITE_RESUME, OVERWRITE_REPLACE, OVERWRITE_REFUSE",
        ),
        (
            '{"objects": [{"prompts": [{"mask": {"image": "a*b"}}]}]}',
            "objects[0].prompts[0].mask.image",
            '"a*b"',
            "base64 text",
        ),
        (
            '{"objects": [{"prompts": [{"mask": {"path": "a", "image": "YQ=="}}]}]}',
            "objects[0].prompts[0].mask.image",
            "given beside path",
            "one of the two",
        ),
        (
            '{"version": 2, "moons": 3}',
            "version",
            "2",
            "1; upgrade AIRoto to read a newer recipe",
        ),
    ],
)
def test_a_wrong_field_is_named(data: str, path: str, found: str, allowed: str) -> None:
    with pytest.raises(RecipeError) as caught:
        recipes.from_json(data)
    (violation,) = caught.value.violations
    assert (violation.path, violation.found, violation.allowed) == (path, found, allowed)
    assert f"{path}: {found}; allowed: {allowed}" in caught.value.message


def test_all_wrong_fields_are_named_at_once() -> None:
    with pytest.raises(RecipeError) as caught:
        recipes.from_dict({"nam": "", "version": "x", "objects": [1, {"id": -1}], "matte": []})
    assert [violation.path for violation in caught.value.violations] == [
        "nam",
        "version",
        "objects[0]",
        "objects[1].id",
        "matte",
    ]
    assert "5 wrong fields" in caught.value.message
    assert caught.value.message.endswith("and 2 more")


def test_none_stands_for_an_absent_field() -> None:
    data = {"version": 1.0, "plate": None, "objects": None, "name": None}
    assert recipes.from_dict(data) == Recipe(version=1)


def test_base64_of_either_alphabet_is_read() -> None:
    for text in ("-_8=", "+/8=", "+/8"):
        data = {"objects": [{"prompts": [{"mask": {"image": text}}]}]}
        assert recipes.from_dict(data).objects[0].prompts[0].mask.image == b"\xfb\xff"


def test_enums_are_written_by_name(recipe: Recipe) -> None:
    recipe.plate.missing_frames = MissingFrames.MISSING_FRAMES_HOLD
    assert recipes.to_dict(recipe)["plate"]["missing_frames"] == "MISSING_FRAMES_HOLD"


def test_large_whole_numbers_are_read_as_text_and_as_numbers() -> None:
    for size in (2**63, str(2**63)):
        assert jsonform.from_dict(PlaneHeader, {"size": size}).size == 2**63
    with pytest.raises(BadRequestError, match="size: "):
        jsonform.from_dict(PlaneHeader, {"size": str(2**64)})


def test_a_wrong_map_is_refused() -> None:
    with pytest.raises(BadRequestError) as caught:
        jsonform.from_dict(RenderSummary, {"stage_seconds": {"plate": "x", "matte": 1}})
    assert [violation.path for violation in caught.value.violations] == ["stage_seconds.plate"]


def test_other_messages_are_refused_by_their_own_name() -> None:
    with pytest.raises(BadRequestError, match="DownloadRequest has a wrong field: handel: ") as c:
        jsonform.from_dict(DownloadRequest, {"handel": "x"})
    assert type(c.value) is BadRequestError


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["plate", "objects", "prompts", "frame", "mask", "x", "points"]),
                inner,
                max_size=3,
            )
        ),
    )
)
def test_any_json_is_a_recipe_or_refused_with_violations(data: object) -> None:
    try:
        read = recipes.from_dict(data)
    except RecipeError as exc:
        refused = exc
    else:
        assert recipes.from_dict(recipes.to_dict(read)) == read
        return
    assert refused.violations


def test_paths_are_counted_from_the_recipes_folder(recipe: Recipe, tmp_path: Path) -> None:
    recipe.objects[0].prompts[0].mask.path = "masks/rough.png"
    recipe.plate.colour.config = "show.ocio"
    made = recipes.resolved(recipe, tmp_path)
    assert made.plate.path == f"{tmp_path}/plates/plate.%04d.exr"
    assert made.output.path == f"{tmp_path}/mattes/hero.%04d.exr"
    assert made.objects[0].prompts[0].mask.path == f"{tmp_path}/masks/rough.png"
    assert not made.objects[0].prompts[1].HasField("mask")
    assert made.plate.colour.config == f"{tmp_path}/show.ocio"
    assert recipes.resolved(made, "/elsewhere") == made
    assert recipe.plate.path == "plates/plate.%04d.exr"


def test_built_in_configs_and_absent_paths_stay(tmp_path: Path) -> None:
    recipe = Recipe(version=1)
    recipe.plate.colour.config = "ocio://studio-config-latest"
    assert recipes.resolved(recipe, tmp_path) == recipe
