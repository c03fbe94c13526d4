"""The nodes as text: `.gizmo` templates, and the Group that one becomes.

Standard library only, no Nuke. A template is expanded into a Group when a node is made, so a
script needs nothing of ours to open and to show its mattes. `python -m airoto_nuke.templates
FOLDER` writes the committed files.
"""

from __future__ import annotations

import sys
from pathlib import Path

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

_CANDIDATE = "($gui && parent.show_candidate && frame==parent.candidate_frame)"
_BAD = (
    "(parent.stale || parent.has_result==0 || frame<parent.result_first"
    " || frame>parent.result_last)"
)
_READ = "inputs 0\n  first {first}\n  last {last}\n  before black\n  after black\n  raw true"
# A name that no file has: reading it is the error that stops a render.
REFUSED = "AIRoto_has_no_current_matte_for_this_frame__open_the_node_and_track_again.exr"


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
    if kind is NodeKind.DETECT:
        return _indented(
            _node("Input", "plate", "inputs 0")
            + "set Nplate [stack 0]\n"
            + _node("Output", "Output1", "")
        )
    text = _node("Input", "plate", "inputs 0") + "set Nplate [stack 0]\n"
    text += _node("Input", "mask", "inputs 0\n  number 1")
    read = _READ.format(first=0, last=0)
    text += _node("Read", "Result", f"{read}\n  on_error black") + "set Nresult [stack 0]\n"
    text += _node("Read", "Checked", read) + "set Nchecked [stack 0]\n"
    text += _node("Read", "Candidate", f"{read}\n  on_error black") + "set Ncandidate [stack 0]\n"
    # Every frame is held, so that every frame is an error.
    refused = f"inputs 0\n  file {quoted(REFUSED)}\n  before hold\n  after hold\n  raw true"
    text += _node("Read", "Refused", refused) + "set Nrefused [stack 0]\n"
    text += "push $Nplate\n"
    zero = "\n  ".join(f"expr{n} 0" for n in range(4))
    text += _node("Expression", "Empty", zero) + "set Nempty [stack 0]\n"
    shown = f"{_CANDIDATE} + 2*(parent.has_result==0)*({_CANDIDATE}==0)"
    text += _switch("Shown", shown, "Nresult", "Ncandidate", "Nempty")
    rendered = f"{_BAD} + 2*parent.on_missing"
    text += _switch("Rendered", rendered, "Nchecked", "Nrefused", "Nresult", "Nempty")
    text += _switch("Source", "1-$gui", "NShown", "NRendered")
    text += _copies(kind)
    text += _switch(
        "View",
        "parent.view",
        "NFinal",
        "NMask",
        "NTrimap",
        "NOverlay",
        "NForeground",
        "NConfidence",
    )
    text += _node("Output", "Output1", "")
    return _indented(text)


def _copies(kind: NodeKind) -> str:
    everywhere = ("rgba.red", "rgba.green", "rgba.blue", "rgba.alpha")
    layer = "matte" if kind is not NodeKind.ROTO else "object1"
    final = [("rgba.alpha", "rgba.alpha")]
    if kind is NodeKind.TRIMAP:
        final = [(f"trimap_{layer}.alpha", "rgba.alpha")]
    text = _copy("Final", "NSource", final)
    text += _copy("Mask", "NSource", [("rgba.alpha", to) for to in everywhere])
    text += _copy("Trimap", "NSource", [(f"trimap_{layer}.alpha", to) for to in everywhere])
    mixed = [
        f"{sign}*(1-a*parent.overlay_opacity)+a*parent.overlay_opacity*parent.overlay_{sign}"
        for sign in "rgb"
    ]
    lines = "\n  ".join(f"expr{n} {quoted(one)}" for n, one in enumerate(mixed))
    text += "push $NFinal\n" + _node("Expression", "Overlay", lines) + "set NOverlay [stack 0]\n"
    text += _copy("Foreground", "NSource", [(name, name) for name in everywhere])
    text += _copy("Confidence", "NSource", [(f"confidence_{layer}.alpha", to) for to in everywhere])
    return text


def _copy(name: str, source: str, channels: list[tuple[str, str]]) -> str:
    """A Copy: input 0 is the plate, input 1 where channels come from."""
    lines = ["inputs 2"]
    for index, (start, target) in enumerate(channels):
        lines += [f"from{index} {start}", f"to{index} {target}"]
    head = f"push ${source}\npush $Nplate\n"
    return head + _node("Copy", name, "\n  ".join(lines)) + f"set N{name} [stack 0]\n"


def _switch(name: str, which: str, *inputs: str) -> str:
    pushed = "".join(f"push ${one}\n" for one in reversed(inputs))
    body = f"inputs {len(inputs)}\n  which {{{{{quoted_expression(which)}}}}}"
    return pushed + _node("Switch", name, body) + f"set N{name} [stack 0]\n"


def quoted_expression(text: str) -> str:
    """An expression for the inside of two pairs of braces, in quotes where it has spaces."""
    return f'"{text}"' if " " in text else text


def _node(class_name: str, name: str, body: str) -> str:
    inner = f"  {body}\n" if body else ""
    return f"{class_name} {{\n{inner}  name {name}\n}}\n"


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
