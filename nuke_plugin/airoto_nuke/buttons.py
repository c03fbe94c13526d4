"""What each button does, by its name."""

# ruff: noqa: PTH103, PTH105, PTH123 - paths are text here, as knobs have them

from __future__ import annotations

import json
import os
from typing import Any, Callable

from airoto.errors import BadRequestError
from airoto_client.node import approving, cache_paths, jobs, links, recipe_form, remote, state_ops
from airoto_client.node import state as states
from airoto_nuke import (
    bake,
    capture,
    detecting,
    host,
    nodes,
    panel,
    plates,
    presets,
    sync,
    tasks,
    work,
)
from airoto_nuke.geometry import sampled_area, sampled_point

Node = Any


def _current(node: Node) -> int:
    return nodes.state_of(node).current


def add_object(node: Node) -> None:
    """Another object."""
    sync.edit(node, "add object", state_ops.add_object(nodes.state_of(node)))


def remove_object(node: Node) -> None:
    """Without the current object."""
    sync.edit(node, "delete object", state_ops.remove_object(nodes.state_of(node), _current(node)))


def _sampled(node: Node) -> tuple[Any, Any]:
    sample = host.viewer_sample()
    if sample is None:
        raise BadRequestError("there is no viewer", hint="open one, and Ctrl-click the object")
    return plates.plate_of(node).canvas, sample


def _add_point(node: Node, *, positive: bool) -> None:
    canvas, sample = _sampled(node)
    x, y = canvas.to_recipe(*sampled_point(canvas, sample))
    new = state_ops.add_point(nodes.state_of(node), host.frame(), x, y, positive=positive)
    sync.edit(node, "add point", new)


def add_positive(node: Node) -> None:
    """The sampled pixel lies on the object."""
    _add_point(node, positive=True)


def add_negative(node: Node) -> None:
    """The sampled pixel does not lie on the object."""
    _add_point(node, positive=False)


def add_box(node: Node) -> None:
    """The sampled area is the object's box."""
    canvas, sample = _sampled(node)
    box = canvas.box_to_recipe(*sampled_area(canvas, sample))
    sync.edit(node, "add box", state_ops.set_box(nodes.state_of(node), host.frame(), box))


def remove_box(node: Node) -> None:
    """Without the frame's box."""
    sync.edit(node, "remove box", state_ops.set_box(nodes.state_of(node), host.frame(), None))


def use_mask(node: Node) -> None:
    """The mask input's alpha on this frame is the prompt."""
    mask = plates.plate_of(node, index=1, fresh=True)
    frame = host.frame()
    pattern = cache_paths.mask_pattern(nodes.folder_of(node), mask.identity)
    view = plates.view_of(node)
    capture.capture(node, "mask", pattern, [frame], channels="alpha", view=view)
    path = cache_paths.frame_path(pattern, frame)
    sync.edit(node, "use mask", state_ops.set_mask(nodes.state_of(node), frame, path))


def _point(node: Node) -> int:
    return int(node["point_number"].value()) - 1


def flip_point(node: Node) -> None:
    """The chosen point changes its sign."""
    new = state_ops.flip_point(nodes.state_of(node), host.frame(), _point(node))
    sync.edit(node, "flip point", new)


def delete_point(node: Node) -> None:
    """Without the chosen point."""
    new = state_ops.delete_point(nodes.state_of(node), host.frame(), _point(node))
    sync.edit(node, "delete point", new)


def delete_prompt(node: Node) -> None:
    """Without this frame's prompt."""
    new = state_ops.delete_prompt(nodes.state_of(node), host.frame())
    sync.edit(node, "delete prompt", new)


def copy_prompt(node: Node) -> None:
    """This frame's prompt on another frame too."""
    target = int(node["copy_to"].value())
    new = state_ops.copy_prompt(nodes.state_of(node), host.frame(), target)
    sync.edit(node, "copy prompt", new)


def go_to_prompt(node: Node) -> None:
    """To the chosen frame."""
    _go(node, panel.chosen_frame(node, "prompt_frames"))


def go_to_review(node: Node) -> None:
    """To the frame that may be wrong."""
    _go(node, panel.chosen_frame(node, "review"))


def next_key(node: Node) -> None:
    """To the next frame with a prompt."""
    _go(node, state_ops.next_key(nodes.state_of(node), host.frame()))


