"""What the commands for one frame, `detect`, `segment` and `matte`, share."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from airoto.errors import BadRequestError, OutputExistsError
from airoto.sequence import Pattern, compress_frames
from airoto.wire.jsonform import to_dict
from airoto.wire.messages import FrameRange, Plate, Recipe
from airoto_client.cli.inputs import probe, share_plate
from airoto_client.cli.prompts import Flag, named_frames
from airoto_client.cli.reporting import Reporter
from airoto_client.cli.roto import fill_plate
from airoto_client.launcher import Server
from airoto_client.link import Message
from airoto_client.sharing import LocalPlate

# Engines load on first use, and a large plate takes its time.
TIMEOUT = 1800.0
_ENCODINGS = {".exr": "exr", ".png": "png"}


def add_frame_option(parser: argparse.ArgumentParser, default: str) -> None:
    """Which frame; `default` says which it is where none is named."""
    parser.add_argument("--frame", type=int, metavar="N", help=f"the frame (default: {default})")


def add_output_options(parser: argparse.ArgumentParser, what: str) -> None:
    """Where the result goes."""
    parser.add_argument("--out", required=True, metavar="FILE", help=f"{what} (.exr or .png)")
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")


def frame_of(options: argparse.Namespace, plate: Plate, flags: Sequence[Flag] = ()) -> int:
    """The frame to work on: `--frame`, else the one that prompts name, else the plate's first.

    Args:
        plate: its path absolute.

    Raises:
        BadRequestError: prompts name several.
        FrameMissingError: the plate has no file.
    """
    if options.frame is not None:
        return int(options.frame)
    named = named_frames(flags)
    if len(named) > 1:
        raise BadRequestError(
            f"the prompts name the frames {compress_frames(named)}; this works on one frame",
            hint="name one frame, or track them all with airoto roto",
        )
    if named:
        return named.pop()
    if Pattern.parse(plate.path).is_movie:
        return plate.movie_first_frame or 1
    return LocalPlate.find(to_dict(plate)).frames[0]


def encoding_of(path: Path) -> str:
    """The encoding that a file's extension asks for.

    Raises:
        BadRequestError: it asks for none that there is.
    """
    encoding = _ENCODINGS.get(path.suffix.lower())
    if encoding is None:
        raise BadRequestError(
            f"{path.name}: the extension {path.suffix!r} is not known; allowed: .exr, .png"
        )
    return encoding


def check_free(paths: list[Path], options: argparse.Namespace) -> None:
    """Refuse, before any work, to write where something is.

    Raises:
        OutputExistsError: one is there and `--overwrite` was not given.
    """
    for path in paths:
        if path.exists() and not options.overwrite:
            raise OutputExistsError(
                f"{path} is there already", path=str(path), hint="give --overwrite to replace it"
            )


def open_frame(server: Server, reporter: Reporter, recipe: Recipe, frame: int) -> list[Message]:
    """Share one frame of the recipe's plate and fill in what the server finds; its uploads."""
    shared = share_plate(server, reporter, recipe.plate, (frame, frame))
    found = probe(server, reporter, recipe.plate, shared)
    fill_plate(recipe, found, FrameRange(first=frame, last=frame))
    return shared.uploads
