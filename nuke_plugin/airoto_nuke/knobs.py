"""The knobs of our nodes, in one table: what is on the panel, in which order, with which words.

Standard library only, no Nuke: `templates` writes them as `addUserKnob` lines, `nodes` adds those
that an older node lacks.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Union

from airoto_client.node.cache_paths import DEFAULT

# Handles for dragging points; a frame may have more points than are shown.
HANDLES = 8
# Boxes of AIDetect that can be dragged.
BOXES = 8
# Version of the nodes' hidden knobs and of what is inside them; older nodes are brought up to it.
NODE_VERSION = 2
ALL_OBJECTS = "all objects"
VIEWS = ("Final", "Mask", "Trimap", "Overlay", "Foreground", "Confidence")


class NodeKind(enum.Enum):
    """The nodes; the value is the hidden kind knob's."""

    ROTO = "AIRoto"
    MATTE = "AIMatte"
    TRIMAP = "AITrimap"
    DETECT = "AIDetect"


class KnobType(enum.IntEnum):
    """Numbers that `addUserKnob` knows (Nuke scripts, "Manage User Knobs")."""

    STRING = 1
    FILE = 2
    INT = 3
    ENUM = 4
    BOOL = 6
    DOUBLE = 7
    XY = 12
    BBOX = 15
    TAB = 20
    BUTTON = 22
    TEXT = 26


@dataclass(frozen=True)
class KnobSpec:
    """One knob; `value` is its default as a script has it, `items` those of an ENUM."""

    type: KnobType
    name: str
    label: str = ""
    tooltip: str = ""
    value: str = ""
    items: tuple[str, ...] = ()
    hidden: bool = False
    new_line: bool = True
    enabled: bool = True


_T = KnobType
Row = Union[KnobSpec, tuple[KnobSpec, ...]]


def _hidden(kind: KnobType, name: str, value: str = "") -> KnobSpec:
    return KnobSpec(kind, name, value=value, hidden=True)


def _button(name: str, label: str, tooltip: str, *, new_line: bool = False) -> KnobSpec:
    return KnobSpec(_T.BUTTON, name, label, tooltip, new_line=new_line)


def _heading(name: str, label: str) -> KnobSpec:
    return KnobSpec(_T.TEXT, name, label)


def _told(name: str, label: str, tooltip: str = "") -> KnobSpec:
    """A line that we write and the artist reads."""
    return KnobSpec(_T.STRING, name, label, tooltip, enabled=False)


def hidden_knobs(kind: NodeKind) -> tuple[KnobSpec, ...]:
    """What a node remembers without showing it."""
    return (
        _hidden(_T.STRING, "airoto_kind", kind.value),
        _hidden(_T.INT, "airoto_version", str(NODE_VERSION)),
        _hidden(_T.STRING, "node_id"),
        _hidden(_T.STRING, "state"),
        _hidden(_T.STRING, "preset"),
        _hidden(_T.STRING, "plate_seen"),
        _hidden(_T.STRING, "result_key"),
        _hidden(_T.INT, "has_result"),
        _hidden(_T.INT, "stale", "1"),
        _hidden(_T.INT, "result_first"),
        _hidden(_T.INT, "result_last"),
        _hidden(_T.DOUBLE, "result_scale", "1"),
        _hidden(_T.INT, "has_previous"),
        _hidden(_T.INT, "previous_first"),
        _hidden(_T.INT, "previous_last"),
        _hidden(_T.INT, "rendering"),
        _hidden(_T.INT, "handles_frame"),
        _hidden(_T.INT, "handles_object"),
        _hidden(_T.INT, "show_candidate"),
        _hidden(_T.INT, "candidate_frame"),
        _hidden(_T.DOUBLE, "candidate_scale", "1"),
    )


