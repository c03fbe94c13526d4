"""Mattes made on the blade that renders, where the show's preset allows it: one blade at a time.

A farm may start the same render on hundreds of machines, whose mattes are the same. Whoever gets
the lease on the result's folder makes them, the others wait and tell how far it is; a blade that
dies is replaced by one of those (`airoto_client.lease`).
"""

# ruff: noqa: PTH103, PTH113, PTH208 - paths are text here, as knobs have them

from __future__ import annotations

import atexit
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from airoto.errors import BadRequestError, ServerUnreachableError
from airoto_client import lease as leases
from airoto_client.files import write_error
from airoto_client.node import cache_paths, links, plate_files
from airoto_nuke import host, nodes, plates, preset_tokens, work
from airoto_nuke.knobs import NodeKind

Node = Any
KEY = "farm.on_blade"
# Seconds that a server has to answer: blades may be busy, and start many tasks at once. One that
# is not there says so at once; one that is slow is asked again, so often.
_PATIENCE = 60.0
_ASKED = 5
_AT_ONCE = 5.0


def is_allowed(node: Node) -> bool:
    """Whether the node's preset lets blades make its mattes."""
    return nodes.kind_of(node) is NodeKind.ROTO and bool(preset_tokens.taken_by(node).wanted(KEY))


def make(node: Node, missing: Callable[[], list[int]]) -> None:
    """Make what is missing, or wait until another blade has.

    Args:
        missing: looks at the result's folder anew, and gives the frames that are not there.

    Raises:
        AIRotoError: it cannot be made here, or the blade that was waited for gave up.
    """
    wanted = missing()
    if not wanted:
        return
    plate, state = plates.plate_of(node, fresh=True), nodes.state_of(node)
    _check_plate(node, plate, wanted)
    folder = f"{nodes.folder_of(node)}/mattes/{nodes.wanted_key(node, plate, state)}"
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as exc:
        raise write_error(exc, Path(folder)) from exc
    name = str(node.fullName())

    def tell(words: str) -> None:
        host.log(f"AIRoto: {name}: {words}")

    def progress() -> str:
        there = sum(1 for one in os.listdir(folder) if one.endswith(".exr"))
        return f"{there} mattes are there"

    lease = leases.acquire(Path(folder), lambda: not missing(), tell, progress=progress)
    if lease is None:
        return
    with lease:
        todo = missing()
        tell(f"making {len(todo)} frames, {todo[0]}-{todo[-1]}, on this blade")
        _find_server(node)
        work.track(node, todo[0], todo[-1], check=lease.check)
        lease.check()


def _check_plate(node: Node, plate: plates.Plate, frames: Iterable[int]) -> None:
    """
    Raises:
        BadRequestError: Nuke would have to render the plate, which it cannot do inside a render.
    """
    why = nodes.why_render(node, plate, frames)
    if not why:
        return
    pattern = cache_paths.plate_pattern(nodes.folder_of(node), nodes.sized(node, plate))
    settings = nodes.settings_of(node)
    everything = range(settings.first, settings.last + 1)
    gone = [one for one in everything if not os.path.isfile(plate_files.file_of(pattern, one))]
    if gone:
        raise BadRequestError(
            f"{why}, so Nuke has to render it, which it cannot do inside another render; "
            f"{len(gone)} frames of it are missing in {os.path.dirname(pattern)}",  # noqa: PTH120
            hint="make the mattes before this render",
        )


def _find_server(node: Node) -> None:
    """A server that answers: the one that is named, else this machine's, else one of our own,
    which ends with this Nuke."""
    target = str(nodes.value(node, "server")).strip()
    kind = str(nodes.value(node, "link", "bridge"))
    try:
        _ask_patiently(target, kind)
    except ServerUnreachableError:
        if target or os.environ.get(links.SERVER_VARIABLE):
            raise
        before = set(links.started())
        links.start_server(target, kind)
        if set(links.started()) - before:
            atexit.register(links.stop_started)


def _ask_patiently(target: str, kind: str) -> None:
    """
    Raises:
        ServerUnreachableError: none answers.
    """
    for again in reversed(range(_ASKED)):
        began = time.monotonic()
        try:
            links.hello(target, kind, _PATIENCE)
        except ServerUnreachableError:
            if not again or time.monotonic() - began < _AT_ONCE:
                raise
            host.log("AIRoto: the server is slow to answer; asking again")
        else:
            return
