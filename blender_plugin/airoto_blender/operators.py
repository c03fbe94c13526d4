"""What an artist presses. Every operator is also called by scripts, without windows."""

from __future__ import annotations

from typing import Any

from airoto.errors import AIRotoError, BadRequestError
from airoto_client.node import links, remote, state_ops
from airoto_client.node.state import Box

from . import candidates, editors, nodes, tasks, versions, work
from .host import bpy

Node = Any
_p = bpy.props


class Operator(bpy.types.Operator):
    """One of ours: it finds its node, and an error becomes a report.

    Attributes:
        node_id: of the node; empty takes the active one, or the only one.
    """

    bl_options = {"REGISTER"}  # noqa: RUF012 - as Blender reads it; undo steps are pushed by us
    __annotations__ = {"node_id": _p.StringProperty(options={"HIDDEN", "SKIP_SAVE"})}

    def execute(self, context: Any) -> set[str]:
        """Do it; what cannot be done is said."""
        try:
            self.act(context, node_of(context, self.node_id))
        except AIRotoError as exc:
            self.report({"ERROR"}, remote.error_text(exc))
            return {"CANCELLED"}
        return {"FINISHED"}

    def act(self, context: Any, node: Node) -> None:
        """What this operator does."""
        raise NotImplementedError


def node_of(context: Any, node_id: str = "") -> Node:
    """The node that is meant.

    Raises:
        BadRequestError: nobody can tell, or it belongs to another .blend.
    """
    named = [one for one in nodes.ours() if one.node_id == node_id]
    found = named if node_id else _meant(context)
    if len(found) != 1:
        raise BadRequestError("no AI Roto node is selected", hint="select one in the compositor")
    if nodes.is_linked(found[0]):
        raise BadRequestError("the node is linked from another .blend", hint="change it there")
    return found[0]


def _meant(context: Any) -> list[Node]:
    """The active node; else whose plate the editor shows; else what is active in the scene's own
    tree; else all there are."""
    editor, tree = editors.editor_in(context.area), versions.tree_of(context.scene)
    for one in (
        getattr(context, "active_node", None),
        editors.node_shown(editor) if editor is not None else None,
        tree.nodes.active if tree is not None else None,
    ):
        if one is not None and one.bl_idname == nodes.IDNAME:
            return [one]
    return list(nodes.ours())


def _frame(context: Any, node: Node) -> int:
    return editors.frame_of(context, node)


class AIROTO_OT_box(Operator):
    """A box around the object on this frame; an empty one takes it away"""

    bl_idname = "airoto.box"
    bl_label = "Set Box"
    __annotations__ = {
        **Operator.__annotations__,
        "box": _p.FloatVectorProperty(
            name="Left, top, right, bottom", size=4, description="Plate pixels from the top left"
        ),
    }

    def act(self, context: Any, node: Node) -> None:
        """The current object's box."""
        box = Box(*self.box) if any(self.box) else None
        state = state_ops.set_box(nodes.state_of(node), _frame(context, node), box)
        nodes.edit(node, "box", state)


class AIROTO_OT_text(Operator):
    """What the object is, in words, for engines that find things by text"""

    bl_idname = "airoto.text"
    bl_label = "Set Text"

    def act(self, context: Any, node: Node) -> None:
        """The node's phrase becomes the current object's text on this frame."""
        state = state_ops.set_text(nodes.state_of(node), _frame(context, node), node.phrase)
        nodes.edit(node, "text", state)


class AIROTO_OT_add_object(Operator):
    """A new object; clicks go to it"""

    bl_idname = "airoto.add_object"
    bl_label = "Add Object"
    __annotations__ = {**Operator.__annotations__, "name": _p.StringProperty(name="Name")}

    def act(self, context: Any, node: Node) -> None:
        """One more object and output."""
        nodes.edit(node, "add object", state_ops.add_object(nodes.state_of(node), self.name))


class AIROTO_OT_delete_prompt(Operator):
    """The current object says nothing on this frame any more"""

    bl_idname = "airoto.delete_prompt"
    bl_label = "Delete Prompt"

    def act(self, context: Any, node: Node) -> None:
        """Without points, box, text of this frame."""
        state = state_ops.delete_prompt(nodes.state_of(node), _frame(context, node))
        nodes.edit(node, "delete prompt", state)


class AIROTO_OT_segment(Operator):
    """Candidate masks for this frame's prompts"""

    bl_idname = "airoto.segment"
    bl_label = "Segment This Frame"

    def act(self, context: Any, node: Node) -> None:
        """Up to three candidates an object."""
        candidates.segment(node, _frame(context, node))


class AIROTO_OT_choose(Operator):
    """Take one of the candidates; 0 leaves it to the score"""

    bl_idname = "airoto.choose"
    bl_label = "Choose Candidate"
    __annotations__ = {
        **Operator.__annotations__,
        "number": _p.IntProperty(name="Candidate", min=0, max=3),
    }

    def act(self, context: Any, node: Node) -> None:
        """For the current object on this frame."""
        candidates.choose(node, _frame(context, node), self.number)


class AIROTO_OT_track(Operator):
    """Mattes of the whole range"""

    bl_idname = "airoto.track"
    bl_label = "Track"

    def act(self, context: Any, node: Node) -> None:
        """All frames."""
        work.track(node, node.first, node.last)


class AIROTO_OT_track_again(Operator):
    """Mattes from this frame to the end of the range"""

    bl_idname = "airoto.track_again"
    bl_label = "Re-track from Here"

    def act(self, context: Any, node: Node) -> None:
        """From the scene's frame on."""
        work.track_again(node, _frame(context, node))


class AIROTO_OT_cancel(Operator):
    """Give up what is done now; finished frames are kept"""

    bl_idname = "airoto.cancel"
    bl_label = "Cancel"

    def act(self, context: Any, node: Node) -> None:
        """Free the node at once."""
        tasks.cancel(node)


class AIROTO_OT_take_plate(Operator):
    """Range and start from the plate's files"""

    bl_idname = "airoto.take_plate"
    bl_label = "Range from Plate"

    def act(self, context: Any, node: Node) -> None:
        """First, last and start."""
        nodes.take_plate(node)


class AIROTO_OT_start_server(Operator):
    """Start a server on this machine, if none answers; it goes on when Blender ends"""

    bl_idname = "airoto.start_server"
    bl_label = "Start Local Server"

    def act(self, context: Any, node: Node) -> None:
        """Beside Blender, which goes on meanwhile."""
        target = node.server.strip()

        def started(emit: Any, _stop: Any) -> Any:
            emit(remote.Going(0.0, "starting the server"))
            return links.start_server(target, "grpc")

        tasks.start(node, started, lambda _result, _error: None, lambda _node, _event: None)


register, unregister = bpy.utils.register_classes_factory((
    AIROTO_OT_box, AIROTO_OT_text, AIROTO_OT_add_object, AIROTO_OT_delete_prompt,
    AIROTO_OT_segment, AIROTO_OT_choose, AIROTO_OT_track, AIROTO_OT_track_again, AIROTO_OT_cancel,
    AIROTO_OT_take_plate, AIROTO_OT_start_server,
))  # fmt: skip
