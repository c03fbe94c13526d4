"""The nodes as text: `.gizmo` templates, and the Group that one becomes.

Standard library only, no Nuke. A template is expanded into a Group when a node is made, so a
script needs nothing of ours to open and to show its mattes. `python -m airoto_nuke.templates
FOLDER` writes the committed files.
"""

from __future__ import annotations

import sys
from pathlib import Path

from airoto_nuke.inside import Inner, inner_nodes
from airoto_nuke.knobs import KnobSpec, KnobType, NodeKind, all_knobs

# Standing in for `pass`: what an artist reads whose Nuke has no AIRoto.
_ABSENT = "nuke.message('AIRoto is not installed here. The mattes still show.')"
PRESS = """try:
    from airoto_nuke import entry
except ImportError:
    {absent}
else:
    entry.press(nuke.thisNode(), '{name}')"""
KNOB_CHANGED = """try:
    from airoto_nuke import entry
except ImportError:
    pass
else:
    entry.knob_changed(nuke.thisNode(), nuke.thisKnob())"""
ON_CREATE = """try:
    from airoto_nuke import entry
except ImportError:
    pass
else:
    entry.created(nuke.thisNode())"""


def gizmo(kind: NodeKind) -> str:
    """The `.gizmo` file of a node."""
    known = "".join(
        f"add_layer {{{name} {' '.join(channels)}}}\n" for name, channels in layers(kind).items()
    )
    return known + _head(kind) + _inside(kind) + "end_group\n"


def press_script(name: str) -> str:
    """What a button runs; it works, saying so, where AIRoto is not installed."""
    return PRESS.format(absent=_ABSENT, name=name)


def knob_line(spec: KnobSpec) -> str:
    """One knob as what stands behind `addUserKnob`, with its braces."""
    words = [str(int(spec.type)), spec.name]
    words += ["l", quoted(spec.label)]
    if spec.tooltip:
        words += ["t", quoted(spec.tooltip)]
    if spec.type is KnobType.BUTTON:
        words += ["T", quoted(press_script(spec.name))]
    if spec.type is KnobType.ENUM:
        words += ["M", "{" + " ".join(quoted(item) for item in spec.items) + "}"]
    if spec.hidden:
        words.append("+INVISIBLE")
    if not spec.enabled:
        words.append("+DISABLED")
    if spec.type in (KnobType.BUTTON, KnobType.BOOL) and spec.new_line:
        words.append("+STARTLINE")
    if not spec.new_line and spec.type is not KnobType.BUTTON:
        words.append("-STARTLINE")
    return "{" + " ".join(words) + "}"


def quoted(text: str) -> str:
    """A text as one Tcl word in double quotes."""
    made = text.replace("\\", "\\\\").replace('"', '\\"')
    for sign in "[]{}$":
        made = made.replace(sign, "\\" + sign)
    return '"' + made.replace("\n", "\\n") + '"'


def _head(kind: NodeKind) -> str:
    lines = ["Gizmo {", f" name {kind.value}"]
    lines.append(f" help {quoted(_HELP[kind])}")
    lines.append(f" onCreate {quoted(ON_CREATE)}")
    lines.append(f" knobChanged {quoted(KNOB_CHANGED)}")
    lines.append(" tile_color 0x3c7fb4ff")
    for spec in all_knobs(kind):
        lines.append(f" addUserKnob {knob_line(spec)}")
        if spec.value or spec.name == "node_id":
            lines.append(f" {spec.name} {_value(spec)}")
    return "\n".join(lines) + "\n}\n"


def _value(spec: KnobSpec) -> str:
    if spec.type in (KnobType.STRING, KnobType.FILE):
        return quoted(spec.value)
    return spec.value


_HELP = {
    NodeKind.ROTO: "Prompts on a few frames become tracked mattes. docs/artists.md",
    NodeKind.MATTE: "A plate and a rough mask become a fine matte. docs/artists.md",
    NodeKind.TRIMAP: "A mask becomes a trimap, to look at and to paint on. docs/artists.md",
    NodeKind.DETECT: "Objects by text. docs/artists.md",
}


def _inside(kind: NodeKind) -> str:
    """The nodes inside, wired through Nuke's node stack."""
    return _indented("".join(_inner_text(one) for one in inner_nodes(kind)))


def _inner_text(one: Inner) -> str:
    text = "".join(f"push $N{name}\n" for name in reversed(one.inputs))
    text += f"{one.class_name} {{\n  inputs {len(one.inputs)}\n"
    text += "".join(f"  {name} {value}\n" for name, value in one.knobs)
    return f"{text}  name {one.name}\n}}\nset N{one.name} [stack 0]\n"


def _indented(text: str) -> str:
    return "".join(f" {line}\n" for line in text.splitlines())


def layers(kind: NodeKind) -> dict[str, list[str]]:
    """Layers that must be known before a template is read."""
    if kind in (NodeKind.DETECT,):
        return {}
    name = "object1" if kind is NodeKind.ROTO else "matte"
    return {f"{one}_{name}": [f"{one}_{name}.alpha"] for one in ("matte", "trimap", "confidence")}


def file_name(kind: NodeKind) -> str:
    """Name of a node's template; the prefix keeps it apart from everybody else's gizmos."""
    return f"AIRoto_{kind.name.capitalize()}.gizmo"


def expanded(template: str, name: str, node_id: str) -> str:
    """A template's text as that of a Group with a name and an id of its own."""
    head, gizmo_start, body = template.partition("Gizmo {\n name ")
    _, _, body = body.partition("\n")
    body = body.replace(' node_id ""\n', f" node_id {node_id}\n", 1)
    return f"{head}Group {{\n inputs 0\n name {name}\n{body}" if gizmo_start else template


def main(folder: str) -> None:
    """Write every template into a folder."""
    for kind in NodeKind:
        Path(folder, file_name(kind)).write_text(gizmo(kind))


if __name__ == "__main__":
    main(sys.argv[1])
