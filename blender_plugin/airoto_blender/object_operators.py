"""Buttons of the list of objects, and of the frames on which they have prompts."""

from __future__ import annotations

from typing import Any

from airoto.errors import BadRequestError
from airoto_client.node import state_ops

from . import editors, nodes
from .host import bpy
from .operators import Operator

Node = Any
_p = bpy.props
_NUMBER = _p.IntProperty(name="Object", min=0, description="Its id; 0 is the current one")


class AIROTO_OT_select_object(Operator):
    """Clicks go to this object"""

    bl_idname = "airoto.select_object"
    bl_label = "Select Object"
    __annotations__ = {**Operator.__annotations__, "number": _NUMBER}

    def act(self, context: Any, node: Node) -> None:
        """It becomes the current one."""
        state = nodes.state_of(node)
        nodes.edit(node, "select object", state_ops.select_object(state, self.number))


class AIROTO_OT_remove_object(Operator):
    """Take this object and its prompts away"""

    bl_idname = "airoto.remove_object"
    bl_label = "Remove Object"
    __annotations__ = {**Operator.__annotations__, "number": _NUMBER}

    def act(self, context: Any, node: Node) -> None:
        """With its output."""
        state = nodes.state_of(node)
        number = self.number or state.current
        nodes.edit(node, "remove object", state_ops.remove_object(state, number))


class AIROTO_OT_rename_object(Operator):
    """Another name for this object, and so for its output and layer"""

    bl_idname = "airoto.rename_object"
    bl_label = "Rename Object"
    __annotations__ = {
        **Operator.__annotations__,
        "number": _NUMBER,
        "name": _p.StringProperty(name="Name"),
    }

    def invoke(self, context: Any, _event: Any) -> set[str]:
        """Ask for the name."""
        found: set[str] = context.window_manager.invoke_props_dialog(self)
        return found

    def act(self, context: Any, node: Node) -> None:
        """Wires stay."""
        state = nodes.state_of(node)
        number = self.number or state.current
        nodes.edit(node, "rename object", state_ops.rename_object(state, number, self.name))


class AIROTO_OT_go_to_prompt(Operator):
    """To the next frame with a prompt, or the one before"""

    bl_idname = "airoto.go_to_prompt"
    bl_label = "Next Prompt"
    __annotations__ = {
        **Operator.__annotations__,
        "backward": _p.BoolProperty(name="Backward"),
    }

    def act(self, context: Any, node: Node) -> None:
        """The scene goes there."""
        state, frame = nodes.state_of(node), editors.frame_of(context, node)
        find = state_ops.previous_key if self.backward else state_ops.next_key
        found = find(state, frame)
        if found is None:
            where = "before" if self.backward else "behind"
            raise BadRequestError(f"no prompt lies {where} frame {frame}")
        # By how many frames, not to which: a Movie Clip Editor has a start of its own.
        context.scene.frame_current += found - frame


register, unregister = bpy.utils.register_classes_factory((
    AIROTO_OT_select_object, AIROTO_OT_remove_object, AIROTO_OT_rename_object,
    AIROTO_OT_go_to_prompt,
))  # fmt: skip
