"""What a node asks for: its recipe, from what it stores.

Standard library only, no host. The host looks at the plate and keeps what it saw in a hidden knob
(`SeenPlate`); everything else is in the node's other knobs. So the same recipe
comes out in the host and from a script that is read without it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any
from urllib.parse import quote, unquote

from airoto.errors import BadRequestError
from airoto_client.node import cache_paths, recipe_form
from airoto_client.node.recipe_form import Recipe, Settings
from airoto_client.node.staleness import digest
from airoto_client.node.state import PLAIN, Lock, State

_VERSION = 1


@dataclass(frozen=True)
class SeenPlate:
    """What a node saw of its plate.

    Attributes:
        identity: 16 hex digits of everything that the plate's pixels depend on.
        sized: the identity with the size at which the node works; names the folder of frames
            that the host renders.
        file: pattern of the files that the server may read itself; empty where the host has to
            render the plate.
        why: why the host has to render it, in words; empty where it need not.
        fields: of the recipe's plate (format, proxy_scale, colour).
    """

    identity: str
    sized: str
    file: str = ""
    why: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)

    def dump(self) -> str:
        """As the text of a knob: JSON in which whatever Tcl could read is %-quoted."""
        data = {"version": _VERSION, **asdict(self)}
        text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return quote(text, safe=PLAIN)


def load_seen(text: str) -> SeenPlate | None:
    """What `SeenPlate.dump` wrote; None where nothing was seen.

    Raises:
        BadRequestError: it is damaged, or a newer AIRoto wrote it.
    """
    if not text.strip():
        return None
    try:
        data = json.loads(unquote(text))
        if int(data["version"]) > _VERSION:
            raise BadRequestError("the node was saved by a newer AIRoto", hint="install that one")
        return SeenPlate(
            identity=str(data["identity"]),
            sized=str(data["sized"]),
            file=str(data["file"]),
            why=str(data["why"]),
            fields=dict(data["fields"]),
        )
    except (ValueError, KeyError, TypeError) as exc:
        raise BadRequestError(
            f"what the node kept of its plate is damaged: {exc!r}",
            hint="open the script and save it again",
        ) from exc


def recipe_of(
    seen: SeenPlate,
    state: State,
    settings: Settings,
    *,
    folder: str,
    pin: Mapping[str, Any],
    output: str = "",
) -> Recipe:
    """The recipe of a node.

    Args:
        folder: of the node; holds the plate where the host renders it.
        pin: of the node's preset, or empty.
        output: pattern of the result's files.
    """
    path = seen.file or cache_paths.plate_pattern(folder, seen.sized)
    plate = {"path": path, **seen.fields}
    recipe = recipe_form.to_recipe(state, settings, plate=plate, output=output)
    return {**recipe, "preset": dict(pin)} if pin else recipe


def candidate_key(recipe: Any, frame: int) -> str:
    """What candidate masks of a frame depend on."""
    prompts = [
        [one["id"], [p for p in one["prompts"] if p["frame"] == frame]] for one in recipe["objects"]
    ]
    for _, said in prompts:
        for prompt in said:
            prompt.pop("candidate", None)
    used = ("path", "colour", "view", "layer", "proxy_scale")
    plate = {name: recipe["plate"].get(name) for name in used}
    working = recipe.get("processing", {})
    return digest([prompts, plate, recipe.get("segment"), working])[:16]


def check_prompts(state: State) -> None:
    """
    Raises:
        BadRequestError: there is nothing to track, or an object without a prompt.
    """
    if not state.objects or not state.prompted_frames:
        raise BadRequestError(
            "nothing to track: no object has a prompt",
            hint="click on the object, and make that a prompt of a frame",
        )
    empty = [one.name for one in state.objects if not one.prompts]
    if empty:
        raise BadRequestError(
            f"{', '.join(empty)} has no prompt on any frame", hint="add one, or delete the object"
        )


def check_range(state: State, settings: Settings) -> None:
    """
    Raises:
        BadRequestError: the range is empty, or prompts lie outside it.
    """
    if settings.first > settings.last:
        raise BadRequestError(f"the range {settings.first}-{settings.last} is empty")
    outside = [one for one in state.prompted_frames if not settings.first <= one <= settings.last]
    if outside:
        raise BadRequestError(
            f"there are prompts on {', '.join(map(str, outside))}, outside the range "
            f"{settings.first}-{settings.last}",
            hint="widen the range, or delete those prompts",
        )


def with_locks(recipe: Recipe, locks: tuple[Lock, ...]) -> Recipe:
    """A recipe with approved frames, which are keyframes and are not made again.

    Args:
        locks: with absolute paths.
    """
    if not locks:
        return recipe
    said = [
        {"frame": one.frame, "path": one.path}
        | ({"sha256": f"sha256:{one.sha256}"} if one.sha256 else {})
        for one in locks
    ]
    return {**recipe, "locked": said}


def with_absolute(locks: tuple[Lock, ...], place: cache_paths.NodePlace) -> tuple[Lock, ...]:
    """Approved frames with absolute paths."""
    return tuple(replace(one, path=place.found(one.path)) for one in locks)
