"""What others need of Blender, in their words. What differs between its versions is in `versions`.

Blender counts rows from below, the recipe from above: y is turned round here and nowhere else.
"""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Iterator, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any, Callable

import numpy as np

from airoto.errors import FrameMissingError

from . import versions
from .versions import bpy as bpy

Node = Any

# Characters of a line in a pop-up.
_WIDEST = 90


def is_background() -> bool:
    """Whether nobody is watching (`blender -b`, or `bpy` as a module)."""
    return bool(bpy.app.background)


def is_animation(arguments: Sequence[str] | None = None) -> bool | None:
    """Whether Blender's command line asks for an animation or for stills; None: for neither.

    Args:
        arguments: None: those of this process.
    """
    if arguments is None:
        arguments = sys.argv if bpy.app.binary_path else ()  # those of a script of somebody's
    said = [*takewhile(lambda one: one != "--", arguments)]
    moving = any(one in ("-a", "--render-anim") for one in said)
    still = any(one in ("-f", "--render-frame") for one in said)
    return moving if moving != still else None


def version() -> tuple[int, ...]:
    """Blender's version."""
    return tuple(bpy.app.version)


def script_path() -> str:
    """The saved .blend, or empty."""
    return str(bpy.data.filepath).replace("\\", "/")


def absolute(path: str, owner: Any = None) -> str:
    """A path of Blender's (`//` is the .blend's folder) as an absolute one.

    Links are not followed: each file of a sequence may be one to somewhere else.

    Args:
        owner: the data-block it is of; a linked one is relative to its library.
    """
    library = owner.library if owner is not None else None
    found = os.path.abspath(bpy.path.abspath(path, library=library))  # noqa: PTH100 - links stay
    return str(found).replace("\\", "/")


def shown(path: str) -> str:
    """How a path is stored: relative to the .blend where it lies below it."""
    base = str(Path(script_path()).parent) if script_path() else ""
    if base and path.startswith(f"{base}/"):
        return f"//{path[len(base) + 1 :]}"
    return path


def nodes_in(tree: Any, idname: str, *, active: bool = False) -> Iterator[Node]:
    """Nodes of a class in a tree and in the groups inside it.

    Args:
        active: pass over muted ones, and groups that are.
    """
    seen: set[str] = set()

    def walk(one: Any) -> Iterator[Node]:
        if one is None or one.name_full in seen:
            return
        seen.add(one.name_full)
        for node in one.nodes:
            if active and node.mute:
                continue
            if node.bl_idname == idname:
                yield node
            elif getattr(node, "node_tree", None) is not None:
                yield from walk(node.node_tree)

    yield from walk(tree)


def load_sequence(name: str, path: str) -> Any:
    """An image data-block that reads a sequence of data, not of colours.

    Args:
        path: of one file of the sequence.

    Raises:
        FrameMissingError: it cannot be read.
    """
    image = load_image(path)
    image.name = name
    image.source = "SEQUENCE"
    image.colorspace_settings.name = "Non-Color"
    return image


def plain_value(value: Any) -> Any:
    """A property's value without the noise of Blender's 32-bit floats: 0.1 is 0.1."""
    return round(value, 6) if isinstance(value, float) else value


def load_image(path: str) -> Any:
    """A new image data-block of a file.

    Raises:
        FrameMissingError: it cannot be read.
    """
    try:
        return bpy.data.images.load(path, check_existing=False)
    except RuntimeError as exc:
        raise FrameMissingError(f"the picture {path} cannot be read", path=path) from exc


def find_image(path: str) -> Any:
    """An image data-block of the artist's that reads that file; None where there is none."""
    for image in bpy.data.images:
        own = image.library is None and not image.name.startswith(".")
        if own and image.filepath and absolute(image.filepath) == path:
            return image
    return None


def alpha_of(path: str) -> Any:
    """Alpha of a picture: (H, W), float32, rows from the bottom.

    Raises:
        FrameMissingError: it cannot be read.
    """
    image = load_image(path)
    try:
        image.colorspace_settings.name = "Non-Color"
        pixels = np.empty(len(image.pixels), np.float32)
        if not pixels.size:
            raise FrameMissingError(f"the picture {path} cannot be read", path=path)
        image.pixels.foreach_get(pixels)
        return pixels.reshape(image.size[1], image.size[0], -1)[..., -1].copy()
    finally:
        bpy.data.images.remove(image)


def size_of_file(path: str) -> tuple[int, int]:
    """Width and height of a picture.

    Raises:
        FrameMissingError: it cannot be read.
    """
    image = load_image(path)
    try:
        return image.size[0], image.size[1]
    finally:
        bpy.data.images.remove(image)


def write_half_rows(scene: Any, path: str) -> None:
    """Let a scene write its frames as half RGB EXR without compression, and nothing beside it."""
    render, image = scene.render, scene.render.image_settings
    versions.write_pictures(image)
    image.file_format = "OPEN_EXR"
    image.color_mode, image.color_depth, image.exr_codec = "RGB", "16", "NONE"
    image.color_management = "FOLLOW_SCENE"
    render.filepath, render.use_file_extension = path, False
    render.use_compositing, render.use_sequencer = True, False
    render.use_multiview = render.use_stamp = False
    render.use_overwrite, render.use_placeholder = True, False


def render_frame(name: str, frame: int) -> str:
    """Render a frame of a scene to a file, also in the middle of another scene's render.

    As an animation of one frame: a still of a scene beside the current one shows the frame on
    which the current one is.

    Returns:
        The file.

    Raises:
        RuntimeError: as Blender says it, or the scene is gone.
    """
    scene = bpy.data.scenes.get(name)
    if scene is None:
        raise RuntimeError("it was taken away meanwhile, by an undo")
    scene.frame_step = 1
    scene.frame_start = scene.frame_end = frame
    bpy.ops.render.render(scene=name, animation=True)
    return str(scene.render.frame_path(frame=frame))


def temporary_folder() -> str:
    """Blender's, which it removes when it ends."""
    return str(bpy.app.tempdir)


def later(function: Callable[[], float | None], seconds: float = 0.1) -> None:
    """Call something on the main thread; again after the seconds that it gives, if any."""
    bpy.app.timers.register(function, first_interval=seconds)


def push_undo(what: str) -> None:
    """One step to undo, where there is an undo."""
    if not is_background():
        bpy.ops.ed.undo_push(message=f"AIRoto: {what}")


def redraw() -> None:
    """Draw every area anew, so that words that changed are seen."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            area.tag_redraw()


def log(text: str) -> None:
    """A line for whoever reads the terminal or the farm's log."""
    print(f"AIRoto: {text}", file=sys.stderr, flush=True)  # noqa: T201 - meant to be printed


def tell(text: str, title: str = "AIRoto") -> None:
    """Say something in a pop-up; on the terminal where there are no windows."""
    if is_background() or not bpy.context.window_manager.windows:
        log(text)
        return

    def draw(menu: Any, _context: Any) -> None:
        for line in text.splitlines():
            for part in textwrap.wrap(line, _WIDEST) or [""]:
                menu.layout.label(text=part)

    bpy.context.window_manager.popup_menu(draw, title=title, icon="ERROR")
