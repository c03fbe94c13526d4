"""State and knob values to the recipe (its JSON form, a plain dict) and back, without loss.

Standard library only, no Nuke. A field that no knob shows lives in `State.rest` and comes back
as it went in. The plate and the output path are the host's to fill in.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from airoto.errors import BadRequestError, RecipeError
from airoto_client.node.state import Box, Point, Prompt, RotoObject, State

Recipe = dict[str, Any]
VERSION = 1

# Knob words of each enum, and what the recipe calls them; the first is the default.
_ENUMS: dict[str, tuple[str, dict[str, str]]] = {
    "memory_mode": ("MEMORY_MODE_", {"segment": "SEGMENT", "shot": "SHOT"}),
    "direction": (
        "DIRECTION_",
        {"both": "BOTH", "forward": "FORWARD", "backward": "BACKWARD"},
    ),
    "trimap_mode": ("TRIMAP_MODE_", {"adaptive": "ADAPTIVE", "fixed": "FIXED"}),
    "compression": (
        "COMPRESSION_",
        {"ZIPS": "ZIPS", "RLE": "RLE", "DWAA": "DWAA", "PIZ": "PIZ", "none": "NONE"},
    ),
}
# What a pasted recipe may say of a node's own plate.
_KEPT_OF_PLATE = ("frames", "colour", "missing_frames")
_TRIMAP = "DRAWN_MASK_KIND_TRIMAP"
# Where in the recipe each setting lives.
_PLACES: dict[str, tuple[str, ...]] = {
    "name": ("name",),
    "first": ("plate", "frames", "first"),
    "last": ("plate", "frames", "last"),
    "colour_space": ("plate", "colour", "space"),
    "ocio_config": ("plate", "colour", "config"),
    "exposure": ("plate", "colour", "exposure"),
    "segment_engine": ("segment", "engine"),
    "track_engine": ("track", "engine"),
    "memory_mode": ("track", "memory_mode"),
    "direction": ("track", "direction"),
    "matte_engine": ("matte", "engine"),
    "trimap_mode": ("matte", "trimap", "mode"),
    "trimap_narrow": ("matte", "trimap", "narrow"),
    "trimap_wide": ("matte", "trimap", "wide"),
    "grow": ("matte", "grow"),
    "feather": ("matte", "feather"),
    "remove_holes": ("matte", "remove_holes"),
    "remove_dots": ("matte", "remove_dots"),
    "stability": ("matte", "stability"),
    "working_size": ("processing", "working_size"),
    "seed": ("processing", "seed"),
    "compression": ("output", "compression"),
    "trimap_layer": ("output", "trimap"),
    "foreground_layer": ("output", "foreground"),
    "confidence_layer": ("output", "confidence"),
}


@dataclass(frozen=True)
class Settings:
    """The values of the knobs that a recipe depends on; units as in the recipe.

    Engines are `auto`, `none` or a name; empty means `auto`.
    """

    name: str = ""
    first: int = 0
    last: int = 0
    colour_space: str = ""
    ocio_config: str = ""
    exposure: float = 0.0
    segment_engine: str = "auto"
    track_engine: str = "auto"
    memory_mode: str = "segment"
    direction: str = "both"
    matte_engine: str = "auto"
    trimap_mode: str = "adaptive"
    trimap_narrow: float = 0.0
    trimap_wide: float = 0.0
    grow: float = 0.0
    feather: float = 0.0
    remove_holes: float = 0.0
    remove_dots: float = 0.0
    stability: float = 1.0
    working_size: int = 0
    seed: int = 0
    compression: str = "ZIPS"
    trimap_layer: bool = False
    foreground_layer: bool = False
    confidence_layer: bool = False


SETTINGS = tuple(one.name for one in fields(Settings))


def to_recipe(
    state: State,
    settings: Settings,
    *,
    plate: Mapping[str, Any] | None = None,
    output: str = "",
) -> Recipe:
    """The recipe of a node.

    Args:
        plate: fields of the recipe's plate as the host knows them (path, format, view,
            colour); they win over what `State.rest` kept. Its colour loses against what the
            artist set.
        output: pattern of the result's files; empty keeps what was kept.
    """
    made: Recipe = json.loads(state.rest)
    made["version"] = VERSION
    if plate is not None:
        _merge(made.setdefault("plate", {}), copy.deepcopy(dict(plate)))
    for name, place in _PLACES.items():
        value = getattr(settings, name)
        if name in _ENUMS:
            prefix, words = _ENUMS[name]
            if value not in words:
                raise BadRequestError(f"{name}: {value!r}; allowed: {', '.join(words)}")
            value = prefix + words[value]
        if value == "" and _get(made, place) is not None:
            continue  # the artist left it to what the plate says
        _put(made, place, value)
    if output:
        _put(made, ("output", "path"), output)
    made["objects"] = [_object_out(one) for one in state.objects]
    return made


def from_recipe(recipe: Mapping[str, Any]) -> tuple[State, Settings]:
    """State and settings of a recipe's dict.

    Raises:
        RecipeError: it is no recipe, or of a version that this AIRoto does not know.
    """
    if not isinstance(recipe, Mapping) or recipe.get("version") != VERSION:
        found = recipe.get("version") if isinstance(recipe, Mapping) else type(recipe).__name__
        raise RecipeError(f"this is no recipe of version {VERSION}: found {found!r}")
    rest = copy.deepcopy(dict(recipe))
    del rest["version"]
    try:
        objects = tuple(_object_in(one) for one in rest.pop("objects", ()))
        values = {}
        for name, place in _PLACES.items():
            found = _take(rest, place)
            default = getattr(Settings, name)
            values[name] = default if found is None else _knob_value(name, found, default)
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise RecipeError(f"the recipe is damaged: {exc!r}") from exc
    current = objects[0].id if objects else 0
    state = State(objects=objects, current=current, rest=json.dumps(rest, sort_keys=True))
    return state, Settings(**values)


def for_plate(
    recipe: Mapping[str, Any], width: int | None, height: int | None
) -> tuple[Recipe, str]:
    """A recipe as a node with another plate takes it: without what only its own plate was.

    Args:
        width, height: of the node's plate, None where there is none. Prompts of a recipe whose
            format has the same proportions are scaled to it.

    Returns:
        The recipe, and what was done to it in words; empty for nothing worth saying.

    Raises:
        RecipeError: the plates have other proportions, and there are prompts by coordinates.
    """
    made = copy.deepcopy(dict(recipe))
    plate = made.get("plate", {})
    old = plate.get("format", {})
    made["plate"] = {name: plate[name] for name in _KEPT_OF_PLATE if name in plate}
    own = (old.get("width", 0), old.get("height", 0))
    if width is None or height is None or 0 in own or own == (width, height):
        return made, ""
    across, down = width / own[0], height / own[1]
    if abs(across / down - 1) > 0.01:
        said = [p for one in made.get("objects", ()) for p in one.get("prompts", ())]
        if any("points" in prompt or "box" in prompt for prompt in said):
            raise RecipeError(
                f"the recipe is of a plate of {own[0]}x{own[1]}, this one is {width}x{height}",
                hint="use the recipe on a plate of the same proportions",
            )
        return made, ""
    for one in made.get("objects", ()):
        for prompt in one.get("prompts", ()):
            for point in prompt.get("points", ()):
                point.update(x=point.get("x", 0.0) * across, y=point.get("y", 0.0) * down)
            for name, value in prompt.get("box", {}).items():
                prompt["box"][name] = value * (across if name.startswith("x") else down)
    return made, f"prompts were scaled from {own[0]}x{own[1]} to {width}x{height}"


def _knob_value(name: str, found: Any, default: Any) -> Any:
    if name not in _ENUMS:
        return type(default)(found)
    prefix, words = _ENUMS[name]
    for word, value in words.items():
        if found == prefix + value:
            return word
    if found == f"{prefix}UNSPECIFIED":
        return default
    raise ValueError(f"{name}: {found!r}")


def _object_out(one: RotoObject) -> dict[str, Any]:
    made: dict[str, Any] = {"id": one.id, "name": one.name}
    for name in ("colour", "group"):
        if getattr(one, name):
            made[name] = getattr(one, name)
    made["prompts"] = [_prompt_out(prompt) for prompt in one.prompts]
    return made


def _prompt_out(prompt: Prompt) -> dict[str, Any]:
    made: dict[str, Any] = {"frame": prompt.frame}
    if prompt.points:
        made["points"] = [
            {
                "x": point.x,
                "y": point.y,
                "label": f"POINT_LABEL_{'POSITIVE' if point.positive else 'NEGATIVE'}",
            }
            for point in prompt.points
        ]
    if prompt.box is not None:
        made["box"] = {name: getattr(prompt.box, name) for name in Box.__dataclass_fields__}
    if prompt.text:
        made["text"] = prompt.text
    if prompt.mask:
        made["mask"] = {"path": prompt.mask}
    elif prompt.image:
        made["mask"] = {"image": prompt.image}
    if prompt.trimap and "mask" in made:
        made["mask"]["kind"] = _TRIMAP
    if prompt.candidate:
        made["candidate"] = prompt.candidate
    return made


def _object_in(data: Mapping[str, Any]) -> RotoObject:
    prompts = [_prompt_in(one) for one in data.get("prompts", ())]
    return RotoObject(
        id=int(data["id"]),
        name=str(data["name"]),
        colour=str(data.get("colour", "")),
        group=str(data.get("group", "")),
        prompts=tuple(sorted(prompts, key=lambda one: one.frame)),
    )


def _prompt_in(data: Mapping[str, Any]) -> Prompt:
    mask = data.get("mask", {})
    box = data.get("box")
    return Prompt(
        frame=int(data.get("frame", 0)),
        points=tuple(
            Point(
                float(one.get("x", 0.0)),
                float(one.get("y", 0.0)),
                one.get("label") != "POINT_LABEL_NEGATIVE",
            )
            for one in data.get("points", ())
        ),
        box=None
        if box is None
        else Box(*(float(box.get(name, 0.0)) for name in Box.__dataclass_fields__)),
        text=str(data.get("text", "")),
        mask=str(mask.get("path", "")),
        image=str(mask.get("image", "")),
        candidate=int(data.get("candidate", 0)),
        trimap=mask.get("kind") == _TRIMAP,
    )


def _get(data: Mapping[str, Any], place: tuple[str, ...]) -> Any:
    for name in place:
        if not isinstance(data, Mapping) or name not in data:
            return None
        data = data[name]
    return data


def _put(data: Recipe, place: tuple[str, ...], value: Any) -> None:
    for name in place[:-1]:
        data = data.setdefault(name, {})
    data[place[-1]] = value


def _take(data: Recipe, place: tuple[str, ...]) -> Any:
    for name in place[:-1]:
        data = data.get(name, {})
    return data.pop(place[-1], None)


def _merge(into: Recipe, other: Mapping[str, Any]) -> None:
    for name, value in other.items():
        if isinstance(value, Mapping) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = value
