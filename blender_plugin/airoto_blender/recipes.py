"""What a node asks the server for: its recipe, its folder, the key of the result."""

from __future__ import annotations

from typing import Any

from airoto.errors import AIRotoError
from airoto_client.node import asking, cache_paths, preset_report, staleness
from airoto_client.node.cache_paths import NodePlace
from airoto_client.node.recipe_form import Settings
from airoto_client.node.state import Lock, State

from . import host, plates, presets
from .plates import Plate
from .properties import RECIPE

Node = Any


def settings_of(node: Node) -> Settings:
    """The settings that the recipe depends on."""
    return Settings(
        name=node.name, **{name: host.plain_value(getattr(node, name)) for name in RECIPE}
    )


def place_of(node: Node) -> NodePlace:
    """What the node's folder depends on, and how its paths are written."""
    script = host.script_path()
    library = node.id_data.library
    if library is not None:
        script = host.absolute(library.filepath)
    try:
        name = presets.taken_by(node).name
    except AIRotoError:
        name = ""
    user, tokens = cache_paths.user_folders(), preset_report.tokens(name)
    return NodePlace(
        script=script,
        node=node.name,
        node_id=node.node_id,
        home=user["home"],
        temp=user["temp"],
        user=user["user"],
        show=tokens["show"],
        sequence=tokens["sequence"],
        task=tokens["task"],
    )


def folder_of(node: Node) -> str:
    """The node's folder, absolute.

    Raises:
        BadRequestError: as `NodePlace.folder`.
    """
    template = str(node.cache_folder)
    template = host.absolute(template) if template.startswith("//") else template
    return place_of(node).folder(template)


def locks_of(node: Node, state: State) -> tuple[Lock, ...]:
    """Approved frames, with absolute paths."""
    return asking.with_absolute(state.locks, place_of(node))


def recipe_of(node: Node, plate: Plate, state: State, *, output: str) -> dict[str, Any]:
    """The node's recipe.

    Raises:
        BadRequestError: something that the node says cannot be had.
    """
    shape = {"width": plate.width, "height": plate.height, "pixel_aspect": plate.pixel_aspect}
    fields: dict[str, Any] = {
        "proxy_scale": 1.0,
        "format": shape,
        "colour": plates.colour_of(node),
    }
    if plate.is_movie:
        fields["movie_first_frame"] = 1
    seen = asking.SeenPlate(plate.identity, plate.identity, plate.path, "", fields)
    return asking.recipe_of(
        seen, state, settings_of(node), folder="", pin=presets.pin_of(node), output=output
    )


def wanted_key(node: Node, plate: Plate, state: State) -> str:
    """The key of the result that the node asks for now."""
    recipe = recipe_of(node, plate, state, output="matte.%04d.exr")
    return staleness.result_key(recipe, plate.identity, state.locks)
