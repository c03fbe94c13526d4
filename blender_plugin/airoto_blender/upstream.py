"""What comes into a node's Image socket, rendered: a scene of our own beside the artist's.

It is a copy that shares every object, and has a tree with nothing but what lies in front of the
node, so that no file is written and nothing of the artist's is changed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from airoto.errors import BadRequestError, FrameMissingError

from . import versions
from .beside import Beside
from .exr_rows import Rows
from .host import bpy

Node = Any
SOCKET = "Image"


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
        if scene is not None and versions.tree_of(scene) == node.id_data:
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


class Upstream(Beside):
    """Renders what comes into one node.

    Raises:
        BadRequestError: nothing comes into the node, or it is inside a group.
    """

    def __init__(self, node: Node) -> None:
        scene = scene_of(node)
        if not is_wired(node):
            raise BadRequestError(f"nothing comes into {node.name}", hint="wire its Image input")
        self.size = size_of(scene)

        def make(name: str) -> Any:
            copy, tree = versions.scene_beside(scene, name)
            _strip(tree, node, scene, copy)
            return copy

        super().__init__(f"what comes into {node.name}", make)

    def frame(self, number: int) -> dict[str, Rows]:
        """As `planes`, of the size that was expected.

        Raises:
            FrameMissingError: Blender cannot render it, or renders a part of it.
        """
        planes = self.planes(number)
        height, width = planes["R"].shape
        if (width, height) != self.size:
            raise FrameMissingError(
                f"{self.what} is {width}x{height} on frame {number}, not "
                f"{self.size[0]}x{self.size[1]}",
                hint="switch off cropping to the render region",
            )
        return planes


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
    versions.show_only(tree, socket)


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
