"""Our nodes in the graph: made, read, and kept in step with their state.

`refresh` is the one place where knobs that are derived from the state are written: object list,
handles, status, which result the inner Reads show. It makes no undo step and no network call.
"""

# ruff: noqa: PTH120 - paths are text here, as knobs have them

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from airoto.errors import AIRotoError, BadRequestError, OutputError
from airoto_client.node import asking, cache_paths, staleness
from airoto_client.node import state as states
from airoto_client.node.cache_paths import NodePlace
from airoto_client.node.recipe_form import SETTINGS, Settings
from airoto_client.node.state import Lock, State
from airoto_nuke import host, panel, pixels, plates, preset_tokens, presets, templates
from airoto_nuke.knobs import NodeKind

Node = Any
GIZMOS = Path(__file__).resolve().parents[1] / "gizmos"
_UNSET = ("", None)


def create(kind: NodeKind, source: Node = None) -> Node:
    """A new node, as a Group, connected to the selected one if nothing else is said."""
    chosen = host.selected() if source is None else [source]
    node_id = cache_paths.new_node_id()
    text = (GIZMOS / templates.file_name(kind)).read_text()
    for name, channels in templates.layers(kind).items():
        host.ensure_layer(name, channels)
    host.read_text(templates.expanded(text, f"{kind.value}1", node_id))
    node = next(one for one in host.all_nodes() if id_of(one) == node_id)
    if chosen:
        node.setInput(0, chosen[0])
        take_range(node)
    refresh(node)
    return node


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


def edit(node: Node, what: str, new: State) -> None:
    """Replace a node's state, as one step to undo; nothing happens where nothing changes."""
    if new == state_of(node):
        return
    with host.undo_group(f"AIRoto: {what}"):
        node["state"].setValue(states.dump(new))
    refresh(node)


def settings_of(node: Node) -> Settings:
    """The knobs that the recipe depends on."""
    values: dict[str, Any] = {}
    for name in SETTINGS:
        default = getattr(Settings, name)
        found = value(node, name, default) if name != "name" else str(node.name())
        values[name] = type(default)(found) if found not in _UNSET else default
    return Settings(**values)


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


def key_now(node: Node, state: State, *, fresh: bool = False) -> str:
    """The key that the node's knobs, plate and guide ask for; empty where they ask for nothing
    that can be made."""
    return _asked(node, state, fresh)[0]


def _asked(node: Node, state: State, fresh: bool) -> tuple[str, str]:
    """The wanted key, and what a script remembers of the plate for whoever reads it without Nuke;
    empty where there is nothing to ask for."""
    from airoto_nuke import guides

    try:
        plate = plates.plate_of(node, fresh=fresh)
        if kind_of(node) is not NodeKind.ROTO:
            return guides.wanted_key(node, plate, fresh=fresh), ""
        return wanted_key(node, plate, state), seen_of(node, plate).dump()
    except AIRotoError:
        return "", ""


def refresh(node: Node, *, fresh: bool = False) -> None:
    """Bring everything that is derived from the state in step with it."""
    from airoto_nuke import detecting, renewal  # they build on this module

    kind = kind_of(node)
    if kind is None:
        return
    try:
        state = state_of(node)
    except BadRequestError as exc:
        with host.no_undo():
            panel.put(node, "status", exc.message)
        return
    if not is_whole(node):
        return
    renewal.renew_inside(node)
    with host.no_undo():
        presets.show(node)
    if kind is NodeKind.DETECT:
        detecting.refresh(node)
        return
    with host.no_undo():
        key, seen = _asked(node, state, fresh)
        panel.put(node, "plate_seen", seen)
        if key:
            show_known(node, state, key)
        manifest = shown_manifest(node)
        stale = not key or key != value(node, "result_key")
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
        state = state_of(node)
    except BadRequestError:
        return
    if kind_of(node) is NodeKind.DETECT:
        from airoto_nuke import detecting

        with host.no_undo():
            detecting.follow_frame(node, state)
        return
    with host.no_undo():
        panel.follow_frame(node, state)
        stale, manifest = bool(value(node, "stale")), shown_manifest(node)
        panel.put(node, "status", panel.status_text(node, stale, manifest, host.frame()))


def show_known(node: Node, state: State, key: str) -> None:
    """Show a result that is there: made before, as after an undo, or by others, as on a farm."""
    from airoto_nuke import tasks  # it builds on this module

    try:
        folder = folder_of(node)
    except AIRotoError:
        return
    place = cache_paths.manifest_path(folder, key)
    kept = staleness.read_manifest(place)
    manifest = kept if kept is not None and kept.key == key else None
    if kind_of(node) is NodeKind.ROTO and not tasks.is_running(node):
        manifest = _with_news(node, state, key, place, manifest)
    if manifest is None or not manifest.finished:
        return
    if key != value(node, "result_key") or manifest is not kept:
        show_result(node, manifest)


def _with_news(
    node: Node, state: State, key: str, place: str, manifest: staleness.Manifest | None
) -> staleness.Manifest | None:
    """A manifest with frames that a farm has made meanwhile, kept for the next one who looks."""
    settings = settings_of(node)
    span = range(settings.first, settings.last + 1)
    if manifest is not None and len(manifest.finished) >= len(span):
        return manifest
    wanted = (("trimap", settings.trimap_layer), ("foreground", settings.foreground_layer),
              ("confidence", settings.confidence_layer))  # fmt: skip
    known = manifest or staleness.Manifest(
        key=key,
        pattern=cache_paths.result_pattern(folder_of(node), key),
        objects=tuple(one.name for one in state.objects),
        layers=tuple(name for name, is_wanted in wanted if is_wanted),
        locked=state.locked_frames,
        scale=scale_of(node),
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
    manifest, kind = shown_manifest(node), kind_of(node)
    if manifest is not None and kind is not None and is_whole(node):
        with host.no_undo():
            panel.show_layers(node, manifest, kind)


def show_result(node: Node, manifest: staleness.Manifest) -> None:
    """Let the inner Reads show a result, on its true frame numbers."""
    frames = manifest.finished
    pattern = cache_paths.result_pattern(folder_of(node), manifest.key)
    path = place_of(node).shown(pattern)
    changed = str(value(node, "result_key")) != manifest.key
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
        panel.show_layers(node, manifest, kind_of(node) or NodeKind.ROTO)


def _keep_previous(node: Node, manifest: staleness.Manifest) -> None:
    """Let windows show the result until now where the new one has no frames yet."""
    old = shown_manifest(node)
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
    settings = settings_of(node)
    return set(range(settings.first, settings.last + 1)) <= set(frames)
