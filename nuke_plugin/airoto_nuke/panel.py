"""The panel and the inside of a node, written from state and manifest; nothing is decided here."""

from __future__ import annotations

from typing import Any

from airoto import review
from airoto_client.node import state_ops
from airoto_client.node.staleness import Manifest
from airoto_client.node.state import Prompt, RotoObject, State
from airoto_nuke import host, inside, preset_tokens, templates
from airoto_nuke.knobs import ALL_OBJECTS, HANDLES, KnobSpec, NodeKind

Node = Any
_NOTHING = "(nothing)"
_NONE = "(none)"


def put(node: Node, name: str, new: Any) -> None:
    """Set a knob where there is one and it differs."""
    knob = node.knob(name)
    if knob is not None:
        put_on(node, name, new)


def put_on(node: Node, name: str, new: Any) -> None:
    """Set a knob that is there, if it differs."""
    if node[name].value() != new:
        node[name].setValue(new)


def plain(text: str) -> str:
    """Words that no text knob takes for Tcl."""
    return text.replace("[", "(").replace("]", ")")


def add_knob(node: Node, spec: KnobSpec) -> None:
    """Give a node a knob that it lacks, with its default, at the end of its panel."""
    text = f"addUserKnob {templates.knob_line(spec)}"
    if spec.value:
        text += f"\n{spec.name} {templates.quoted(spec.value)}"
    node.readKnobs(text)


def status_text(node: Node, stale: bool, manifest: Manifest | None, frame: int) -> str:
    """Whether what the node shows is what was asked for, in words."""
    if manifest is None:
        return "no matte yet"
    if stale:
        return "STALE: shown is the last result, made before your last change"
    finished = manifest.finished
    text = f"current: {len(finished)} frames, {finished[0]}-{finished[-1]}"
    view = str(node["view"].value()).lower()
    if view in ("trimap", "foreground", "confidence") and view not in manifest.layers:
        return f"{text}; it has no {view}: switch it on under Output and track again"
    return text if frame in finished else f"{text}; frame {frame} is missing"


def fill(node: Node, state: State, manifest: Manifest | None) -> None:
    """Object list, current object, handles, lists of frames."""
    current = next((one for one in state.objects if one.id == state.current), None)
    put_menu(node, "object", [_object_item(one) for one in state.objects] or [_NONE])
    if current is not None:
        put(node, "object", _object_item(current))
    for name in ("name", "colour", "group"):
        put(node, f"object_{name}", getattr(current, name) if current else "")
    follow_frame(node, state)
    prompts = current.prompts if current else ()
    put_menu(node, "prompt_frames", [prompt_item(one) for one in prompts] or [_NONE])
    put(node, "locked", ", ".join(str(one) for one in state.locked_frames))
    if manifest is not None:
        names = {one.id: one.name for one in state.objects}
        found = review.frames_to_review(manifest.frames, names)
        items = [f"{one.frame}: {one.why}" for one in found] or [_NOTHING]
        put_menu(node, "review", items)


def follow_frame(node: Node, state: State) -> None:
    """What depends on the current frame: handles and the chosen candidate."""
    frame = host.frame()
    current = next((one for one in state.objects if one.id == state.current), None)
    prompt = current.prompt(frame) if current else None
    _handles(node, prompt, frame, state.current)
    put(node, "candidate", str(prompt.candidate) if prompt and prompt.candidate else "best")


def prompt_item(prompt: Prompt) -> str:
    """`1001: 2 points, box`: a line of the list of frames."""
    said = []
    if prompt.points:
        said.append(f"{len(prompt.points)} point{'s' if len(prompt.points) > 1 else ''}")
    for word, there in (
        ("box", prompt.box),
        ("text", prompt.text),
        ("mask", prompt.mask or prompt.image),
    ):
        if there:
            said.append(word)
    return f"{prompt.frame}: {', '.join(said)}"


def chosen_frame(node: Node, name: str) -> int | None:
    """The frame of the chosen line of a list; None where it is empty."""
    head = str(node[name].value()).partition(":")[0]
    return int(head) if head.lstrip("-").isdigit() else None


def chosen_object(node: Node) -> int:
    """The id of the chosen object; 0 for none."""
    head = str(node["object"].value()).partition(":")[0]
    return int(head) if head.isdigit() else 0


