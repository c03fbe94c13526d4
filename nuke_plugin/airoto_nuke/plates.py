"""The plate as the graph has it: where it comes from, what it depends on, its colour space."""

# ruff: noqa: PTH113, PTH117 - paths are text here, as knobs have them

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from airoto.errors import BadRequestError
from airoto_client.node import plate_files
from airoto_client.node.staleness import digest
from airoto_nuke import host, pixels
from airoto_nuke.geometry import Canvas

Node = Any

# Knobs that say where a node lies and how it looks, not what it makes.
_LOOKS = frozenset(
    [
        "name",
        "xpos",
        "ypos",
        "selected",
        "hide_input",
        "label",
        "note_font",
        "note_font_size",
        "note_font_color",
        "tile_color",
        "gl_color",
        "cached",
        "dope_sheet",
        "bookmark",
        "postage_stamp",
        "postage_stamp_frame",
        "help",
        "icon",
        "autolabel",
        "onCreate",
        "onDestroy",
        "knobChanged",
        "updateUI",
        "panel",
        "indicators",
        "lifetimeStart",
        "lifetimeEnd",
        "useLifetime",
        "reload",
        "localizationPolicy",
    ]
)
_SKIPPED_CLASSES = ("Script_Knob", "PyScript_Knob", "Tab_Knob", "Text_Knob", "PythonKnob")
# What the pixels of a node of ours depend on, beside its inputs.
_OUR_PIXELS = (
    "airoto_kind", "result_key", "view", "show_object", "overlay_opacity", "on_missing", "disable",
)  # fmt: skip
# Nodes between an input and a Read that change nothing.
_TRANSPARENT = ("Dot", "NoOp", "PostageStamp")
# Knobs of a Read that change its pixels, with the value that does not.
_READ_PLAIN = (("premultiplied", False), ("auto_alpha", False))

_stamp_memory: dict[str, str] = {}


@dataclass(frozen=True)
class Plate:
    """What is connected to a node's plate input.

    Attributes:
        read: the Read, where nothing lies between that changes pixels.
        identity: 16 hex digits of everything that its pixels depend on.
        space, config: colour space and OCIO config of the files that are sent.
    """

    node: Node
    canvas: Canvas
    first: int
    last: int
    read: pixels.ReadFacts | None
    identity: str


def plate_of(node: Node, *, index: int = 0, fresh: bool = False) -> Plate:
    """The plate on an input.

    Args:
        fresh: look at the files again, instead of remembering how they were.

    Raises:
        BadRequestError: nothing is connected.
    """
    source = node.input(index)
    if source is None:
        what = "mask" if index else "plate"
        raise BadRequestError(f"{node.name()} has no {what}", hint=f"connect its {what} input")
    first, last = host.frame_range(source)
    found, view = identity(source, fresh=fresh), str(_value(node, "view_name", "")).strip()
    return Plate(
        node=source,
        canvas=host.canvas(source),
        first=first,
        last=last,
        read=_read_facts(source),
        identity=digest([found, view])[:16] if view else found,
    )


def identity(source: Node, *, fresh: bool = False) -> str:
    """16 hex digits of what a node's pixels depend on: upstream nodes, their knobs, files read.

    Knobs count as their script text, so animation counts whole and not at one frame.
    """
    return digest(_described(source, fresh))[:16]


def colour_of(plate: Plate, *, direct: bool) -> dict[str, str]:
    """The recipe's `plate.colour` fields that the script knows.

    Args:
        direct: the server reads the Read's files; else it gets the script's working space.

    Raises:
        BadRequestError: a colour space that the recipe has no word for.
    """
    root = host.root()
    ocio = str(_value(root, "colorManagement", "Nuke")) == "OCIO"
    working = str(_value(root, "workingSpaceLUT", "linear")) or "linear"
    config = ""
    if ocio:
        working = "scene_linear" if working == "linear" else working
        config = _config_of(root)
    word, raw = ("", True)
    if direct and plate.read is not None:
        word, raw = plate.read.space, plate.read.raw
    space = pixels.space_of(word, raw=raw, working=working, ocio=ocio)
    return {"space": space, "config": config} if config else {"space": space}


