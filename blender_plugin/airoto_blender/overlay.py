"""Prompts and candidates, drawn over Image and Movie Clip Editor."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any

import blf
import gpu
import numpy as np
from gpu_extras.batch import batch_for_shader

from airoto.errors import AIRotoError
from airoto_client.node import state as states
from airoto_client.node.state import State

from . import candidates, editors, marks, nodes
from .editors import Editor
from .geometry import Canvas
from .host import bpy
from .picking import Picker

Node = Any
_SPACES = ("SpaceImageEditor", "SpaceClipEditor")
_FONT = 0
_FONT_SIZE = 12
_TINT = 0.5
_textures: list[Any] = []
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


def marks_in(node: Node, state: State, frame: int, canvas: Canvas) -> marks.Marks:
    """What is drawn over an editor."""
    picker = picking.picker if picking is not None and picking.node_id == node.node_id else None
    return marks.marks_of(
        state,
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


def draw_tint(pixels: Any, canvas: Canvas, colour: marks.Colour) -> None:
    """A matte over the plate, as a colour.

    Args:
        pixels: (H, W), float32, 0 to 1, rows from the bottom.
        colour: red, green, blue and how much of it, 0 to 1.
    """
    left, high = canvas.to_region(0, 0)
    right, low = canvas.to_region(*canvas.size)
    content = {
        "pos": ((left, low), (right, low), (right, high), (left, high)),
        "texCoord": ((0, 0), (1, 0), (1, 1), (0, 1)),
    }
    shader = gpu.shader.from_builtin("IMAGE_COLOR")
    shader.uniform_sampler("image", _texture(pixels))
    # What is drawn is multiplied: premultiplied white by the colour and by how much of it.
    shader.uniform_float("color", (*(one * colour[3] for one in colour[:3]), colour[3]))
    gpu.state.blend_set("ALPHA_PREMULT")
    batch_for_shader(shader, "TRI_FAN", content).draw(shader)
    gpu.state.blend_set("NONE")


def _texture(pixels: Any) -> Any:
    """White times the matte, on the graphics card; the last one is kept."""
    if not _textures or _textures[0] is not pixels:
        white = np.repeat(pixels[..., None], 4, axis=2).ravel()
        size = (pixels.shape[1], pixels.shape[0])
        buffer = gpu.types.Buffer("FLOAT", white.size, white)
        _textures[:] = [pixels, gpu.types.GPUTexture(size, format="RGBA16F", data=buffer)]
    return _textures[1]


def _draw_over() -> None:
    """Called by Blender for every such editor that is drawn anew."""
    editor = editors.editor_in(bpy.context.area)
    if editor is None or not _is_wanted(editor):
        return
    node = nodes.by_id(picking.node_id) if picking is not None else editors.node_shown(editor)
    if node is None:
        return
    try:
        canvas, frame = editors.canvas_of(editor, node), editors.frame_of(bpy.context, node)
        state = _state(node.state)
    except AIRotoError:
        return  # said where it is pressed; a picture that is not the plate has nothing over it
    found = candidates.shown(node, state, frame)
    if found is not None:
        draw_tint(found.pixels, canvas, marks.colour_of(state.object(state.current), _TINT))
    draw(marks_in(node, state, frame, canvas))


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
    _textures.clear()
    while _handles:
        space, handle = _handles.pop()
        space.draw_handler_remove(handle, "WINDOW")
