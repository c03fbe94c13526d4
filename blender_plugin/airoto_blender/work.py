"""Segment and Track: from a node to the server and back into the node."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from airoto.errors import AIRotoError, BadRequestError
from airoto_client.node import asking, cache_paths, jobs, remote, staleness, state_ops
from airoto_client.node.delivery import Arriving
from airoto_client.node.state import State

from . import inputs, nodes, plates, tasks

Node = Any


def track(node: Node, first: int, last: int) -> None:
    """Mattes of a range of the plate's frames.

    Raises:
        AIRotoError: it cannot begin; in the background also where it fails.
    """
    state = nodes.state_of(node)
    asking.check_prompts(state)
    asking.check_range(state, nodes.settings_of(node))
    one = _Tracking(node.node_id, (first, last))
    if not plates.is_rendered(node):
        one.ask_for(node)
    tasks.start(node, one.work, one.done, one.on_event, one.steps())


class _Tracking:
    """One Track: what it asks for, and what of it has arrived."""

    def __init__(self, node_id: str, frames: tuple[int, int]) -> None:
        self._node_id = node_id
        self._frames = frames
        self._ask: remote.Ask | None = None
        self._arriving: Arriving | None = None

    def ask_for(self, node: Node) -> None:
        """Ask for what the node says now."""
        state = nodes.state_of(node)
        self._ask = _ask(node, state, self._frames)
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
        if isinstance(event, remote.FrameDone) and self._arriving.is_time():
            self._show()

    def done(self, _: Any, error: AIRotoError | None) -> None:
        """On the main thread: it is over."""
        inputs.done_with(self._node_id)
        if self._arriving is not None and self._arriving.manifest.finished:
            self._show()

    def _show(self) -> None:
        assert self._ask is not None
        assert self._arriving is not None
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


def segment(node: Node, frame: int) -> None:
    """Candidate masks for a frame's prompts.

    Raises:
        AIRotoError: it cannot begin; in the background also where it fails.
    """
    state = nodes.state_of(node)
    if frame not in state.prompted_frames:
        raise BadRequestError(
            f"no object has a prompt on frame {frame}", hint="click the object in the Image Editor"
        )
    asking.check_range(state, nodes.settings_of(node))
    node_id, rendered = node.node_id, plates.is_rendered(node)

    def ask_now() -> remote.Ask:
        there = nodes.there(node_id)
        ask = _ask(there, state, (frame, frame))
        return replace(ask, key=asking.candidate_key(ask.recipe, frame))

    asked = [] if rendered else [ask_now()]

    def steps() -> Iterator[str]:
        if rendered:
            yield from inputs.give(node_id, (frame,), whole=False)
            asked.append(ask_now())

    def done(found: list[remote.Found] | None, error: AIRotoError | None) -> None:
        inputs.done_with(node_id)
        there = nodes.by_id(node_id)
        if error is not None or there is None or found is None:
            return
        said = []
        for one in found:
            scores = ", ".join(
                f"{number}: {score:.2f}" for number, score in enumerate(one.scores, 1)
            )
            said.append(f"{nodes.state_of(there).object(one.object_id).name} {scores or 'none'}")
        there.candidate_scores = "; ".join(said)

    tasks.start(
        node,
        lambda emit, stop: remote.segment(asked[0], emit, stop),
        done,
        lambda _node, _event: None,
        steps(),
    )


def candidate_file(node: Node, frame: int) -> str:
    """The file of the chosen candidate of the current object on a frame.

    Raises:
        AIRotoError: the current object says nothing there.
    """
    state = nodes.state_of(node)
    prompt = state.object(state.current).prompt(frame)
    number = (prompt.candidate if prompt is not None else 0) or 1
    recipe = nodes.recipe_of(node, plates.plate_of(node), state, output="matte.%04d.exr")
    key = asking.candidate_key(recipe, frame)
    return cache_paths.candidate_path(nodes.folder_of(node), key, frame, state.current, number)


def choose(node: Node, frame: int, number: int) -> None:
    """Take one of the candidates; 0 leaves it to the score."""
    state = state_ops.choose_candidate(nodes.state_of(node), frame, number)
    nodes.edit(node, "choose a candidate", state)


def _ask(node: Node, state: State, frames: tuple[int, int]) -> remote.Ask:
    plate = plates.plate_of(node)
    folder = nodes.folder_of(node)
    key = nodes.wanted_key(node, plate, state)
    output = cache_paths.result_pattern(folder, key)
    fed = inputs.fed(node.node_id) if plate.is_rendered else None
    return remote.Ask(
        recipe=nodes.recipe_of(node, plate, state, output=output),
        key=key,
        folder=folder,
        frames=frames,
        target=node.server.strip(),
        link="grpc",
        given=None if fed is None else fed.uploads(range(node.first, node.last + 1)),
        pixels={} if fed is None else dict(fed.digests),
    )
