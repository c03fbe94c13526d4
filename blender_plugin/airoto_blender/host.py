"""The one module that imports `bpy`: what differs between Blender's versions, and its units.

Blender counts rows from below, the recipe from above: y is turned round here and nowhere else.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import bpy as bpy  # for the others too
import numpy as np

from airoto.errors import FrameMissingError

Node = Any

# 5.0 made the compositor's tree a data-block of its own, and its mixing nodes those of shaders.
IS_5 = bpy.app.version >= (5, 0, 0)
TREE = "CompositorNodeTree"
# Masks: 5.0.1 makes a hole of every outline inside another one, 5.2.2 of one that runs backwards.
HOLES_BY_WINDING = bpy.app.version >= (5, 1, 0)
# Characters of a line in a pop-up.
_WIDEST = 90


def is_background() -> bool:
    """Whether nobody is watching (`blender -b`, or `bpy` as a module)."""
    return bool(bpy.app.background)


def version() -> tuple[int, ...]:
    """Blender's version."""
    return tuple(bpy.app.version)


def script_path() -> str:
    """The saved .blend, or empty."""
    return str(bpy.data.filepath).replace("\\", "/")


def absolute(path: str, owner: Any = None) -> str:
    """A path of Blender's (`//` is the .blend's folder) as an absolute one.

    Args:
        owner: the data-block it is of; a linked one is relative to its library.
    """
    library = owner.library if owner is not None else None
    return str(Path(bpy.path.abspath(path, library=library)).resolve()).replace("\\", "/")


def shown(path: str) -> str:
    """How a path is stored: relative to the .blend where it lies below it."""
    base = str(Path(script_path()).parent) if script_path() else ""
    if base and path.startswith(f"{base}/"):
        return f"//{path[len(base) + 1 :]}"
    return path


def tree_of(scene: Any) -> Any:
    """A scene's compositor tree; None where it has none."""
    if IS_5:
        return scene.compositing_node_group
    return scene.node_tree if scene.use_nodes else None


def all_trees() -> Iterator[Any]:
    """Every tree of the compositor in the file: scenes' own (before 5.0) and node groups."""
    if not IS_5:
        for scene in bpy.data.scenes:
            if scene.node_tree is not None:
                yield scene.node_tree
    for tree in bpy.data.node_groups:
        if tree.bl_idname == TREE:
            yield tree


def nodes_in(tree: Any, idname: str, *, active: bool = False) -> Iterator[Node]:
    """Nodes of a class in a tree and in the groups inside it.

    Args:
        active: pass over muted ones, and groups that are.
    """
    seen: set[str] = set()

    def walk(one: Any) -> Iterator[Node]:
        if one is None or one.name_full in seen:
            return
        seen.add(one.name_full)
        for node in one.nodes:
            if active and node.mute:
                continue
            if node.bl_idname == idname:
                yield node
            elif getattr(node, "node_tree", None) is not None:
                yield from walk(node.node_tree)

    yield from walk(tree)


def new_tree(name: str) -> Any:
    """A new tree of the compositor."""
    return bpy.data.node_groups.new(name, TREE)


def mix_node(tree: Any) -> tuple[Node, Any, Any, Any, Any]:
    """A node that mixes two colours: it, its factor, first, second, result."""
    if IS_5:
        node = tree.nodes.new("ShaderNodeMix")
        node.data_type = "RGBA"
        return node, node.inputs[0], node.inputs[6], node.inputs[7], node.outputs[2]
    node = tree.nodes.new("CompositorNodeMixRGB")
    return node, node.inputs[0], node.inputs[1], node.inputs[2], node.outputs[0]


def multiply_node(tree: Any, factor: float = 1.0) -> Node:
    """A node that multiplies a value by its second input, which is `factor` until it is wired."""
    node = tree.nodes.new("ShaderNodeMath" if IS_5 else "CompositorNodeMath")
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


def load_sequence(name: str, path: str) -> Any:
    """An image data-block that reads a sequence of data, not of colours.

    Args:
        path: of one file of the sequence.

    Raises:
        FrameMissingError: it cannot be read.
    """
    image = load_image(path)
    image.name = name
    image.source = "SEQUENCE"
    image.colorspace_settings.name = "Non-Color"
    return image


def plain_value(value: Any) -> Any:
    """A property's value without the noise of Blender's 32-bit floats: 0.1 is 0.1."""
    return round(value, 6) if isinstance(value, float) else value


def load_image(path: str) -> Any:
    """A new image data-block of a file.

    Raises:
        FrameMissingError: it cannot be read.
    """
    try:
        return bpy.data.images.load(path, check_existing=False)
    except RuntimeError as exc:
        raise FrameMissingError(f"the picture {path} cannot be read", path=path) from exc


def find_image(path: str) -> Any:
    """An image data-block of the artist's that reads that file; None where there is none."""
    for image in bpy.data.images:
        own = image.library is None and not image.name.startswith(".")
        if own and image.filepath and absolute(image.filepath) == path:
            return image
    return None