_PROMPTS = (
    KnobSpec(_T.TAB, "prompts_tab", "Prompts"),
    _told("status", "matte", "Whether what the node shows is what its prompts ask for."),
    _heading("objects_line", "Objects"),
    KnobSpec(_T.ENUM, "object", "object", "Clicks go to this object.", items=("(none)",)),
    _button("add_object", "New", "Another object, with a layer of its own."),
    _button("remove_object", "Delete", "Remove this object and all its prompts."),
    KnobSpec(_T.STRING, "object_name", "name", "Becomes the layer matte_<name>."),
    KnobSpec(_T.STRING, "object_colour", "colour", "#rrggbb, for the overlay only."),
    KnobSpec(_T.STRING, "object_group", "group", "Objects of one group compete for pixels."),
    _heading("points_line", "On this frame"),
    _button(
        "add_positive",
        "Add +",
        "Ctrl-click a pixel of the object in the viewer, then press this. The viewer's sampled "
        "pixel (colour_sample_bbox) is the way Nuke documents to tell a script where you clicked.",
        new_line=True,
    ),
    _button("add_negative", "Add -", "Ctrl-click a pixel that is not the object, then press."),
    _button("add_box", "Add box", "Ctrl-Shift-drag an area in the viewer, then press this."),
    _button("remove_box", "Remove box", "Take the box of this frame away."),
    _button("use_mask", "Use mask input", "What the mask input shows on this frame (a Roto shape, "
            "a painted matte) becomes this frame's prompt."),
    *(
        KnobSpec(_T.XY, f"point{number}", f"{number}", "Drag in the viewer to move this point.")
        for number in range(1, HANDLES + 1)
    ),
    KnobSpec(_T.INT, "point_number", "point", "The point that the buttons beside it mean.", "1"),
    _button("flip_point", "Flip +/-", "The point changes its sign."),
    _button("delete_point", "Delete point", "Remove the point."),
    _button("segment", "Segment this frame", "Show the server's candidate masks for this frame's "
            "prompts. The first click on a frame takes longest.", new_line=True),
    KnobSpec(_T.ENUM, "candidate", "candidate", "Which mask to take: the best by score, or one of "
             "up to three. It is kept with the prompt.", items=("best", "1", "2", "3")),
    _button("hide_candidates", "Hide", "Show the tracked matte again."),
    _told("candidate_scores", "scores", "What the engine thinks of each candidate, 0 to 1."),
    _heading("frames_line", "Frames with prompts"),
    KnobSpec(_T.ENUM, "prompt_frames", "frames", "Every frame with a prompt of this object.",
             items=("(none)",)),
    _button("go_to_prompt", "Go", "Go to that frame."),
    _button("previous_key", "< key", "The nearest earlier frame with a prompt."),
    _button("next_key", "key >", "The nearest later frame with a prompt."),
    _button("delete_prompt", "Delete", "Remove what this object says on the current frame."),
    KnobSpec(_T.INT, "copy_to", "copy to frame", "Where the current frame's prompt is copied."),
    _button("copy_prompt", "Copy", "Copy the current frame's prompt there."),
)  # fmt: skip
_TRACK = (
    KnobSpec(_T.TAB, "track_tab", "Track"),
    KnobSpec(_T.INT, "first", "first", "First frame of the shot, as its files are numbered."),
    KnobSpec(_T.INT, "last", "last", "Last frame of the shot.", new_line=False),
    _button("range_from_input", "From input", "Take the range of the plate."),
    KnobSpec(_T.ENUM, "direction", "direction", "Which way tracking runs from a keyframe.",
             items=("both", "forward", "backward")),
    KnobSpec(_T.ENUM, "memory_mode", "memory", "segment: a correction changes only the frames up "
             "to the neighbouring keyframes. shot: every keyframe counts for every frame, and a "
             "correction changes the whole shot.", items=("segment", "shot")),
    KnobSpec(_T.STRING, "segment_engine", "segment with", "auto, or an engine that Info lists.",
             "auto"),
    KnobSpec(_T.STRING, "track_engine", "track with", "auto, none (prompted frames only), or an "
             "engine that Info lists.", "auto"),
    _button("track", "Track", "Make the mattes of the whole range.", new_line=True),
    _button("track_to_next_key", "To next key", "From here to the next frame with a prompt."),
    _button("retrack", "Re-track from here", "From here to the end of the range."),
    _button("cancel", "Cancel", "Stop at the next frame; finished ones are kept."),
    _told("progress", "progress", "What is done now, or how it ended."),
    _button("lock_frame", "Approve frame", "Keep this frame's matte whatever is tracked later.",
            new_line=True),
    _button("unlock_frame", "Unlock", "Track this frame again."),
    _told("locked", "approved", "Frames whose mattes are kept."),
    KnobSpec(_T.ENUM, "review", "look at", "Frames that may be wrong: low confidence, a jump of "
             "the area, flicker.", items=("(nothing)",)),
    _button("go_to_review", "Go", "Go to that frame."),
)  # fmt: skip
_MATTE = (
    KnobSpec(_T.TAB, "matte_tab", "Matte"),
    KnobSpec(_T.STRING, "matte_engine", "matte with", "auto, none (the mask is the matte), or an "
             "engine that Info lists.", "auto"),
    KnobSpec(_T.ENUM, "trimap_mode", "unknown band", "adaptive: wide at hair, narrow at hard "
             "edges. fixed: narrow everywhere.", items=("adaptive", "fixed")),
    KnobSpec(_T.DOUBLE, "trimap_narrow", "narrow", "Half-width in plate pixels; 0: chosen."),
    KnobSpec(_T.DOUBLE, "trimap_wide", "wide", "Half-width at hair, plate pixels; 0: chosen."),
    KnobSpec(_T.DOUBLE, "grow", "grow", "Move the edge, in plate pixels; negative shrinks."),
    KnobSpec(_T.DOUBLE, "feather", "feather", "Soften the edge, in plate pixels."),
    KnobSpec(_T.DOUBLE, "remove_holes", "fill holes", "Up to this area, in plate pixels."),
    KnobSpec(_T.DOUBLE, "remove_dots", "remove dots", "Up to this area, in plate pixels."),
    KnobSpec(_T.DOUBLE, "stability", "stability", "How steady edges are held over time, 0 (every "
             "frame for itself) to 1.", "1"),
)  # fmt: skip
_OUTPUT = (
    KnobSpec(_T.TAB, "output_tab", "Output"),
    KnobSpec(_T.ENUM, "on_missing", "stale or missing in a render", "error stops the render. "
             "black is a choice that you make knowingly.", items=("error", "black")),
    KnobSpec(_T.ENUM, "size", "work at", "full: the plate's own size. proxy: the script's proxy "
             "size, quicker for trying things out; a full-size render refuses such a matte.",
             items=("full", "proxy")),
    KnobSpec(_T.STRING, "cache_folder", "cache folder", "Tokens: {script_dir} {script} {node} "
             "{home} {temp} {user} {show} {sequence} {task}.", DEFAULT),
    KnobSpec(_T.STRING, "layer_name", "layers", "Where each object is delivered. Tokens: {object} "
             "{show} {sequence} {task}.", "matte_{object}"),
    KnobSpec(_T.BOOL, "relative_paths", "relative paths", "Files below the script's folder are "
             "written relative to it, so that the script can travel.", "true"),
    KnobSpec(_T.BOOL, "trimap_layer", "trimap", "Deliver trimap_<name> layers.", "true"),
    KnobSpec(_T.BOOL, "foreground_layer", "foreground", "Deliver the foreground's colour.",
             new_line=False),
    KnobSpec(_T.BOOL, "confidence_layer", "confidence", "Deliver confidence_<name> layers.",
             "true", new_line=False),
    KnobSpec(_T.ENUM, "compression", "compression", "Of the matte files; each is lossless for "
             "mattes.", items=("ZIPS", "RLE", "DWAA", "PIZ", "none")),
    KnobSpec(_T.STRING, "colour_space", "plate's colour space", "Empty: what the Read says, or "
             "the script's working space."),
    KnobSpec(_T.STRING, "ocio_config", "OCIO config", "Empty: the script's."),
    KnobSpec(_T.DOUBLE, "exposure", "exposure", "Stops, for what the model is shown."),
    KnobSpec(_T.STRING, "view_name", "stereo view", "The one view to work on, in a stereo script."),
    KnobSpec(_T.BOOL, "always_render", "always render the plate", "Even where the server can read "
             "the Read's files itself."),
    KnobSpec(_T.INT, "working_size", "working size", "Long side that the model sees; 0: its own."),
    KnobSpec(_T.INT, "seed", "seed", "The same seed gives the same matte again."),
    _button("bake", "Bake to Reads", "Plain Read nodes with these mattes, and nothing of AIRoto.",
            new_line=True),
    _button("copy_recipe", "Copy recipe", "The recipe as JSON, to the clipboard."),
    _button("paste_recipe", "Paste recipe", "Objects, prompts and options from the clipboard."),
)  # fmt: skip
_SHOW = (
    KnobSpec(_T.TAB, "show_tab", "Show"),
    KnobSpec(_T.ENUM, "view", "view", "What the node puts out. Renders want Final.", items=VIEWS),
    KnobSpec(
        _T.ENUM,
        "show_object",
        "of",
        "Which object Mask, Trimap and Confidence show. Of all, Confidence shows the least sure.",
        items=(ALL_OBJECTS,),
    ),
    KnobSpec(_T.DOUBLE, "overlay_opacity", "overlay", "Opacity of the overlay.", "0.5"),
)
_PRESET = (
    _heading("preset_line", "Preset of the show"),
    _told("preset_name", "preset", "Taken from the AIRoto menu; it travels with the recipe."),
    _told("preset_changed", "changed here", "What differs from the preset: preset -> node."),
    _told("preset_sources", "values from", "Which preset each value comes from; what none names "
          "is built in."),
    _told("preset_news", "the show now", "Whether the preset has changed since it was taken."),
    _button("reset_to_show", "Reset to show", "Take what the preset says now.", new_line=True),
    _button("reset_to_pinned", "Reset to pinned", "Back to what it said when it was taken."),
)  # fmt: skip
_INFO = (
    KnobSpec(_T.TAB, "info_tab", "Info"),
    KnobSpec(_T.STRING, "server", "server", "unix:/path or host:port; empty: $AIROTO_SERVER, or "
             "your own socket."),
    KnobSpec(_T.ENUM, "link", "link", "bridge keeps Nuke's process clean. grpc loads gRPC into "
             "Nuke, for set-ups that are known to bear it.", items=("bridge", "grpc")),
    _told("server_state", "state", "What the server last said of itself."),
    _button("check_server", "Check", "Ask the server who it is.", new_line=True),
    _button("start_server", "Start local server", "Start a server on this machine."),
    _told("engines", "engines", "What the server can segment, track and matte with."),
    _told("made_with", "made with", "Engines and versions of the last result."),
)  # fmt: skip

