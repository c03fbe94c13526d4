"""Rules for a recipe's objects and their prompts."""

from __future__ import annotations

import re
from dataclasses import dataclass

from airoto.wire.messages import (
    Box,
    DrawnMask,
    Plate,
    Point,
    PointLabel,
    Prompt,
    Recipe,
    RotoObject,
)
from airoto.wire.recipe_fields import Findings, check_text
from airoto.wire.violations import shown

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_COLOUR = re.compile(r"#[0-9A-Fa-f]{6}")
_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")
_MAX_GROUP = 64
_MAX_CANDIDATE = 3


@dataclass(frozen=True)
class Region:
    """Where prompts may lie: the plate's frames and the pixels it has (half-open)."""

    first: int
    last: int
    x_min: int
    y_min: int
    x_max: int
    y_max: int
    name: str

    @classmethod
    def of(cls, plate: Plate) -> Region:
        """The plate's frames and its data window, or its display window without one."""
        form = plate.format
        # Without frames there is nothing to hold a frame against.
        first, last = (
            (plate.frames.first, plate.frames.last) if plate.HasField("frames") else (0, -1)
        )
        if form.HasField("data_window"):
            window = form.data_window
            return cls(
                first, last, window.x_min, window.y_min, window.x_max, window.y_max, "data window"
            )
        return cls(first, last, 0, 0, form.width, form.height, "display window")

    @property
    def has_frames(self) -> bool:
        """Whether first and last make sense, so that frames can be held against them."""
        return self.first <= self.last

    @property
    def has_pixels(self) -> bool:
        """Whether the window makes sense, so that points can be held against it."""
        return self.x_min < self.x_max and self.y_min < self.y_max


def check_objects(findings: Findings, recipe: Recipe, region: Region, *, to_track: bool) -> None:
    """Objects, their names, their prompts.

    Args:
        to_track: every object needs a prompt, as it has to be found on other frames, unless
            it is the subject that the matter finds, or a frame is locked.
    """
    count = len(recipe.objects)
    fewest = 0 if recipe.detect.text else 1
    if not fewest <= count <= findings.limits.objects:
        findings.wrong("objects", f"{count} objects", f"{fewest} to {findings.limits.objects}")
    ids: dict[int, int] = {}
    names: dict[str, int] = {}
    for index, item in enumerate(recipe.objects):
        path = f"objects[{index}]"
        if item.id == 0:
            findings.wrong(f"{path}.id", "0", "1 or more")
        elif ids.setdefault(item.id, index) != index:
            findings.wrong(
                f"{path}.id", f"{item.id}, as objects[{ids[item.id]}]", "an id of its own"
            )
        if not _NAME.fullmatch(item.name):
            findings.wrong(
                f"{path}.name",
                shown(item.name),
                "1 to 64 letters A-Z a-z, digits and _, no digit first",
            )
        elif names.setdefault(item.name.lower(), index) != index:
            findings.wrong(
                f"{path}.name",
                f"{shown(item.name)}, as objects[{names[item.name.lower()]}]",
                "a name of its own, whatever the case",
            )
        _check_object(findings, path, item, region)
        # An approved frame says where its objects are.
        if to_track and not item.prompts and not recipe.locked:
            _check_subject(findings, path, recipe)


def check_locked(findings: Findings, recipe: Recipe, region: Region) -> None:
    """Approved frames: each once, inside the plate."""
    frames: dict[int, int] = {}
    for index, lock in enumerate(recipe.locked):
        place = f"locked[{index}]"
        if frames.setdefault(lock.frame, index) != index:
            findings.wrong(
                f"{place}.frame",
                f"{lock.frame}, as locked[{frames[lock.frame]}]",
                "each frame once",
            )
        if region.has_frames and not region.first <= lock.frame <= region.last:
            findings.wrong(
                f"{place}.frame",
                str(lock.frame),
                f"the plate's frames ({region.first} to {region.last})",
            )
        if lock.sha256 and not _SHA256.fullmatch(lock.sha256):
            findings.wrong(f"{place}.sha256", shown(lock.sha256), "sha256: and 64 hex digits")


