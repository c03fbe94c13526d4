"""Our nodes made, changed, and kept in step with their state.

`refresh` is the one place where knobs that are derived from the state are written: object list,
handles, status, which result the inner Reads show. It makes no undo step and no network call.
"""

# ruff: noqa: PTH120 - paths are text here, as knobs have them

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

from airoto.errors import AIRotoError, BadRequestError, OutputError
from airoto_client.node import cache_paths, staleness
from airoto_client.node import state as states
from airoto_client.node.recipe_form import SETTINGS, Settings
from airoto_client.node.state import State
from airoto_nuke import (
    detect_panel,
    guides,
    host,
    nodes,
    panel,
    plates,
    presets,
    renewal,
    templates,
)
from airoto_nuke.knobs import NodeKind

Node = Any
GIZMOS = Path(__file__).resolve().parents[1] / "gizmos"


def create(kind: NodeKind, source: Node = None) -> Node:
    """A new node, as a Group, connected to the selected one if nothing else is said."""
    chosen = host.selected() if source is None else [source]
    node_id = cache_paths.new_node_id()
    text = (GIZMOS / templates.file_name(kind)).read_text()
    for name, channels in templates.layers(kind).items():
        host.ensure_layer(name, channels)
    host.read_text(templates.expanded(text, f"{kind.value}1", node_id))
    node = next(one for one in host.all_nodes() if nodes.id_of(one) == node_id)
    if chosen:
        node.setInput(0, chosen[0])
        take_range(node)
    refresh(node)
    return node


def edit(node: Node, what: str, new: State) -> None:
    """Replace a node's state, as one step to undo; nothing happens where nothing changes."""
    if new == nodes.state_of(node):
        return
    with host.undo_group(f"AIRoto: {what}"):
        node["state"].setValue(states.dump(new))
    refresh(node)


def put_settings(node: Node, settings: Settings) -> None:
    """Set the knobs that the recipe depends on, where the node has them."""
    for name in SETTINGS:
        knob = node.knob(name)
        if name != "name" and knob is not None:
            knob.setValue(getattr(settings, name))


def take_range(node: Node) -> None:
    """First and last from the plate, where there is one."""
    source = node.input(0)
    if source is not None and node.knob("first") is not None:
        first, last = host.frame_range(source)
        node["first"].setValue(first)
        node["last"].setValue(last)


def key_now(node: Node, state: State, *, fresh: bool = False) -> str:
    """The key that the node's knobs, plate and guide ask for; empty where they ask for nothing
    that can be made."""
    return _asked(node, state, fresh)[0]


def _asked(node: Node, state: State, fresh: bool) -> tuple[str, str]:
    """The wanted key, and what a script remembers of the plate for whoever reads it without Nuke;
    empty where there is nothing to ask for."""
    try:
        plate = plates.plate_of(node, fresh=fresh)
        if nodes.kind_of(node) is not NodeKind.ROTO:
            return guides.wanted_key(node, plate, fresh=fresh), ""
        return nodes.wanted_key(node, plate, state), nodes.seen_of(node, plate).dump()
    except AIRotoError:
        return "", ""


def refresh(node: Node, *, fresh: bool = False) -> None:
    """Bring everything that is derived from the state in step with it."""
    kind = nodes.kind_of(node)
    if kind is None:
        return
    try:
        state = nodes.state_of(node)
    except BadRequestError as exc:
        with host.no_undo():
            panel.put(node, "status", exc.message)
        return
    if not nodes.is_whole(node):
        return
    renewal.renew_inside(node)
    with host.no_undo():
        presets.show(node)
    if kind is NodeKind.DETECT:
        detect_panel.refresh(node)
        return
    with host.no_undo():
        key, seen = _asked(node, state, fresh)
        panel.put(node, "plate_seen", seen)
        if key:
            show_known(node, state, key)
        manifest = nodes.shown_manifest(node)
        stale = not key or key != nodes.value(node, "result_key")
        panel.put(node, "stale", int(stale))
        if not host.is_executing():  # a render that failed may have left it
            panel.put(node, "rendering", 0)
        panel.put(node, "status", panel.status_text(node, stale, manifest, host.frame()))
        if manifest is not None:
            panel.show_views(node, state, manifest)
        if kind is NodeKind.ROTO:
            panel.fill(node, state, manifest)


