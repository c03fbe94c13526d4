"""The sidebar tab "AI Roto" of compositor, Image Editor and Movie Clip Editor."""

from __future__ import annotations

from typing import Any

from airoto.errors import AIRotoError
from airoto_client.node.state import State

from . import candidates, editors, nodes, operators, presets, tasks
from .host import bpy

_GROUPS = (
    ("Engines", ("segment_engine", "track_engine", "matte_engine", "memory_mode", "direction")),
    ("Edge", ("trimap_mode", "trimap_narrow", "trimap_wide", "grow", "feather", "remove_holes",
              "remove_dots", "stability")),
    ("Output", ("colour_space", "ocio_config", "exposure", "working_size", "seed", "compression",
                "trimap_layer", "foreground_layer", "confidence_layer", "cache_folder")),
    ("Info", ("server", "patience", "trust_input")),
)  # fmt: skip


class _Panel:
    bl_label = "AI Roto"
    bl_region_type = "UI"
    bl_category = "AI Roto"

    def draw(self, context: Any) -> None:
        """The node's prompts, work and settings."""
        layout = self.layout  # type: ignore[attr-defined]
        try:
            node = operators.node_of(context)
            state = nodes.state_of(node)
        except AIRotoError as exc:
            layout.label(text=exc.message)
            return

        def button(row: Any, name: str) -> None:
            row.operator(f"airoto.{name}").node_id = node.node_id

        layout.label(text=node.progress or node.status)
        if node.warning:
            layout.label(text=node.warning, icon="ERROR")
        for one in state.objects:
            mark = "LAYER_ACTIVE" if one.id == state.current else "LAYER_USED"
            layout.label(text=f"{one.name}: {len(one.prompts)} prompted frames", icon=mark)
        for row_of in (("add_object", "click", "delete_prompt"), ("segment",)):
            row = layout.row(align=True)
            for name in row_of:
                button(row, name)
        _candidates(layout, node, state, editors.frame_of(context, node))
        layout.prop(node, "phrase")
        button(layout, "text")
        row = layout.row(align=True)
        row.prop(node, "mask", text="")
        button(row, "use_mask")
        all_keys = row.operator("airoto.use_mask", text="On Every Key")
        all_keys.node_id, all_keys.every_key = node.node_id, True
        button(layout, "make_mask")
        row = layout.row(align=True)
        for name in ("cancel",) if tasks.is_running(node) else ("track", "track_again"):
            button(row, name)
        row = layout.row(align=True)
        for name in ("first", "last", "start"):
            row.prop(node, name)
        row = layout.row(align=True)
        for name in ("take_plate", "show_plate", "plate_from_clip"):
            button(row, name)
        layout.prop(node, "overlay_opacity")
        row = layout.row(align=True)
        is_approved = editors.frame_of(context, node) in state.locked_frames
        button(row, "unlock_frame" if is_approved else "lock_frame")
        if state.locks:
            layout.label(text=f"approved: {', '.join(map(str, state.locked_frames))}")
        _preset(layout, node)
        locked = presets.locked(node)
        for title, names in _GROUPS:
            box = layout.box()
            box.label(text=title)
            for name in names:
                line = box.row()
                line.enabled = name not in locked
                line.prop(node, name)
        button(layout, "start_server")


def _preset(layout: Any, node: Any) -> None:
    """The node's preset, and what differs."""
    box = layout.box()
    box.operator("airoto.choose_preset").node_id = node.node_id
    try:
        told = presets.told(node)
    except AIRotoError as exc:
        told = [exc.message]
    for line in told:
        box.label(text=line)
    if told:
        row = box.row(align=True)
        for words, pinned in (("Reset to Show", False), ("Reset to Taken", True)):
            press = row.operator("airoto.reset_preset", text=words)
            press.node_id, press.pinned = node.node_id, pinned


def _candidates(layout: Any, node: Any, state: State, frame: int) -> None:
    """A button for each candidate of the current object on the frame that is seen."""
    there = candidates.masks_of(node, state, frame)
    if not there:
        return
    prompt = state.object(state.current).prompt(frame)
    chosen = (prompt.candidate if prompt is not None else 0) or 1
    row = layout.row(align=True)
    for number, one in enumerate(there, 1):
        words = f"{number}: {one.score:.2f}"
        press = row.operator("airoto.choose", text=words, depress=number == chosen)
        press.node_id, press.number = node.node_id, number


class AIROTO_PT_compositor(_Panel, bpy.types.Panel):
    """In the compositor."""

    bl_space_type = "NODE_EDITOR"


class AIROTO_PT_image(_Panel, bpy.types.Panel):
    """In the Image Editor, where clicks are made."""

    bl_space_type = "IMAGE_EDITOR"


class AIROTO_PT_clip(_Panel, bpy.types.Panel):
    """In the Movie Clip Editor, where they are made too."""

    bl_space_type = "CLIP_EDITOR"


_CLASSES = (AIROTO_PT_compositor, AIROTO_PT_image, AIROTO_PT_clip)


def _in_menu(self: Any, _context: Any) -> None:
    add = self.layout.operator("node.add_node", text="AI Roto")
    add.type, add.use_transform = nodes.IDNAME, True


def _menu() -> Any:
    return getattr(bpy.types, "NODE_MT_compositor_node_add_all", None) or getattr(
        bpy.types, "NODE_MT_add", None
    )


def register() -> None:
    """Panels, and the node in the Add menu."""
    for one in _CLASSES:
        bpy.utils.register_class(one)
    if _menu() is not None:
        _menu().append(_in_menu)


def unregister() -> None:
    """Take them back."""
    if _menu() is not None:
        _menu().remove(_in_menu)
    for one in reversed(_CLASSES):
        bpy.utils.unregister_class(one)
