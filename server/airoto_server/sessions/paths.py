"""Paths that a client gives: absolute, for the server's own folder means nothing to anybody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from airoto.errors import BadRequestError, RecipeError, Violation
from airoto.wire import messages as pb
from airoto.wire.violations import refuse, shown

_ALLOWED = "an absolute path"


def refuse_relative_paths(recipe: pb.Recipe, *, uploaded: bool, written: bool = False) -> None:
    """Refuse a recipe with paths that the server would look for in its own folder.

    Args:
        uploaded: the plate's path only names frames that were uploaded.
        written: the server writes the output.

    Raises:
        RecipeError: its violations name every such field.
    """
    found = [
        Violation(field, shown(path), _ALLOWED)
        for field, path in _paths(recipe, uploaded, written)
        if path and not Path(path).is_absolute()
    ]
    refuse("the recipe", found, RecipeError)


def drawn_as_is(prompt: pb.Prompt) -> bool:
    """Whether a prompt's drawn mask is itself the answer, and not a segmenter's first guess."""
    return prompt.HasField("mask") and not prompt.points and not prompt.HasField("box")


def check_drawn_mask(drawn: pb.DrawnMask) -> None:
    """Refuse a drawn mask without content, or with a relative path.

    Raises:
        BadRequestError: likewise.
    """
    kind = drawn.WhichOneof("source")
    if kind is None or not getattr(drawn, kind):
        raise BadRequestError("the drawn mask has neither a path nor an image")
    if kind == "path" and not Path(drawn.path).is_absolute():
        raise BadRequestError(f"the drawn mask's path: {shown(drawn.path)}; allowed: {_ALLOWED}")


def _paths(recipe: pb.Recipe, uploaded: bool, written: bool) -> Iterator[tuple[str, str]]:
    if not uploaded:
        yield "plate.path", recipe.plate.path
    if not recipe.plate.colour.config.startswith("ocio://"):
        yield "plate.colour.config", recipe.plate.colour.config
    for i, roto_object in enumerate(recipe.objects):
        for j, prompt in enumerate(roto_object.prompts):
            yield f"objects[{i}].prompts[{j}].mask.path", prompt.mask.path
    for i, lock in enumerate(recipe.locked):
        yield f"locked[{i}].path", lock.path
    if written:
        yield "output.path", recipe.output.path
