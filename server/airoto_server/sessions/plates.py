"""What a plate is, before there is a recipe."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from airoto.wire import messages as pb
from airoto.wire.recipe import Parts, validate
from airoto_server.sessions.paths import refuse_relative_paths
from airoto_server.sessions.shot import open_colour, open_reader
from airoto_server.sessions.workshop import Workshop
from airoto_server.transport.plate_probe import PlateFacts


@dataclass(frozen=True)
class PlateLook:
    """What was found, and `sha256:...` of the colour config (empty where none is used)."""

    facts: PlateFacts
    config_hash: str


def looked_at(
    workshop: Workshop, plate: pb.Plate, uploads: Iterable[pb.UploadedFrame]
) -> PlateLook:
    """Frames, format, views, layers and colour of a plate.

    Raises:
        RecipeError, PlateError, PathForbiddenError: it cannot be looked at.
    """
    recipe = pb.Recipe(version=1, plate=plate)
    validate(recipe, parts=Parts.SOURCE)
    frames = list(uploads)
    refuse_relative_paths(recipe, uploaded=bool(frames))
    reader = open_reader(workshop, plate, frames)
    return PlateLook(reader.probe(), open_colour(workshop, plate, reader).config_hash)
