"""Before a render: no stale or missing matte gets into a picture.

Inside each node an expression refuses what the node itself knows to be stale (`templates`), also
where AIRoto is not installed. This is the rest, where it is: changed plates, other files, frames
that another recipe made, and sessions with windows, in which `$gui` may stay 1 while executing.
"""

from __future__ import annotations

from typing import Any

from airoto_nuke import host, nodes, staleness
from airoto_nuke.knobs import NodeKind

Node = Any


def before_render() -> None:
    """Look at the plates' files again, once a render.

    Raises:
        RuntimeError: a node's matte is stale.
    """
    _check(fresh=True)


def before_frame() -> None:
    """
    Raises:
        RuntimeError: a node has no current matte for the frame.
    """
    _check(fresh=False)


def problems(write: Node, frame: int, *, fresh: bool) -> list[str]:
    """What stands against rendering a frame, in words, of every node of ours upstream."""
    found = []
    for node in _ours_upstream(write):
        if str(nodes.value(node, "on_missing", "error")) == "black":
            continue
        found.extend(_problems_of(node, frame, fresh=fresh))
    return found


def _check(*, fresh: bool) -> None:
    wrong = problems(host.this_node(), host.frame(), fresh=fresh)
    if wrong:
        raise RuntimeError(
            "AIRoto stops this render: " + "; ".join(wrong) + ". Track again, or choose black "
            "on the node's Output tab."
        )


def _problems_of(node: Node, frame: int, *, fresh: bool) -> list[str]:
    name = str(node.fullName())
    if nodes.value(node, "show_candidate") and not nodes.value(node, "has_result"):
        return [f"{name} shows a candidate, not a matte"]
    key = nodes.key_now(node, nodes.state_of(node), fresh=fresh)
    manifest = nodes.shown_manifest(node)
    shown = str(nodes.value(node, "result_key"))
    found = staleness.verdict(shown, key, manifest, frame)
    if found is not staleness.Verdict.CURRENT or manifest is None:
        return [f"the matte of {name} is {found.value} on frame {frame}"]
    wrong = staleness.check_file(manifest, frame, nodes.shown_pattern(node))
    return [f"{name}: {wrong}"] if wrong else []


def _ours_upstream(write: Node) -> list[Node]:
    waiting, seen, found = [write], set(), []
    while waiting:
        node = waiting.pop()
        name = str(node.fullName())
        if name in seen:
            continue
        seen.add(name)
        kind = nodes.kind_of(node)
        if kind is not None:
            if kind is not NodeKind.DETECT and not bool(nodes.value(node, "disable", False)):
                found.append(node)
        elif hasattr(node, "nodes") and node is not host.root():
            waiting.extend(node.nodes())
        if node.Class() == "Input":  # out of a Group by what is connected to it
            outside = node.parent().input(int(node["number"].value()))
            waiting.extend([] if outside is None else [outside])
        waiting.extend(host.upstream([node]))
    return found