def _check_subject(findings: Findings, path: str, recipe: Recipe) -> None:
    alone = len(recipe.objects) == 1 and not recipe.detect.text
    if not alone or recipe.matte.engine in ("", "auto", "none"):
        findings.wrong(
            f"{path}.prompts",
            "no prompts",
            "a prompt on one frame at least; or none for the only object of a recipe whose "
            "matte.engine names one that needs no trimap",
        )


def _check_object(findings: Findings, path: str, item: RotoObject, region: Region) -> None:
    if item.colour and not _COLOUR.fullmatch(item.colour):
        findings.wrong(f"{path}.colour", shown(item.colour), "#rrggbb, or empty")
    if len(item.group) > _MAX_GROUP:
        findings.wrong(f"{path}.group", shown(item.group), f"at most {_MAX_GROUP} characters")
    frames: dict[int, int] = {}
    for index, prompt in enumerate(item.prompts):
        place = f"{path}.prompts[{index}]"
        if frames.setdefault(prompt.frame, index) != index:
            findings.wrong(
                f"{place}.frame",
                f"{prompt.frame}, as prompts[{frames[prompt.frame]}]",
                "one prompt per frame",
            )
        if region.has_frames and not region.first <= prompt.frame <= region.last:
            findings.wrong(
                f"{place}.frame",
                str(prompt.frame),
                f"the plate's frames ({region.first} to {region.last})",
            )
        _check_prompt(findings, place, prompt, region)


def _check_prompt(findings: Findings, path: str, prompt: Prompt, region: Region) -> None:
    has_more = prompt.HasField("box") or prompt.HasField("mask") or bool(prompt.text.strip())
    labels = {point.label for point in prompt.points}
    if not (prompt.points or has_more):
        findings.wrong(path, "an empty prompt", "points, a box, a text or a mask")
    elif not has_more and labels == {PointLabel.POINT_LABEL_NEGATIVE}:
        findings.wrong(
            f"{path}.points", "negative points alone", "a positive point, a box, a text or a mask"
        )
    if len(prompt.points) > findings.limits.points:
        findings.wrong(
            f"{path}.points",
            f"{len(prompt.points)} points",
            f"at most {findings.limits.points}",
        )
    for index, point in enumerate(prompt.points):
        _check_point(findings, f"{path}.points[{index}]", point, region)
    if prompt.HasField("box"):
        _check_box(findings, f"{path}.box", prompt.box, region)
    if prompt.text.strip():
        check_text(findings, f"{path}.text", prompt.text)
    if prompt.HasField("mask"):
        _check_mask(findings, f"{path}.mask", prompt.mask)
    if prompt.candidate > _MAX_CANDIDATE:
        findings.wrong(f"{path}.candidate", str(prompt.candidate), f"0 to {_MAX_CANDIDATE}")


def _check_point(findings: Findings, path: str, point: Point, region: Region) -> None:
    if not region.has_pixels:
        return
    for axis, value, low, high in (
        ("x", point.x, region.x_min, region.x_max),
        ("y", point.y, region.y_min, region.y_max),
    ):
        if findings.finite(value) and not low <= value < high:
            findings.wrong(
                f"{path}.{axis}", shown(value), f"inside the {region.name} ({low}..{high})"
            )


def _check_box(findings: Findings, path: str, box: Box, region: Region) -> None:
    if not findings.finite(box.x_min, box.y_min, box.x_max, box.y_max):
        return
    for axis, low, high, edge_low, edge_high in (
        ("x", box.x_min, box.x_max, region.x_min, region.x_max),
        ("y", box.y_min, box.y_max, region.y_min, region.y_max),
    ):
        if low >= high:
            findings.wrong(f"{path}.{axis}_max", shown(high), f"above {axis}_min ({low:.10g})")
        elif region.has_pixels and (high <= edge_low or low >= edge_high):
            findings.wrong(
                f"{path}.{axis}_min",
                f"{low:.10g}..{high:.10g}",
                f"a box that overlaps the {region.name} ({edge_low}..{edge_high})",
            )


def _check_mask(findings: Findings, path: str, mask: DrawnMask) -> None:
    source = mask.WhichOneof("source")
    limit = findings.limits.mask_bytes
    if source == "image":
        if not 0 < len(mask.image) <= limit:
            findings.wrong(f"{path}.image", f"{len(mask.image)} bytes", f"1 to {limit} bytes")
    elif not mask.path:
        findings.wrong(path, "an empty mask", "a path, or an image")