_GUIDE = (
    KnobSpec(_T.TAB, "prompts_tab", "Matte from mask"),
    _told("status", "matte", "Whether what the node shows is what it was asked for."),
    KnobSpec(_T.INT, "first", "first", "First frame, as the plate's files are numbered."),
    KnobSpec(_T.INT, "last", "last", "Last frame.", new_line=False),
    _button("range_from_input", "From input", "Take the range of the plate."),
    _button("make", "Make", "Make the whole range.", new_line=True),
    _button("make_frame", "This frame", "Make the current frame."),
    _button("cancel", "Cancel", "Stop at the next frame; finished ones are kept."),
    _told("progress", "progress", "What is done now, or how it ended."),
    KnobSpec(_T.STRING, "object_name", "name", "The layer is matte_<name>.", "matte"),
)
_GUIDE_KIND = KnobSpec(
    _T.ENUM, "guide", "the mask input is", "mask: a rough mask; the unknown band around it is "
    "made here. trimap: painted, 0 outside, 1 inside, in between unknown, and used as it is.",
    items=("mask", "trimap"),
)  # fmt: skip
_DETECT = (
    KnobSpec(_T.TAB, "prompts_tab", "Detect"),
    KnobSpec(_T.STRING, "status", "state", "Whether the server can find objects by text, or why "
             "not.", "the server was not asked yet: press Check on the Info tab", enabled=False),
    KnobSpec(_T.STRING, "text", "find", "What to look for; phrases with periods between: person . "
             "red car"),
    KnobSpec(_T.STRING, "detect_engine", "detect with", "auto, or an engine that Info lists.",
             "auto"),
    KnobSpec(_T.DOUBLE, "box_threshold", "box score", "A box counts from this score on, up to 1; "
             "0: the usual."),
    KnobSpec(_T.DOUBLE, "text_threshold", "word score", "A word counts for a box from this score "
             "on, up to 1; 0: the usual."),
    KnobSpec(_T.BUTTON, "detect", "Detect on this frame", "Find them on the current frame. Greyed "
             "while the server cannot; the line above says why.", enabled=False),
    _button("cancel", "Cancel", "Give up."),
    _told("progress", "progress", "What is done now, or how it ended."),
    KnobSpec(_T.ENUM, "found", "found", "Objects that were found, with their frame.",
             items=("(nothing)",)),
    _told("not_found", "not found", "Phrases for which there was nothing."),
    *(
        KnobSpec(_T.BBOX, f"box{number}", f"{number}", "Drag in the viewer to move this box.")
        for number in range(1, BOXES + 1)
    ),
    KnobSpec(_T.BUTTON, "make_objects", "Make objects", "Objects with these boxes as prompts: in "
             "the selected AIRoto node, or in a new one.", enabled=False),
)  # fmt: skip
_DETECT_OUTPUT = frozenset(
    (
        "output_tab",
        "size",
        "cache_folder",
        "relative_paths",
        "colour_space",
        "ocio_config",
        "exposure",
        "view_name",
        "always_render",
        "working_size",
    )
)


def panel(kind: NodeKind) -> tuple[KnobSpec, ...]:
    """What is on a node's panel, in order."""
    if kind is NodeKind.ROTO:
        return (*_PROMPTS, *_TRACK, *_MATTE, *_OUTPUT, *_SHOW, *_PRESET, *_INFO)
    if kind is NodeKind.DETECT:
        used = tuple(one for one in _OUTPUT if one.name in _DETECT_OUTPUT)
        return (*_DETECT, *used, _SHOW[0], *_PRESET, *_INFO)
    dropped = {"copy_recipe", "paste_recipe"}
    output = tuple(one for one in _OUTPUT if one.name not in dropped)
    guide = (*_GUIDE, _GUIDE_KIND) if kind is NodeKind.MATTE else _GUIDE
    show = tuple(one for one in _SHOW if one.name != "show_object")
    return (*guide, *_MATTE, *output, *show, *_PRESET, *_INFO)


def all_knobs(kind: NodeKind) -> tuple[KnobSpec, ...]:
    """Hidden knobs and the panel's."""
    return (*panel(kind)[:1], *hidden_knobs(kind), *panel(kind)[1:])