def previous_key(node: Node) -> None:
    """To the frame with a prompt before."""
    _go(node, state_ops.previous_key(nodes.state_of(node), host.frame()))


def _go(node: Node, frame: Any) -> None:
    if frame is not None:
        host.go_to(frame)
        sync.refresh(node)


def range_from_input(node: Node) -> None:
    """First and last from the plate."""
    plates.plate_of(node)
    sync.take_range(node)
    sync.refresh(node)


def track(node: Node) -> None:
    """The whole range."""
    settings = nodes.settings_of(node)
    work.track(node, settings.first, settings.last)


def track_to_next_key(node: Node) -> None:
    """From here to the next frame with a prompt."""
    last = state_ops.next_key(nodes.state_of(node), host.frame())
    work.track(node, _in_range(node), nodes.settings_of(node).last if last is None else last)


def retrack(node: Node) -> None:
    """From here to the end."""
    work.track(node, _in_range(node), nodes.settings_of(node).last)


def _in_range(node: Node) -> int:
    frame, settings = host.frame(), nodes.settings_of(node)
    if not settings.first <= frame <= settings.last:
        raise BadRequestError(
            f"frame {frame} lies outside the range {settings.first}-{settings.last}"
        )
    return frame


def make(node: Node) -> None:
    """The whole range, from the mask input."""
    settings = nodes.settings_of(node)
    work.make(node, settings.first, settings.last)


def make_frame(node: Node) -> None:
    """This frame, from the mask input."""
    work.make(node, _in_range(node), _in_range(node))


def lock_frame(node: Node) -> None:
    """Approve the frame: its file is kept aside."""
    frame = host.frame()
    manifest, path = work.frame_matte(node, frame)
    new = approving.approved(
        nodes.state_of(node),
        frame,
        path,
        manifest=manifest,
        folder=nodes.folder_of(node),
        place=nodes.place_of(node),
    )
    sync.edit(node, "approve frame", new)


def unlock_frame(node: Node) -> None:
    """The frame is tracked again."""
    new = state_ops.unlock_frame(nodes.state_of(node), host.frame())
    sync.edit(node, "unlock frame", new)


def _ask_server(
    node: Node, ask: Callable[[str, str], dict[str, Any]], *, quietly: bool = False
) -> None:
    target, kind = str(node["server"].value()).strip(), str(node["link"].value())
    with host.no_undo():
        panel.put(node, "server_state", "asking")

    def done(info: Any, error: Any) -> None:
        if not host.is_there(node):
            return
        words = "" if error is None else panel.plain(error.message)
        with host.no_undo():
            if error is None:
                devices = ", ".join(one.get("name", "?") for one in info.get("devices", ()))
                words = f"AIRoto {info.get('version', '?')} on {devices}"
                panel.put(node, "engines", _engine_list(info))
            panel.put(node, "server_state", words)
        sync.refresh(node)
        if error is not None and not quietly:
            host.tell(remote.error_text(error))

    post = host.post if host.is_gui() else None
    job = jobs.Job(
        lambda emit, stop: ask(target, kind), on_event=lambda _: None, on_done=done, post=post
    )
    job.start()


def ask_quietly(node: Node) -> None:
    """Let a new node know what the server has, if there is one; nothing is said if not."""
    _ask_server(node, links.hello, quietly=True)


def check_server(node: Node) -> None:
    """Ask the server who it is."""
    _ask_server(node, links.hello)


def start_server(node: Node) -> None:
    """Start one on this machine."""
    _ask_server(node, links.start_server)


def _engine_list(info: dict[str, Any]) -> str:
    names: dict[str, list[str]] = {}
    for one in info.get("engines", ()):
        role = str(one.get("role", "")).replace("ENGINE_ROLE_", "").lower()
        mark = "" if one.get("available") else " (not here)"
        names.setdefault(role, []).append(f"{one.get('name', '?')}{mark}")
    return "; ".join(f"{role}: {', '.join(found)}" for role, found in names.items())


