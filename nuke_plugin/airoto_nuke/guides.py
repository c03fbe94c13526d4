"""AIMatte and AITrimap: a rough mask on every frame, and the recipe that it makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from airoto.errors import BadRequestError
from airoto_client.node import cache_paths, recipe_form, staleness
from airoto_client.node.state import Prompt, RotoObject, State
from airoto_nuke import nodes, plates
from airoto_nuke.knobs import NodeKind

Node = Any


def mask_pattern(node: Node, mask: plates.Plate) -> str:
    """Where the mask input's frames are rendered to."""
    return cache_paths.mask_pattern(nodes.folder_of(node), nodes.sized(node, mask))


def state_of(node: Node, pattern: str, frames: Sequence[int]) -> State:
    """One object with a drawn mask, or a painted trimap, on every frame."""
    name = str(nodes.value(node, "object_name", "matte")).strip()
    trimap = is_trimap(node)
    prompts = tuple(
        Prompt(n, mask=cache_paths.frame_path(pattern, n), trimap=trimap) for n in frames
    )
    rest = nodes.state_of(node).rest
    return State(objects=(RotoObject(1, name, prompts=prompts),), current=1, rest=rest)


def is_trimap(node: Node) -> bool:
    """Whether the mask input shows painted trimaps."""
    return str(nodes.value(node, "guide", "mask")) == "trimap"


def recipe_of(
    node: Node, plate: plates.Plate, state: State, *, output: str = ""
) -> recipe_form.Recipe:
    """The recipe of a node that gets its masks from the graph: nothing is tracked."""
    recipe = nodes.recipe_of(node, plate, state, output=output)
    recipe["track"] = {**recipe.get("track", {}), "engine": "none"}
    if nodes.kind_of(node) is NodeKind.TRIMAP:
        # The trimap alone is wanted, so the matter that does nothing is the quickest.
        recipe["matte"] = {**recipe["matte"], "engine": "null"}
        recipe["output"] = {**recipe["output"], "trimap": True}
    return recipe


def wanted_key(node: Node, plate: plates.Plate, *, fresh: bool = False) -> str:
    """The key of the result that the node asks for; the mask's identity stands for its frames.

    Raises:
        BadRequestError: an input is missing.
    """
    mask = plates.plate_of(node, index=1, fresh=fresh)
    state = replace(state_of(node, "", ()), locks=())
    recipe = recipe_of(node, plate, state, output="matte.%04d.exr")
    guide = f"{mask.identity}{'/trimap' if is_trimap(node) else ''}"
    return staleness.result_key(recipe, f"{plate.identity}/{guide}", ())


def check_inputs(node: Node, plate: plates.Plate, mask: plates.Plate) -> None:
    """
    Raises:
        BadRequestError: plate and mask are of different sizes, or a trimap has no matter.
    """
    if is_trimap(node) and nodes.settings_of(node).matte_engine == "none":
        raise BadRequestError(
            "a painted trimap needs an engine that makes a matte of it",
            hint="set “matte with” to auto on the Matte tab",
        )
    a, b = plate.canvas, mask.canvas
    if (a.width, a.height) != (b.width, b.height):
        raise BadRequestError(
            f"the mask is {b.width}x{b.height} and the plate {a.width}x{a.height}",
            hint="put a Reformat before the mask input",
        )
