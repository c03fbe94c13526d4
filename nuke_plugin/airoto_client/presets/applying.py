"""A preset's values in a recipe that a command line builds."""

from __future__ import annotations

from airoto.errors import BadRequestError
from airoto.presets.model import Resolved
from airoto.presets.recipe_values import put_values, values_of
from airoto.wire import recipe as recipes
from airoto.wire.messages import Recipe


def apply_preset(recipe: Recipe, found: Resolved) -> None:
    """Fill in what the recipe leaves open, and pin the preset, in place.

    Raises:
        BadRequestError: the recipe says something else than what is locked.
    """
    data = recipes.to_dict(recipe)
    now, open_values = values_of(data), values_of({})
    values = {key: value for key, value in found.said.items() if key in now}
    for key, owner in found.locks.items():
        if key in values and now[key] not in (open_values[key], values[key]):
            raise BadRequestError(
                f"{key} is {now[key]!r}, and the preset {owner} locked it to {values[key]!r}",
                hint="leave that option out",
            )
    put_values(data, {key: one for key, one in values.items() if now[key] == open_values[key]})
    data["preset"] = found.pin()
    recipe.CopyFrom(recipes.from_dict(data))
