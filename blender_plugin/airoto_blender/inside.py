"""What is inside a node: Image nodes that show plate and mattes, and the sockets outside.

Mattes are shown by Blender's own Image node, which reads the finished files. So a .blend shows
its mattes wherever the files are, on every frame, and nothing is copied through Python.
"""

from __future__ import annotations

from typing import Any

from airoto_client.node.state import RotoObject, State

from . import versions

Node = Any
FIXED = ("Image", "Foreground", "Matte")
_TOLD = "airoto_inside"
_OWNER = "airoto_node"
_TINT = (1.0, 0.35, 0.1, 1.0)


def sync(node: Node, state: State, plate: Any, result: Any, *, first: int, last: int) -> None:
    """Bring what is inside in step: sockets by objects, images, and the wires between.

    Args:
        plate: image data-block that the node reads itself, or None.
        result: image data-block of the mattes, or None.
        first, last: frames of the files, which are shown from `node.start` on.
    """
    tree = node.node_tree
    if tree is None:
        tree = node.node_tree = versions.new_tree(f".AI Roto {node.node_id}")
        tree[_OWNER] = node.node_id
        _first_sockets(tree)
    elif tree.get(_OWNER) != node.node_id:  # the node is a copy
        tree = node.node_tree = tree.copy()
        tree[_OWNER] = node.node_id
    _object_sockets(tree, state.objects)
    linked = "Image" in node.inputs and node.inputs["Image"].is_linked
    told = repr(
        (
            [(one.id, one.name) for one in state.objects],
            [None if one is None else (one.name_full, one.filepath) for one in (plate, result)],
            (first, last, node.start, node.view, node.overlay_opacity, linked),
        )
    )
    if tree.get(_TOLD) == told:
        return  # what is rendered now is not taken apart
    tree[_TOLD] = told
    tree.nodes.clear()
    made = _Wiring(tree)
    picture = made.picture(node, plate, first, last)
    made.wire(picture, made.image("Mattes", result, node, first, last), state.objects, node)


def _first_sockets(tree: Any) -> None:
    new = tree.interface.new_socket
    new("Image", in_out="INPUT", socket_type="NodeSocketColor")
    for name in FIXED:
        kind = "NodeSocketFloat" if name == "Matte" else "NodeSocketColor"
        new(name, in_out="OUTPUT", socket_type=kind)


def _object_sockets(tree: Any, objects: tuple[RotoObject, ...]) -> None:
    """One output an object, known by its id, so that wires outlive a renaming."""
    found = {
        item.description: item
        for item in tree.interface.items_tree
        if item.item_type == "SOCKET" and item.description
    }
    wanted = {f"object {one.id}": f"matte_{one.name}" for one in objects}
    for mark, item in found.items():
        if mark not in wanted:
            tree.interface.remove(item)
        elif item.name != wanted[mark]:
            item.name = wanted[mark]
    for mark, name in wanted.items():
        if mark not in found:
            tree.interface.new_socket(
                name, description=mark, in_out="OUTPUT", socket_type="NodeSocketFloat"
            )


def image_node(tree: Any, image: Any, node: Node, first: int, last: int) -> Node:
    """An Image node that shows file `first` on the scene's frame `node.start`."""
    made = tree.nodes.new("CompositorNodeImage")
    made.image = image
    if image.source in ("SEQUENCE", "MOVIE"):
        made.frame_duration = max(1, last - first + 1)
        made.frame_start = node.start
        made.frame_offset = first - 1
        made.use_auto_refresh = True
    return made


class _Wiring:
    """The nodes of one tree, made anew."""

    def __init__(self, tree: Any) -> None:
        self._tree = tree
        self._in = tree.nodes.new("NodeGroupInput")
        self._out = tree.nodes.new("NodeGroupOutput")

    def image(self, name: str, image: Any, node: Node, first: int, last: int) -> Node | None:
        """As `image_node`, with a name; None without an image."""
        if image is None:
            return None
        made = image_node(self._tree, image, node, first, last)
        made.name = made.label = name
        return made

    def picture(self, node: Node, plate: Any, first: int, last: int) -> Any:
        """The socket with the plate: what is connected, else the node's own."""
        outside = node.inputs.get("Image")
        if outside is not None and outside.is_linked:
            return self._in.outputs["Image"]
        shown = self.image("Plate", plate, node, first, last)
        return self._in.outputs["Image"] if shown is None else shown.outputs[0]

    def wire(
        self, picture: Any, mattes: Node | None, objects: tuple[RotoObject, ...], node: Node
    ) -> None:
        """From plate and mattes to the outputs; without mattes everything is empty."""
        link = self._tree.links.new
        matte = _union(mattes)
        if matte is not None:
            matte = versions.matte_socket(self._tree, matte)
        cut = self._cut(picture, matte)
        link(cut, self._out.inputs["Foreground"])
        if matte is not None:
            link(matte, self._out.inputs["Matte"])
        for one in objects:
            found = _output(mattes, f"matte_{one.name}")
            if found is not None:
                found = versions.matte_socket(self._tree, found)
                link(found, self._out.inputs[f"matte_{one.name}"])
        link(self._viewed(picture, cut, matte, node), self._out.inputs["Image"])

    def _cut(self, picture: Any, matte: Any) -> Any:
        """Colour and alpha times the matte, channel by channel, in 32-bit floats."""
        link = self._tree.links.new
        apart = self._tree.nodes.new("CompositorNodeSeparateColor")
        together = self._tree.nodes.new("CompositorNodeCombineColor")
        link(picture, apart.inputs[0])
        for channel in range(4):
            product = versions.multiply_node(self._tree, 0.0)
            link(apart.outputs[channel], product.inputs[0])
            if matte is not None:
                link(matte, product.inputs[1])
            link(product.outputs[0], together.inputs[channel])
        return together.outputs[0]

    def _viewed(self, picture: Any, cut: Any, matte: Any, node: Node) -> Any:
        if node.view == "PLATE" or (matte is None and node.view == "OVERLAY"):
            return picture
        if node.view == "FOREGROUND" or matte is None:
            return cut
        if node.view == "MATTE":
            return matte
        amount = versions.multiply_node(self._tree, node.overlay_opacity)
        _, factor, below, tint, result = versions.mix_node(self._tree)
        tint.default_value = _TINT
        link = self._tree.links.new
        link(matte, amount.inputs[0])
        link(amount.outputs[0], factor)
        link(picture, below)
        return result


def _union(node: Node | None) -> Any:
    """The output with the file's `A`. Beside colour Blender calls it Alpha; alone it is Combined,
    and what Blender then calls Alpha is memory that nobody wrote."""
    if node is None:
        return None
    combined = node.outputs.get("Combined")
    if combined is not None and combined.type == "VALUE":
        return combined
    return node.outputs.get("Alpha")


def _output(node: Node | None, name: str) -> Any:
    """An output that a node has; Blender names layers by the file's channels."""
    return None if node is None else node.outputs.get(name)
