"""What is inside our Groups: nodes, their knobs, their wiring, in one table.

Standard library only, no Nuke: `templates` writes it as a script's text, `nodes` builds it anew
inside a node that an older AIRoto saved.

Two paths lead to the views. `Shown` is for windows: the last result, whatever its age, the one
before it where the newest has no frame yet, or a candidate. `Rendered` is for renders: a current
result or an error, and black only where the artist chose it. `Source` takes the second one where
there are no windows, and while a session with windows renders (`rendering`, set by the gate).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from airoto_nuke.knobs import NodeKind

# A name that no file has: reading it is the error that stops a render.
REFUSED = "AIRoto_has_no_current_matte_for_this_frame__open_the_node_and_track_again.exr"

_CANDIDATE = "($gui && parent.show_candidate && frame==parent.candidate_frame)"
_BAD = (
    "(parent.stale || parent.has_result==0 || frame<parent.result_first"
    " || frame>parent.result_last || (parent.result_scale<1 && root.proxy==0))"
)
# Where the shown result has no frame yet, and the one before it has.
_EARLIER = (
    "(parent.has_previous && (frame<parent.result_first || frame>parent.result_last)"
    " && frame>=parent.previous_first && frame<=parent.previous_last)"
)
_SCALE = f"({_CANDIDATE}*parent.candidate_scale + ({_CANDIDATE}==0)*parent.result_scale)"
_EVERYWHERE = ("rgba.red", "rgba.green", "rgba.blue", "rgba.alpha")
_READ = (
    ("first", "0"), ("last", "0"), ("before", "black"), ("after", "black"), ("raw", "true"),
)  # fmt: skip
_BLACK = ("on_error", "black")
# Of the first object's overlay, until a node knows its objects.
_ORANGE = (1.0, 0.604, 0.235)


@dataclass(frozen=True)
class Inner:
    """A node inside: what it is connected to, by name, and its knobs as a script has them."""

    class_name: str
    name: str
    inputs: tuple[str, ...] = ()
    knobs: tuple[tuple[str, str], ...] = ()


def inner_nodes(kind: NodeKind) -> tuple[Inner, ...]:
    """Every node inside, sources first."""
    plate = Inner("Input", "plate")
    if kind is NodeKind.DETECT:
        return (plate, Inner("Output", "Output1", ("plate",)))
    layer = "object1" if kind is NodeKind.ROTO else "matte"
    final = f"trimap_{layer}.alpha" if kind is NodeKind.TRIMAP else "rgba.alpha"
    held = (("before", "hold"), ("after", "hold"), ("raw", "true"))
    shown = (
        f"{_CANDIDATE} + ({_CANDIDATE}==0)*(2*(parent.has_result==0)"
        f" + 3*(parent.has_result==1 && {_EARLIER}))"
    )
    views = ("Final", "Mask", "Trimap", "Overlay", "Foreground", "Confidence")
    return (
        plate,
        Inner("Input", "mask", (), (("number", "1"),)),
        Inner("Read", "Result", (), (*_READ, _BLACK)),
        Inner("Read", "Checked", (), _READ),
        Inner("Read", "Previous", (), (*_READ, _BLACK)),
        Inner("Read", "Candidate", (), (*_READ, _BLACK)),
        # Every frame is held, so that every frame is an error.
        Inner("Read", "Refused", (), (("file", f'"{REFUSED}"'), *held)),
        Inner("Expression", "Empty", ("plate",), tuple((f"expr{n}", "0") for n in range(4))),
        _switch("Shown", shown, "Result", "Candidate", "Empty", "Previous"),
        _switch("Rendered", f"{_BAD} + 2*parent.on_missing", "Checked", "Refused", "Result",
                "Empty"),
        _switch("Source", "($gui==0) || parent.rendering", "Shown", "Rendered"),
        # A matte that was made at proxy size, as large as the plate.
        Inner("Reformat", "Sized", ("Source",), (
            ("type", "scale"), ("scale", f'{{{{"1/{_SCALE}"}}}}'), ("pbb", "true"),
            ("disable", f'{{{{"{_SCALE}==1"}}}}'),
        )),
        Inner("Expression", "Planes", ("Sized",), _expressions(
            planes((layer,), ("trimap", "confidence"))
        )),
        _copy("Final", "Sized", [(final, "rgba.alpha")]),
        _copy("Mask", "Planes", [("rgba.red", to) for to in _EVERYWHERE]),
        _copy("Trimap", "Planes", [("rgba.green", to) for to in _EVERYWHERE]),
        _copy("Confidence", "Planes", [("rgba.blue", to) for to in _EVERYWHERE]),
        _copy("Foreground", "Sized", [(name, name) for name in _EVERYWHERE]),
        Inner("Expression", "Overlay", ("Final",), _expressions(overlay((), _ORANGE))),
        _switch("View", "parent.view", *views),
        Inner("Output", "Output1", ("View",)),
    )  # fmt: skip


def planes(
    names: Iterable[str], layers: Iterable[str], *, chosen: str = ""
) -> tuple[str, str, str]:
    """Expressions for what the views Mask, Trimap and Confidence show of a result.

    Args:
        names: of the result's objects.
        layers: extra ones that it holds.
        chosen: the object to show; empty for all of them.
    """
    names, layers = tuple(names), tuple(layers)
    shown = (chosen,) if chosen else names
    trimap = _joined("max", [f"trimap_{name}.alpha" for name in shown])
    confidence = _joined("min", [f"confidence_{name}.alpha" for name in shown])
    return (
        f"matte_{chosen}.alpha" if chosen else "a",
        trimap if "trimap" in layers else "0",
        confidence if "confidence" in layers else "0",
    )


def overlay(
    objects: Iterable[tuple[str, tuple[float, float, float]]], current: tuple[float, float, float]
) -> tuple[str, str, str]:
    """Expressions that lay every object's colour over the plate, as opaque as the artist likes.

    Args:
        objects: name and colour (0 to 1) of each.
        current: colour of what is in the alpha and in no object's layer, as a candidate is.
    """
    objects = tuple(objects)
    total = "+".join(f"matte_{name}.alpha" for name, _ in objects) or "0"
    cover = f"max(a,min(1,{total}))"
    made = []
    for index, sign in enumerate("rgb"):
        parts = [f"matte_{name}.alpha*{colour[index]:g}" for name, colour in objects]
        parts.append(f"max(0,a-({total}))*{current[index]:g}")
        mixed = f"({'+'.join(parts)})/max(1,{total})"
        made.append(f"{sign}*(1-{cover}*parent.overlay_opacity)+parent.overlay_opacity*{mixed}")
    return made[0], made[1], made[2]


def _joined(function: str, terms: list[str]) -> str:
    made = terms[0] if terms else "0"
    for term in terms[1:]:
        made = f"{function}({made},{term})"
    return made


def _expressions(texts: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    return tuple((f"expr{n}", f'"{text}"') for n, text in enumerate(texts))


def _copy(name: str, source: str, channels: list[tuple[str, str]]) -> Inner:
    """A Copy: input 0 is the plate, input 1 where channels come from."""
    knobs: list[tuple[str, str]] = []
    for index, (start, target) in enumerate(channels):
        knobs += [(f"from{index}", start), (f"to{index}", target)]
    return Inner("Copy", name, ("plate", source), tuple(knobs))


def _switch(name: str, which: str, *inputs: str) -> Inner:
    text = f'"{which}"' if " " in which else which
    return Inner("Switch", name, inputs, (("which", f"{{{{{text}}}}}"),))
