"""Rules that hold for every field of a recipe, and where findings are collected."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from airoto.errors import BadRequestError, Violation
from airoto.phrases import split_phrases
from airoto.wire.jsonform import is_repeated
from airoto.wire.violations import shown

_MAX_TEXT = 4096


@dataclass(frozen=True)
class RecipeLimits:
    """How large a recipe may be.

    Attributes:
        frames: of the plate.
        objects: of the recipe.
        points: of one prompt.
        mask_bytes: of one drawn mask inside the recipe.
        total_bytes: of the whole recipe on the wire, below gRPC's message limit.
    """

    frames: int = 100_000
    objects: int = 64
    points: int = 256
    mask_bytes: int = 1024 * 1024
    total_bytes: int = 3 * 1024 * 1024


@dataclass
class Findings:
    """What a check has found so far."""

    limits: RecipeLimits
    violations: list[Violation] = field(default_factory=list)

    def wrong(self, path: str, found: str, allowed: str) -> None:
        """Note one violation."""
        self.violations.append(Violation(path, found, allowed))

    def between(self, path: str, value: float, low: float, high: float) -> None:
        """Note a number outside `low` to `high`; one that is not finite is noted elsewhere."""
        if math.isfinite(value) and not low <= value <= high:
            self.wrong(path, shown(value), f"{low:.10g} to {high:.10g}")

    @staticmethod
    def finite(*values: float) -> bool:
        """Whether all are numbers that other rules can compare."""
        return all(math.isfinite(value) for value in values)


def check_text(findings: Findings, path: str, text: str) -> None:
    """Phrases with periods between, each with a word in it."""
    try:
        split_phrases(text)
    except BadRequestError as exc:
        findings.wrong(path, exc.message, "words, with periods between phrases: person . red car")


def check_fields(findings: Findings, message: Message, name: str, path: str = "") -> None:
    """Look at one field and all below it: enum values known, numbers finite, text printable."""
    descriptor: Any = message.DESCRIPTOR.fields_by_name[name]
    place = f"{path}.{name}" if path else name
    value = getattr(message, name)
    if is_repeated(descriptor):
        for index, item in enumerate(value):
            _check_value(findings, descriptor, item, f"{place}[{index}]")
    elif descriptor.message_type is None or message.HasField(name):
        _check_value(findings, descriptor, value, place)


def _check_value(findings: Findings, descriptor: Any, value: Any, path: str) -> None:
    kind = descriptor.cpp_type
    if kind == FieldDescriptor.CPPTYPE_MESSAGE:
        for inner, _ in value.ListFields():
            check_fields(findings, value, inner.name, path)
    elif kind == FieldDescriptor.CPPTYPE_DOUBLE:
        if not math.isfinite(value):
            findings.wrong(path, shown(value), "a finite number")
    elif kind == FieldDescriptor.CPPTYPE_ENUM:
        if value not in descriptor.enum_type.values_by_number:
            names = ", ".join(descriptor.enum_type.values_by_name)
            findings.wrong(path, str(value), names)
    elif descriptor.type == FieldDescriptor.TYPE_STRING:
        if len(value) > _MAX_TEXT:
            findings.wrong(path, f"{len(value)} characters", f"at most {_MAX_TEXT}")
        elif any(ord(sign) < 32 or ord(sign) == 127 for sign in value):
            findings.wrong(path, shown(value), "text without control characters")
