"""Options that several commands share, and what they mean."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from airoto.errors import BadRequestError, ServerUnreachableError
from airoto.sequence import Pattern
from airoto.wire.access import Access, access_from
from airoto.wire.messages import MissingFrames, Recipe
from airoto.wire.prompts import frame_range
from airoto_client.cli import events
from airoto_client.cli.reporting import Reporter
from airoto_client.cli.stopping import Stopper
from airoto_client.launcher import Server, ensure_server

# Seconds between two words about a server that starts.
_TELL_EVERY = 10.0

LAYERS = ("trimap", "foreground", "confidence")


_MISSING = {
    "error": MissingFrames.MISSING_FRAMES_ERROR,
    "hold": MissingFrames.MISSING_FRAMES_HOLD,
    "skip": MissingFrames.MISSING_FRAMES_SKIP,
}


def add_command(verbs: Any, name: str, run: Any, text: str) -> argparse.ArgumentParser:
    """A parser for one verb; `run(options, reporter, stopper)` gives the exit code."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        name, help=text, description=text, allow_abbrev=False
    )
    parser.set_defaults(run=run, verb=name)
    return parser


def add_talk_options(parser: argparse.ArgumentParser) -> None:
    """How the command talks."""
    group = parser.add_argument_group("what is printed")
    group.add_argument("--json", action="store_true", help="JSON lines for programs")
    group.add_argument("-q", "--quiet", action="store_true", help="only results and errors")
    group.add_argument("-v", "--verbose", action="store_true", help="every frame, and details")


def add_server_options(parser: argparse.ArgumentParser) -> None:
    """Which server to use."""
    group = parser.add_argument_group("server")
    group.add_argument(
        "--server",
        metavar="TARGET",
        help="unix:/path/server.sock or host:port (default: $AIROTO_SERVER, the server that is "
        "running, or one of its own)",
    )
    add_access_options(group)


def add_access_options(parser: Any) -> None:
    """What proves who calls; tokens themselves come from files or the environment alone."""
    parser.add_argument(
        "--token-file", metavar="FILE", default="", help="default: $AIROTO_TOKEN_FILE"
    )
    parser.add_argument(
        "--tls-ca",
        metavar="FILE",
        default="",
        help="what signed the server's certificate (default: $AIROTO_TLS_CA, or the system's)",
    )
    parser.add_argument(
        "--tls-cert",
        metavar="FILE",
        default="",
        help="your certificate (default: $AIROTO_TLS_CERT)",
    )
    parser.add_argument(
        "--tls-key", metavar="FILE", default="", help="its key (default: $AIROTO_TLS_KEY)"
    )


def access_of(options: argparse.Namespace) -> Access:
    """What the options and the environment give to prove who calls."""
    return access_from(
        token_file=options.token_file,
        ca=options.tls_ca,
        certificate=options.tls_cert,
        key=options.tls_key,
    )


def add_plate_options(parser: argparse.ArgumentParser) -> None:
    """What the plate is."""
    parser.add_argument(
        "plate",
        metavar="PLATE",
        help="plate.%%04d.exr, plate.####.exr, a movie, or a still",
    )
    group = parser.add_argument_group("plate")
    group.add_argument("--colour", metavar="SPACE", help="colour space (default: by file type)")
    group.add_argument("--ocio", metavar="CONFIG", help="OCIO config: a file or ocio://... name")
    group.add_argument("--view", metavar="V", help="the view of a multi-view plate")
    group.add_argument("--layer", metavar="L", help="the layer that holds the picture")
    group.add_argument(
        "--exposure", type=float, metavar="STOPS", help="stops added for the models' picture"
    )
    group.add_argument("--missing", choices=tuple(_MISSING), help="what to do about missing frames")
    group.add_argument(
        "--movie-first-frame", type=int, metavar="N", help="number of a movie's first picture"
    )


def add_threads_option(parser: argparse.ArgumentParser) -> None:
    """Worker threads."""
    parser.add_argument(
        "--threads",
        type=_natural,
        metavar="N",
        help="worker threads of the job; results do not depend on it",
    )


def add_preview_option(parser: argparse.ArgumentParser) -> None:
    """Pictures to look at."""
    parser.add_argument(
        "--preview",
        nargs="?",
        const="",
        metavar="DIR",
        help="also write a contact sheet and an overlay movie, to DIR (as --preview=DIR) or to "
        "the folder `preview` beside the output folder",
    )


def plate_of(options: argparse.Namespace) -> Recipe:
    """A new recipe with the plate that the options name."""
    recipe = Recipe(version=1)
    plate = recipe.plate
    plate.path = absolute(options.plate)
    plate.colour.space = options.colour or ""
    plate.view = options.view or ""
    plate.layer = options.layer or ""
    plate.colour.exposure = options.exposure or 0.0
    if options.ocio:
        config = options.ocio
        is_name = config.startswith("ocio://")
        plate.colour.config = config if is_name else str(Path(config).absolute())
    if options.missing:
        plate.missing_frames = _MISSING[options.missing]
    if options.movie_first_frame is not None:
        plate.movie_first_frame = options.movie_first_frame
    return recipe


def absolute(path: str) -> str:
    """A frame pattern counted from the current folder."""
    return Pattern.parse(path).resolved(Path.cwd()).text


def preview_folder(options: argparse.Namespace, output: str) -> Path | None:
    """Where the preview goes; None where none was asked for."""
    if options.preview is None:
        return None
    if options.preview:
        return Path(options.preview).absolute()
    return Path(output).absolute().parent.parent / "preview"


def parse_frames(text: str) -> Any:
    """`1001-1050` as argparse's `type`."""
    try:
        return frame_range(text)
    except BadRequestError as exc:
        raise argparse.ArgumentTypeError(exc.message) from exc


def _natural(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 4096:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 4096")
    return int(text)


@contextlib.contextmanager
def using_server(
    options: argparse.Namespace, reporter: Reporter, stopper: Stopper
) -> Iterator[Server]:
    """The server of this command; its death is explained where it was our own."""

    told = 0.0

    def waiting(seconds: float) -> None:
        nonlocal told
        stopper.check()
        if seconds - told >= _TELL_EVERY:
            told = seconds
            reporter.event(events.note(f"the server is still starting ({seconds:.0f} s)"))

    with ensure_server(options.server, access_of(options), waiting=waiting) as server:
        reporter.event(events.note(server.note))
        with contextlib.ExitStack() as stack:
            stack.enter_context(stopper.when_asked(server.link.close))
            if server.own is not None:
                reporter.detail(f"its log is {server.own.log}")
                stack.enter_context(stopper.when_forced(server.own.kill))
            try:
                yield server
            except ServerUnreachableError as exc:
                stopper.check()
                raise server.explained(exc) from exc