def follow_frame(node: Node) -> None:
    """What depends on the current frame alone; the graph is not looked at."""
    try:
        state = nodes.state_of(node)
    except BadRequestError:
        return
    if nodes.kind_of(node) is NodeKind.DETECT:
        with host.no_undo():
            detect_panel.follow_frame(node, state)
        return
    with host.no_undo():
        panel.follow_frame(node, state)
        stale, manifest = bool(nodes.value(node, "stale")), nodes.shown_manifest(node)
        panel.put(node, "status", panel.status_text(node, stale, manifest, host.frame()))


def show_known(node: Node, state: State, key: str) -> None:
    """Show a result that is there: made before, as after an undo, or by others, as on a farm."""
    from airoto_nuke import tasks  # it builds on this module

    try:
        folder = nodes.folder_of(node)
    except AIRotoError:
        return
    place = cache_paths.manifest_path(folder, key)
    kept = staleness.read_manifest(place)
    manifest = kept if kept is not None and kept.key == key else None
    if nodes.kind_of(node) is NodeKind.ROTO and not tasks.is_running(node):
        manifest = _with_news(node, state, key, place, manifest)
    if manifest is None or not manifest.finished:
        return
    if key != nodes.value(node, "result_key") or manifest is not kept:
        show_result(node, manifest)


def _with_news(
    node: Node, state: State, key: str, place: str, manifest: staleness.Manifest | None
) -> staleness.Manifest | None:
    """A manifest with frames that a farm has made meanwhile, kept for the next one who looks."""
    settings = nodes.settings_of(node)
    span = range(settings.first, settings.last + 1)
    if manifest is not None and len(manifest.finished) >= len(span):
        return manifest
    wanted = (("trimap", settings.trimap_layer), ("foreground", settings.foreground_layer),
              ("confidence", settings.confidence_layer))  # fmt: skip
    known = manifest or staleness.Manifest(
        key=key,
        pattern=cache_paths.result_pattern(nodes.folder_of(node), key),
        objects=tuple(one.name for one in state.objects),
        layers=tuple(name for name, is_wanted in wanted if is_wanted),
        locked=state.locked_frames,
        scale=nodes.scale_of(node),
    )
    found = staleness.adopted(known, os.path.dirname(place), span)
    if found is None:
        return manifest
    # Where it cannot be kept, the next one looks at the files again.
    with contextlib.suppress(OutputError):
        staleness.write_manifest(place, found)
    return found


def show_layers(node: Node) -> None:
    """Wire the layers of the shown result anew."""
    manifest, kind = nodes.shown_manifest(node), nodes.kind_of(node)
    if manifest is not None and kind is not None and nodes.is_whole(node):
        with host.no_undo():
            panel.show_layers(node, manifest, kind)


def show_result(node: Node, manifest: staleness.Manifest) -> None:
    """Let the inner Reads show a result, on its true frame numbers."""
    frames = manifest.finished
    pattern = cache_paths.result_pattern(nodes.folder_of(node), manifest.key)
    path = nodes.place_of(node).shown(pattern)
    changed = str(nodes.value(node, "result_key")) != manifest.key
    if changed:
        _keep_previous(node, manifest)
    if _covers(node, frames):
        panel.put(node, "has_previous", 0)
    for name in ("Result", "Checked"):
        reader = node.node(name)
        panel.put_on(reader, "file", path)
        for knob, number in (("first", frames[0]), ("last", frames[-1])):
            panel.put_on(reader, knob, number)
            panel.put_on(reader, f"orig{knob}", number)
        reader["reload"].execute()
    panel.put(node, "result_key", manifest.key)
    panel.put(node, "has_result", 1)
    panel.put(node, "result_scale", manifest.scale)
    panel.put(node, "result_first", frames[0])
    panel.put(node, "result_last", frames[-1])
    if changed:
        panel.show_layers(node, manifest, nodes.kind_of(node) or NodeKind.ROTO)


def _keep_previous(node: Node, manifest: staleness.Manifest) -> None:
    """Let windows show the result until now where the new one has no frames yet."""
    old = nodes.shown_manifest(node)
    if old is None or not old.finished or old.scale != manifest.scale:
        panel.put(node, "has_previous", 0)
        return
    reader = node.node("Previous")
    panel.put_on(reader, "file", str(node.node("Result")["file"].value()))
    for knob, number in (("first", old.finished[0]), ("last", old.finished[-1])):
        panel.put_on(reader, knob, number)
        panel.put(node, f"previous_{knob}", number)
    panel.put(node, "has_previous", 1)


def _covers(node: Node, frames: tuple[int, ...]) -> bool:
    settings = nodes.settings_of(node)
    return set(range(settings.first, settings.last + 1)) <= set(frames)
