"""Before a render: no stale or missing matte gets into a picture.

Inside each node expressions refuse what the node itself knows to be stale or missing (`inside`),
also where AIRoto is not installed. This is the rest, where it is: it tells the nodes that a
render goes on, as `$gui` stays 1 while a session with windows renders, looks at plates and their
files anew, finds files that another recipe made, and on a farm says before the first frame what
the whole range lacks.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from typing import Any

from airoto.errors import AIRotoError
from airoto_client.node import staleness
from airoto_nuke import asked, blade, host, nodes, panel, sync
from airoto_nuke.asked import Asked

Node = Any
# Ranges that a message lists.
_LISTED = 6


def before_render() -> None:
    """Look at the plates' files again, once a render, and let nodes put out what renders get.

    In terminal mode the frames of the whole render are looked at, where they are known, and made
    here where the show's preset allows it.

    Raises:
        RuntimeError: a node's matte is stale, or frames of it are missing; with the command that
            makes them.
    """
    write = host.this_node()
    frames = [] if host.is_gui() else asked.frames_of_render(write)
    found = asked.asked_of_ours(write, frames)
    with host.no_undo():
        for one in found:
            _look_again(one.node)
            panel.put(one.node, "rendering", 1)
    try:
        if frames:
            _check_all(found)
        else:
            _refuse(problems(write))
    except RuntimeError:
        after_render()
        raise


def before_frame() -> None:
    """
    Raises:
        RuntimeError: a node has no current matte for the frame.
    """
    _refuse(problems(host.this_node(), host.frame()))


def after_render() -> None:
    """Nodes put out what windows show again."""
    with host.no_undo():
        for one in asked.asked_of_ours(host.this_node(), []):
            panel.put(one.node, "rendering", 0)


def problems(write: Node, *frames: int) -> list[str]:
    """What stands against rendering frames, in words, of every node of ours upstream; without
    frames, what can be said whatever they are."""
    found = []
    for one in asked.asked_of_ours(write, frames):
        found.extend(_problems_of(one.node, sorted(one.frames)))
    return found


def missing_frames(node: Node, frames: Iterable[int]) -> list[int]:
    """Frames without a current matte, rising; what others have made meanwhile counts."""
    state = nodes.state_of(node)
    key = sync.key_now(node, state)
    if not key:
        return sorted(frames)
    with host.no_undo():
        sync.show_known(node, state, key)
    manifest, shown = nodes.shown_manifest(node), str(nodes.value(node, "result_key"))
    current = staleness.Verdict.CURRENT
    return [
        one for one in sorted(frames) if staleness.verdict(shown, key, manifest, one) is not current
    ]


def _look_again(node: Node) -> None:
    """A new look at a plate's files, and at what a farm has made since the script was saved."""
    state = nodes.state_of(node)
    key = sync.key_now(node, state, fresh=True)
    if key:
        sync.show_known(node, state, key)
    panel.put(node, "stale", int(not key or key != nodes.value(node, "result_key")))


def _check_all(found: Sequence[Asked]) -> None:
    """
    Raises:
        RuntimeError: a list of everything that is missing, and the command that makes it.
    """
    wrong, makers = [], []
    for one in found:
        if str(nodes.value(one.node, "on_missing", "error")) == "black":
            continue
        failed = ""
        if blade.is_allowed(one.node) and one.frames:
            failed = _made_here(one)
        problems = _problems_of(one.node, sorted(one.frames))
        if problems:
            wrong.extend(problems)
            wrong.extend([f"making it here failed: {failed}"] if failed else [])
            makers.append(str(one.node.fullName()))
    if wrong:
        raise RuntimeError(
            "AIRoto stops this render before its first frame:\n  "
            + "\n  ".join(wrong)
            + f"\nMake them with:\n  {command(makers)}\nor choose black on the node's Output tab."
        )


def _made_here(one: Asked) -> str:
    """Make what is missing on this blade; why that failed, or empty."""
    try:
        blade.make(one.node, lambda: missing_frames(one.node, one.frames))
    except AIRotoError as exc:
        return f"{exc.message} ({exc.hint})" if exc.hint else exc.message
    with host.no_undo():
        _look_again(one.node)
        panel.put(one.node, "rendering", 1)
    return ""


def command(names: Sequence[str]) -> str:
    """What makes the mattes of these nodes of this script, on one machine."""
    script = host.script_path() or "SCRIPT.nk"
    chosen = " ".join(f"--node {shlex.quote(one)}" for one in names)
    job = shlex.quote(f"{script}.airoto-job")
    return (
        f"airoto farm template {shlex.quote(script)} {chosen} --job {job} && airoto farm run {job}"
    )


def _refuse(wrong: Sequence[str]) -> None:
    if wrong:
        raise RuntimeError(
            "AIRoto stops this render: " + "; ".join(wrong) + ". Track again, or choose black "
            "on the node's Output tab."
        )


def _problems_of(node: Node, frames: Sequence[int]) -> list[str]:
    """Of one node, for frames that are asked of it; none are, where its frames are not known."""
    name, key = str(node.fullName()), sync.key_now(node, nodes.state_of(node))
    manifest, shown = nodes.shown_manifest(node), str(nodes.value(node, "result_key"))
    known = tuple(frames) or (manifest.finished[:1] if manifest is not None else ()) or (0,)
    bad: dict[staleness.Verdict, list[int]] = {}
    for frame in known:
        found = staleness.verdict(shown, key, manifest, frame)
        if found is not staleness.Verdict.CURRENT:
            bad.setdefault(found, []).append(frame)
    if str(nodes.value(node, "on_missing", "error")) == "black" and (
        bad or manifest is None or (manifest.scale != 1 and not host.proxy_is_on())
    ):
        return []  # what is inside puts out black
    if bad or manifest is None:
        where = f" of {len(frames)}" if len(frames) > 1 else ""
        return [
            f"the matte of {name} is {verdict.value}"
            + (f" on {ranges(listed)}{where}" if frames else "")
            for verdict, listed in bad.items()
        ]
    if manifest.scale != 1 and not host.proxy_is_on():
        return [f"the matte of {name} was made at proxy size, and this render is full size"]
    wrong = [staleness.check_file(manifest, one, nodes.shown_pattern(node)) for one in frames]
    told = [f"{name}: {one}" for one in wrong if one]
    return [*told[:_LISTED], *([f"... and {len(told) - _LISTED} more"] if told[_LISTED:] else [])]


def ranges(frames: Sequence[int]) -> str:
    """Frames in words: `frame 7`, or `20 frames (1-10, 15-24)`."""
    if len(frames) == 1:
        return f"frame {frames[0]}"
    parts: list[list[int]] = []
    for one in frames:
        if parts and one == parts[-1][1] + 1:
            parts[-1][1] = one
        else:
            parts.append([one, one])
    words = [str(a) if a == b else f"{a}-{b}" for a, b in parts[:_LISTED]]
    return f"{len(frames)} frames ({', '.join(words)}{', ...' if parts[_LISTED:] else ''})"
