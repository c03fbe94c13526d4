"""`airoto matte PLATE --mask FILE --out alpha.exr`: the alpha of one frame.

A matter that finds its subject by itself (`--engine-matte modnet`) needs neither mask nor trimap.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from airoto.errors import BadRequestError
from airoto.wire import recipe as recipes
from airoto_client.cli import events
from airoto_client.cli.inputs import share_files
from airoto_client.cli.options import (
    add_command,
    add_plate_options,
    add_server_options,
    add_talk_options,
    plate_of,
    using_server,
)
from airoto_client.cli.reporting import Reporter
from airoto_client.cli.roto import has_matter
from airoto_client.cli.single import (
    TIMEOUT,
    add_frame_option,
    add_output_options,
    check_free,
    encoding_of,
    frame_of,
    open_frame,
)
from airoto_client.cli.stopping import Stopper
from airoto_client.exit_codes import ExitCode
from airoto_client.launcher import Server
from airoto_client.link import Message
from airoto_client.sharing import sees_file


def register(verbs: Any) -> None:
    """Add the command."""
    parser = add_command(
        verbs, "matte", run, "The alpha of one frame, from a rough mask or a trimap."
    )
    add_plate_options(parser)
    add_frame_option(parser, "the plate's first")
    add_output_options(parser, "the alpha")
    guide = parser.add_mutually_exclusive_group()
    guide.add_argument(
        "--mask", metavar="FILE", help="a rough mask, 0 to 1; not for an engine that needs none"
    )
    guide.add_argument("--trimap", metavar="FILE", help="0 outside, 1 inside, one half unknown")
    parser.add_argument(
        "--foreground", metavar="FILE", help="also write the straight foreground colour (.exr)"
    )
    parser.add_argument("--engine-matte", "--matte", default="", metavar="ENGINE")
    parser.add_argument("--trimap-narrow", type=float, default=0.0, metavar="PIXELS")
    parser.add_argument("--trimap-wide", type=float, default=0.0, metavar="PIXELS")
    add_server_options(parser)
    add_talk_options(parser)


def run(options: argparse.Namespace, reporter: Reporter, stopper: Stopper) -> ExitCode:
    """Matte."""
    if not (options.mask or options.trimap or has_matter(options.engine_matte)):
        raise BadRequestError(
            "where is the object? give --mask or --trimap, or an --engine-matte that finds its "
            "subject by itself (modnet)"
        )
    results = {"alpha": Path(options.out).absolute()}
    if options.foreground:
        results["foreground"] = Path(options.foreground).absolute()
    encodings = {kind: encoding_of(path) for kind, path in results.items()}
    check_free(list(results.values()), options)
    recipe = plate_of(options)
    frame = frame_of(options, recipe.plate)
    recipe.matte.engine = options.engine_matte
    recipe.matte.trimap.narrow = options.trimap_narrow
    recipe.matte.trimap.wide = options.trimap_wide
    with using_server(options, reporter, stopper) as server:
        uploads = open_frame(server, reporter, recipe, frame)
        recipes.validate(recipe, parts=recipes.Parts.MATTE_CALL)
        recipe = share_files(server, recipe)
        request = {
            "recipe": recipes.to_dict(recipe),
            "frame": frame,
            "uploads": uploads,
            "foreground": "foreground" in results,
            **_guide(server, options),
        }
        found = server.link.call("Matte", request, timeout=TIMEOUT)
        for note in found.get("notes", ()):
            reporter.event(events.warning(note, frame))
        for kind, path in results.items():
            server.link.download(found[f"{kind}_handle"], path, encoding=encodings[kind])
            reporter.event(events.result(kind, str(path)))
    return ExitCode.DONE


def _guide(server: Server, options: argparse.Namespace) -> Message:
    """The mask or trimap: by path where the server sees it, else uploaded; none is for the server
    to refuse, which knows the engine."""
    if not (options.mask or options.trimap):
        return {}
    kind = "mask" if options.mask else "trimap"
    path = Path(options.mask or options.trimap).absolute()
    if sees_file(server.link, path).visible:
        return {kind: {"path": str(path)}}
    return {f"{kind}_handle": server.link.upload_file(path)["handle"]}