def copy_recipe(node: Node) -> None:
    """The recipe as JSON: into the clipboard, and into the node's folder."""
    plate = plates.plate_of(node)
    state = nodes.state_of(node)
    key = nodes.wanted_key(node, plate, state)
    folder = nodes.folder_of(node)
    output = cache_paths.result_pattern(folder, key)
    recipe = nodes.with_locks(node, state, nodes.recipe_of(node, plate, state, output=output))
    text = json.dumps(recipe, indent=2, ensure_ascii=False) + "\n"
    clipboard = host.clipboard()
    if clipboard is not None:
        clipboard.setText(text)
    os.makedirs(folder, exist_ok=True)
    path = f"{folder}/recipe.airoto.json"
    with open(f"{path}.tmp", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(f"{path}.tmp", path)
    host.tell(f"The recipe lies at\n{path}")


def paste_recipe(node: Node) -> None:
    """Objects, prompts and options of a recipe: from the clipboard, or from a file."""
    clipboard = host.clipboard()
    text = "" if clipboard is None else str(clipboard.text())
    if not text.lstrip().startswith("{"):
        path = host.ask("Path of a recipe (shot.airoto.json)", "")
        if not path:
            return
        try:
            with open(path, encoding="utf-8") as file:
                text = file.read()
        except OSError as exc:
            raise BadRequestError(f"{path} cannot be read: {exc.strerror}") from exc
    try:
        data = json.loads(text)
    except ValueError as exc:
        raise BadRequestError(f"that is no recipe: {exc}") from exc
    put_recipe(node, data)


def put_recipe(node: Node, data: dict[str, Any]) -> None:
    """Let a node ask for what a recipe says; its plate stays what is connected."""
    recipe_form.from_recipe(data)  # a damaged one is refused before anything is looked at
    source = node.input(0)
    canvas = None if source is None else host.canvas(source)
    width, height = (None, None) if canvas is None else (canvas.width, canvas.height)
    fitted, words = recipe_form.for_plate(data, width, height)
    pin = fitted.pop("preset", {})
    pin = pin if isinstance(pin, dict) else {}
    state, settings = recipe_form.from_recipe(fitted)
    with host.undo_group("AIRoto: paste recipe"):
        presets.from_recipe(node, pin)
        sync.put_settings(node, settings)
        node["state"].setValue(states.dump(state))
    sync.refresh(node)
    if words:
        host.tell(words)


def bake_reads(node: Node) -> None:
    """Plain Reads with the mattes."""
    bake.bake(node)


def reset_to_show(node: Node) -> None:
    """What the node's preset says now."""
    presets.reset_to_show(node)
    sync.refresh(node)


def reset_to_pinned(node: Node) -> None:
    """What the node's preset said when it was taken."""
    presets.reset_to_pinned(node)
    sync.refresh(node)


# Names of buttons to what they do. `True`: it renders or waits, so it runs after the script.
ACTIONS: dict[str, tuple[Callable[[Node], None], bool]] = {
    "add_object": (add_object, False),
    "remove_object": (remove_object, False),
    "add_positive": (add_positive, False),
    "add_negative": (add_negative, False),
    "add_box": (add_box, False),
    "remove_box": (remove_box, False),
    "use_mask": (use_mask, True),
    "flip_point": (flip_point, False),
    "delete_point": (delete_point, False),
    "segment": (work.segment, True),
    "hide_candidates": (work.hide_candidates, False),
    "go_to_prompt": (go_to_prompt, False),
    "previous_key": (previous_key, False),
    "next_key": (next_key, False),
    "delete_prompt": (delete_prompt, False),
    "copy_prompt": (copy_prompt, False),
    "range_from_input": (range_from_input, False),
    "track": (track, True),
    "track_to_next_key": (track_to_next_key, True),
    "retrack": (retrack, True),
    "cancel": (tasks.cancel, False),
    "lock_frame": (lock_frame, False),
    "unlock_frame": (unlock_frame, False),
    "go_to_review": (go_to_review, False),
    "make": (make, True),
    "make_frame": (make_frame, True),
    "detect": (detecting.detect, True),
    "make_objects": (detecting.make_objects, False),
    "check_server": (check_server, True),
    "start_server": (start_server, True),
    "copy_recipe": (copy_recipe, False),
    "paste_recipe": (paste_recipe, False),
    "bake": (bake_reads, True),
    "reset_to_show": (reset_to_show, False),
    "reset_to_pinned": (reset_to_pinned, False),
}
