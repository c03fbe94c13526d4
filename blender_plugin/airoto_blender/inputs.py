"""Plates that Blender renders itself: frames given to the server, and looked at again."""

from __future__ import annotations

import atexit
import functools
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from airoto_client.node.feeding import Fed, Feed, identity_of

from . import host, nodes
from .upstream import Upstream, fill

Node = Any
_feeds: dict[str, Feed] = {}
_keeping = False


def fed(node_id: str) -> Fed | None:
    """What the server has of the node's input now; None for nothing."""
    feed = _feeds.get(node_id)
    return None if feed is None else feed.fed


def give(node_id: str, frames: Iterable[int], *, whole: bool = True) -> Iterator[str]:
    """Render frames of the plate and give them to the server, one a step, on the main thread.

    Args:
        node_id: of a node that is there at every step; undo may give it another address.
        frames: of the plate; those that were given already are not rendered again.
        whole: these are all frames there are; the node then stands for their pixels.

    Yields:
        What is done next, in words.

    Raises:
        AIRotoError: a frame cannot be rendered, or the server does not take it.
    """
    wanted = tuple(frames)
    with Upstream(nodes.there(node_id)) as upstream:
        feed = _feeds.get(node_id)
        if feed is None or feed.fed.size != upstream.size:
            forget(node_id)
            feed = _feeds[node_id] = Feed(nodes.there(node_id).server.strip(), upstream.size)
        missing = [one for one in wanted if one not in feed.fed.handles]
        for number, frame in enumerate(missing):
            yield f"rendering the input: frame {frame}, {number} of {len(missing)} are done"
            planes = upstream.frame(nodes.scene_frame(nodes.there(node_id), frame))
            feed.give(frame, functools.partial(fill, planes))
    _tell_way(nodes.there(node_id), feed.fed)
    if whole:
        digests = {one: feed.fed.digests[one] for one in wanted}
        nodes.there(node_id).input_identity = identity_of(upstream.size, digests)


def changed(node: Node, frames: Iterable[int], known: Mapping[int, str]) -> int | None:
    """The first frame whose input is not what it was; None where all are.

    Args:
        known: digest of each frame as it was.

    Raises:
        AIRotoError: a frame cannot be rendered.
    """
    with Upstream(node) as upstream:
        room = memoryview(bytearray(upstream.size[0] * upstream.size[1] * 6))
        for frame in frames:
            fill(upstream.frame(nodes.scene_frame(node, frame)), room)
            if known.get(frame) != hashlib.sha256(room).hexdigest():
                return frame
    return None


def forget(node_id: str) -> None:
    """The server need not keep the node's frames."""
    feed = _feeds.pop(node_id, None)
    if feed is not None:
        feed.close()


def done_with(node_id: str) -> None:
    """As `forget`, unless a render is going on that may need them again."""
    if not _keeping:
        forget(node_id)


def keep(keeping: bool) -> None:
    """A render begins, for all of which frames stay with the server; or it ends."""
    global _keeping
    _keeping = keeping
    for node_id in list(_feeds):
        forget(node_id)


def _tell_way(node: Node, fed: Fed) -> None:
    """In the node and the log: frames do not go through shared memory."""
    said = f"slow: frames go to the server in pieces, since {fed.slow}" if fed.slow else ""
    if said and node.warning != said:
        host.log(f"warning: {node.name}: {said}")
    node.warning = said


atexit.register(keep, False)
