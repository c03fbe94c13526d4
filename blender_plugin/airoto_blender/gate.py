"""Before a frame is rendered: no stale or missing matte gets into a picture.

In the background mattes that are missing are made: a frame waits for its own, and the server makes
the next ones while Blender renders it. Blender goes on after an exception in a
handler, and the render says FINISHED; but a handler that asks Python to exit ends the process
before anything of the frame is written. So a frame that cannot be had leaves no file, and the
process has an exit code that a farm sees. With windows, the frame's file is removed after it was
written, and the artist is told.
"""

from __future__ import annotations

import atexit
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from airoto.errors import AIRotoError, ResultMissingError
from airoto_client import exit_codes
from airoto_client.node import links, remote

from . import beside, host, inputs, nodes, plates, versions, work
from .host import bpy

Node = Any
# The scene's frame when the render began. As soon as another is rendered, it is no still.
_began_on: int | None = None
# The last frame of its plate that was rendered, by node.
_rendered: dict[str, int] = {}
_failed: dict[str, str] = {}


def before_render(scene: Any, *_: Any) -> None:
    """A render begins. In the background every node gets a first matte now: Blender copies the
    tree before it tells of the first frame, and layers are known by a file.

    Raises:
        SystemExit: as `before_frame`.
    """
    global _began_on
    if beside.is_rendering():
        return
    _began_on = frame = scene.frame_current
    _rendered.clear()
    _failed.clear()
    inputs.keep(True)
    if not host.is_background():
        return
    if host.is_animation() or not scene.frame_start <= frame <= scene.frame_end:
        frame = scene.frame_start
    for node in host.nodes_in(versions.tree_of(scene), nodes.IDNAME, active=True):
        with _refusing(frame):
            if not nodes.is_linked(node):
                _begin(node, scene, frame)
                _look_again(node, scene, frame)


def before_frame(scene: Any, *_: Any) -> None:
    """Look at the mattes of every node that gives pixels to this frame.

    Raises:
        SystemExit: a matte cannot be had, in the background.
    """
    if beside.is_rendering():
        return
    frame = scene.frame_current
    for node in host.nodes_in(versions.tree_of(scene), nodes.IDNAME, active=True):
        with _refusing(frame):
            _check(node, scene, nodes.plate_frame(node, frame))


def after_frame(scene: Any, *_: Any) -> None:
    """With windows: a picture with pixels that nobody asked for does not stay."""
    if beside.is_rendering() or not _failed:
        return
    path = host.absolute(scene.render.frame_path(frame=scene.frame_current))
    with contextlib.suppress(OSError):
        Path(path).unlink()


def after_render(scene: Any, *_: Any) -> None:
    """In the background the server ends what it began, or gives up what a still does not need.
    With windows: say what went wrong.

    Raises:
        SystemExit: as `before_frame`.
    """
    if beside.is_rendering():
        return
    inputs.keep(False)
    if host.is_background():
        for node in host.nodes_in(versions.tree_of(scene), nodes.IDNAME, active=True):
            with _refusing(scene.frame_current):
                work.finish(node, _rendered.get(node.node_id, node.last))
    if not _failed:
        return
    text = "\n".join(_failed.values())
    _failed.clear()

    def say() -> None:
        host.tell(text, "AIRoto: the render is not to be used")

    host.later(say)


@contextlib.contextmanager
def _refusing(frame: int) -> Iterator[None]:
    try:
        yield
    except AIRotoError as exc:
        _refuse(f"frame {frame}: {remote.error_text(exc)}", int(exit_codes.exit_code_of(exc)))
    except Exception as exc:  # noqa: BLE001 - Blender would swallow it and write the picture
        _refuse(f"frame {frame}: a fault of AIRoto: {exc!r}", int(exit_codes.ExitCode.INTERNAL))


def _begin(node: Node, scene: Any, frame: int) -> None:
    """Show what the node asks for now, made where nothing is there."""
    nodes.refresh(node)
    manifest = nodes.shown_manifest(node)
    if manifest is None or not manifest.finished or node.result_key != nodes.key_now(node):
        _make(node, scene, _nearest(node, frame))


