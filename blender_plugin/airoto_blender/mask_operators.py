"""Buttons between Blender's masks and a node."""

from __future__ import annotations

from typing import Any

from airoto.errors import BadRequestError

from . import curves, editors, host, masks, nodes
from .host import bpy
from .operators import Operator

Node = Any
_p = bpy.props


class AIROTO_OT_use_mask(Operator):
    """The chosen Blender mask is the current object's prompt; its feather is left out"""

    bl_idname = "airoto.use_mask"
    bl_label = "Mask as Prompt"
    __annotations__ = {
        **Operator.__annotations__,
        "every_key": _p.BoolProperty(
            name="On Every Key", description="On all frames on which the mask has keys"
        ),
    }

    def act(self, context: Any, node: Node) -> None:
        """On the frame that is seen, or on every key of the mask."""
        mask = node.mask
        if mask is None:
            raise BadRequestError("no mask is chosen", hint="choose one beside the button")
        frames = () if self.every_key else (editors.frame_of(context, node),)
        done = masks.use(node, mask, frames)
        self.report({"INFO"}, f"{mask.name} is the prompt on {', '.join(map(str, done))}")


class AIROTO_OT_make_mask(Operator):
    """A Blender mask with curves that can be edited, from the current object's mattes"""

    bl_idname = "airoto.make_mask"
    bl_label = "Mattes to Mask"
    __annotations__ = {
        **Operator.__annotations__,
        "tolerance": _p.FloatProperty(
            name="Tolerance",
            default=1.0,
            min=0.25,
            max=50.0,
            description="Pixels by which a curve may be off the matte's contour",
        ),
        "step": _p.IntProperty(
            name="Every", default=1, min=1, description="Frames from key to key"
        ),
        "every_object": _p.BoolProperty(name="Every Object", description="A mask for each"),
    }

    def invoke(self, context: Any, _event: Any) -> set[str]:
        """Ask how near and how often."""
        found: set[str] = context.window_manager.invoke_props_dialog(self)
        return found

    def act(self, context: Any, node: Node) -> None:
        """New masks; nothing else is changed."""
        state = nodes.state_of(node)
        objects = state.objects if self.every_object else (state.object(state.current),)
        for one in objects:
            made = curves.mask_of(node, one.name, tolerance=self.tolerance, step=self.step)
            words = (
                f"{made.name}: {made.keys} keys, {made.points} points, within {made.error:.2f} px"
            )
            reached = made.error <= self.tolerance
            self.report({"INFO" if reached else "WARNING"}, words)
        host.push_undo("mattes to mask")


register, unregister = bpy.utils.register_classes_factory((AIROTO_OT_use_mask, AIROTO_OT_make_mask))
