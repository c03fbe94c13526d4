"""What the AIRoto nodes of a script ask for: found at any depth, each with its recipe and key.

What a node stores gives the same recipe, key and folder as in the host, whose own words for them
are in `airoto_client.node`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airoto.errors import AIRotoError, BadRequestError
from airoto.presets.keys import KEYS, Value
from airoto.presets.names import Scope, parse_name
from airoto_client.nk.script import Node, Script, read_script
from airoto_client.node import asking, cache_paths, preset_values, staleness
from airoto_client.node import state as states
from airoto_client.node.cache_paths import NodePlace
from airoto_client.node.preset_values import KNOBS, Taken
from airoto_client.node.recipe_form import SETTINGS, Recipe, Settings

KIND_KNOB = "airoto_kind"
ROTO = "AIRoto"
# Their masks come out of the graph, frame by frame, so only the host can make them.
HOST_ONLY = ("AIMatte", "AITrimap")
# Between a node and the Read of its plate, changing nothing.
_TRANSPARENT = frozenset({"Dot", "NoOp", "PostageStamp"})


@dataclass(frozen=True)
class Request:
    """One AIRoto node.

    Attributes:
        node: full name.
        script: absolute path.
        recipe: in its JSON form, with absolute paths; the output is the node's own result folder.
        key: of the result; the node shows what lies under it.
        folder: of the node.
        why_render: why only the host can render the plate; empty where the server reads its files.
        plate: full name of the Read upstream, where one is the plate.
        farm: the farm's keys (`farm.chunk_frames`) as the node's preset set them.
        preset: name of the node's preset, or empty.
        writes: full names of Writes that get this node's picture.
    """

    node: str
    script: str
    recipe: Recipe
    key: str
    folder: str
    why_render: str
    plate: str
    farm: Mapping[str, Value]
    preset: str
    writes: tuple[str, ...]

    @property
    def frames(self) -> tuple[int, int]:
        """First and last."""
        span = self.recipe["plate"]["frames"]
        return int(span["first"]), int(span["last"])


def requests_of(path: Path, names: Iterable[str] = ()) -> list[Request]:
    """The AIRoto nodes of a script, or those that are named, in the order of the script.

    Args:
        names: full names (`Group1.AIRoto1`).

    Raises:
        ScriptError: it is no script.
        BadRequestError: there is no such node, or it cannot be made outside the host.
    """
    script, wanted = read_script(path), list(names)
    ours = [node for node in script.walk() if kind_of(node)]
    there = {node.full_name: node for node in ours}
    for name in wanted:
        if name not in there:
            listed = ", ".join(there) or "none"
            raise BadRequestError(f"{path} has no AIRoto node {name!r}; it has: {listed}")
        if kind_of(there[name]) != ROTO:
            raise BadRequestError(
                f"{name} is an {kind_of(there[name])}: what it needs is rendered in Nuke",
                hint="press “Make” in Nuke, or call entry.press(node, 'make') in nuke -t",
            )
    found = [node for node in ours if kind_of(node) == ROTO and not node.is_disabled]
    if wanted:
        found = [there[name] for name in dict.fromkeys(wanted)]
    if not found:
        raise BadRequestError(
            f"{path} has no AIRoto node that is to be made",
            hint=f"there are: {', '.join(there)}" if there else "",
        )
    for node in found:
        _check_above(node, path.resolve())
    writes = writes_below(script)
    return [request_of(node, path.resolve(), writes.get(id(node), ())) for node in found]


def kind_of(node: Node) -> str:
    """Which of our nodes it is (`AIRoto`, `AIMatte`, ...); empty for any other."""
    return node.knobs.get(KIND_KNOB, "") if node.has_knob(KIND_KNOB) else ""


def request_of(node: Node, script: Path, writes: tuple[str, ...] = ()) -> Request:
    """What one node asks for.

    Raises:
        BadRequestError: it asks for nothing yet, or what it stores cannot be read.
    """
    where = f"{node.full_name} ({script}, line {node.line})"
    try:
        return _request_of(node, script, writes)
    except AIRotoError as exc:
        raise BadRequestError(f"{where}: {exc.message}", hint=exc.hint) from exc
    except UnicodeEncodeError as exc:
        raise BadRequestError(
            f"{where}: something that the node stores is not UTF-8 text",
            hint="name files and objects in UTF-8, and save the script again",
        ) from exc


def _request_of(node: Node, script: Path, writes: tuple[str, ...]) -> Request:
    state = states.load(node.knobs.get("state", ""))
    if not state.prompted_frames:
        raise BadRequestError("no object has a prompt", hint="prompt it in Nuke, and save")
    seen = asking.load_seen(node.knobs.get("plate_seen", ""))
    if seen is None:
        raise BadRequestError(
            "the script does not say what its plate is",
            hint="open it in Nuke with this AIRoto and the plate connected, and save it",
        )
    kept, settings = preset_values.load(node.knobs.get("preset", "")), settings_of(node)
    pin = preset_values.checked_pin(kept, lambda key: _preset_value(node, key))
    place = place_of(node, script, kept)
    folder = place.folder(_text(node, "cache_folder"))
    recipe = asking.recipe_of(seen, state, settings, folder=folder, pin=pin)
    key = staleness.result_key(recipe, seen.identity, state.locks)
    recipe["output"] = {
        **recipe.get("output", {}),
        "path": cache_paths.result_pattern(folder, key),
    }
    source = plate_read(node)
    return Request(
        node=node.full_name,
        script=str(script),
        recipe=asking.with_locks(recipe, asking.with_absolute(state.locks, place)),
        key=key,
        folder=folder,
        why_render=seen.why,
        plate="" if source is None else source.full_name,
        farm={key: one for key, (one, _) in kept.values.items() if key.startswith("farm.")},
        preset=kept.name,
        writes=writes,
    )


def settings_of(node: Node) -> Settings:
    """The knobs that the recipe depends on.

    A user knob without a value has its type's own (0, off, empty); one that an older node lacks
    has the default of ours.

    Raises:
        BadRequestError: a knob is animated or has an expression.
    """
    values: dict[str, Any] = {"name": node.name}
    for name in SETTINGS:
        if name != "name" and node.has_knob(name):
            values[name] = _value(node, name, getattr(Settings, name))
    return Settings(**values)


def place_of(node: Node, script: Path, kept: Taken) -> NodePlace:
    """What the node's folder depends on."""
    scope = parse_name(kept.name) if kept.name else Scope()
    return NodePlace(
        script=script.as_posix(),
        node=node.full_name,
        node_id=node.knobs.get("node_id", ""),
        relative=_value(node, "relative_paths", True) if node.has_knob("relative_paths") else True,
        show=scope.show,
        sequence=scope.sequence,
        task=scope.task,
        **cache_paths.user_folders(),
    )


