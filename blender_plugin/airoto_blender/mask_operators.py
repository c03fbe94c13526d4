"""Buttons between Blender's masks and a node."""

from __future__ import annotations

from typing import Any

from airoto.errors import BadRequestError

from . import editors, masks
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


CLASSES = (AIROTO_OT_use_mask,)


def register() -> None:
    """Make the operators known to Blender."""
    for one in CLASSES:
        bpy.utils.register_class(one)


def unregister() -> None:
    """Take them back."""
    for one in reversed(CLASSES):
        bpy.utils.unregister_class(one)
