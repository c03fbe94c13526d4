"""What the commands for one frame, `segment` and `matte`, share."""

from __future__ import annotations

import argparse
from pathlib import Path

from airoto.errors import BadRequestError, OutputExistsError
from airoto.wire.messages import FrameRange, Recipe
from airoto_client.cli.inputs import probe, share_plate
from airoto_client.cli.reporting import Reporter
from airoto_client.cli.roto import fill_plate
from airoto_client.launcher import Server
from airoto_client.link import Message

# Engines load on first use, and a large plate takes its time.
TIMEOUT = 1800.0
_ENCODINGS = {".exr": "exr", ".png": "png"}


def add_frame_options(parser: argparse.ArgumentParser, what: str) -> None:
    """Which frame, and where the result goes."""
    parser.add_argument("--frame", type=int, required=True, metavar="N", help="the frame")
    parser.add_argument("--out", required=True, metavar="FILE", help=f"{what} (.exr or .png)")
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")


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
