"""Segment, Track, Make: from a node to the server and back into the node."""

# ruff: noqa: PTH113 - paths are text here, as knobs have them

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any, Callable

from airoto.errors import AIRotoError, BadRequestError
from airoto_client.node import approving, asking, cache_paths, remote, staleness
from airoto_client.node.delivery import Arriving
from airoto_client.node.state import State
from airoto_nuke import capture, guides, host, nodes, panel, plates, sync, tasks

Node = Any


def segment(node: Node) -> None:
    """Candidate masks for the current frame's prompts."""
    frame, state = host.frame(), nodes.state_of(node)
    if frame not in state.prompted_frames:
        raise BadRequestError(
            f"no object has a prompt on frame {frame}",
            hint="Ctrl-click the object in the viewer, then press “Add +”",
        )
    asking.check_range(state, nodes.settings_of(node))
    ask = _ask(node, state, (frame, frame), rendered=[frame])
    key = asking.candidate_key(ask.recipe, frame)

    def done(found: list[remote.Found], error: AIRotoError | None) -> None:
        if error is not None:
            tasks.ended(node, error)
            return
        tasks.ended(node, None)
        if key == asking.candidate_key(_recipe_now(node), frame):
            _show_candidates(node, found, frame)

    ask = replace(ask, key=key)
    tasks.start(node, lambda emit, stop: remote.segment(ask, emit, stop), done)


def track(node: Node, first: int, last: int, *, check: Callable[[], None] = lambda: None) -> None:
    """Mattes of a range of frames.

    Args:
        check: called with everything that happens; an AIRotoError of it ends the job.
    """
    state = nodes.state_of(node)
    asking.check_prompts(state)
    asking.check_range(state, nodes.settings_of(node))
    _check_locks(node, state)
    everything = range(nodes.settings_of(node).first, nodes.settings_of(node).last + 1)
    _deliver(node, _ask(node, state, (first, last), rendered=everything), state, check)


def make(node: Node, first: int, last: int) -> None:
    """Mattes (or trimaps) from the mask input, for a range of frames."""
    plate = plates.plate_of(node, fresh=True)
    mask = plates.plate_of(node, index=1, fresh=True)
    guides.check_inputs(node, plate, mask)
    view = plates.view_of(node)
    frames = range(first, last + 1)
    pattern = guides.mask_pattern(node, mask)
    proxy = nodes.scale_of(node) != 1
    capture.capture(node, "mask", pattern, frames, channels="alpha", view=view, proxy=proxy)
    state = guides.state_of(node, pattern, frames)
    key = guides.wanted_key(node, plate)
    render_plate(node, plate, frames, view)
    output = cache_paths.result_pattern(nodes.folder_of(node), key)
    recipe = guides.recipe_of(node, plate, state, output=output)
    _deliver(node, asked(node, recipe, key, (first, last), state), state)


def show_candidate(node: Node, frame: int) -> None:
    """Let the inner Read show the chosen candidate of the current object, where it is there."""
    state = nodes.state_of(node)
    prompt = next(
        (p for o in state.objects if o.id == state.current for p in o.prompts if p.frame == frame),
        None,
    )
    if prompt is None:
        hide_candidates(node)
        return
    key = asking.candidate_key(_recipe_now(node), frame)
    number = prompt.candidate or 1
    path = cache_paths.candidate_path(nodes.folder_of(node), key, frame, state.current, number)
    if not os.path.isfile(path):
        hide_candidates(node)
        return
    with host.no_undo():
        reader = node.node("Candidate")
        panel.put_on(reader, "file", nodes.place_of(node).shown(path))
        for name in ("first", "last"):
            panel.put_on(reader, name, frame)
        panel.put(node, "candidate_frame", frame)
        panel.put(node, "candidate_scale", nodes.scale_of(node))
        panel.put(node, "show_candidate", 1)


def hide_candidates(node: Node) -> None:
    """Show the tracked matte again."""
    with host.no_undo():
        panel.put(node, "show_candidate", 0)


