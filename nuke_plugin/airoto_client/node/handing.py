"""Handing a plate and its drawn masks to a server that may not see our files.

Standard library only, no host.
"""

# ruff: noqa: PTH113 - paths are text here, as knobs have them

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Callable

from airoto.errors import TooLargeError
from airoto_client.files import read_error
from airoto_client.node import sight
from airoto_client.node.plate_files import file_of

# Largest image inside a recipe, and all of them together, in bytes.
MAX_INLINE = 1024 * 1024
MAX_ALL_INLINE = 2 * 1024 * 1024

Tell = Callable[[int, int, int], None]


def uploaded_plate(
    link: Any, pattern: str, frames: Iterable[int], tell: Tell
) -> list[dict[str, Any]]:
    """`UploadedFrame` messages of a plate's files; none where the server sees them.

    Args:
        tell: called before each file with its frame, how many were sent, and how many there are.

    Raises:
        FrameUnreadableError: we cannot read them ourselves.
    """
    files = [(frame, file_of(pattern, frame)) for frame in frames]
    there = [(frame, path) for frame, path in files if os.path.isfile(path)]
    if not there or sight.sees_file(link, there[0][1]):
        return []
    uploads = []
    for number, (frame, path) in enumerate(there):
        tell(frame, number, len(there))
        uploads.append({"frame": frame, "handle": link.upload_file(path)["handle"]})
    return uploads


def uploaded_locks(link: Any, locks: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """`UploadedFrame` messages of approved frames' files that the server does not see.

    Raises:
        FrameMissingError, FrameUnreadableError: we cannot read them ourselves.
    """
    return [
        {"frame": one["frame"], "handle": link.upload_file(one["path"])["handle"]}
        for one in locks
        if not sight.sees_file(link, one["path"])
    ]


def inline_masks(link: Any, recipe: Mapping[str, Any]) -> None:
    """Put drawn masks into the recipe itself, where the server does not see their files.

    Raises:
        FrameUnreadableError, FrameMissingError: we cannot read them ourselves.
        TooLargeError: they do not fit.
    """
    masks = [
        prompt["mask"]
        for one in recipe.get("objects", ())
        for prompt in one.get("prompts", ())
        if prompt.get("mask", {}).get("path")
    ]
    if not masks or sight.sees_file(link, masks[0]["path"]):
        return
    total = 0
    for mask in masks:
        path = Path(mask["path"])
        try:
            data = path.read_bytes()
        except OSError as exc:
            raise read_error(exc, path) from exc
        total += len(data)
        if len(data) > MAX_INLINE or total > MAX_ALL_INLINE:
            raise TooLargeError(
                f"the server does not see the masks in {path.parent}, and they are too large to "
                f"travel with the recipe ({len(masks)} files; {MAX_ALL_INLINE >> 20} MiB may)",
                hint="set a cache folder that the server sees, or make fewer frames at a time",
                path=str(path),
            )
        del mask["path"]
        mask["image"] = base64.b64encode(data).decode()
