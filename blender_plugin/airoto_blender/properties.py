"""What a node stores, in the .blend: the settings of the recipe, and what is the host's own."""

from __future__ import annotations

from typing import Any

from airoto_client.node.recipe_form import Settings

from .host import bpy

_p = bpy.props


def _enum(*words: str) -> list[tuple[str, str, str]]:
    return [(word, word.capitalize(), "") for word in words]


def _changed(node: Any, _context: Any) -> None:
    from . import nodes  # it builds on this module

    nodes.refresh(node)


def _pixels(name: str, default: float, text: str, *, low: float = 0.0, high: float = 1000.0) -> Any:
    return _p.FloatProperty(
        name=name, default=default, min=low, max=high, description=text, update=_changed
    )


def _engine(role: str) -> Any:
    return _p.StringProperty(
        name=role,
        default="auto",
        update=_changed,
        description="Name of an engine, auto for the server's choice, or none",
    )


# A .blend holds the number. RLE writes fastest, and a render that makes its mattes waits for them.
_COMPRESSIONS = {"ZIPS": 0, "RLE": 4, "DWAA": 1, "PIZ": 2, "none": 3}

# The settings of the recipe; their names and defaults are those of `recipe_form.Settings`, but
# for the compression.
RECIPE: dict[str, Any] = {
    "first": _p.IntProperty(name="First", default=1, update=_changed, description="Plate's frame"),
    "last": _p.IntProperty(name="Last", default=1, update=_changed, description="Plate's frame"),
    "colour_space": _p.StringProperty(
        name="Colour space",
        update=_changed,
        description="Of the plate's files in the OCIO config; empty takes the image's",
    ),
    "ocio_config": _p.StringProperty(
        name="OCIO config",
        update=_changed,
        description="Empty: the ACES studio config that is built in",
    ),
    "exposure": _pixels("Exposure", 0.0, "Stops, for what the models see", low=-20, high=20),
    "segment_engine": _engine("Segment"),
    "track_engine": _engine("Track"),
    "matte_engine": _engine("Matte"),
    "memory_mode": _p.EnumProperty(name="Memory", items=_enum("segment", "shot"), update=_changed),
    "direction": _p.EnumProperty(
        name="Direction", items=_enum("both", "forward", "backward"), update=_changed
    ),
    "trimap_mode": _p.EnumProperty(
        name="Trimap", items=_enum("adaptive", "fixed"), update=_changed
    ),
    "trimap_narrow": _pixels("Narrow", 0.0, "Pixels on both sides of a hard edge; 0: by size"),
    "trimap_wide": _pixels("Wide", 0.0, "Pixels on both sides of a soft edge; 0: by size"),
    "grow": _pixels("Grow", 0.0, "Pixels; negative shrinks", low=-100, high=100),
    "feather": _pixels("Feather", 0.0, "Pixels"),
    "remove_holes": _pixels("Remove holes", 0.0, "Holes of at most so many pixels", high=1e7),
    "remove_dots": _pixels("Remove dots", 0.0, "Dots of at most so many pixels", high=1e7),
    "stability": _pixels("Stability", Settings.stability, "How steady edges are held", high=1.0),
    "working_size": _p.IntProperty(name="Working size", default=0, min=0, update=_changed),
    "seed": _p.IntProperty(name="Seed", default=0, min=0, update=_changed),
    "compression": _p.EnumProperty(
        name="Compression",
        items=[(name, name, "", number) for name, number in _COMPRESSIONS.items()],
        default="RLE",
        update=_changed,
    ),
    "trimap_layer": _p.BoolProperty(name="Trimap layer", update=_changed),
    "foreground_layer": _p.BoolProperty(name="Foreground layer", update=_changed),
    "confidence_layer": _p.BoolProperty(name="Confidence layer", update=_changed),
}

VIEWS = (
    ("FOREGROUND", "Foreground", "The object, premultiplied"),
    ("OVERLAY", "Overlay", "The plate, the object tinted"),
    ("MATTE", "Matte", "The matte as grey"),
    ("PLATE", "Plate", "What comes in"),
)

OWN: dict[str, Any] = {
    "state": _p.StringProperty(name="Prompts", update=_changed),
    "node_id": _p.StringProperty(name="Id"),
    "plate": _p.PointerProperty(
        name="Plate",
        type=bpy.types.Image,
        update=_changed,
        description="An image sequence, still or movie whose files the server reads",
    ),
    "start": _p.IntProperty(
        name="Start",
        default=1,
        update=_changed,
        description="The scene's frame on which the plate's first frame is shown",
    ),
    "view": _p.EnumProperty(name="View", items=VIEWS, update=_changed),
    "overlay_opacity": _pixels("Opacity", 0.5, "Of the overlay", high=1.0),
    "cache_folder": _p.StringProperty(
        name="Cache folder",
        update=_changed,
        description="Where mattes lie; tokens as {script_dir}, {script}, {node}. Empty: the usual",
    ),
    "preset": _p.StringProperty(name="Preset"),
    "server": _p.StringProperty(
        name="Server", description="unix:/path/server.sock or localhost:port; empty: the usual"
    ),
    "patience": _p.IntProperty(
        name="Patience",
        default=600,
        min=1,
        description="Seconds that a render waits for a server that says nothing",
    ),
    "trust_input": _p.BoolProperty(
        name="Trust the input",
        description="For what Blender renders itself: do not render it once more before a "
        "background render, to see whether it is what the mattes were made of",
    ),
    "input_identity": _p.StringProperty(name="Input"),
    "warning": _p.StringProperty(name="Warning"),
    "result_key": _p.StringProperty(name="Result"),
    "result_file": _p.StringProperty(name="Files of the result"),
    "status": _p.StringProperty(name="Status", default="no plate"),
    "progress": _p.StringProperty(name="Progress"),
    "made_with": _p.StringProperty(name="Made with"),
    "candidate_scores": _p.StringProperty(name="Candidates"),
    "mask": _p.PointerProperty(
        name="Mask", type=bpy.types.Mask, description="A mask that was drawn, to prompt with"
    ),
    "phrase": _p.StringProperty(name="Text", description="What the object is, in words"),
}

ALL = {**RECIPE, **OWN}
