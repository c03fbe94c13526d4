"""Rendering what an input shows into files, through a Write that exists only meanwhile."""

# ruff: noqa: PTH105, PTH108, PTH110, PTH113 - paths are text here, as knobs have them

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from airoto.errors import CancelledError, OutputError
from airoto_client.node.cache_paths import frame_path
from airoto_nuke import host
from airoto_nuke.pixels import WRITE_KNOBS, frames_to_render

Node = Any


def capture(
    node: Node,
    input_name: str,
    pattern: str,
    frames: Sequence[int],
    *,
    channels: str,
    view: str,
    proxy: bool = False,
) -> list[int]:
    """Render frames of one of the node's inputs, those that are not there yet.

    Full size or, where that is asked for, the script's proxy size; nothing converted, bounding
    box and format kept, half float. Never called from inside a callback: see `host.defer`. The
    Write lies inside the node and is gone afterwards, so nothing that lists a script's Writes
    finds it.

    Args:
        input_name: name of the Input node inside (`plate`, `mask`).
        pattern: absolute.

    Returns:
        The frames that were rendered now.

    Raises:
        CancelledError: the artist pressed Cancel.
        OutputError: a frame cannot be rendered; with Nuke's words.
    """
    todo = frames_to_render(frames, lambda frame: os.path.isfile(frame_path(pattern, frame)))
    if not todo:
        return []
    progress = host.Progress(f"AIRoto: {input_name} of {node.name()}")
    with host.no_undo(), host.pictures_at(proxy=proxy):
        write = host.create("Write", node, name="AIRoto_capture", channels=channels, **WRITE_KNOBS)
        try:
            write.setInput(0, node.node(input_name))
            for number, frame in enumerate(todo):
                if progress.is_cancelled():
                    raise CancelledError("cancelled while rendering the plate")
                progress.show(number / len(todo), f"rendering {input_name}, frame {frame}")
                _one(write, frame_path(pattern, frame), frame, view)
        finally:
            host.delete(write)
            progress.close()
    return todo


def _one(write: Node, path: str, frame: int, view: str) -> None:
    """One frame, written beside its place and renamed."""
    folder, name = os.path.split(path)
    temporary = f"{folder}/part.{name}"
    for knob in ("file", "proxy"):  # in proxy mode the second one counts
        write[knob].setValue(temporary)
    try:
        host.execute(write, frame, view)
        os.replace(temporary, path)
    except (RuntimeError, OSError) as exc:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise OutputError(
            f"frame {frame} cannot be rendered: {exc}",
            hint="look at the plate in the viewer on that frame",
            frame=frame,
            path=path,
        ) from exc
