"""Segment and Track: from a node to the server and back into the node."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Callable

from airoto.errors import AIRotoError, BadRequestError
from airoto_client.node import approving, asking, cache_paths, jobs, remote, staleness
from airoto_client.node.delivery import Arriving
from airoto_client.node.state import State

from . import inputs, nodes, plates, recipes, tasks

Node = Any
# What was begun last, by node.
_making: dict[str, _Tracking] = {}


def track(node: Node, first: int, last: int, *, until: int | None = None) -> None:
    """Mattes of a range of the plate's frames.

    Args:
        until: in the background: the frame to wait for; the server goes on meanwhile, and
            `wait_for` waits for later ones. None: all of them.

    Raises:
        AIRotoError: it cannot begin; in the background also where it fails.
    """
    state = nodes.state_of(node)
    asking.check_prompts(state)
    asking.check_range(state, recipes.settings_of(node))
    approving.check_locks(state)
    one = _Tracking(node.node_id, (first, last))
    if not plates.is_rendered(node):
        one.ask_for(node)
    _making[node.node_id] = one
    enough = one.has(last if until is None else until)
    tasks.start(node, one.work, one.done, one.on_event, one.steps(), enough)
    if until is not None:
        one.show()


def wait_for(node: Node, frame: int) -> None:
    """In the background: wait until a frame that is being made is there, or that work is over.
    Work that does not make it is given up.

    Raises:
        AIRotoError: it failed, now or while Blender rendered, before that frame was there.
    """
    one, running = _making.get(node.node_id), tasks.is_running(node)
    if one is not None and not one.first <= frame <= one.last:
        tasks.cancel(node)
    elif one is not None:
        tasks.wait(node, one.has(frame))
    if one is not None and running:
        one.show()


def finish(node: Node, frame: int) -> None:
    """In the background: the last frame was rendered. What is made for later ones is given up,
    anything else waited for.

    Raises:
        AIRotoError: it failed.
    """
    one = _making.get(node.node_id)
    if one is not None and frame < one.last:
        tasks.cancel(node)
    else:
        wait_for(node, node.last)


class _Tracking:
    """One Track: what it asks for, and what of it has arrived."""

    def __init__(self, node_id: str, frames: tuple[int, int]) -> None:
        self._node_id = node_id
        self._frames = frames
        self._ask: remote.Ask | None = None
        self._arriving: Arriving | None = None
        self._arrived: set[int] = set()

    @property
    def first(self) -> int:
        """The first frame that it makes."""
        return self._frames[0]

    @property
    def last(self) -> int:
        """The last frame that it makes."""
        return self._frames[1]

    def ask_for(self, node: Node) -> None:
        """Ask for what the node says now."""
        state = nodes.state_of(node)
        self._ask = ask_of(node, state, self._frames)
        self._arriving = Arriving(self._ask, tuple(one.name for one in state.objects))

    def steps(self) -> Iterator[str]:
        """What Blender renders itself is rendered first, one frame a step."""
        if self._ask is not None:
            return
        node = nodes.there(self._node_id)
        yield from inputs.give(self._node_id, range(node.first, node.last + 1))
        self.ask_for(nodes.there(self._node_id))

    def work(self, emit: jobs.Emit, stop: jobs.Stop) -> None:
        """On the worker thread: the render."""
        assert self._ask is not None
        remote.render(self._ask, emit, stop)

    def on_event(self, node: Node, event: Any) -> None:
        """On the main thread: what the worker said."""
        assert self._arriving is not None
        self._arriving.take(event)
        if isinstance(event, remote.Planned):
            node.made_with = event.made_with
        if isinstance(event, remote.FrameDone):
            self._arrived.add(event.frame)
            if self._arriving.is_time():
                self.show()

    def done(self, _: Any, error: AIRotoError | None) -> None:
        """On the main thread: it is over."""
        inputs.done_with(self._node_id)
        self.show()

    def has(self, frame: int) -> Callable[[], bool]:
        """Whether a frame has arrived, and others are still to come: with the last one the work
        is waited for.
        """
        return lambda: frame in self._arrived and frame < self._frames[1]

    def show(self) -> None:
        """Show what has arrived, if anything."""
        if self._ask is None or self._arriving is None or not self._arriving.manifest.finished:
            return
        ask, manifest = self._ask, self._arriving.manifest
        staleness.write_manifest(cache_paths.manifest_path(ask.folder, ask.key), manifest)
        node = nodes.by_id(self._node_id)
        if node is not None and nodes.key_now(node) == ask.key:
            nodes.show_result(node, manifest, ask.folder)


def track_again(node: Node, frame: int) -> None:
    """Mattes from a frame to the end of the range; what lies before is taken if it fits."""
    if not node.first <= frame <= node.last:
        raise BadRequestError(f"frame {frame} lies outside the range {node.first}-{node.last}")
    track(node, frame, node.last)


def ask_of(node: Node, state: State, frames: tuple[int, int]) -> remote.Ask:
    """What is wanted of the server for frames of the plate, first and last.

    Raises:
        AIRotoError: the node asks for nothing that can be made.
    """
    plate = plates.plate_of(node)
    folder = recipes.folder_of(node)
    key = recipes.wanted_key(node, plate, state)
    output = cache_paths.result_pattern(folder, key)
    recipe = recipes.recipe_of(node, plate, state, output=output)
    locks = recipes.locks_of(node, state)
    fed = inputs.fed(node.node_id) if plate.is_rendered else None
    return remote.Ask(
        recipe=asking.with_locks(recipe, locks),
        key=key,
        folder=folder,
        frames=frames,
        locks=locks,
        target=node.server.strip(),
        link="grpc",
        given=None if fed is None else fed.uploads(range(node.first, node.last + 1)),
        pixels={} if fed is None else dict(fed.digests),
    )
