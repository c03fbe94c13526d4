"""`airoto roto PLATE --point ... --out ...`: from a plate and prompts to mattes in one go."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from airoto.errors import BadRequestError, FrameMissingError
from airoto.presets.places import search_path
from airoto.sequence import compress_frames
from airoto.wire import recipe as recipes
from airoto.wire.jsonform import from_dict
from airoto.wire.messages import (
    Compression,
    Direction,
    FrameRange,
    MemoryMode,
    Plate,
    Recipe,
    TrimapMode,
)
from airoto_client.cli import events
from airoto_client.cli.detect_options import add_detect_options, set_detect_options
from airoto_client.cli.inputs import probe, share_plate
from airoto_client.cli.options import (
    LAYERS,
    absolute,
    add_command,
    add_plate_options,
    add_preview_option,
    add_server_options,
    add_talk_options,
    add_threads_option,
    parse_frames,
    plate_of,
    preview_folder,
    using_server,
)
from airoto_client.cli.prompts import add_prompt_options, build_objects, split_search
from airoto_client.cli.render import add_overwrite_option, set_job_options
from airoto_client.cli.reporting import Reporter
from airoto_client.cli.shot import ShotRender
from airoto_client.cli.stopping import Stopper
from airoto_client.exit_codes import ExitCode
from airoto_client.link import Message
from airoto_client.presets.applying import apply_preset
from airoto_client.presets.compiler import compile_presets

_MEMORY = {
    "segment": MemoryMode.MEMORY_MODE_SEGMENT,
    "shot": MemoryMode.MEMORY_MODE_SHOT,
}
_DIRECTIONS = {
    "both": Direction.DIRECTION_BOTH,
    "forward": Direction.DIRECTION_FORWARD,
    "backward": Direction.DIRECTION_BACKWARD,
}
_TRIMAPS = {
    "adaptive": TrimapMode.TRIMAP_MODE_ADAPTIVE,
    "fixed": TrimapMode.TRIMAP_MODE_FIXED,
}
_COMPRESSIONS = {
    "zips": Compression.COMPRESSION_ZIPS,
    "rle": Compression.COMPRESSION_RLE,
    "dwaa": Compression.COMPRESSION_DWAA,
    "piz": Compression.COMPRESSION_PIZ,
    "none": Compression.COMPRESSION_NONE,
}


def register(verbs: Any) -> None:
    """Add the command."""
    parser = add_command(verbs, "roto", run, "Roto a plate: prompts in, mattes out.")
    add_plate_options(parser)
    parser.add_argument(
        "--frames", type=parse_frames, metavar="FIRST-LAST", help="default: all of the plate's"
    )
    add_prompt_options(parser)
    engines = parser.add_argument_group("engines", "`auto` (the default) or a name of airoto info")
    engines.add_argument(
        "--engine-segment", "--segment", default="", metavar="ENGINE", help="prompts to masks"
    )
    engines.add_argument(
        "--engine-track", "--track", default="", metavar="ENGINE", help="or `none`: prompted frames"
    )
    engines.add_argument(
        "--engine-matte",
        "--matte",
        default="",
        metavar="ENGINE",
        help="or `none`: the mask as it is",
    )
    engines.add_argument(
        "--memory",
        choices=tuple(_MEMORY),
        help="tracker memory between neighbouring keyframes (the default), or over the shot",
    )
    engines.add_argument("--direction", choices=tuple(_DIRECTIONS))
    engines.add_argument("--working-size", type=int, default=0, metavar="PIXELS")
    engines.add_argument("--seed", type=int, default=0, metavar="N")
    add_detect_options(parser)
    add_matte_options(parser)
    parser.add_argument(
        "--preset",
        metavar="NAME",
        help="what the options leave open is as this preset says ('SHOWX:hair hero')",
    )
    output = parser.add_argument_group("output")
    output.add_argument(
        "--out", required=True, metavar="PATTERN", help="mattes/hero.%%04d.exr (exr, png, tif)"
    )
    output.add_argument(
        "--layers",
        type=_layers,
        default=(),
        metavar="NAMES",
        help=f"extra layers of the EXR, with commas between: {', '.join(LAYERS)}",
    )
    output.add_argument(
        "--compression", choices=tuple(_COMPRESSIONS), help="of the EXR (default: zips)"
    )
    output.add_argument("--save-recipe", metavar="FILE", help="also write the recipe")
    add_overwrite_option(parser)
    add_threads_option(parser)
    add_preview_option(parser)
    add_server_options(parser)
    add_talk_options(parser)


def add_matte_options(parser: argparse.ArgumentParser) -> None:
    """How the edge is made."""
    group = parser.add_argument_group("matte", "All in plate pixels.")
    group.add_argument("--trimap", choices=tuple(_TRIMAPS), help="width of the unknown band")
    group.add_argument("--trimap-narrow", type=float, default=0.0, metavar="PIXELS")
    group.add_argument("--trimap-wide", type=float, default=0.0, metavar="PIXELS")
    group.add_argument("--grow", type=float, default=0.0, metavar="PIXELS", help="or shrink: -1.5")
    group.add_argument("--feather", type=float, default=0.0, metavar="PIXELS", help="sigma")
    group.add_argument("--remove-holes", type=float, default=0.0, metavar="AREA")
    group.add_argument("--remove-dots", type=float, default=0.0, metavar="AREA")
    group.add_argument(
        "--stability",
        type=float,
        metavar="STRENGTH",
        help="how steady edges are held over time, 0 to 1 (default: 1)",
    )


def run(options: argparse.Namespace, reporter: Reporter, stopper: Stopper) -> ExitCode:
    """Build the recipe, then render it."""
    recipe = build_recipe(options)
    if options.preset:
        presets = compile_presets(search_path(os.environ))
        for one in presets.problems:
            reporter.event(events.warning(one.message))
        apply_preset(recipe, presets.index.resolve(options.preset))
    # Before any work: what can be known without the plate.
    recipes.validate(recipe, parts=recipes.Parts.ALL & ~recipes.Parts.GEOMETRY)
    with using_server(options, reporter, stopper) as server:
        wanted = options.frames
        span = (wanted.first, wanted.last) if wanted is not None else None
        shared = share_plate(server, reporter, recipe.plate, span)
        fill_plate(recipe, probe(server, reporter, recipe.plate, shared), wanted)
        search, _ = split_search(options.prompts or ())
        if search is not None and search.frame is None:
            recipe.detect.frame = recipe.plate.frames.first
        _tell_plate(recipe, reporter)
        recipes.validate(recipe)
        if options.save_recipe:
            place = Path(options.save_recipe).absolute()
            recipes.write(recipe, place)
            reporter.event(events.result("recipe", str(place)))
        set_job_options(recipe, options)
        preview = preview_folder(options, recipe.output.path)
        return ShotRender(server, reporter, stopper, recipe, shared, None, preview).run()


def build_recipe(options: argparse.Namespace) -> Recipe:
    """The recipe that the options say, its plate not probed yet.

    Raises:
        BadRequestError: a prompt or path that cannot be read.
    """
    recipe = plate_of(options)
    search, prompts = split_search(options.prompts or ())
    if search is not None:
        recipe.detect.text = search.text
        recipe.detect.frame = search.frame or 0
    set_detect_options(recipe, options)
    if prompts or search is None:
        recipe.objects.extend(build_objects(prompts, subject=has_matter(options.engine_matte)))
    for item in recipe.objects:
        for prompt in item.prompts:
            if prompt.mask.path:
                prompt.mask.path = str(Path(prompt.mask.path).absolute())
    recipe.segment.engine = options.engine_segment
    recipe.track.engine = options.engine_track
    recipe.matte.engine = options.engine_matte
    if options.memory:
        recipe.track.memory_mode = _MEMORY[options.memory]
    if options.direction:
        recipe.track.direction = _DIRECTIONS[options.direction]
    set_matte_options(recipe, options)
    if options.working_size < 0 or options.seed < 0:
        raise BadRequestError("--working-size and --seed cannot be negative")
    recipe.processing.working_size = options.working_size
    recipe.processing.seed = options.seed
    recipe.output.path = absolute(options.out)
    for layer in options.layers:
        setattr(recipe.output, layer, True)
    if options.compression:
        recipe.output.compression = _COMPRESSIONS[options.compression]
    return recipe


def has_matter(engine: str) -> bool:
    """Whether a matter was named, which may find its subject without prompts."""
    return engine not in ("", "auto", "none")


def set_matte_options(recipe: Recipe, options: argparse.Namespace) -> None:
    """What `add_matte_options` reads."""
    matte = recipe.matte
    if options.trimap:
        matte.trimap.mode = _TRIMAPS[options.trimap]
    matte.trimap.narrow = options.trimap_narrow
    matte.trimap.wide = options.trimap_wide
    matte.grow = options.grow
    matte.feather = options.feather
    matte.remove_holes = options.remove_holes
    matte.remove_dots = options.remove_dots
    if options.stability is not None:
        matte.stability = options.stability


def fill_plate(recipe: Recipe, found: Message, wanted: FrameRange | None) -> None:
    """Fill in what the server found, and cut the frames to those wanted.

    Raises:
        FrameMissingError: the plate has none of them.
    """
    plate = from_dict(Plate, found.get("plate", {}))
    # Where the files lie is ours to say; uploaded files have no path at the server.
    plate.path = recipe.plate.path
    plate.missing_frames = recipe.plate.missing_frames
    recipe.plate.CopyFrom(plate)
    if wanted is None:
        return
    there = plate.frames
    if wanted.last < there.first or wanted.first > there.last:
        raise FrameMissingError(
            f"the plate has no frame of {wanted.first}-{wanted.last}; "
            f"it has {there.first}-{there.last}",
            path=plate.path,
        )
    recipe.plate.frames.CopyFrom(wanted)


def _tell_plate(recipe: Recipe, reporter: Reporter) -> None:
    plate = recipe.plate
    frames = compress_frames(range(plate.frames.first, plate.frames.last + 1))
    space = plate.colour.space or "by file type"
    size = f"{plate.format.width} x {plate.format.height}"
    reporter.event(events.note(f"plate: frames {frames}, {size}, colour space {space}"))


def _layers(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if name not in LAYERS:
            raise argparse.ArgumentTypeError(f"{name!r} is no layer; allowed: {', '.join(LAYERS)}")
    return names
