"""Our nodes: read, edited, and kept in step with their state."""

# ruff: noqa: PTH113, PTH120 - paths are text here, as Blender has them

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from airoto.errors import AIRotoError, BadRequestError, CancelledError
from airoto_client.node import cache_paths, staleness
from airoto_client.node import state as states
from airoto_client.node.plate_files import file_of
from airoto_client.node.state import State

from . import host, inside, plates, presets, recipes, versions
from .host import bpy

Node = Any
IDNAME = "AIRotoNode"
_quiet = False


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Several properties change; whoever changes them refreshes the node at the end."""
    global _quiet
    before, _quiet = _quiet, True
    try:
        yield
    finally:
        _quiet = before


def is_quiet() -> bool:
    """Whether a node is being changed by us, so that it need not follow every change."""
    return _quiet


def ours() -> Iterator[Node]:
    """Every AI Roto node of the file."""
    seen = set()
    for tree in versions.all_trees():
        for node in tree.nodes:
            if node.bl_idname == IDNAME and node.node_id not in seen:
                seen.add(node.node_id)
                yield node


def by_id(node_id: str) -> Node | None:
    """The node with that id; None where it is gone."""
    return next((one for one in ours() if one.node_id == node_id), None)


def there(node_id: str) -> Node:
    """As `by_id`, where it must be there.

    Raises:
        CancelledError: it is gone.
    """
    node = by_id(node_id)
    if node is None:
        raise CancelledError("the node is gone")
    return node


def is_linked(node: Node) -> bool:
    """Whether the node belongs to another .blend and cannot be changed here."""
    return node.id_data.library is not None


def state_of(node: Node) -> State:
    """What the artist has said.

    Raises:
        BadRequestError: it cannot be read.
    """
    return states.load(node.state)


def edit(node: Node, what: str, new: State) -> None:
    """Replace a node's state, as one step to undo; nothing happens where nothing changes."""
    if new == state_of(node):
        return
    node.state = states.dump(new)  # refreshes the node
    host.push_undo(what)


def take_plate(node: Node) -> None:
    """Range and start from the plate."""
    plate = plates.plate_of(node)
    with quiet():
        node.first, node.last, node.start = plate.first, plate.last, plate.first
    refresh(node)


def plate_frame(node: Node, scene_frame: int) -> int:
    """The plate's frame that is shown on a frame of the scene."""
    return int(scene_frame - node.start + node.first)


def scene_frame(node: Node, plate_frame: int) -> int:
    """The scene's frame on which a frame of the plate is shown."""
    return int(plate_frame - node.first + node.start)


def check_frame(node: Node, frame: int) -> None:
    """
    Raises:
        BadRequestError: the node has no such frame, so a prompt on it would be of no use.
    """
    if not node.first <= frame <= node.last:
        raise BadRequestError(
            f"the plate's frame {frame} lies outside the range {node.first}-{node.last}",
            hint="go to a frame of the plate, or widen the range",
        )


def key_now(node: Node) -> str:
    """As `recipes.wanted_key`; empty where the node asks for nothing that can be made."""
    try:
        return recipes.wanted_key(node, plates.plate_of(node), state_of(node))
    except AIRotoError:
        return ""


def shown_folder(node: Node) -> str:
    """Where the shown result lies, absolute; empty for none."""
    if not node.result_file:
        return ""
    return os.path.dirname(host.absolute(node.result_file, node.id_data))


def shown_manifest(node: Node) -> staleness.Manifest | None:
    """What is known of the result that the node shows."""
    folder = shown_folder(node)
    return staleness.read_manifest(f"{folder}/result.json") if folder else None


