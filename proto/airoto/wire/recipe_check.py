"""What a recipe has to hold: every rule, with the path of the field that breaks it."""

from __future__ import annotations

import enum
import re

from airoto.errors import BadRequestError, RecipeError, Violation
from airoto.sequence import Pattern
from airoto.wire.messages import DrawnMaskKind, Matte, Output, Plate, Recipe
from airoto.wire.recipe_detect import check_detect
from airoto.wire.recipe_fields import Findings, RecipeLimits, check_fields, check_text
from airoto.wire.recipe_objects import Region, check_locked, check_objects
from airoto.wire.recipe_preset import check_preset
from airoto.wire.violations import refuse, shown

# The version of the format that this code reads and writes.
VERSION = 1

LIMITS = RecipeLimits()

OUTPUT_EXTENSIONS = (".exr", ".png", ".tif", ".tiff")

_MAX_SIDE = 65536
_MAX_COORDINATE = 2 * _MAX_SIDE
_A_PATTERN = "a file, or a pattern such as name.%04d.exr"
_CONFIG_HASH = re.compile(r"sha256:[0-9a-f]{64}")
_ENGINE = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class Parts(enum.Flag):
    """Parts of a recipe, for calls that use only some of them; the version always counts.

    SOURCE is where the plate comes from: its path, view, layer and colour. PLATE is all of
    the plate. DETECT_CALL, SEGMENT_CALL and MATTE_CALL are what these calls of the service use.
    """

    SOURCE = enum.auto()
    GEOMETRY = enum.auto()
    OBJECTS = enum.auto()
    SEGMENT = enum.auto()
    TRACK = enum.auto()
    MATTE = enum.auto()
    PROCESSING = enum.auto()
    OUTPUT = enum.auto()
    DETECT = enum.auto()
    PLATE = SOURCE | GEOMETRY
    DETECT_CALL = PLATE | DETECT | PROCESSING
    SEGMENT_CALL = PLATE | OBJECTS | DETECT | SEGMENT | PROCESSING
    MATTE_CALL = PLATE | MATTE | PROCESSING
    ALL = PLATE | OBJECTS | DETECT | SEGMENT | TRACK | MATTE | PROCESSING | OUTPUT


_FIELDS = {
    "plate": Parts.SOURCE,
    "objects": Parts.OBJECTS,
    "detect": Parts.DETECT,
    "segment": Parts.SEGMENT,
    "track": Parts.TRACK,
    "matte": Parts.MATTE,
    "processing": Parts.PROCESSING,
    "output": Parts.OUTPUT,
    "locked": Parts.TRACK,
}


def check(
    recipe: Recipe, *, limits: RecipeLimits = LIMITS, parts: Parts = Parts.ALL
) -> list[Violation]:
    """Everything that is wrong with a recipe, in the order of its fields.

    Args:
        recipe: left as it is.
        limits: the server's, where it has its own.
        parts: what to look at; rules between two parts hold when both are there.
    """
    if recipe.version != VERSION:
        newer = recipe.version > VERSION
        hint = f"{VERSION}; upgrade AIRoto to read a newer recipe" if newer else f"{VERSION}"
        return [Violation("version", str(recipe.version), hint)]
    findings = Findings(limits)
    for name, part in _FIELDS.items():
        if part in parts:
            check_fields(findings, recipe, name)
    if recipe.HasField("preset"):
        check_fields(findings, recipe, "preset")
        check_preset(findings, recipe.preset)
    region = _check_plate(findings, recipe.plate, parts)
    if Parts.OBJECTS in parts:
        check_objects(findings, recipe, region, to_track=Parts.TRACK in parts)
    if Parts.DETECT in parts:
        _check_engine(findings, "detect.engine", recipe.detect.engine, may_be_none=False)
        check_detect(findings, recipe.detect, region, wanted=Parts.OBJECTS not in parts)
    if Parts.TRACK in parts:
        check_locked(findings, recipe, region)
    if Parts.SEGMENT in parts:
        _check_engine(findings, "segment.engine", recipe.segment.engine, may_be_none=False)
    if Parts.TRACK in parts:
        _check_engine(findings, "track.engine", recipe.track.engine, may_be_none=True)
    if Parts.MATTE in parts:
        _check_matte(findings, recipe.matte)
    if Parts.OBJECTS in parts and Parts.MATTE in parts and recipe.matte.engine == "none":
        _check_no_trimaps(findings, recipe)
    if Parts.PROCESSING in parts:
        _check_processing(findings, recipe)
    if Parts.OUTPUT in parts:
        _check_output(findings, recipe.output, recipe.plate, region)
    if recipe.ByteSize() > limits.total_bytes:
        findings.wrong(
            "objects",
            f"a recipe of {recipe.ByteSize()} bytes",
            f"at most {limits.total_bytes}; give large drawn masks by path",
        )
    return findings.violations


def validate(recipe: Recipe, *, limits: RecipeLimits = LIMITS, parts: Parts = Parts.ALL) -> None:
    """Refuse a recipe as a whole if anything is wrong with it; arguments as for `check`.

    Raises:
        RecipeError: its violations name every wrong field, its message the first few.
    """
    refuse("the recipe", check(recipe, limits=limits, parts=parts), RecipeError)


def _check_plate(findings: Findings, plate: Plate, parts: Parts) -> Region:
    if Parts.SOURCE in parts:
        _check_source(findings, plate)
    region = Region.of(plate)
    if Parts.GEOMETRY in parts:
        _check_frames(findings, plate)
        _check_format(findings, plate)
        if findings.finite(plate.proxy_scale) and not 0 <= plate.proxy_scale <= 1:
            findings.wrong("plate.proxy_scale", shown(plate.proxy_scale), "0 (full size) to 1")
    return region


