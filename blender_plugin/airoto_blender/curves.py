"""Mattes as Blender masks whose curves can be edited."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from airoto.errors import BadRequestError

from . import contours, fitting, masks, mattes, nodes, plates
from .fitting import Spline
from .host import bpy

Node = Any
# A piece of fewer square pixels is not worth a curve.
SMALLEST = 16.0
MOST_POINTS = 512


@dataclass(frozen=True)
class Made:
    """A mask that was made.

    Attributes:
        name: of the data-block.
        keys: how many frames it has keys on.
        points: of all its splines.
        error: pixels by which a contour is off its curve at most.
    """

    name: str
    keys: int
    points: int
    error: float


def mask_of(node: Node, name: str, *, tolerance: float, step: int) -> Made:
    """A new mask through the contours of an object's mattes.

    Args:
        name: of the object.
        tolerance: pixels by which a curve may be off the contour at one half of the matte.
        step: frames from key to key; between keys Blender moves points in straight lines.

    Raises:
        BadRequestError: a matte is missing, or empty on every key.
    """
    frames, size = mattes.frames_of(node, step), plates.size_of(node)
    found = []
    with mattes.Mattes(node, name) as reader:
        for frame in frames:
            matte = reader.frame(nodes.scene_frame(node, frame))
            found.append(contours.contours(matte, SMALLEST))
    pieces = contours.tracked(found)
    if not pieces:
        raise BadRequestError(f"the mattes of {name} are empty on every key")
    splines = [fitting.fitted(piece, tolerance, MOST_POINTS) for piece in pieces]
    mask = bpy.data.masks.new(f"{node.name} {name}")
    layer = mask.layers.new(name=name)
    layer.use_fill_holes = True
    for spline in splines:
        made = layer.splines.new()
        made.points.add(spline.points.shape[1] - len(made.points))
        made.use_cyclic = True
        for point in made.points:
            point.handle_left_type = point.handle_right_type = "FREE"
            point.select = True  # Blender sets keys of layers in which something is selected
    _set_keys(mask, layer, splines, [nodes.scene_frame(node, one) for one in frames], size)
    points = sum(one.points.shape[1] for one in splines)
    return Made(mask.name, len(frames), points, max(one.error for one in splines))


def _set_keys(
    mask: Any, layer: Any, splines: list[Spline], frames: list[int], size: tuple[int, int]
) -> None:
    try:
        with _editing(mask) as scene:
            for key, frame in enumerate(frames):
                # Keys are set on the frame of the window's own scene. Moving there moves points.
                scene.frame_set(frame)
                for spline, made in zip(splines, layer.splines):
                    values = masks.from_plate(spline.points[key], size).astype(np.float32)
                    for point, (left, at, right) in zip(made.points, values.tolist()):
                        point.co, point.handle_left, point.handle_right = at, left, right
                bpy.ops.mask.shape_key_insert()
    except BaseException:
        bpy.data.masks.remove(mask)
        raise
    for spline in layer.splines:
        for point in spline.points:
            point.select = False
    mask.update_tag()


@contextlib.contextmanager
def _editing(mask: Any) -> Iterator[Any]:
    """Blender sets a mask's keys in an editor alone: one is borrowed, and given back as it was,
    with the frame of its scene, which is what is given.

    Raises:
        BadRequestError: there is no window at all.
    """
    windows = bpy.context.window_manager.windows
    areas = [(one, area) for one in windows for area in one.screen.areas]
    if not areas:
        raise BadRequestError("the file has no window, so that Blender sets no keys of masks")
    window, area = min(areas, key=lambda one: one[1].type != "IMAGE_EDITOR")
    kind, ui_kind = area.type, area.ui_type
    area.type = "IMAGE_EDITOR"
    space = area.spaces.active
    mode, shown = space.mode, space.mask
    space.mode, space.mask = "MASK", mask
    scene = window.scene
    now, part = scene.frame_current, scene.frame_subframe
    region = next(one for one in area.regions if one.type == "WINDOW")
    try:
        with bpy.context.temp_override(window=window, area=area, region=region):
            yield scene
    finally:
        scene.frame_set(now, subframe=part)
        space.mask, space.mode = shown, mode
        area.type = kind
        area.ui_type = ui_kind
