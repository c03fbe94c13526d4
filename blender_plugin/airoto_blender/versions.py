"""What differs between Blender's versions, and nothing else; tried in 4.5, 5.0, 5.1 and 5.2.

5.0 made the compositor's tree a data-block of its own, whose output is the picture, and its mixing
nodes those of shaders.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Iterator
from typing import Any, Callable, NoReturn

import bpy as bpy  # for the others too

Node = Any

_IS_5 = bpy.app.version >= (5, 0, 0)
_TREE = "CompositorNodeTree"
# In masks up to 5.1.2 any outline inside another makes a hole, in 5.2.2 one that runs backwards.
HOLES_BY_WINDING = bpy.app.version >= (5, 2, 0)


# ---- trees -------------------------------------------------------------------------


def tree_of(scene: Any) -> Any:
    """A scene's compositor tree; None where it has none."""
    if _IS_5:
        return scene.compositing_node_group
    return scene.node_tree if scene.use_nodes else None


def all_trees() -> Iterator[Any]:
    """Every tree of the compositor in the file: scenes' own (before 5.0) and node groups."""
    if not _IS_5:
        for scene in bpy.data.scenes:
            if scene.node_tree is not None:
                yield scene.node_tree
    for tree in bpy.data.node_groups:
        if tree.bl_idname == _TREE:
            yield tree


def new_tree(name: str) -> Any:
    """A new tree of the compositor."""
    return bpy.data.node_groups.new(name, _TREE)


def empty_scene(name: str, size: tuple[int, int]) -> tuple[Any, Any]:
    """A scene with nothing in it that renders a picture of that size, and its empty tree."""
    scene = bpy.data.scenes.new(name)
    scene.render.resolution_x, scene.render.resolution_y = size
    scene.render.resolution_percentage = 100
    if _IS_5:
        scene.compositing_node_group = new_tree(name)
    else:
        scene.use_nodes = True
        scene.node_tree.nodes.clear()
    return scene, tree_of(scene)


def scene_beside(scene: Any, name: str) -> tuple[Any, Any]:
    """A scene that shares everything with another one, and a copy of its tree, that it shows."""
    copy = scene.copy()
    copy.name = name
    if not _IS_5:
        return copy, copy.node_tree
    tree = scene.compositing_node_group.copy()
    tree.name = name
    copy.compositing_node_group = tree
    return copy, tree


def remove_scene(name: str) -> None:
    """Take back what `empty_scene` or `scene_beside` made, where it is still there."""
    scene = bpy.data.scenes.get(name)
    tree = tree_of(scene) if scene is not None else None
    if scene is not None:
        bpy.data.scenes.remove(scene)
    if _IS_5 and tree is not None:
        bpy.data.node_groups.remove(tree)


def show_only(tree: Any, socket: Any) -> None:
    """Let a scene's tree give one socket as its picture."""
    if not _IS_5:
        tree.links.new(socket, tree.nodes.new("CompositorNodeComposite").inputs[0])
        return
    for item in list(tree.interface.items_tree):
        if item.item_type == "SOCKET" and item.in_out == "OUTPUT":
            tree.interface.remove(item)
    tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
    tree.links.new(socket, tree.nodes.new("NodeGroupOutput").inputs[0])


# ---- nodes -------------------------------------------------------------------------


def mix_node(tree: Any) -> tuple[Node, Any, Any, Any, Any]:
    """A node that mixes two colours: it, its factor, first, second, result."""
    if _IS_5:
        node = tree.nodes.new("ShaderNodeMix")
        node.data_type = "RGBA"
        return node, node.inputs[0], node.inputs[6], node.inputs[7], node.outputs[2]
    node = tree.nodes.new("CompositorNodeMixRGB")
    return node, node.inputs[0], node.inputs[1], node.inputs[2], node.outputs[0]


def multiply_node(tree: Any, factor: float = 1.0) -> Node:
    """A node that multiplies a value by its second input, which is `factor` until it is wired."""
    node = tree.nodes.new("ShaderNodeMath" if _IS_5 else "CompositorNodeMath")
    node.operation = "MULTIPLY"
    node.inputs[1].default_value = factor
    return node


def matte_socket(tree: Any, socket: Any) -> Any:
    """A matte that any node may read.

    Blender 5.2 writes beyond its memory where a File Output node reads a layer of one channel
    straight from an Image node; times one, it does not.
    """
    if bpy.app.version < (5, 1, 0):
        return socket
    node = multiply_node(tree, 1.0)
    tree.links.new(socket, node.inputs[0])
    return node.outputs[0]


# ---- the rest ----------------------------------------------------------------------


def write_pictures(settings: Any) -> None:
    """Let image settings be those of single pictures, not of movies or layers."""
    if _IS_5:
        settings.media_type = "IMAGE"


def working_space() -> str:
    """Name of the colour space in which Blender renders and composites."""
    blend = getattr(bpy.data, "colorspace", None)  # 5.0 has a choice
    return str(blend.working_space) if blend is not None else "Linear Rec.709"


def at_exit(unregister: Callable[[], None]) -> None:
    """Take classes back when Python ends, where that is needed: 4.5 hangs at its exit where a node
    class stays registered; later ones have taken their classes down by then."""
    if not _IS_5:
        atexit.register(unregister)


def leave(code: int) -> NoReturn:
    """End the process from inside a render's handler, before the frame is written.

    Raises:
        SystemExit: at which Blender ends. 4.5 would hang on its way out of a render, so there the
            process ends at once, after what Python was to do at its end.
    """
    if _IS_5:
        raise SystemExit(code)
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
