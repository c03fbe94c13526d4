"""Approved frames: their files kept aside, and what a track must hold to.

Standard library only, no host.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from airoto.errors import BadRequestError
from airoto_client.files import atomic_file, read_error, sha256_of
from airoto_client.node import cache_paths
from airoto_client.node.cache_paths import NodePlace
from airoto_client.node.staleness import Manifest, Verdict
from airoto_client.node.state import State
from airoto_client.node.state_ops import lock_frame


def approved(
    state: State, frame: int, matte: str, *, manifest: Manifest, folder: str, place: NodePlace
) -> State:
    """The state with a frame approved; its file is kept aside in the node's folder.

    Args:
        matte: the frame's file.
        manifest: of the result that it is of.
        folder: of the node.
        place: says how paths are written.

    Raises:
        BadRequestError: it was made at proxy size.
        FrameMissingError, FrameUnreadableError, OutputError: it cannot be copied.
    """
    if manifest.scale != 1:
        raise BadRequestError(
            "this matte was made at proxy size, and approved frames are full size",
            hint="work at full size, and track the frame again",
        )
    kept, source = Path(cache_paths.locked_path(folder, manifest.key, frame)), Path(matte)
    try:
        reading = source.open("rb")
    except OSError as exc:
        raise read_error(exc, source, frame) from exc
    with reading, atomic_file(kept) as writing:
        shutil.copyfileobj(reading, writing)
    return lock_frame(state, frame, place.shown(kept.as_posix()), sha256_of(kept))


def check_current(found: Verdict, frame: int) -> None:
    """
    Raises:
        BadRequestError: the node shows no current matte of that frame.
    """
    if found is not Verdict.CURRENT:
        raise BadRequestError(
            f"the matte of frame {frame} is {found.value}", hint="track that frame first"
        )


def check_locks(state: State) -> None:
    """
    Raises:
        BadRequestError: a frame was approved with other objects than there are now.
    """
    names = tuple(one.name for one in state.objects)
    for lock in state.locks:
        if lock.objects != names:
            raise BadRequestError(
                f"frame {lock.frame} was approved with {', '.join(lock.objects)}; "
                f"now there are {', '.join(names)}",
                hint="unlock it first",
            )
