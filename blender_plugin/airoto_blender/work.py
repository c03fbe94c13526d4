"""Segment and Track: from a node to the server and back into the node."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from airoto.errors import AIRotoError, BadRequestError
from airoto_client.node import asking, cache_paths, remote, staleness, state_ops
from airoto_client.node.delivery import Arriving
from airoto_client.node.state import State

from . import nodes, plates, tasks

Node = Any


def track(node: Node, first: int, last: int) -> None:
    """Mattes of a range of the plate's frames.

    Raises:
        AIRotoError: it cannot begin; in the background also where it fails.
    """
    state = nodes.state_of(node)
    asking.check_prompts(state)
    asking.check_range(state, nodes.settings_of(node))
    ask = _ask(node, state, (first, last))
    arriving = Arriving(ask, tuple(one.name for one in state.objects))
    node_id = node.node_id

    def show() -> None:
        place = cache_paths.manifest_path(ask.folder, ask.key)
        staleness.write_manifest(place, arriving.manifest)
        there = nodes.by_id(node_id)
        if there is not None and nodes.key_now(there) == ask.key:
            nodes.show_result(there, arriving.manifest, ask.folder)

    def on_event(there: Node, event: Any) -> None:
        arriving.take(event)
        if isinstance(event, remote.Planned):
            there.made_with = event.made_with
        if isinstance(event, remote.FrameDone) and arriving.is_time():
            show()

    def done(_: Any, error: AIRotoError | None) -> None:
        if arriving.manifest.finished:
            show()

    tasks.start(node, lambda emit, stop: remote.render(ask, emit, stop), done, on_event)


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
    ask = _ask(node, state, (frame, frame))
    ask = replace(ask, key=asking.candidate_key(ask.recipe, frame))
    node_id = node.node_id

    def done(found: list[remote.Found] | None, error: AIRotoError | None) -> None:
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
        node, lambda emit, stop: remote.segment(ask, emit, stop), done, lambda _node, _event: None
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
    return remote.Ask(
        recipe=nodes.recipe_of(node, plate, state, output=output),
        key=key,
        folder=folder,
        frames=frames,
        target=node.server.strip(),
        link="grpc",
    )
