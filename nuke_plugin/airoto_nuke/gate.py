"""Before a render: no stale or missing matte gets into a picture.

Inside each node expressions refuse what the node itself knows to be stale or missing (`inside`),
also where AIRoto is not installed. This is the rest, where it is: it tells the nodes that a
render goes on, as `$gui` stays 1 while a session with windows renders, looks at plates and their
files anew, and finds files that another recipe made.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from airoto_client.node import staleness
from airoto_nuke import host, nodes, panel
from airoto_nuke.knobs import NodeKind

Node = Any
# Classes that ask their input for other frames than the one that is rendered.
_OTHER_FRAMES = frozenset(
    [
        "TimeOffset",
        "Retime",
        "TimeWarp",
        "FrameHold",
        "FrameBlend",
        "TimeBlur",
        "TimeEcho",
        "TimeDissolve",
        "TimeClip",
        "AppendClip",
        "OFlow2",
        "Kronos",
        "TemporalMedian",
    ]
)


def before_render() -> None:
    """Look at the plates' files again, once a render, and let nodes put out what renders get.

    Raises:
        RuntimeError: a node's matte is stale.
    """
    write = host.this_node()
    with host.no_undo():
        for node, _ in ours_upstream(write):
            key = nodes.key_now(node, nodes.state_of(node), fresh=True)
            panel.put(node, "stale", int(not key or key != nodes.value(node, "result_key")))
            panel.put(node, "rendering", 1)
    try:
        _check(write)
    except RuntimeError:
        after_render()
        raise


def before_frame() -> None:
    """
    Raises:
        RuntimeError: a node has no current matte for the frame.
    """
    _check(host.this_node())


def after_render() -> None:
    """Nodes put out what windows show again."""
    with host.no_undo():
        for node, _ in ours_upstream(host.this_node()):
            panel.put(node, "rendering", 0)


def problems(write: Node, frame: int) -> list[str]:
    """What stands against rendering a frame, in words, of every node of ours upstream."""
    found = []
    for node, elsewhere in ours_upstream(write):
        found.extend(_problems_of(node, None if elsewhere else frame))
    return found


def _check(write: Node) -> None:
    wrong = problems(write, host.frame())
    if wrong:
        raise RuntimeError(
            "AIRoto stops this render: " + "; ".join(wrong) + ". Track again, or choose black "
            "on the node's Output tab."
        )


def _problems_of(node: Node, frame: int | None) -> list[str]:
    """Of one node; without a frame, what can be said whatever the frame is."""
    name, key = str(node.fullName()), nodes.key_now(node, nodes.state_of(node))
    manifest, shown = nodes.shown_manifest(node), str(nodes.value(node, "result_key"))
    asked = frame
    if asked is None:
        asked = manifest.finished[0] if manifest is not None and manifest.finished else 0
    found = staleness.verdict(shown, key, manifest, asked)
    if found is not staleness.Verdict.CURRENT or manifest is None:
        if str(nodes.value(node, "on_missing", "error")) == "black":
            return []  # what is inside puts out black
        where = "" if frame is None else f" on frame {frame}"
        return [f"the matte of {name} is {found.value}{where}"]
    if manifest.scale != 1 and not host.proxy_is_on():
        if str(nodes.value(node, "on_missing", "error")) == "black":
            return []
        return [f"the matte of {name} was made at proxy size, and this render is full size"]
    if frame is None:
        return []
    wrong = staleness.check_file(manifest, frame, nodes.shown_pattern(node))
    return [f"{name}: {wrong}"] if wrong else []


def ours_upstream(write: Node) -> Iterator[tuple[Node, bool]]:
    """Our nodes that a node gets pictures from, and whether from other frames alone."""
    waiting: list[tuple[Node, bool]] = [(write, False)]
    seen: dict[str, bool] = {}
    found: dict[str, Node] = {}
    while waiting:
        node, elsewhere = waiting.pop()
        name = str(node.fullName())
        if seen.get(name, True) <= elsewhere and name in seen:
            continue
        seen[name] = elsewhere
        kind = nodes.kind_of(node)
        if kind is not None:
            if kind is not NodeKind.DETECT and not bool(nodes.value(node, "disable", False)):
                found[name] = node
        elif hasattr(node, "nodes") and node is not host.root():
            waiting.extend((one, elsewhere) for one in node.nodes())
        elsewhere = elsewhere or node.Class() in _OTHER_FRAMES
        if node.Class() == "Input":  # out of a Group by what is connected to it
            outside = node.parent().input(int(node["number"].value()))
            waiting.extend([] if outside is None else [(outside, elsewhere)])
        waiting.extend((one, elsewhere) for one in host.upstream([node]))
    for name, node in found.items():
        yield node, seen[name]