def _config_of(root: Node) -> str:
    """The OCIO config that a script uses; empty for the ACES studio config that is built in."""
    named = os.environ.get("OCIO", "")  # where it is set, Nuke takes it whatever the script says
    if named:
        return named
    choice = str(_value(root, "OCIO_config", ""))
    if choice == "custom":
        return str(_value(root, "customOCIOConfigPath", ""))
    places = (f"{choice}/config.ocio", f"{choice}.ocio")
    folder = host.shipped_configs()
    return next((f"{folder}/{one}" for one in places if os.path.isfile(f"{folder}/{one}")), "")


def view_of(node: Node) -> str:
    """The one view to work on.

    Raises:
        BadRequestError: several views and none named, or one that is not there.
    """
    views = host.views()
    named = str(_value(node, "view_name", "")).strip()
    if named:
        if named not in views:
            raise BadRequestError(
                f"the script has no view {named!r}; it has {', '.join(views)}",
                hint="correct the stereo view on the Output tab",
            )
        return named
    if len(views) > 1:
        raise BadRequestError(
            f"the script has {len(views)} views ({', '.join(views)}); AIRoto works on one",
            hint="name it on the Output tab, and use one node a view",
        )
    return views[0] if views else "main"


def _read_facts(source: Node) -> pixels.ReadFacts | None:
    while source.Class() in _TRANSPARENT and source.input(0) is not None:
        if source.Class() == "NoOp" and bool(_value(source, "disable", False)):
            break
        source = source.input(0)
    if source.Class() != "Read":
        return None
    file = str(source["file"].value()).replace("\\", "/")
    plain = not bool(_value(source, "disable", False)) and "[" not in file
    for name, value in _READ_PLAIN:
        plain = plain and bool(_value(source, name, value)) is value
    return pixels.ReadFacts(
        file=file if os.path.isabs(file) else f"{host.project_folder()}/{file}",
        first=int(source["first"].value()),
        last=int(source["last"].value()),
        shifted=bool(str(_value(source, "frame", "")).strip()),
        space=str(_value(source, "colorspace", "")),
        raw=bool(_value(source, "raw", False)),
        plain=plain,
    )


def _described(source: Node, fresh: bool) -> list[Any]:
    """A node and everything that it depends on, each once, wired by their numbers in the list."""
    numbers: dict[str, int] = {}
    waiting: list[Node] = []

    def number(node: Node) -> int | None:
        if node is None:
            return None
        name = str(node.fullName())
        if name not in numbers:
            numbers[name] = len(numbers)
            waiting.append(node)
        return numbers[name]

    number(source)
    made = []
    while waiting:
        node = waiting.pop(0)
        inputs = [node.input(index) for index in range(node.inputs())]
        wired = [number(one) for one in inputs]
        if node.knob("airoto_kind") is not None:
            # One of ours: its result's key stands for whatever is inside.
            made.append([_some_texts(node, _OUR_PIXELS), wired])
            continue
        inner = []
        if hasattr(node, "nodes"):
            inside = sorted(node.nodes(), key=lambda one: str(one.name()))
            inner = [[str(one.name()), number(one)] for one in inside]
        others = [one for one in host.upstream([node]) if one not in inputs and one is not node]
        files = _files(node, fresh) if node.Class() == "Read" else ""
        texts = _knob_texts(node)
        made.append([node.Class(), texts, files, wired, inner, [number(one) for one in others]])
    return made


def _some_texts(node: Node, names: tuple[str, ...]) -> list[str]:
    return [str(_value(node, name, "")) for name in names]


def _knob_texts(node: Node) -> list[tuple[str, str]]:
    return sorted(
        (name, str(knob.toScript()))
        for name, knob in node.knobs().items()
        if name not in _LOOKS and knob.Class() not in _SKIPPED_CLASSES
    )


def _files(node: Node, fresh: bool) -> str:
    pattern = str(node["file"].value())
    if pattern and not os.path.isabs(pattern):
        pattern = f"{host.project_folder()}/{pattern}"
    if fresh or pattern not in _stamp_memory:
        _stamp_memory[pattern] = digest(plate_files.stamps(pattern))
    return _stamp_memory[pattern]


def _value(node: Node, name: str, default: Any) -> Any:
    knob = node.knob(name)
    return default if knob is None else knob.value()