def _check_source(findings: Findings, plate: Plate) -> None:
    try:
        pattern = Pattern.parse(plate.path)
    except BadRequestError as exc:
        findings.wrong("plate.path", exc.message, _A_PATTERN)
    else:
        if pattern.has_view_token and not plate.view:
            findings.wrong("plate.view", "no view", "the view that the path's %V or %v stands for")
    colour = plate.colour
    findings.between("plate.colour.exposure", colour.exposure, -20, 20)
    if colour.config_hash and not _CONFIG_HASH.fullmatch(colour.config_hash):
        findings.wrong(
            "plate.colour.config_hash", shown(colour.config_hash), "sha256: and 64 hex digits"
        )


def _check_frames(findings: Findings, plate: Plate) -> None:
    if not plate.HasField("frames"):
        findings.wrong("plate.frames", "absent", "first and last frame")
        return
    first, last = plate.frames.first, plate.frames.last
    if first > last:
        findings.wrong("plate.frames", f"{first} to {last}", "first not after last")
    elif last - first + 1 > findings.limits.frames:
        findings.wrong(
            "plate.frames", f"{last - first + 1} frames", f"at most {findings.limits.frames}"
        )


def _check_format(findings: Findings, plate: Plate) -> None:
    if not plate.HasField("format"):
        findings.wrong("plate.format", "absent", "width and height of the full-size plate")
        return
    form = plate.format
    findings.between("plate.format.width", form.width, 1, _MAX_SIDE)
    findings.between("plate.format.height", form.height, 1, _MAX_SIDE)
    aspect = form.pixel_aspect
    if aspect:
        findings.between("plate.format.pixel_aspect", aspect, 0.01, 100)
    if form.HasField("data_window"):
        window = form.data_window
        path = "plate.format.data_window"
        for name in ("x_min", "y_min", "x_max", "y_max"):
            value = getattr(window, name)
            findings.between(f"{path}.{name}", value, -_MAX_COORDINATE, _MAX_COORDINATE)
        if window.x_min >= window.x_max:
            findings.wrong(f"{path}.x_max", str(window.x_max), f"above x_min ({window.x_min})")
        if window.y_min >= window.y_max:
            findings.wrong(f"{path}.y_max", str(window.y_max), f"above y_min ({window.y_min})")


def _check_engine(findings: Findings, path: str, name: str, *, may_be_none: bool) -> None:
    words = "auto, none" if may_be_none else "auto"
    if (name and not _ENGINE.fullmatch(name)) or (name == "none" and not may_be_none):
        findings.wrong(path, shown(name), f"{words} or an engine's name in lower case")


def _check_matte(findings: Findings, matte: Matte) -> None:
    _check_engine(findings, "matte.engine", matte.engine, may_be_none=True)
    if matte.transparent:
        check_text(findings, "matte.transparent", matte.transparent)
    findings.between("matte.grow", matte.grow, -256, 256)
    findings.between("matte.feather", matte.feather, 0, 256)
    findings.between("matte.remove_holes", matte.remove_holes, 0, 1e8)
    findings.between("matte.remove_dots", matte.remove_dots, 0, 1e8)
    findings.between("matte.stability", matte.stability, 0, 1)
    narrow, wide = matte.trimap.narrow, matte.trimap.wide
    findings.between("matte.trimap.narrow", narrow, 0, 512)
    findings.between("matte.trimap.wide", wide, 0, 512)
    if 0 < wide < narrow:
        findings.wrong("matte.trimap.wide", shown(wide), f"not below narrow ({narrow:g})")


def _check_no_trimaps(findings: Findings, recipe: Recipe) -> None:
    for i, item in enumerate(recipe.objects):
        for j, prompt in enumerate(item.prompts):
            if prompt.mask.kind == DrawnMaskKind.DRAWN_MASK_KIND_TRIMAP:
                findings.wrong(
                    f"objects[{i}].prompts[{j}].mask.kind",
                    "a trimap, with matte.engine none",
                    "a mask, or a matte.engine that makes a matte of the trimap",
                )


def _check_processing(findings: Findings, recipe: Recipe) -> None:
    processing = recipe.processing
    if processing.working_size:
        findings.between("processing.working_size", processing.working_size, 64, 8192)
    findings.between("processing.threads", processing.threads, 0, 64)


def _check_output(findings: Findings, output: Output, plate: Plate, region: Region) -> None:
    try:
        pattern = Pattern.parse(output.path)
    except BadRequestError as exc:
        findings.wrong("output.path", exc.message, _A_PATTERN)
        return
    if pattern.extension not in OUTPUT_EXTENSIONS:
        findings.wrong(
            "output.path", shown(output.path), f"a path in {', '.join(OUTPUT_EXTENSIONS)}"
        )
    if region.last > region.first and not pattern.has_token:
        findings.wrong(
            "output.path", shown(output.path), "a place for the frame number, such as %04d"
        )
    if pattern.has_view_token and not plate.view:
        findings.wrong("output.path", shown(output.path), "%V and %v where plate.view is set")
    if pattern.extension != ".exr":
        for name in ("trimap", "foreground", "confidence"):
            if getattr(output, name):
                findings.wrong(f"output.{name}", "true", "layers where the output is .exr")
    if plate.path and _same_files(pattern, plate.path):
        findings.wrong("output.path", shown(output.path), "files other than the plate's own")


def _same_files(output: Pattern, plate_path: str) -> bool:
    try:
        plate = Pattern.parse(plate_path)
    except BadRequestError:
        return False
    return (output.folder, output.prefix, output.suffix, output.padding) == (
        plate.folder,
        plate.prefix,
        plate.suffix,
        plate.padding,
    )