def _nearest(node: Node, scene_frame: int) -> int:
    """The frame of the node's range that is nearest to what it shows on a frame of the scene."""
    return int(min(max(nodes.plate_frame(node, scene_frame), node.first), node.last))


def _look_again(node: Node, scene: Any, frame: int) -> None:
    """Blender renders the plate: is it what the mattes were made of? Else they are made again.

    All frames that may be rendered are looked at, before the first one is written: mattes of one
    picture never stand beside those of another.
    """
    if not plates.is_rendered(node) or node.trust_input or inputs.fed(node.node_id) is not None:
        return
    manifest = nodes.shown_manifest(node)
    assert manifest is not None  # `_begin` has made it
    first = max(node.first, nodes.plate_frame(node, scene.frame_start))
    last = min(node.last, nodes.plate_frame(node, scene.frame_end))
    found = inputs.changed(node, range(first, last + 1), manifest.pixels)
    if found is not None:
        host.log(f"{node.name}: the input is another on frame {found} than the mattes were made of")
        _make(node, scene, _nearest(node, frame))


def _check(node: Node, scene: Any, frame: int) -> None:
    """
    Raises:
        AIRotoError: the node has no current matte of that frame, and it cannot be made.
    """
    _rendered[node.node_id] = frame
    if host.is_background():
        work.wait_for(node, frame)
    said = nodes.problem(node, frame)
    if not said:
        return
    inside_range = node.first <= frame <= node.last
    if not host.is_background() or not inside_range or nodes.is_linked(node):
        raise ResultMissingError(said, hint="press Track on the node first")
    _make(node, scene, frame)
    said = nodes.problem(node, frame)
    if said:
        raise ResultMissingError(said)


def _make(node: Node, scene: Any, frame: int) -> None:
    """Make a frame, and those after it where more than a still is rendered."""
    last = nodes.plate_frame(node, scene.frame_end)
    until = frame if _is_alone(node, scene, frame) else max(frame, min(node.last, last))
    host.log(f"{node.name}: making frames {frame}-{until}")
    _find_server(node)
    # Blender renders a frame while the server makes the next ones. What Blender has rendered for
    # the server is let go when the mattes are there, before the same is rendered for the picture.
    work.track(node, frame, until, until=None if plates.is_rendered(node) else frame)


def _is_alone(node: Node, scene: Any, frame: int) -> bool:
    """Whether to make no more than this frame: Blender does not say whether it renders a still."""
    animation = host.is_animation()
    if animation is not None:
        return not animation
    if scene.frame_current != _began_on:
        return False
    # An animation begins on the first frame. What is begun for nothing is given up after a still,
    # but not what Blender would have to render first.
    return frame != _nearest(node, scene.frame_start) or plates.is_rendered(node)


def _find_server(node: Node) -> None:
    """Start one of our own where none runs and none is named; it ends with this process."""
    if node.server.strip() or os.environ.get(links.SERVER_VARIABLE):
        return
    try:
        links.hello("", "grpc")
    except AIRotoError:
        links.start_server("", "grpc")
        atexit.register(links.stop_started)


def _refuse(text: str, code: int) -> None:
    """In the background the process ends, before the frame is written; see `versions.leave`."""
    if not host.is_background():
        _failed[text] = text
        return
    host.log(f"error: {text}")
    versions.leave(code)


_HANDLERS = (
    ("render_init", before_render),
    ("render_pre", before_frame),
    ("render_write", after_frame),
    ("render_complete", after_render),
    ("render_cancel", after_render),
)


def register() -> None:
    """Look before every frame, whatever file is opened."""
    for name, function in _HANDLERS:
        getattr(bpy.app.handlers, name).append(bpy.app.handlers.persistent(function))


def unregister() -> None:
    """Look no more."""
    for name, function in _HANDLERS:
        handlers = getattr(bpy.app.handlers, name)
        if function in handlers:
            handlers.remove(function)
