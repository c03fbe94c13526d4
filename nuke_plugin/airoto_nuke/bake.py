"""Bake to Reads: plain nodes with the mattes, which need nothing of ours."""

from __future__ import annotations

from typing import Any

from airoto.errors import BadRequestError
from airoto_client.node import staleness
from airoto_nuke import host, nodes, sync

Node = Any


def bake(node: Node) -> Node:
    """A Read of the current result beside the node.

    Raises:
        BadRequestError: the result is stale or has gaps.
    """
    sync.refresh(node, fresh=True)
    manifest = nodes.shown_manifest(node)
    key = sync.key_now(node, nodes.state_of(node))
    settings = nodes.settings_of(node)
    wrong = [
        frame
        for frame in range(settings.first, settings.last + 1)
        if staleness.verdict(str(nodes.value(node, "result_key")), key, manifest, frame)
        is not staleness.Verdict.CURRENT
    ]
    if wrong or manifest is None:
        raise BadRequestError(
            f"{len(wrong)} frames are stale or missing, {wrong[0] if wrong else ''} first",
            hint="track the whole range, then bake",
        )
    for name in manifest.objects:
        for prefix in ("matte", *(one for one in manifest.layers if one != "foreground")):
            host.ensure_layer(f"{prefix}_{name}")
    pattern = nodes.place_of(node).shown(nodes.shown_pattern(node))
    with host.undo_group("AIRoto: bake"):
        made = host.create(
            "Read",
            node.parent(),
            file=pattern,
            first=settings.first,
            last=settings.last,
            origfirst=settings.first,
            origlast=settings.last,
            before="black",
            after="black",
            on_error="error",
            raw=True,
            label=f"baked from {node.name()}",
        )
        made.setXYpos(int(node.xpos()) + 120, int(node.ypos()))
    return made