def frame_matte(node: Node, frame: int) -> tuple[staleness.Manifest, str]:
    """The shown result and a frame's file, to approve or to bake.

    Raises:
        BadRequestError: the node shows no current matte of that frame.
    """
    sync.refresh(node, fresh=True)
    manifest = nodes.shown_manifest(node)
    wanted = sync.key_now(node, nodes.state_of(node))
    found = staleness.verdict(str(nodes.value(node, "result_key")), wanted, manifest, frame)
    approving.check_current(found, frame)
    assert manifest is not None
    return manifest, cache_paths.frame_path(nodes.shown_pattern(node), frame)


def _recipe_now(node: Node) -> Any:
    plate = plates.plate_of(node)
    return nodes.recipe_of(node, plate, nodes.state_of(node))


def _ask(node: Node, state: State, frames: tuple[int, int], *, rendered: Any) -> remote.Ask:
    """Render the plate where that is needed, and say what is wanted."""
    plate = plates.plate_of(node, fresh=True)
    render_plate(node, plate, rendered, plates.view_of(node))
    key = nodes.wanted_key(node, plate, state)
    output = cache_paths.result_pattern(nodes.folder_of(node), key)
    recipe = nodes.recipe_of(node, plate, state, output=output)
    return asked(node, recipe, key, frames, state)


def asked(node: Node, recipe: Any, key: str, frames: tuple[int, int], state: State) -> remote.Ask:
    """A recipe with the node's folder and its way to the server."""
    return remote.Ask(
        recipe=nodes.with_locks(node, state, recipe),
        key=key,
        folder=nodes.folder_of(node),
        frames=frames,
        locks=nodes.locks_of(node, state),
        target=str(nodes.value(node, "server")).strip(),
        link=str(nodes.value(node, "link", "bridge")),
    )


def render_plate(node: Node, plate: plates.Plate, frames: Any, view: str) -> None:
    """Render frames of the plate into the cache, where the server is not to read its files."""
    if not nodes.why_render(node, plate, frames):
        return
    pattern = cache_paths.plate_pattern(nodes.folder_of(node), nodes.sized(node, plate))
    proxy = nodes.scale_of(node) != 1
    capture.capture(node, "plate", pattern, list(frames), channels="rgb", view=view, proxy=proxy)


def _deliver(
    node: Node, ask: remote.Ask, state: State, check: Callable[[], None] = lambda: None
) -> None:
    """Run a render job whose frames end up in the node."""
    place = cache_paths.manifest_path(ask.folder, ask.key)
    box = Arriving(ask, tuple(one.name for one in state.objects))

    def on_event(event: Any) -> None:
        check()
        box.take(event)
        if isinstance(event, remote.Planned):
            panel.put(node, "made_with", event.made_with)
        if isinstance(event, remote.FrameDone) and box.is_time():
            _show(node, ask, place, box.manifest)

    def done(_: Any, error: AIRotoError | None) -> None:
        if box.manifest.finished:
            _show(node, ask, place, box.manifest)
        tasks.ended(node, error)

    tasks.start(node, lambda emit, stop: remote.render(ask, emit, stop), done, on_event)


def _show(node: Node, ask: remote.Ask, place: str, manifest: staleness.Manifest) -> None:
    """Keep the manifest, and show the result if the node still asks for it."""
    staleness.write_manifest(place, manifest)
    with host.no_undo():
        if sync.key_now(node, nodes.state_of(node)) == ask.key:
            sync.show_result(node, manifest)
    sync.refresh(node)


def _show_candidates(node: Node, found: list[remote.Found], frame: int) -> None:
    state = nodes.state_of(node)
    scores = next((one.scores for one in found if one.object_id == state.current), ())
    with host.no_undo():
        panel.put(node, "candidate_scores", remote.scores_text(scores))
    show_candidate(node, frame)


def _check_locks(node: Node, state: State) -> None:
    if state.locks and nodes.scale_of(node) != 1:
        raise BadRequestError(
            f"frame {state.locks[0].frame} was approved at full size",
            hint="work at full size, on the Output tab, or unlock it",
        )
    approving.check_locks(state)
