"""What comes into a node's Image socket, rendered: a scene of our own beside the artist's.

It is a copy that shares every object, and has a tree with nothing but what lies in front of the
node, so that no file is written and nothing of the artist's is changed. Without windows Blender
lets nobody read what was composited, therefore a frame goes through a file of its own in
Blender's temporary folder.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from airoto.errors import BadRequestError, FrameMissingError

from . import exr_rows, host
from .exr_rows import Rows
from .host import bpy

Node = Any
SOCKET = "Image"
_rendering = False


def is_rendering() -> bool:
    """Whether a render is one of ours, at which the gate need not look."""
    return _rendering


def is_wired(node: Node) -> bool:
    """Whether something comes into the node."""
    socket = node.inputs.get(SOCKET)
    return socket is not None and bool(socket.is_linked)


def scene_of(node: Node) -> Any:
    """The scene whose compositor the node is in.

    Raises:
        BadRequestError: none; a node inside a group gets pixels of whoever uses the group.
    """
    scenes = [bpy.context.scene, *bpy.data.scenes]
    for scene in scenes:
        if scene is not None and host.tree_of(scene) == node.id_data:
            return scene
    raise BadRequestError(
        f"{node.name} is inside the group {node.id_data.name}: what comes into it cannot be "
        "rendered by itself",
        hint="put the node into the scene's own tree, or give it a plate of files",
    )


def size_of(scene: Any) -> tuple[int, int]:
    """Width and height of what the scene renders, in pixels."""
    part = scene.render.resolution_percentage / 100
    return int(scene.render.resolution_x * part), int(scene.render.resolution_y * part)


def fill(planes: dict[str, Rows], room: memoryview) -> None:
    """Put half RGB pixels, interleaved, rows from the top, into room for exactly so many."""
    height, width = planes["R"].shape
    target = np.frombuffer(room, np.float16).reshape(height, width, 3)
    for number, channel in enumerate("RGB"):
        np.copyto(target[..., number], planes[channel])


class Upstream:
    """Renders what comes into one node, frame by frame; leave it, or its scene stays.

    Raises:
        BadRequestError: nothing comes into the node, or it is inside a group.
    """

    def __init__(self, node: Node) -> None:
        self._name = node.name
        scene = scene_of(node)
        if not is_wired(node):
            raise BadRequestError(f"nothing comes into {node.name}", hint="wire its Image input")
        self.size = size_of(scene)
        # Known by name: undo takes it away, and everything has another address after it.
        self._beside = f".AI Roto {secrets.token_hex(8)}"
        self._files = str(Path(host.temporary_folder()) / f"airoto-{secrets.token_hex(8)}.")
        copy, tree = host.scene_beside(scene, self._beside)
        try:
            _strip(tree, node, scene, copy)
            host.write_half_rows(copy, self._files)
        except BaseException:
            self.close()
            raise

    def frame(self, number: int) -> dict[str, Rows]:
        """Channels R, G and B of a frame of the scene, scene-linear.

        Raises:
            FrameMissingError: Blender cannot render it.
        """
        try:
            with ours():
                path = Path(host.render_frame(self._beside, number))
            data = path.read_bytes()
            path.unlink()
        except (RuntimeError, OSError) as exc:
            raise FrameMissingError(
                f"what comes into {self._name} cannot be rendered on frame {number}: "
                f"{str(exc).strip()}"
            ) from exc
        planes = exr_rows.planes_of(data)
        height, width = planes["R"].shape
        if (width, height) != self.size:
            raise FrameMissingError(
                f"what comes into {self._name} is {width}x{height} on frame {number}, not "
                f"{self.size[0]}x{self.size[1]}",
                hint="switch off cropping to the render region",
            )
        return planes

    def close(self) -> None:
        """Take our scene away again."""
        host.remove_scene(self._beside)

    def __enter__(self) -> Upstream:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@contextlib.contextmanager
def ours() -> Iterator[None]:
    """What is rendered meanwhile is ours."""
    global _rendering
    before, _rendering = _rendering, True
    try:
        yield
    finally:
        _rendering = before


def _strip(tree: Any, node: Node, scene: Any, copy: Any) -> None:
    """Leave what lies in front of the node, and make that the picture.

    Args:
        tree: a copy of the node's tree, with the same names.
        scene, copy: the artist's scene, and ours.
    """
    socket = tree.nodes[node.name].inputs[SOCKET].links[0].from_socket
    wanted, waiting = {socket.node.name}, [socket.node]
    while waiting:
        for one in waiting.pop().inputs:
            for link in one.links:
                if link.from_node.name not in wanted:
                    wanted.add(link.from_node.name)
                    waiting.append(link.from_node)
    for one in list(tree.nodes):
        if one.name not in wanted:
            tree.nodes.remove(one)
        elif one.bl_idname == node.bl_idname:
            socket = _as_group(tree, one, socket)
        elif getattr(one, "scene", None) == scene:
            one.scene = copy  # else Blender renders the artist's scene in the middle of itself
    host.show_only(tree, socket)


def _as_group(tree: Any, node: Node, socket: Any) -> Any:
    """Replace a node of ours by a plain group that shows the same; a socket of the tree after it.

    A copy of a node of ours is a node of its own, with mattes of its own; a group is not.
    """
    group = tree.nodes.new("CompositorNodeGroup")
    group.node_tree = node.node_tree
    for ours, theirs in zip(node.inputs, group.inputs):
        for link in ours.links:
            tree.links.new(link.from_socket, theirs)
    shown = socket
    for ours, theirs in zip(node.outputs, group.outputs):
        shown = theirs if ours == socket else shown
        for link in list(ours.links):
            tree.links.new(theirs, link.to_socket)
    tree.nodes.remove(node)
    return shown
