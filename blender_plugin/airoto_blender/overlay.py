"""Prompts and candidates, drawn over Image and Movie Clip Editor."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any

import blf
import gpu
from gpu_extras.batch import batch_for_shader

from airoto.errors import AIRotoError
from airoto_client.node import state as states

from . import editors, marks, nodes
from .editors import Editor
from .geometry import Canvas
from .host import bpy
from .picking import Picker

Node = Any
_SPACES = ("SpaceImageEditor", "SpaceClipEditor")
_FONT = 0
_FONT_SIZE = 12
_handles: list[tuple[Any, Any]] = []
_state = functools.lru_cache(maxsize=8)(states.load)


@dataclass
class Picking:
    """The picking that goes on now: of which node, and what the mouse does."""

    node_id: str
    picker: Picker = field(default_factory=Picker)


picking: Picking | None = None


def begin(node_id: str) -> Picking:
    """Draw what this picking does."""
    global picking
    picking = Picking(node_id)
    return picking


def end() -> None:
    """Picking is over."""
    global picking
    picking = None


def marks_in(editor: Editor, frame: int, node: Node, canvas: Canvas) -> marks.Marks:
    """What is drawn over an editor."""
    picker = picking.picker if picking is not None and picking.node_id == node.node_id else None
    return marks.marks_of(
        _state(node.state),
        frame,
        canvas,
        scale=bpy.context.preferences.system.ui_scale,
        moving=None if picker is None else picker.moving(),
        rubber=None if picker is None else picker.rubber(canvas),
    )


def draw(made: marks.Marks) -> None:
    """Hand marks to the graphics card; in a draw handler, or while an off-screen is bound."""
    scale = bpy.context.preferences.system.ui_scale
    gpu.state.blend_set("ALPHA")
    if made.corners:
        shader = gpu.shader.from_builtin("FLAT_COLOR")
        content = {"pos": made.corners, "color": made.colours}
        batch_for_shader(shader, "TRIS", content).draw(shader)
    blf.size(_FONT, _FONT_SIZE * scale)
    for label in made.labels:
        blf.position(_FONT, *label.at, 0)
        blf.color(_FONT, *label.colour)
        blf.draw(_FONT, label.text)
    gpu.state.blend_set("NONE")


def _draw_over() -> None:
    """Called by Blender for every such editor that is drawn anew."""
    editor = editors.editor_in(bpy.context.area)
    if editor is None or not _is_wanted(editor):
        return
    node = nodes.by_id(picking.node_id) if picking is not None else editors.node_shown(editor)
    if node is None:
        return
    try:
        canvas = editors.canvas_of(editor, node)
        made = marks_in(editor, editors.frame_of(bpy.context, node), node, canvas)
    except AIRotoError:
        return  # said where it is pressed; a picture that is not the plate has nothing over it
    draw(made)


def _is_wanted(editor: Editor) -> bool:
    overlay = getattr(editor.space, "overlay", None)
    return picking is not None or overlay is None or bool(overlay.show_overlays)


def register() -> None:
    """Draw from now on; nothing is ever drawn in the background."""
    for name in _SPACES:
        space = getattr(bpy.types, name)
        handle = space.draw_handler_add(_draw_over, (), "WINDOW", "POST_PIXEL")
        _handles.append((space, handle))


def unregister() -> None:
    """Draw no more."""
    end()
    while _handles:
        space, handle = _handles.pop()
        space.draw_handler_remove(handle, "WINDOW")
