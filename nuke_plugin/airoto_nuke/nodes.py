"""Our nodes in the graph, read: what they are, what they ask for, which result they show."""

# ruff: noqa: PTH120 - paths are text here, as knobs have them

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from airoto.errors import BadRequestError
from airoto_client.node import asking, cache_paths, staleness
from airoto_client.node import state as states
from airoto_client.node.cache_paths import NodePlace
from airoto_client.node.recipe_form import SETTINGS, Settings
from airoto_client.node.state import Lock, State
from airoto_nuke import host, pixels, plates, preset_tokens, presets
from airoto_nuke.knobs import NodeKind

Node = Any
_UNSET = ("", None)


def kind_of(node: Node) -> NodeKind | None:
    """Which of our nodes it is; None for any other."""
    knob = node.knob("airoto_kind")
    if knob is None:
        return None
    return next((kind for kind in NodeKind if kind.value == knob.value()), None)


def id_of(node: Node) -> str:
    """A node's id, or empty."""
    knob = node.knob("node_id")
    return "" if knob is None else str(knob.value())


def ours() -> list[Node]:
    """All our nodes in the script."""
    return [one for one in host.all_nodes() if kind_of(one) is not None]


def is_whole(node: Node) -> bool:
    """Whether what is inside has been read; a Group's callbacks may run before."""
    return node.node("Output1") is not None


def value(node: Node, name: str, default: Any = "") -> Any:
    """A knob's value, or the default where the node has no such knob."""
    knob = node.knob(name)
    return default if knob is None else knob.value()


def state_of(node: Node) -> State:
    """What the artist has said.

    Raises:
        BadRequestError: it cannot be read.
    """
    return states.load(str(value(node, "state")))


def settings_of(node: Node) -> Settings:
    """The knobs that the recipe depends on."""
    values: dict[str, Any] = {}
    for name in SETTINGS:
        default = getattr(Settings, name)
        found = value(node, name, default) if name != "name" else str(node.name())
        values[name] = type(default)(found) if found not in _UNSET else default
    return Settings(**values)


def place_of(node: Node) -> NodePlace:
    """What the node's folder depends on."""
    return NodePlace(
        script=host.script_path(),
        node=str(node.fullName()),
        node_id=id_of(node),
        relative=bool(value(node, "relative_paths", True)),
        **preset_tokens.tokens(node),
        **cache_paths.user_folders(),
    )


def folder_of(node: Node) -> str:
    """The node's folder, absolute.

    Raises:
        BadRequestError: as `NodePlace.folder`.
    """
    return place_of(node).folder(str(value(node, "cache_folder")))


def recipe_of(
    node: Node,
    plate: plates.Plate,
    state: State,
    *,
    output: str = "",
    frames: tuple[int, int] | None = None,
) -> dict[str, Any]:
    """The node's recipe; the plate's path is the Read's, or the cache's where we render it.

    Args:
        frames: the range, where it is not that of the node's knobs.

    Raises:
        BadRequestError: something that the knobs say cannot be had.
    """
    settings = settings_of(node)
    if frames is not None:
        settings = replace(settings, first=frames[0], last=frames[1])
    seen = seen_of(node, plate, frames or ())
    return asking.recipe_of(
        seen,
        state,
        settings,
        folder="" if seen.file else folder_of(node),
        pin=presets.pin_of(node),
        output=output,
    )


def seen_of(node: Node, plate: plates.Plate, frames: Iterable[int] = ()) -> asking.SeenPlate:
    """What the recipe says of the plate, and where its files are to come from.

    Args:
        frames: that are wanted beside the node's range.

    Raises:
        BadRequestError: as `recipe_of`.
    """
    why = why_render(node, plate, frames)
    direct, canvas = not why, plate.canvas
    fields = {
        "proxy_scale": scale_of(node),
        "format": {
            "width": canvas.width,
            "height": canvas.height,
            "pixel_aspect": canvas.pixel_aspect,
        },
        "colour": {} if value(node, "colour_space") else plates.colour_of(plate, direct=direct),
    }
    return asking.SeenPlate(
        identity=plate.identity,
        sized=sized(node, plate),
        file=plate.read.file if direct and plate.read is not None else "",
        why=why,
        fields=fields,
    )


def locks_of(node: Node, state: State) -> tuple[Lock, ...]:
    """Approved frames, with absolute paths."""
    return asking.with_absolute(state.locks, place_of(node))


def with_locks(node: Node, state: State, recipe: dict[str, Any]) -> dict[str, Any]:
    """A recipe with the node's approved frames, which are keyframes and are not made again."""
    return asking.with_locks(recipe, locks_of(node, state))


def scale_of(node: Node) -> float:
    """Size at which the node works, relative to full size."""
    return host.proxy_scale() if str(value(node, "size", "full")) == "proxy" else 1.0


def sized(node: Node, plate: plates.Plate) -> str:
    """What a rendered plate's or mask's folder is called: by identity, and by size."""
    scale = scale_of(node)
    return plate.identity if scale == 1 else f"{plate.identity}_{scale:g}"


def why_render(node: Node, plate: plates.Plate, frames: Iterable[int] = ()) -> str:
    """Why the node renders the plate itself; empty where the server may read the Read's files.

    Args:
        frames: that are wanted beside the node's range.
    """
    settings = settings_of(node)
    if scale_of(node) != 1:
        return "the node works at proxy size"
    if not settings.colour_space:
        try:
            own = plates.colour_of(plate, direct=True)
        except BadRequestError as exc:
            return exc.message
        # A foreground comes back in the plate's own space, and is shown in the script's.
        if settings.foreground_layer and own != plates.colour_of(plate, direct=False):
            return "the foreground is wanted in the script's working space"
    frames = tuple(frames)
    span = (settings.first, settings.last) if node.knob("first") is not None else ()
    return pixels.why_render(
        plate.read,
        min((*frames, *span)),
        max((*frames, *span)),
        always=bool(value(node, "always_render", False)),
        stereo=len(host.views()) > 1,
    )


def wanted_key(node: Node, plate: plates.Plate, state: State, *, extra: str = "") -> str:
    """The key of the result that the node asks for now."""
    recipe = recipe_of(node, plate, state, output="matte.%04d.exr")
    return staleness.result_key(recipe, plate.identity + extra, state.locks)


def shown_pattern(node: Node) -> str:
    """The files of the result that the node shows, absolute; empty for none."""
    if not value(node, "result_key"):
        return ""
    reader = node.node("Result")
    return "" if reader is None else place_of(node).found(str(reader["file"].value()))


def shown_manifest(node: Node) -> staleness.Manifest | None:
    """What is known of the result that the node shows."""
    pattern = shown_pattern(node)
    if not pattern:
        return None
    return staleness.read_manifest(f"{os.path.dirname(pattern)}/result.json")
