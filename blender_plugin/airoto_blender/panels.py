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

        frame = editors.frame_of(context, node)
        layout.label(text=node.progress or node.status)
        if node.warning:
            layout.label(text=node.warning, icon="ERROR")
        _objects(layout, node, state)
        _row(layout, node, "add_object", "click", "delete_prompt")
        _row(layout, node, "segment")
        _candidates(layout, node, state, frame)
        layout.prop(node, "phrase")
        _row(layout, node, "text")
        _masks(layout, node)
        _row(layout, node, *(("cancel",) if tasks.is_running(node) else ("track", "track_again")))
        column = layout.column(align=True)
        for name in ("first", "last", "start"):
            column.prop(node, name)
        _row(layout, node, "take_plate", "show_plate", "plate_from_clip")
        layout.prop(node, "overlay_opacity")
        _row(layout, node, "unlock_frame" if frame in state.locked_frames else "lock_frame")
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
        _row(layout, node, "start_server")


def _row(layout: Any, node: Any, *names: str) -> None:
    row = layout.row(align=True)
    for name in names:
        row.operator(f"airoto.{name}").node_id = node.node_id


def _objects(layout: Any, node: Any, state: State) -> None:
    """Each object: chosen, renamed, taken away; and the way to the frames with prompts."""
    column = layout.column(align=True)
    for one in state.objects:
        is_current = one.id == state.current
        row = column.row(align=True)
        words = (
            f"{one.name}: {', '.join(str(prompt.frame) for prompt in one.prompts) or 'no prompt'}"
        )
        press = row.operator("airoto.select_object", text=words, depress=is_current)
        press.node_id, press.number = node.node_id, one.id
        press = row.operator("airoto.rename_object", text="", icon="GREASEPENCIL")
        press.node_id, press.number, press.name = node.node_id, one.id, one.name
        press = row.operator("airoto.remove_object", text="", icon="X")
        press.node_id, press.number = node.node_id, one.id
    if state.prompted_frames:
        row = layout.row(align=True)
        for words, backward in (("Previous Prompt", True), ("Next Prompt", False)):
            press = row.operator("airoto.go_to_prompt", text=words)
            press.node_id, press.backward = node.node_id, backward


def _masks(layout: Any, node: Any) -> None:
    """Masks of Blender's as prompts, and made from mattes."""
    row = layout.row(align=True)
    row.prop(node, "mask", text="")
    row.operator("airoto.use_mask").node_id = node.node_id
    all_keys = row.operator("airoto.use_mask", text="On Every Key")
    all_keys.node_id, all_keys.every_key = node.node_id, True
    _row(layout, node, "make_mask")


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


_register, _unregister = bpy.utils.register_classes_factory(
    (AIROTO_PT_compositor, AIROTO_PT_image, AIROTO_PT_clip)
)


def _in_menu(self: Any, _context: Any) -> None:
    add = self.layout.operator("node.add_node", text="AI Roto")
    add.type, add.use_transform = nodes.IDNAME, True


def _menu() -> Any:
    return getattr(bpy.types, "NODE_MT_compositor_node_add_all", None) or getattr(
        bpy.types, "NODE_MT_add", None
    )


def register() -> None:
    """Panels, and the node in the Add menu."""
    _register()
    if _menu() is not None:
        _menu().append(_in_menu)


def unregister() -> None:
    """Take them back."""
    if _menu() is not None:
        _menu().remove(_in_menu)
    _unregister()
