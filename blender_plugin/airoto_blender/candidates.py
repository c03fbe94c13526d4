"""Candidate masks of a frame: asked for, kept while Blender runs, chosen from, drawn.

They are not stored in the .blend: the server has them in its cache, and Segment brings them back
at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from airoto.errors import AIRotoError, BadRequestError
from airoto_client.node import asking, remote, state_ops
from airoto_client.node.state import Prompt, State

from . import host, inputs, nodes, plates, recipes, tasks, work

Node = Any
Matte = npt.NDArray[np.float32]
# Pixels of the longer side of what is drawn over the plate.
_DRAWN_SIZE = 1024


@dataclass(frozen=True)
class Candidate:
    """One mask: its score, 0 to 1, and its pixels as they are drawn.

    Attributes:
        pixels: (H, W), float32, 0 to 1, rows from the bottom as Blender has them, at most 1024
            on the longer side.
    """

    score: float
    pixels: Matte


@dataclass(frozen=True)
class Found:
    """What Segment found on a frame, by object: what was said, and up to three masks for it."""

    frame: int
    prompts: dict[int, Prompt]
    masks: dict[int, tuple[Candidate, ...]]


_found: dict[str, Found] = {}


def segment(node: Node, frame: int) -> None:
    """Candidate masks for a frame's prompts.

    Raises:
        AIRotoError: it cannot begin; in the background also where it fails.
    """
    state = nodes.state_of(node)
    if frame not in state.prompted_frames:
        raise BadRequestError(
            f"no object has a prompt on frame {frame}", hint="press Click Prompts and click it"
        )
    asking.check_range(state, recipes.settings_of(node))
    one = _Segmenting(node.node_id, frame)
    if not plates.is_rendered(node):
        one.ask_for(node)
    tasks.start(node, one.work, one.done, lambda _node, _event: None, one.steps())


class _Segmenting:
    """One Segment: what is asked, and what comes of it."""

    def __init__(self, node_id: str, frame: int) -> None:
        self._node_id = node_id
        self._frame = frame
        self._ask: remote.Ask | None = None
        self._prompts: dict[int, Prompt] = {}

    def ask_for(self, node: Node) -> None:
        """Ask for what the node says now."""
        state = nodes.state_of(node)
        ask = work.ask_of(node, state, (self._frame, self._frame))
        self._ask = replace(ask, key=asking.candidate_key(ask.recipe, self._frame))
        self._prompts = _prompts(state, self._frame)

    def steps(self) -> Iterator[str]:
        """What Blender renders itself is rendered first."""
        if self._ask is None:
            yield from inputs.give(self._node_id, (self._frame,), whole=False)
            self.ask_for(nodes.there(self._node_id))

    def work(self, emit: Any, stop: Any) -> list[remote.Found]:
        """On the worker thread."""
        assert self._ask is not None
        return remote.segment(self._ask, emit, stop)

    def done(self, found: list[remote.Found] | None, error: AIRotoError | None) -> None:
        """On the main thread: keep and show what was found."""
        inputs.done_with(self._node_id)
        node = nodes.by_id(self._node_id)
        if error is not None or node is None or found is None:
            return
        masks = {
            one.object_id: tuple(
                Candidate(score, _drawn(host.alpha_of(file)))
                for file, score in zip(one.files, one.scores)
            )
            for one in found
        }
        _found[node.node_id] = Found(self._frame, self._prompts, masks)
        node.candidate_scores = "; ".join(
            f"{nodes.state_of(node).object(one.object_id).name} {remote.scores_text(one.scores)}"
            for one in found
        )
        host.redraw()


def choose(node: Node, frame: int, number: int) -> None:
    """Take one of the candidates; 0 leaves it to the score."""
    state = nodes.state_of(node)
    there = masks_of(node, state, frame)
    if there and number > len(there):
        raise BadRequestError(f"there are {len(there)} candidates; {number} is none of them")
    nodes.edit(node, "choose a candidate", state_ops.choose_candidate(state, frame, number))


def masks_of(node: Node, state: State, frame: int) -> tuple[Candidate, ...]:
    """The current object's candidates on a frame; empty where none fit what is said now."""
    found = _found.get(node.node_id)
    if found is None or found.frame != frame or state.current not in found.masks:
        return ()
    same = found.prompts.get(state.current) == _prompts(state, frame).get(state.current)
    return found.masks[state.current] if same else ()


def shown(node: Node, state: State, frame: int) -> Candidate | None:
    """The candidate that is drawn: the chosen one, else the best."""
    there = masks_of(node, state, frame)
    prompt = state.object(state.current).prompt(frame) if there else None
    number = (prompt.candidate if prompt is not None else 0) or 1
    return there[number - 1] if number <= len(there) else None


def forget(node_id: str) -> None:
    """Draw them no more."""
    _found.pop(node_id, None)


def _prompts(state: State, frame: int) -> dict[int, Prompt]:
    """What every object says on a frame, whichever candidate is chosen."""
    said = {one.id: one.prompt(frame) for one in state.objects}
    return {number: replace(one, candidate=0) for number, one in said.items() if one is not None}


def _drawn(pixels: Matte) -> Matte:
    step = -(-max(pixels.shape) // _DRAWN_SIZE)
    return np.ascontiguousarray(pixels[::step, ::step])