def show_layers(node: Node, manifest: Manifest, kind: NodeKind) -> None:
    """Wire the result's layers: union in rgba.alpha, objects in matte_<name>, the views."""
    for prefix in ("matte", "trimap", "confidence"):
        if prefix == "matte" or prefix in manifest.layers:
            for name in manifest.objects:
                host.ensure_layer(f"{prefix}_{name}")
    if kind is NodeKind.TRIMAP:
        _copy(node.node("Final"), [(f"trimap_{manifest.objects[0]}.alpha", "rgba.alpha")])
        return
    pairs = [("rgba.alpha", "rgba.alpha")]
    for name in manifest.objects:
        layer = preset_tokens.layer_of(node, name)
        host.ensure_layer(layer)
        pairs.append((f"matte_{name}.alpha", f"{layer}.alpha"))
    _chain(node, [pairs[i : i + 4] for i in range(0, len(pairs), 4)])


def show_views(node: Node, state: State, manifest: Manifest) -> None:
    """What Mask, Trimap, Confidence and Overlay show of the objects of a result."""
    names = manifest.objects
    if node.knob("show_object") is not None:
        put_menu(node, "show_object", [ALL_OBJECTS, *names])
        wanted = str(node["show_object"].value())
    else:
        wanted = ALL_OBJECTS
    chosen = "" if wanted == ALL_OBJECTS else wanted
    colours = {one.name: one.colour for one in state.objects}
    current = next((one.colour for one in state.objects if one.id == state.current), "")
    painted = [
        (name, _rgb(colours.get(name) or state_ops.palette(index)))
        for index, name in enumerate(names)
    ]
    for inner, texts in (
        ("Planes", inside.planes(names, manifest.layers, chosen=chosen)),
        ("Overlay", inside.overlay(painted, _rgb(current or state_ops.palette(0)))),
    ):
        for index, text in enumerate(texts):
            put_on(node.node(inner), f"expr{index}", text)


def _rgb(colour: str) -> tuple[float, float, float]:
    """`#rrggbb` as three numbers from 0 to 1."""
    red, green, blue = (round(int(colour[i : i + 2], 16) / 255, 3) for i in (1, 3, 5))
    return red, green, blue


def _chain(node: Node, fours: list[list[tuple[str, str]]]) -> None:
    """As many Copies in a row as the channels need, the last one going to the views."""
    for old in [one for one in node.nodes() if str(one.name()).startswith("Layers")]:
        host.delete(old)
    last = node.node("Final")
    _copy(last, fours[0])
    for number, pairs in enumerate(fours[1:], 1):
        made = host.create("Copy", node, name=f"Layers{number}")
        made.setInput(0, last)
        made.setInput(1, node.node("Sized"))
        _copy(made, pairs)
        last = made
    node.node("Overlay").setInput(0, last)
    node.node("View").setInput(0, last)


def _copy(copy: Node, pairs: list[tuple[str, str]]) -> None:
    for index in range(4):
        source, target = pairs[index] if index < len(pairs) else ("none", "none")
        put_on(copy, f"from{index}", source)
        put_on(copy, f"to{index}", target)


def _object_item(one: RotoObject) -> str:
    return f"{one.id}: {one.name}"


def put_menu(node: Node, name: str, items: list[str]) -> None:
    """Items of a menu; the chosen one stays chosen where it is still there."""
    knob = node[name]
    if list(knob.values()) != items:
        chosen = knob.value()
        knob.setValues(items)
        if chosen in items:
            knob.setValue(chosen)


def _handles(node: Node, prompt: Prompt | None, frame: int, object_id: int) -> None:
    points = prompt.points[:HANDLES] if prompt else ()
    source = node.input(0)
    canvas = host.canvas(source) if source is not None and points else None
    put(node, "handles_frame", frame)
    put(node, "handles_object", object_id)
    for index in range(HANDLES):
        knob = node[f"point{index + 1}"]
        shown = index < len(points) and canvas is not None
        knob.setVisible(shown)
        if shown and canvas is not None:
            x, y = canvas.to_nuke(points[index].x, points[index].y)
            if tuple(knob.value()) != (x, y):
                knob.setValue([x, y])
            sign = "+" if points[index].positive else "-"
            if knob.label() != f"{index + 1} {sign}":
                knob.setLabel(f"{index + 1} {sign}")