def alpha_of(path: str) -> Any:
    """Alpha of a picture: (H, W), float32, rows from the bottom.

    Raises:
        FrameMissingError: it cannot be read.
    """
    image = load_image(path)
    try:
        image.colorspace_settings.name = "Non-Color"
        pixels = np.empty(len(image.pixels), np.float32)
        if not pixels.size:
            raise FrameMissingError(f"the picture {path} cannot be read", path=path)
        image.pixels.foreach_get(pixels)
        return pixels.reshape(image.size[1], image.size[0], -1)[..., -1].copy()
    finally:
        bpy.data.images.remove(image)


def size_of_file(path: str) -> tuple[int, int]:
    """Width and height of a picture.

    Raises:
        FrameMissingError: it cannot be read.
    """
    image = load_image(path)
    try:
        return image.size[0], image.size[1]
    finally:
        bpy.data.images.remove(image)


def empty_scene(name: str, size: tuple[int, int]) -> tuple[Any, Any]:
    """A scene with nothing in it that renders a picture of that size, and its empty tree."""
    scene = bpy.data.scenes.new(name)
    scene.render.resolution_x, scene.render.resolution_y = size
    scene.render.resolution_percentage = 100
    if IS_5:
        scene.compositing_node_group = new_tree(name)
    else:
        scene.use_nodes = True
        scene.node_tree.nodes.clear()
    return scene, tree_of(scene)


def scene_beside(scene: Any, name: str) -> tuple[Any, Any]:
    """A scene that shares everything with another one, and a copy of its tree, that it shows."""
    copy = scene.copy()
    copy.name = name
    if not IS_5:
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
    if IS_5 and tree is not None:
        bpy.data.node_groups.remove(tree)


def show_only(tree: Any, socket: Any) -> None:
    """Let a scene's tree give one socket as its picture."""
    if not IS_5:
        tree.links.new(socket, tree.nodes.new("CompositorNodeComposite").inputs[0])
        return
    for item in list(tree.interface.items_tree):
        if item.item_type == "SOCKET" and item.in_out == "OUTPUT":
            tree.interface.remove(item)
    tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
    tree.links.new(socket, tree.nodes.new("NodeGroupOutput").inputs[0])


def write_half_rows(scene: Any, path: str) -> None:
    """Let a scene write its frames as half RGB EXR without compression, and nothing beside it."""
    render, image = scene.render, scene.render.image_settings
    if hasattr(image, "media_type"):
        image.media_type = "IMAGE"
    image.file_format = "OPEN_EXR"
    image.color_mode, image.color_depth, image.exr_codec = "RGB", "16", "NONE"
    image.color_management = "FOLLOW_SCENE"
    render.filepath, render.use_file_extension = path, False
    render.use_compositing, render.use_sequencer = True, False
    render.use_multiview = render.use_stamp = False
    render.use_overwrite, render.use_placeholder = True, False


def render_frame(name: str, frame: int) -> str:
    """Render a frame of a scene to a file, also in the middle of another scene's render.

    As an animation of one frame: a still of a scene beside the current one shows the frame on
    which the current one is.

    Returns:
        The file.

    Raises:
        RuntimeError: as Blender says it, or the scene is gone.
    """
    scene = bpy.data.scenes.get(name)
    if scene is None:
        raise RuntimeError("it was taken away meanwhile, by an undo")
    scene.frame_step = 1
    scene.frame_start = scene.frame_end = frame
    bpy.ops.render.render(scene=name, animation=True)
    return str(scene.render.frame_path(frame=frame))


def temporary_folder() -> str:
    """Blender's, which it removes when it ends."""
    return str(bpy.app.tempdir)


def working_space() -> str:
    """Name of the colour space in which Blender renders and composites."""
    blend = getattr(bpy.data, "colorspace", None)  # 5.0 has a choice
    return str(blend.working_space) if blend is not None else "Linear Rec.709"


def later(function: Callable[[], float | None], seconds: float = 0.1) -> None:
    """Call something on the main thread; again after the seconds that it gives, if any."""
    bpy.app.timers.register(function, first_interval=seconds)


def push_undo(what: str) -> None:
    """One step to undo, where there is an undo."""
    if not is_background():
        bpy.ops.ed.undo_push(message=f"AIRoto: {what}")


def redraw() -> None:
    """Draw every area anew, so that words that changed are seen."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            area.tag_redraw()


def log(text: str) -> None:
    """A line for whoever reads the terminal or the farm's log."""
    print(f"AIRoto: {text}", file=sys.stderr, flush=True)  # noqa: T201 - meant to be printed


def tell(text: str, title: str = "AIRoto") -> None:
    """Say something in a pop-up; on the terminal where there are no windows."""
    if is_background() or not bpy.context.window_manager.windows:
        log(text)
        return

    def draw(menu: Any, _context: Any) -> None:
        for line in text.splitlines():
            for part in textwrap.wrap(line, _WIDEST) or [""]:
                menu.layout.label(text=part)

    bpy.context.window_manager.popup_menu(draw, title=title, icon="ERROR")
