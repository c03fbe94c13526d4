"""Image and Movie Clip Editors: which one is under the mouse, what it shows, on which frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from airoto.errors import AIRotoError, BadRequestError

from . import geometry, host, nodes, plates, upstream
from .geometry import Canvas
from .host import bpy

Node = Any
IMAGE, CLIP = "IMAGE_EDITOR", "CLIP_EDITOR"
_RENDERED = {"RENDER_RESULT", "COMPOSITING"}


@dataclass(frozen=True)
class Editor:
    """One of the two editors: its area, the region with the picture, what it shows."""

    area: Any
    region: Any
    space: Any

    @property
    def is_clip(self) -> bool:
        """Whether it is a Movie Clip Editor."""
        return bool(self.area.type == CLIP)


def editor_in(area: Any) -> Editor | None:
    """The area as an editor; None for any other kind."""
    if area is None or area.type not in (IMAGE, CLIP):
        return None
    region = next(one for one in area.regions if one.type == "WINDOW")
    return Editor(area, region, area.spaces.active)


def under_mouse(screen: Any, x: int, y: int) -> Editor | None:
    """The editor whose picture lies under a place of the window; None over panels and headers."""
    for area in screen.areas:
        editor = editor_in(area)
        if editor is None or not _holds(area, x, y):
            continue
        covered = any(_holds(one, x, y) for one in area.regions if one.type != "WINDOW")
        return None if covered else editor
    return None


def find(context: Any, *kinds: str) -> Editor:
    """The editor that something is pressed in, else the largest one on the screen.

    Args:
        kinds: `IMAGE`, `CLIP` or both.

    Raises:
        BadRequestError: there is none.
    """
    here = editor_in(context.area)
    if here is not None and here.area.type in kinds:
        return here
    areas = [] if context.screen is None else context.screen.areas
    found = [one for one in map(editor_in, areas) if one is not None and one.area.type in kinds]
    if not found:
        names = {IMAGE: "an Image Editor", CLIP: "a Movie Clip Editor"}
        raise BadRequestError(
            "there is nowhere to click", hint=f"open {' or '.join(names[kind] for kind in kinds)}"
        )
    return max(found, key=lambda one: one.area.width * one.area.height)


def canvas_of(editor: Editor, node: Node) -> Canvas:
    """Where the node's plate lies in the editor.

    Raises:
        BadRequestError: the editor shows something that is not the plate, or shows it moved.
    """
    size = plates.size_of(node)
    name, shown = _shown(editor)
    geometry.check_aspect(shown, size, name)
    region = (editor.region.width, editor.region.height)
    to_view = editor.region.view2d.region_to_view
    seen = (*to_view(0, 0), *to_view(*region))
    if seen[0] == seen[2] or seen[1] == seen[3]:
        raise BadRequestError("the editor is too small to click in")
    return Canvas(region, seen, size)


def frame_of(context: Any, node: Node) -> int:
    """The plate's frame that is meant: what a Movie Clip Editor with the plate shows, else what
    the node shows on the scene's frame."""
    editor = editor_in(context.area)
    if editor is not None and editor.is_clip:
        frame = clip_frame(editor.space, node)
        if frame is not None:
            return frame
    return nodes.plate_frame(node, context.scene.frame_current)


def clip_frame(space: Any, node: Node) -> int | None:
    """The plate's frame that a Movie Clip Editor shows; None where it shows other files."""
    clip = space.clip
    if clip is None or node.plate is None:
        return None
    file = host.absolute(clip.filepath, clip)
    pattern = file if clip.source == "MOVIE" else plates.pattern_of(file)
    plate = host.absolute(node.plate.filepath, node.plate)
    if pattern != (plate if node.plate.source == "MOVIE" else plates.pattern_of(plate)):
        return None
    return geometry.clip_file(
        space.clip_user.frame_current,
        start=clip.frame_start,
        offset=clip.frame_offset,
        first=1 if clip.source == "MOVIE" else plates.number_of(file),
    )


def show_plate(space: Any, node: Node) -> None:
    """Let an Image Editor show the node's plate on the frames on which the node has it."""
    if node.plate is None:
        raise BadRequestError(f"{node.name} has no plate", hint="choose an image sequence or movie")
    space.image = node.plate
    user = space.image_user
    user.frame_start, user.frame_offset = node.start, node.first - 1
    user.frame_duration = max(1, node.last - node.first + 1)
    user.use_auto_refresh, user.use_cyclic = True, False


def node_shown(editor: Editor) -> Node | None:
    """The node whose plate the editor shows; None where none, or more than one, may be meant."""
    found = list(nodes.ours())
    if editor.is_clip:
        fits = [one for one in found if clip_frame(editor.space, one) is not None]
    else:
        fits = [one for one in found if one.plate is not None and one.plate == editor.space.image]
    fits = fits or found
    return fits[0] if len(fits) == 1 else None


def can_show(editor: Editor, node: Node) -> bool:
    """Whether prompts of the node can be drawn over what the editor shows."""
    try:
        canvas_of(editor, node)
    except AIRotoError:
        return False
    return True


def _shown(editor: Editor) -> tuple[str, tuple[int, int]]:
    """Name and size of the picture in the editor.

    Raises:
        BadRequestError: there is none, or places on it are not the plate's.
    """
    if not editor.is_clip:
        image = editor.space.image
        if image is None:
            raise BadRequestError("the editor shows no image", hint="press Show Plate")
        size = (image.size[0], image.size[1])
        if image.type in _RENDERED and not all(size):  # Blender tells it when it has drawn it
            size = upstream.size_of(bpy.context.scene)
        return f"the image {image.name}", size
    clip = editor.space.clip
    if clip is None:
        raise BadRequestError("the editor shows no clip", hint="open the plate in it")
    if editor.space.show_stable and clip.tracking.stabilization.use_2d_stabilization:
        raise BadRequestError(
            "the clip is shown stabilised", hint="switch “Show Stable” off in Clip Display"
        )
    if editor.space.clip_user.use_render_undistorted:
        raise BadRequestError(
            "the clip is shown undistorted", hint="switch “Render Undistorted” off in its Proxy"
        )
    return f"the clip {clip.name}", (clip.size[0], clip.size[1])


def _holds(box: Any, x: int, y: int) -> bool:
    """Whether a place of the window lies in an area or region; one that is folded has no size."""
    return bool(
        box.width > 1
        and box.height > 1
        and box.x <= x < box.x + box.width
        and box.y <= y < box.y + box.height
    )
