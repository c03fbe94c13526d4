"""Which channels of a file are its picture: views, layers and parts of EXR files.

A channel `diffuse.left.R` is the R of layer `diffuse` in view `left`. Files say it in two
ways: one part that lists its views (`multiView`), or parts with a `view` each, whose name
stands for the layer where their channels have none.
"""

from __future__ import annotations

from dataclasses import dataclass

from airoto.errors import FrameMismatchError

_COMPONENTS = {"r": "R", "red": "R", "g": "G", "green": "G", "b": "B", "blue": "B"}
_ALPHA = {"a", "alpha"}


@dataclass(frozen=True)
class Part:
    """One part (subimage) of a file, as its header has it.

    Attributes:
        name: of the part, or empty.
        view: the view that all of it belongs to, or empty.
        views: the `multiView` list, default view first, or empty.
        channels: full names, in the reader's order.
    """

    name: str
    view: str
    views: tuple[str, ...]
    channels: tuple[str, ...]


@dataclass(frozen=True)
class Channel:
    """One channel: where it lies (`part`, `index`) and what it is.

    Attributes:
        layer: empty for the main picture.
        view: empty where the file has no views, or where the channel belongs to all.
        component: `R`, `G`, `B`, `A`, or the name as it stands.
    """

    part: int
    index: int
    layer: str
    view: str
    component: str


@dataclass(frozen=True)
class Selection:
    """What to read: colour channels (3, or 1 that is grey) and alpha, of one part."""

    part: int
    colour: tuple[int, ...]
    alpha: int | None
    note: str = ""


def views_of(parts: tuple[Part, ...]) -> tuple[str, ...]:
    """All views of a file, in its own order."""
    found: dict[str, None] = {}
    for part in parts:
        for view in part.views or ((part.view,) if part.view else ()):
            found[view] = None
    return tuple(found)


def channels_of(parts: tuple[Part, ...]) -> tuple[Channel, ...]:
    """Every channel with its layer and view."""
    channels = []
    main = _main_parts(parts)
    for number, part in enumerate(parts):
        for index, full in enumerate(part.channels):
            *prefix, name = full.split(".")
            view = part.view
            if part.views:
                view = "" if prefix else part.views[0]
                if prefix and prefix[-1] in part.views:
                    view = prefix.pop()
            layer = ".".join(prefix)
            if not layer and number not in main and len(parts) > 1:
                layer = _layer_of_part(part, number)
            channels.append(Channel(number, index, layer, view, _component(name)))
    return tuple(channels)


def layers_of(channels: tuple[Channel, ...]) -> tuple[str, ...]:
    """Names of all layers besides the main picture, in the file's order."""
    return tuple(dict.fromkeys(channel.layer for channel in channels if channel.layer))


def select(parts: tuple[Part, ...], layer: str, view: str, label: str) -> Selection:
    """The channels that are the picture.

    Args:
        layer: empty for the main R, G, B; a multi-part file's main part also goes by its name.
        view: needed where the file has several; not looked at where it has none.
        label: path for messages.

    Raises:
        FrameMismatchError: several views and none named, a view or layer that is not there,
            or channels that are no picture.
    """
    views = views_of(parts)
    if len(views) > 1 and not view:
        raise _mismatch(label, f"holds the views {_listed(views)}", "name one as plate.view")
    if views and view and view not in views:
        raise _mismatch(label, f"has no view {view!r}; its views: {_listed(views)}")
    everything = channels_of(parts)
    in_view = tuple(c for c in everything if not view or not c.view or c.view == view)
    chosen = tuple(c for c in in_view if c.layer == layer)
    if not chosen and layer:
        main = _main_parts(parts)
        chosen = tuple(
            c
            for c in in_view
            if not c.layer and c.part in main and _layer_of_part(parts[c.part], c.part) == layer
        )
    if not chosen:
        layers = _listed(layers_of(in_view))
        if layer:
            raise _mismatch(label, f"has no layer {layer!r}; its layers: {layers}")
        raise _mismatch(
            label, f"has no main picture; its layers: {layers}", "name one as plate.layer"
        )
    part = chosen[0].part
    return _picture(tuple(c for c in chosen if c.part == part), parts[part], layer, label)


def _picture(channels: tuple[Channel, ...], part: Part, layer: str, label: str) -> Selection:
    """Sort out colour and alpha among the channels of one layer."""
    number = channels[0].part
    by_component = {c.component: c.index for c in reversed(channels)}
    alpha = by_component.pop("A", None)
    if all(c in by_component for c in "RGB"):
        return Selection(number, tuple(by_component[c] for c in "RGB"), alpha)
    if not by_component and alpha is not None:
        return Selection(number, (alpha,), alpha, "no colour: alpha is taken as grey")
    if len(by_component) == 1:
        (index,) = by_component.values()
        return Selection(
            number, (index,), alpha, f"one channel {part.channels[index]}: taken as grey"
        )
    where = f"layer {layer!r}" if layer else "the main layer"
    names = _listed(tuple(part.channels[c.index] for c in channels))
    raise _mismatch(label, f"{where} is no picture, its channels are {names}")


def _main_parts(parts: tuple[Part, ...]) -> frozenset[int]:
    """Per view, the part whose channels without a layer are the main picture.

    The first with R, G and B, else the first of all.
    """
    main: dict[str, int] = {}
    coloured: set[str] = set()
    for number, part in enumerate(parts):
        bare = {_component(name) for name in part.channels if "." not in name}
        if not bare:
            continue
        if {"R", "G", "B"} <= bare and part.view not in coloured:
            coloured.add(part.view)
            main[part.view] = number
        elif number == 0:
            main[part.view] = number
    return frozenset(main.values())


def _layer_of_part(part: Part, number: int) -> str:
    """The layer a part's name stands for: the name without its view."""
    name = part.name
    if part.view and name:
        if name == part.view:
            name = ""
        else:
            name = name.removesuffix(f".{part.view}").removeprefix(f"{part.view}.")
    return name or f"part{number}"


def _component(name: str) -> str:
    lower = name.lower()
    return "A" if lower in _ALPHA else _COMPONENTS.get(lower, name)


def _listed(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:20])
    return f"{shown} and {len(names) - 20} more" if len(names) > 20 else shown or "none"


def _mismatch(label: str, what: str, hint: str = "") -> FrameMismatchError:
    return FrameMismatchError(f"{label}: {what}", path=label, hint=hint)