def problem(node: Node, frame: int) -> str:
    """Why the matte of a plate's frame must not get into a picture, in words; empty if it may.

    Raises:
        AIRotoError: the node asks for nothing that can be made.
    """
    plate, state = plates.plate_of(node), state_of(node)
    if not node.first <= frame <= node.last:
        return f"{node.name}: frame {frame} lies outside its range {node.first}-{node.last}"
    manifest = shown_manifest(node)
    wanted = recipes.wanted_key(node, plate, state)
    found = staleness.verdict(node.result_key, wanted, manifest, frame)
    if found is not staleness.Verdict.CURRENT or manifest is None:
        return f"{node.name}: the matte of frame {frame} is {found.value}"
    pattern = cache_paths.result_pattern(folder_of_shown(node), manifest.key)
    if not plate.is_rendered and manifest.plate_files.get(frame) not in (
        None,
        staleness.file_stamp(file_of(plate.path, frame)),
    ):
        return f"{node.name}: the plate's frame {frame} has changed since"
    wrong = staleness.check_file(manifest, frame, pattern)
    return f"{node.name}: {wrong}" if wrong else ""


def folder_of_shown(node: Node) -> str:
    """The folder of the node whose result is shown: `<folder>/mattes/<key>/matte.%04d.exr`."""
    return os.path.dirname(os.path.dirname(shown_folder(node)))


def refresh(node: Node) -> None:
    """Bring everything that is derived from the state in step with it."""
    if _quiet or is_linked(node):
        return
    try:
        state = state_of(node)
        with quiet():
            broken = presets.keep_locks(node)
    except AIRotoError as exc:
        node.status = exc.message
        return
    key = key_now(node)
    if key and key != node.result_key:
        _show_known(node, key)
    manifest = shown_manifest(node)
    with quiet():
        image = _result_image(node, manifest)
        inside.sync(node, state, node.plate, image, first=node.first, last=node.last)
    node.status = _status(node, key, manifest)
    if broken:
        node.progress = "; ".join(broken)


def refresh_by_id(node_id: str) -> None:
    """As `refresh`, where the node is still there."""
    node = by_id(node_id)
    if node is not None:
        refresh(node)


def show_result(node: Node, manifest: staleness.Manifest, folder: str) -> None:
    """Show a result: these files, on their true frames."""
    _put_result(node, manifest, folder)
    refresh(node)


def _put_result(node: Node, manifest: staleness.Manifest, folder: str) -> None:
    pattern = cache_paths.result_pattern(folder, manifest.key)
    if node.result_key == manifest.key and os.path.dirname(pattern) == shown_folder(node):
        return
    with quiet():
        node.result_key = manifest.key
        node.result_file = host.shown(cache_paths.frame_path(pattern, manifest.finished[0]))


def _show_known(node: Node, key: str) -> None:
    """A result that was made before, as after an undo, or in a folder that was moved."""
    try:
        folder = recipes.folder_of(node)
    except AIRotoError:
        return
    manifest = staleness.read_manifest(cache_paths.manifest_path(folder, key))
    if manifest is not None and manifest.key == key and manifest.finished:
        _put_result(node, manifest, folder)


def shown_image(node: Node) -> Any:
    """The image data-block of the mattes that the node shows; None for none."""
    refresh(node)
    return bpy.data.images.get(_image_name(node)) if shown_manifest(node) is not None else None


def _image_name(node: Node) -> str:
    return f".AI Roto mattes {node.node_id}"


def _result_image(node: Node, manifest: staleness.Manifest | None) -> Any:
    if manifest is None or not manifest.finished:
        return None
    path = host.absolute(node.result_file, node.id_data)
    if not os.path.isfile(path):
        return None
    image = bpy.data.images.get(_image_name(node))
    if image is None:
        return host.load_sequence(_image_name(node), path)
    if image.filepath != path:
        image.filepath = path
        image.reload()
    elif not host.is_background():
        image.reload()  # frames that were missing may be there
    return image


def _status(node: Node, key: str, manifest: staleness.Manifest | None) -> str:
    if node.plate is None and not plates.is_rendered(node):
        return "no plate"
    if manifest is None or not manifest.finished:
        return "no mattes yet"
    count, last = len(manifest.finished), manifest.finished[-1]
    what = "current" if key == node.result_key else "stale"
    return f"{what}: {count} frames, {manifest.finished[0]}-{last}"
