"""AIDetect: phrases become objects with boxes, and the objects an AIRoto node."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from airoto.errors import AIRotoError, BadRequestError
from airoto_client.node import remote, state_ops
from airoto_client.node.state import Box, Prompt, RotoObject, State
from airoto_nuke import detect_panel, host, nodes, panel, plates, sync, tasks, work
from airoto_nuke.knobs import NodeKind

Node = Any


def changed(node: Node, name: str) -> None:
    """A knob was changed: a dragged box is the object's box."""
    state, number = nodes.state_of(node), name[3:]
    if not (name.startswith("box") and number.isdigit()):
        detect_panel.refresh(node)
        return
    index, source = int(number) - 1, node.input(0)
    if source is None or index >= len(state.objects):
        return
    one = state.objects[index]
    if nodes.value(node, "handles_frame") != host.frame() or one.prompt(host.frame()) is None:
        detect_panel.follow_frame(node, state)
        return
    box = host.canvas(source).box_to_recipe(*node[name].value())
    if box.x_min < box.x_max and box.y_min < box.y_max:
        one = replace(one, prompts=(replace(one.prompts[0], box=box),))
        objects = (*state.objects[:index], one, *state.objects[index + 1 :])
        sync.edit(node, "move box", replace(state, objects=objects))


def detect(node: Node) -> None:
    """Look for the phrases on the current frame."""
    text, frame = str(node["text"].value()).strip(), host.frame()
    if not text:
        raise BadRequestError(
            "there is nothing to find", hint="name it, phrases with periods between"
        )
    plate = plates.plate_of(node, fresh=True)
    work.render_plate(node, plate, [frame], plates.view_of(node))
    recipe = nodes.recipe_of(node, plate, State(), frames=(frame, frame))
    recipe["detect"] = {
        "engine": str(node["detect_engine"].value()).strip() or "auto",
        "text": text,
        "frame": frame,
        "box_threshold": float(node["box_threshold"].value()),
        "text_threshold": float(node["text_threshold"].value()),
    }
    ask = work.asked(node, recipe, "", (frame, frame), State())

    def done(found: Any, error: AIRotoError | None) -> None:
        if error is None:
            sync.edit(node, "detect", found_state(found, frame))
            missing = ", ".join(found.get("phrases_not_found", ()))
            with host.no_undo():
                panel.put(node, "not_found", panel.plain(missing))
        tasks.ended(node, error)

    tasks.start(node, lambda emit, stop: remote.detect(ask, emit, stop), done)


def found_state(answer: Mapping[str, Any], frame: int) -> State:
    """What a server found, as objects with a box prompt each."""
    objects = tuple(
        RotoObject(
            int(one["object_id"]),
            str(one["name"]),
            state_ops.palette(index),
            prompts=(Prompt(frame, box=Box(**_box_of(one))),),
        )
        for index, one in enumerate(answer.get("objects", ()))
    )
    return State(objects=objects, current=objects[0].id if objects else 0)


def _box_of(found: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(found["box"].get(name, 0.0)) for name in Box.__dataclass_fields__}


def make_objects(node: Node) -> None:
    """What was found as objects of the selected AIRoto node, or of a new one."""
    found = nodes.state_of(node)
    if not found.objects:
        raise BadRequestError("nothing was found yet", hint="press Detect first")
    chosen = [one for one in host.selected() if nodes.kind_of(one) is NodeKind.ROTO]
    with host.undo_group("AIRoto: make objects"):
        if len(chosen) == 1:
            target = chosen[0]
        else:
            with node.parent():
                target = sync.create(NodeKind.ROTO, source=node.input(0))
            for name in ("server", "link", "cache_folder", "colour_space", "ocio_config",
                         "exposure", "view_name", "size"):  # fmt: skip
                target[name].setValue(nodes.value(node, name))
        state = nodes.state_of(target)
        for one in found.objects:
            state = _joined(state, one)
        sync.edit(target, "make objects", state)
    host.tell(f"{len(found.objects)} objects are in {target.name()} now")


def _joined(state: State, one: RotoObject) -> State:
    """With another object, which gets an id and a name that are free."""
    taken, name = {other.name.lower() for other in state.objects}, one.name
    stem, number = re.sub(r"_\d+$", "", one.name), 1
    while name.lower() in taken:
        number += 1
        name = f"{stem}_{number}"
    state = state_ops.add_object(state, name)
    made = replace(state.objects[-1], prompts=one.prompts)
    return replace(state, objects=(*state.objects[:-1], made))