def plate_read(node: Node) -> Node | None:
    """The Read that is a node's plate, where nothing lies between that changes pixels; out of
    Groups too."""
    source, seen = node.input(0), set[int]()
    while source is not None and id(source) not in seen:
        seen.add(id(source))
        if source.class_name == "Read":
            return source
        if source.class_name == "Input" and source.parent is not None:
            number = source.knobs.get("number", "0")
            source = source.parent.input(int(number)) if number.isdecimal() else None
        elif source.class_name in _TRANSPARENT:
            source = source.input(0)
        else:
            return None
    return None


def writes_below(script: Script) -> dict[int, tuple[str, ...]]:
    """Full names of the Writes that need each AIRoto node, by the node's `id`."""
    made: dict[int, list[str]] = {}
    for write in script.walk():
        if write.class_name == "Write" and not write.is_disabled:
            for node in ours_above(write):
                made.setdefault(id(node), []).append(write.full_name)
    return {key: tuple(names) for key, names in made.items()}


def ours_above(start: Node) -> list[Node]:
    """The AIRoto nodes that a node gets pictures from, through Groups and other AIRoto nodes."""
    found, seen = list[Node](), set[int]()
    waiting = [one for one in start.inputs if one is not None]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if kind_of(node):
            found.append(node)
        else:  # out of a Group comes what its Outputs get
            waiting.extend(one for one in node.nodes if one.class_name == "Output")
        waiting.extend(one for one in node.inputs if one is not None)
        if node.class_name == "Input" and node.parent is not None:
            number = node.knobs.get("number", "0")
            outside = node.parent.input(int(number)) if number.isdecimal() else None
            waiting.extend([] if outside is None else [outside])
    return found


def _check_above(node: Node, script: Path) -> None:
    """
    Raises:
        BadRequestError: its plate is made of mattes that are not made yet, so nobody can tell it.
    """
    for above in ours_above(node):
        if kind_of(above) not in (ROTO, *HOST_ONLY) or above.is_disabled:
            continue
        shown, key = above.knobs.get("result_key", ""), ""
        if kind_of(above) == ROTO:
            key = request_of(above, script).key
        elif above.knobs.get("stale", "0") in ("", "0"):
            key = shown
        if not shown or key != shown:
            raise BadRequestError(
                f"{node.full_name} gets the picture of {above.full_name}, whose mattes are not "
                "made yet",
                hint=f"make those of {above.full_name} first (--node), then open the script in "
                "Nuke and save it",
            )


def _preset_value(node: Node, key: str) -> Value | None:
    name = KNOBS.get(key, "")
    if not name or not node.has_knob(name):
        return None
    return preset_values.from_knob(key, _value(node, name, KEYS[key].default))


def _text(node: Node, name: str) -> str:
    return node.knobs.get(name, "")


_READERS: dict[type, Callable[[str], Any]] = {
    bool: lambda text: {"true": True, "1": True, "false": False, "0": False, "": False}[text],
    int: lambda text: int(float(text or 0)),
    float: lambda text: float(text or 0),
}


def _value(node: Node, name: str, default: Any) -> Any:
    text = node.knobs.get(name, "")
    if isinstance(default, str):
        return text or default
    try:
        return _READERS[type(default)](text)
    except (ValueError, KeyError, OverflowError) as exc:
        raise BadRequestError(
            f"its knob {name} is {text[:60]!r}, not one plain value",
            hint="remove the animation or expression",
        ) from exc
