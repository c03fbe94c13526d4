"""Blender's masks as prompts: read on any frame, drawn as pixels, put beside the mattes.

A mask's shape keys are seen by evaluating an empty scene that is made for it, so that the
artist's own frame stays where it is and nothing else is evaluated.
"""

from __future__ import annotations

import contextlib
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from airoto.errors import BadRequestError
from airoto_client.files import atomic_file
from airoto_client.node import cache_paths, state_ops
from airoto_client.node.staleness import digest
from airoto_client.node.state import State

from . import nodes, plates, recipes, versions
from .host import bpy
from .outlines import Fill, Floats, Layer, Matte, keyed, rasterised

Node = Any
_SCENE = ".AI Roto masks"


def use(node: Node, mask: Any, frames: tuple[int, ...]) -> tuple[int, ...]:
    """A mask becomes the current object's prompt on frames of the plate, as one step to undo.

    Args:
        frames: of the plate; empty takes those on which the mask has keys.

    Returns:
        The frames.

    Raises:
        BadRequestError: the mask is empty on one of them, or is made of what cannot be read.
    """
    state, size = nodes.state_of(node), plates.size_of(node)
    everything = range(node.first, node.last + 1)
    with evaluated(mask) as on_frame:
        if not frames:
            frames = _keyed_frames(node, on_frame, everything)
        for frame in frames:
            nodes.check_frame(node, frame)
            layers = layers_of(on_frame(nodes.scene_frame(node, frame)), size)
            state = _with_mask(node, state, frame, rasterised(layers, size), mask.name)
    nodes.edit(node, "use mask", state)
    return frames


@contextlib.contextmanager
def evaluated(mask: Any) -> Iterator[Any]:
    """A function that gives the mask as it is on a frame of the scene."""
    scene = bpy.data.scenes.new(_SCENE)
    try:

        def on_frame(frame: int) -> Any:
            scene.frame_set(frame)
            graph = scene.view_layers[0].depsgraph
            graph.update()
            return mask.evaluated_get(graph)

        yield on_frame
    finally:
        bpy.data.scenes.remove(scene)


def layers_of(mask: Any, size: tuple[int, int]) -> tuple[Layer, ...]:
    """An evaluated mask in plate pixels, from the lowest layer to the highest.

    Feather is left out: a prompt is the outline itself, and how soft an edge is shall be found.

    Raises:
        BadRequestError: a point hangs on a tracker, which nobody evaluates here.
    """
    found = []
    for layer in mask.layers:
        if layer.hide_render:
            continue
        outlines = []
        for spline in layer.splines:
            if any(point.parent.id is not None for point in spline.points):
                raise BadRequestError(
                    f"points of the mask {mask.name} hang on a tracker",
                    hint="clear their parents, or give the mask keys",
                )
            if spline.use_fill and len(spline.points) > 1:
                outlines.append(to_plate(_values(spline), size))
        found.append(Layer(tuple(outlines), layer.blend, _fill(layer), layer.invert, layer.alpha))
    return tuple(found)


def _fill(layer: Any) -> Fill:
    if not layer.use_fill_holes:
        return Fill.ANY
    return Fill.WINDING if versions.HOLES_BY_WINDING else Fill.ODD


def to_plate(values: Floats, size: tuple[int, int]) -> Floats:
    """From a mask's units to plate pixels: the longer side is 1, the middle (0.5, 0.5), y is up."""
    longer = max(size)
    centre = np.array([size[0], size[1]]) / 2
    moved: Floats = centre + (values - 0.5) * (longer * np.array([1, -1]))
    return moved


def from_plate(values: Floats, size: tuple[int, int]) -> Floats:
    """From plate pixels to a mask's units."""
    centre = np.array([size[0], size[1]]) / 2
    moved: Floats = (values - centre) / (max(size) * np.array([1, -1])) + 0.5
    return moved


def _values(spline: Any) -> Floats:
    """(N, 3, 2): left handle, point, right handle, in the mask's units."""
    rows = [(*one.handle_left, *one.co, *one.handle_right) for one in spline.points]
    return np.array(rows, np.float64).reshape(-1, 3, 2)


def _keyed_frames(node: Node, on_frame: Any, everything: range) -> tuple[int, ...]:
    """The frames of the plate on which the mask has keys.

    Raises:
        BadRequestError: it has none.
    """
    samples = []
    for frame in everything:
        mask = on_frame(nodes.scene_frame(node, frame))
        splines = [_values(one).ravel() for layer in mask.layers for one in layer.splines]
        samples.append(np.concatenate(splines) if splines else np.zeros(0))
    found = keyed(np.array(samples))
    if not found:
        raise BadRequestError(
            "the mask does not move between the node's first and last frame",
            hint="use it on the frame that you see",
        )
    return tuple(everything[one] for one in found)


def _with_mask(node: Node, state: State, frame: int, matte: Matte, name: str) -> State:
    if matte.max() < 0.5:
        raise BadRequestError(
            f"the mask {name} holds nothing of the plate on frame {frame}",
            hint="go to a frame on which it does",
        )
    pixels = np.round(matte * 255).astype(np.uint8)
    key = digest([name, zlib.crc32(pixels.tobytes()), pixels.shape])[:16]
    pattern = cache_paths.mask_pattern(recipes.folder_of(node), key)
    path = cache_paths.frame_path(pattern, frame).replace(".exr", ".png")
    write_png(Path(path), pixels)
    return state_ops.set_mask(state, frame, path)


def write_png(path: Path, pixels: Any) -> None:
    """A grey PNG, whole or not at all.

    Args:
        pixels: (H, W), uint8, rows from the top.

    Raises:
        OutputError: it cannot be written.
    """
    height, width = pixels.shape
    lines = np.zeros((height, width + 1), np.uint8)  # each line begins with its filter: none
    lines[:, 1:] = pixels
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(lines.tobytes(), 1)), (b"IEND", b""))
    with atomic_file(path) as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for name, data in chunks:
            file.write(struct.pack(">I", len(data)) + name + data)
            file.write(struct.pack(">I", zlib.crc32(name + data)))
