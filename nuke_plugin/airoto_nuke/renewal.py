"""Nodes that an older AIRoto saved, and copies: brought up to what this AIRoto expects."""

from __future__ import annotations

from typing import Any

from airoto_client.node import cache_paths
from airoto_client.node import state as states
from airoto_nuke import host, nodes, panel, templates
from airoto_nuke.inside import inner_nodes
from airoto_nuke.knobs import NODE_VERSION, KnobType, all_knobs

Node = Any
# Knobs of the inner Reads that say which result is shown.
_SHOWN = ("file", "first", "last", "origfirst", "origlast")


def renew(node: Node) -> None:
    """Add knobs that are missing, with their defaults; give a copy an id of its own.

    Nothing is removed or reset.

    Raises:
        BadRequestError: a newer AIRoto saved it.
    """
    kind = nodes.kind_of(node)
    if kind is None:
        return
    states.load(str(nodes.value(node, "state", "")))
    for spec in all_knobs(kind):
        # Its own version is what tells an older node, so that is not added.
        if node.knob(spec.name) is None and spec.type is not KnobType.TAB:
            panel.add_knob(node, spec)
    same = [one for one in nodes.ours() if nodes.id_of(one) == nodes.id_of(node)]
    if not nodes.id_of(node) or len(same) > 1:
        node["node_id"].setValue(cache_paths.new_node_id())


def renew_inside(node: Node) -> None:
    """Build what is inside an older node anew; connections, prompts and the result stay.

    Not before all of it was read: a Group's onCreate may come before its inner nodes.
    """
    kind = nodes.kind_of(node)
    if kind is None or int(nodes.value(node, "airoto_version", 0)) >= NODE_VERSION:
        return
    if not nodes.is_whole(node):
        return
    renew(node)
    before = node.node("Checked")
    shown = {} if before is None else {name: before[name].value() for name in _SHOWN}
    with host.no_undo():
        for name, channels in templates.layers(kind).items():
            host.ensure_layer(name, channels)
        for old in list(node.nodes()):
            if old.Class() != "Input":
                host.delete(old)
        for one in inner_nodes(kind):
            made = node.node(one.name)
            if made is None:
                made = host.create(one.class_name, node, name=one.name)
            made.readKnobs("\n".join(f"{name} {text}" for name, text in one.knobs))
            for index, source in enumerate(one.inputs):
                made.setInput(index, node.node(source))
        for name in ("Result", "Checked"):
            for knob, value in shown.items():
                panel.put_on(node.node(name), knob, value)
        manifest = nodes.shown_manifest(node)
        if manifest is not None:
            panel.show_layers(node, manifest, kind)
        panel.put(node, "airoto_version", NODE_VERSION)
