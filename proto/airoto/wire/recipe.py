"""The recipe: reading, writing, checking, defaults, hash.

Reading says what is wrong with a file's form (JSON, names and types of fields); `check` and
`validate` say what is wrong with its content.
"""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airoto.errors import OutputError, RecipeError, Violation
from airoto.sequence import Pattern
from airoto.wire import jsonform
from airoto.wire.messages import Recipe
from airoto.wire.recipe_canonical import canonical, detect_options, recipe_hash, with_defaults
from airoto.wire.recipe_check import LIMITS, VERSION, Parts, check, validate
from airoto.wire.recipe_fields import RecipeLimits
from airoto.wire.violations import refuse

__all__ = [
    "FILE_BYTES",
    "LIMITS",
    "VERSION",
    "Parts",
    "RecipeLimits",
    "canonical",
    "check",
    "detect_options",
    "from_dict",
    "from_json",
    "read",
    "recipe_hash",
    "resolved",
    "to_dict",
    "to_json",
    "validate",
    "with_defaults",
    "write",
]

# Largest recipe file in bytes.
FILE_BYTES = 16 * 1024 * 1024


def read(path: Path | str) -> Recipe:
    """The recipe in a file (`shot.airoto.json`), not checked yet.

    Raises:
        RecipeError: it is not there, too large, no JSON, or has unknown or wrong fields.
    """
    place = Path(path)
    try:
        with place.open("rb") as file:
            data = file.read(FILE_BYTES + 1)
    except OSError as exc:
        raise RecipeError(
            f"the recipe {place} cannot be read: {exc.strerror}", path=str(place)
        ) from exc
    try:
        return from_json(data, what=str(place))
    except RecipeError as exc:
        raise RecipeError(exc.message, violations=exc.violations, path=str(place)) from exc


def write(recipe: Recipe, path: Path | str) -> None:
    """Write a recipe file: to a temporary one beside it, then renamed.

    Raises:
        RecipeError: a number is not finite or an enum value unknown, so it could not be read.
        OutputError: the file cannot be written.
    """
    place = Path(path)
    data = to_json(recipe).encode()
    temporary = place.with_name(f".{place.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(place)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                temporary.unlink()
            raise
    except OSError as exc:
        raise OutputError(
            f"the recipe {place} cannot be written: {exc.strerror}", path=str(place)
        ) from exc


def from_json(text: str | bytes, *, what: str = "the recipe") -> Recipe:
    """The recipe in a JSON text, not checked yet.

    Args:
        text: bytes are UTF-8.
        what: what messages call it.

    Raises:
        RecipeError: it is too large, no JSON (with line and column), or has unknown or wrong
            fields (with their paths).
    """
    if len(text) > FILE_BYTES:
        raise RecipeError(
            f"{what} is larger than {FILE_BYTES} bytes", hint="give drawn masks by path"
        )
    return from_dict(jsonform.load_json(text, what, RecipeError), what=what)


def to_json(recipe: Recipe) -> str:
    """A recipe as indented JSON with a newline at its end.

    Raises:
        RecipeError: a number is not finite or an enum value unknown, so it could not be read.
    """
    data = to_dict(recipe)
    from_dict(data)
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def from_dict(data: object, *, what: str = "the recipe") -> Recipe:
    """The recipe in a plain dict (JSON form), not checked yet.

    Raises:
        RecipeError: it has unknown or wrong fields; `violations` names all of them.
    """
    version = data.get("version") if isinstance(data, Mapping) else None
    if isinstance(version, int) and version > VERSION:
        # Its other fields may be unknown here, which is not what is wrong with it.
        allowed = f"{VERSION}; upgrade AIRoto to read a newer recipe"
        refuse(what, [Violation("version", str(version), allowed)], RecipeError)
    return jsonform.from_dict(Recipe, data, what=what, error=RecipeError)


def to_dict(recipe: Recipe) -> dict[str, Any]:
    """A recipe as a plain dict (JSON form) with the field names of the .proto."""
    return jsonform.to_dict(recipe)


def resolved(recipe: Recipe, base: Path | str) -> Recipe:
    """A copy whose paths (plate, output, drawn masks, locked frames, OCIO config) do not depend
    on where it is read: relative ones are counted from `base`, the folder of the recipe's file.

    Raises:
        BadRequestError: a path is no pattern; validate the recipe first.
    """
    folder = Path(base).absolute()
    made = Recipe()
    made.CopyFrom(recipe)
    if made.plate.path:
        made.plate.path = Pattern.parse(made.plate.path).resolved(folder).text
    if made.output.path:
        made.output.path = Pattern.parse(made.output.path).resolved(folder).text
    config = made.plate.colour.config
    if config and not config.startswith("ocio://"):
        made.plate.colour.config = str(folder / config)
    for item in made.objects:
        for prompt in item.prompts:
            if prompt.mask.path:
                prompt.mask.path = str(folder / prompt.mask.path)
    for lock in made.locked:
        if lock.path:
            lock.path = str(folder / lock.path)
    return made
