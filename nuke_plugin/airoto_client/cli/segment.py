"""`airoto segment PLATE --point 1001:812,455 --out mask.png`: candidate masks of one frame."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from airoto.errors import EngineError
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
from airoto_client.cli.prompts import add_prompt_options, build_objects
from airoto_client.cli.reporting import Reporter
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

_CANDIDATES = (1, 2, 3)


def register(verbs: Any) -> None:
    """Add the command."""
    parser = add_command(verbs, "segment", run, "Candidate masks of one frame from prompts.")
    add_plate_options(parser)
    add_frame_option(parser, "the one that the prompts name, else the plate's first")
    add_output_options(parser, "the mask; candidates become mask.1.png, mask.2.png, ...")
    add_prompt_options(parser, one_frame=True)
    parser.add_argument(
        "--candidate",
        type=int,
        choices=_CANDIDATES,
        help="write only this one, 1 being the best, and under the name as given",
    )
    parser.add_argument("--engine-segment", "--segment", default="", metavar="ENGINE")
    add_server_options(parser)
    add_talk_options(parser)


def run(options: argparse.Namespace, reporter: Reporter, stopper: Stopper) -> ExitCode:
    """Segment."""
    out = Path(options.out).absolute()
    encoding = encoding_of(out)
    recipe = plate_of(options)
    flags = options.prompts or ()
    frame = frame_of(options, recipe.plate, flags)
    recipe.objects.extend(build_objects(flags, frame=frame))
    for item in recipe.objects:
        if item.prompts[0].mask.path:
            item.prompts[0].mask.path = str(Path(item.prompts[0].mask.path).absolute())
    recipe.segment.engine = options.engine_segment
    names = {item.id: item.name for item in recipe.objects}
    only = options.candidate
    numbers = [only] if only else list(_CANDIDATES)
    check_free([_place(out, names, i, n, only) for i in names for n in numbers], options)
    with using_server(options, reporter, stopper) as server:
        uploads = open_frame(server, reporter, recipe, frame)
        recipes.validate(recipe, parts=recipes.Parts.SEGMENT_CALL)
        recipe = share_files(server, recipe)
        request = {"recipe": recipes.to_dict(recipe), "frame": frame, "uploads": uploads}
        found = server.link.call("Segment", request, timeout=TIMEOUT)
        for entry in found.get("objects", []):
            candidates = entry.get("candidates", [])
            if only and len(candidates) < only:
                raise EngineError(
                    f"the engine has {len(candidates)} candidates, not {only}",
                    hint="ask for a lower --candidate",
                )
            for number, candidate in enumerate(candidates, 1):
                if number not in numbers:
                    continue
                path = _place(out, names, entry.get("object_id", 0), number, only)
                server.link.download(candidate["mask_handle"], path, encoding=encoding)
                reporter.event(
                    events.result(
                        "mask",
                        str(path),
                        object=names.get(entry.get("object_id", 0), ""),
                        candidate=number,
                        score=candidate.get("score", 0.0),
                        area=int(candidate.get("area", 0)),
                        bounds=candidate.get("bounds"),
                    )
                )
    return ExitCode.DONE


def _place(out: Path, names: dict[int, str], object_id: int, number: int, only: Any) -> Path:
    """`mask.png`, `mask.2.png`, `mask.hero.2.png`: as many words as are needed."""
    words = [out.stem]
    if len(names) > 1:
        words.append(names.get(object_id, str(object_id)))
    if not only:
        words.append(str(number))
    return out.with_name(".".join(words) + out.suffix)
