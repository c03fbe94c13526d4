"""Reading and writing .nk text: Tcl, nodes on a stack."""

from __future__ import annotations

from typing import Any

import tclwords

from nuke._app import app


def knob_lines(node: Any, *, definitions: bool = True) -> str:
    """A node's knobs as lines of its block, only what differs from the defaults."""
    lines = []
    for knob in node._knobs.values():
        if knob._user and definitions:
            lines.append(f" addUserKnob {{{_definition(knob)}}}")
        if knob.name() in ("selected", "xpos", "ypos") or not knob.saved:
            continue
        if not knob._at_default():
            lines.append(f" {knob.name()} {knob.toScript()}")
    return "\n".join(lines)


def _definition(knob: Any) -> str:
    parts = getattr(knob, "_definition", None)
    if parts is None:
        parts = [str(knob.kind), knob.name(), "l", knob.label()]
    if hasattr(knob, "_items") and "M" in parts:
        at = parts.index("M") + 1
        items = " ".join(tclwords.quoted(one) for one in knob._items)
        head = " ".join(tclwords.quoted(one) for one in parts[:at])
        rest = " ".join(tclwords.quoted(one) for one in parts[at + 1 :])
        return f"{head} {{{items}}} {rest}".rstrip()
    return " ".join(tclwords.quoted(one) for one in parts)


def node_text(node: Any, indent: str = "") -> str:
    """A node's block, a Group with what is inside and its `end_group`."""
    inputs = len(node._inputs) if node.Class() != "Input" else 0
    lines = [f"{node.Class()} {{", f" inputs {inputs}"]
    lines.extend(knob_lines(node).splitlines() or [])
    lines.append("}")
    if hasattr(node, "_nodes"):
        lines.extend(" " + line for line in nodes_text(node._nodes).splitlines())
        lines.append("end_group")
    return "\n".join(indent + line for line in lines if line.strip())


def nodes_text(nodes: list[Any]) -> str:
    """Nodes in an order in which every input comes first, wired through the stack."""
    lines: list[str] = []
    names: dict[int, str] = {}
    for node in _ordered(nodes):
        for source in reversed(node._inputs):
            known = source is not None and id(source) in names
            lines.append(f"push ${names[id(source)]}" if known else "push 0")
        lines.append(node_text(node))
        app.names_written += 1  # a Group inside may not take a name of the outside
        names[id(node)] = f"N{app.names_written:08x}"
        lines.append(f"set {names[id(node)]} [stack 0]")
    return "\n".join(lines) + "\n"


def script_text() -> str:
    """The whole script."""
    layers = [f"add_layer {{{name} {' '.join(channels)}}}" for name, channels in app.layers.items()]
    head = ["version 17.0 v1", "Root {", " inputs 0"]
    head.extend(knob_lines(app.root).splitlines())
    head.append("}")
    app.names_written = 0
    return "\n".join([*head, *layers, nodes_text(app.root._nodes)])


def _ordered(nodes: list[Any]) -> list[Any]:
    made: list[Any] = []

    def visit(node: Any) -> None:
        if node in made or node not in nodes:
            return
        for source in node._inputs:
            if source is not None:
                visit(source)
        made.append(node)

    for node in nodes:
        visit(node)
    return made


def read_text(text: str, group: Any) -> list[Any]:
    """Build what a script's text says inside a group; returns the outermost new nodes."""
    from nuke import _nodes

    stack: list[Any] = []
    variables: dict[str, Any] = {}
    open_groups: list[tuple[Any, list[Any]]] = []
    made: list[Any] = []
    everything: list[Any] = []
    for command in tclwords.words(text):
        name = command[0]
        inside = open_groups[-1][0] if open_groups else group
        if name == "set":
            if command[2] != "[stack 0]":
                raise tclwords.TclError(f"set {command[1]} {command[2]}")
            variables[command[1]] = stack[-1]
        elif name == "push":
            stack.append(variables[command[1][1:]] if command[1] != "0" else None)
        elif name == "end_group":
            node, stack = open_groups.pop()
            stack.append(node)
        elif name == "add_layer":
            layer, *channels = tclwords.split(command[1])
            app.layers.setdefault(layer, channels)
        elif name == "Root":
            read_knobs(app.root, command[1])
        elif name in ("version", "define_window_layout_xml"):
            continue
        else:
            pairs = _pairs(command[1])
            node = _nodes.make(name, inside)
            count = _inputs(name, pairs)
            wired = [stack.pop() if stack else None for _ in range(count)]
            for index, source in enumerate(wired):
                node._wire(index, source)
            read_knobs(node, command[1])
            everything.append(node)
            if not open_groups:
                made.append(node)
            if hasattr(node, "_nodes"):
                open_groups.append((node, stack))
                stack = []
            else:
                stack.append(node)
    if open_groups:
        raise tclwords.TclError(f"{open_groups[-1][0].name()} has no end_group")
    for node in everything:
        _nodes.created(node)
    return made


def read_knobs(node: Any, body: str) -> None:
    """The block of a node."""
    from nuke import _nodes

    for name, value in _pairs(body):
        if name in ("inputs", "cached", "selected", "note_font"):
            continue
        if name == "addUserKnob":
            _nodes.add_user_knob(node, tclwords.split(value))
        elif name == "name" and node is app.root:
            continue  # the script's name is that of the file it was opened from
        elif name == "name":
            node._knobs["name"]._value = value
            if node._parent is not None:
                node._rename(value)
        elif name in node._knobs:
            node._knobs[name].fromScript(value)
        else:
            raise ValueError(f"{node.Class()} has no knob {name!r}")


def _pairs(body: str) -> list[tuple[str, str]]:
    parts = tclwords.split(body)
    if len(parts) % 2:
        raise tclwords.TclError(f"a block with an odd number of words: {parts[-1]!r}")
    return list(zip(parts[::2], parts[1::2], strict=True))


def _inputs(name: str, pairs: list[tuple[str, str]]) -> int:
    for key, value in pairs:
        if key == "inputs":
            return int(value)
    # Source: every node pops one input unless its block says otherwise.
    return 0 if name in ("Read", "Input") else 1
