"""A recipe's defaults, its canonical form, and its hash.

The canonical form is JSON of our own: keys sorted, no spaces, every field written out, absent
messages without a default as null, doubles as Python's repr with -0 as 0, text in Unicode's
NFC, bytes as base64. Objects stand in the order of their ids, prompts and locked frames in that
of their frames, because results do not depend on these; the order of points is kept.

Left out is what results do not depend on: `name`, `objects[].colour`, `processing.threads`
and `output.overwrite`; and `detect` where it says nothing, which recipes older than it cannot
say. Of a preset's pin only what it allows counts, since that decides what `auto`
becomes. Paths count as they are written: resolve them first where one shot is hashed in two
places.
"""

from __future__ import annotations

import base64
import hashlib
import json
import unicodedata
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from airoto.wire.jsonform import is_repeated
from airoto.wire.messages import (
    Compression,
    Detect,
    Direction,
    DrawnMaskKind,
    MemoryMode,
    MissingFrames,
    Overwrite,
    PointLabel,
    Recipe,
    TrimapMode,
    Window,
)

_LEFT_OUT = frozenset(
    {
        "airoto.v1.Recipe.name",
        "airoto.v1.RotoObject.colour",
        "airoto.v1.Processing.threads",
        "airoto.v1.Output.overwrite",
        "airoto.v1.PresetPin.name",
        "airoto.v1.PresetPin.version",
        "airoto.v1.PresetPin.hash",
        "airoto.v1.PolicyRule.preset",
    }
)
# Joined the format after recipes had been hashed: absent, they leave no trace.
_LATER = frozenset(
    {
        "airoto.v1.Recipe.detect",
        "airoto.v1.Recipe.preset",
        "airoto.v1.Recipe.locked",
        "airoto.v1.Matte.transparent",
    }
)


def with_defaults(recipe: Recipe) -> Recipe:
    """A copy in which defaults that are fixed are written out.

    These are unspecified enums, empty engine names (`auto`), a pixel aspect or proxy scale
    of 0 (1), a movie's first frame of 0 (1), thresholds of 0, and an absent data window. Zeros
    that leave the choice to the server (working size, trimap widths, threads) stay.
    """
    made = Recipe()
    made.CopyFrom(recipe)
    plate = made.plate
    plate.missing_frames = plate.missing_frames or MissingFrames.MISSING_FRAMES_ERROR
    plate.proxy_scale = plate.proxy_scale or 1.0
    plate.movie_first_frame = plate.movie_first_frame or 1
    plate.colour.SetInParent()
    if plate.HasField("format"):
        form = plate.format
        form.pixel_aspect = form.pixel_aspect or 1.0
        if not form.HasField("data_window"):
            form.data_window.CopyFrom(Window(x_max=form.width, y_max=form.height))
    for item in made.objects:
        for prompt in item.prompts:
            for point in prompt.points:
                point.label = point.label or PointLabel.POINT_LABEL_POSITIVE
            if prompt.HasField("mask"):
                prompt.mask.kind = prompt.mask.kind or DrawnMaskKind.DRAWN_MASK_KIND_MASK
    made.segment.engine = made.segment.engine or "auto"
    track, matte, output = made.track, made.matte, made.output
    track.engine = track.engine or "auto"
    track.memory_mode = track.memory_mode or MemoryMode.MEMORY_MODE_SEGMENT
    track.direction = track.direction or Direction.DIRECTION_BOTH
    matte.engine = matte.engine or "auto"
    if not matte.HasField("stability"):
        matte.stability = 1.0
    matte.trimap.mode = matte.trimap.mode or TrimapMode.TRIMAP_MODE_ADAPTIVE
    made.processing.SetInParent()
    output.compression = output.compression or Compression.COMPRESSION_ZIPS
    output.overwrite = output.overwrite or Overwrite.OVERWRITE_RESUME
    if made.HasField("detect"):
        if detect_options(made) == detect_options(Recipe()):
            made.ClearField("detect")
        else:
            made.detect.CopyFrom(detect_options(made))
    return made


def detect_options(recipe: Recipe) -> Detect:
    """How a recipe looks for phrases: its `detect`, defaults written out."""
    detect = Detect()
    detect.CopyFrom(recipe.detect)
    detect.engine = detect.engine or "auto"
    detect.box_threshold = detect.box_threshold or 0.35
    detect.text_threshold = detect.text_threshold or 0.25
    detect.max_overlap = detect.max_overlap or 0.8
    return detect


def canonical(recipe: Recipe) -> bytes:
    """The canonical form, UTF-8; the same for every way to write the same recipe."""
    full = with_defaults(recipe)
    if not full.preset.policy:
        full.ClearField("preset")
    full.objects.sort(key=lambda item: item.id)
    full.locked.sort(key=lambda lock: lock.frame)
    for item in full.objects:
        item.prompts.sort(key=lambda prompt: prompt.frame)
    return json.dumps(
        _message(full), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    ).encode()


def recipe_hash(recipe: Recipe) -> str:
    """`sha256:` and 64 hex digits, over the canonical form."""
    return f"sha256:{hashlib.sha256(canonical(recipe)).hexdigest()}"


def _message(message: Message) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        if field.full_name in _LEFT_OUT:
            continue
        if field.full_name in _LATER and field.name not in _said(message):
            continue
        value = getattr(message, field.name)
        if is_repeated(field):
            made[field.name] = [_value(field, item) for item in value]
        elif field.has_presence and not message.HasField(field.name):
            made[field.name] = None
        else:
            made[field.name] = _value(field, value)
    return made


def _said(message: Message) -> set[str]:
    """Names of the fields that are not at their default."""
    return {field.name for field, _ in message.ListFields()}


def _value(field: Any, value: Any) -> Any:
    kind = field.cpp_type
    if kind == FieldDescriptor.CPPTYPE_MESSAGE:
        return _message(value)
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        known = field.enum_type.values_by_number.get(value)
        return known.name if known else int(value)
    if kind == FieldDescriptor.CPPTYPE_DOUBLE:
        # -0.0 and 0.0 are equal.
        return value + 0.0
    if field.type == FieldDescriptor.TYPE_STRING:
        return unicodedata.normalize("NFC", value)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return base64.b64encode(value).decode()
    return value
