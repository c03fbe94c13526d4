"""A recipe resolved against its plate and this server: what every kind of job starts from."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from airoto import __version__
from airoto.errors import RecipeError, Violation
from airoto.wire import messages as pb
from airoto.wire.recipe import with_defaults
from airoto_server.engines.matte_anything import PHRASES
from airoto_server.engines.registry import EngineSpec, Role
from airoto_server.engines.roles import Mask, Picture
from airoto_server.ops.colour import Colour, ColourSettings
from airoto_server.ops.geometry import Format, Window, Working, working_for
from airoto_server.ops.imagefile import Frame
from airoto_server.ops.resample import mask_to_picture, to_picture
from airoto_server.sessions.allowed import engine_for, pin_in_words
from airoto_server.sessions.events import EngineUse, Provenance
from airoto_server.sessions.frames import Frames
from airoto_server.sessions.matting import EdgeRules, output_window
from airoto_server.sessions.workshop import Workshop
from airoto_server.transport.plate import PlateReader
from airoto_server.transport.plate_files import PlateSettings


@dataclass(frozen=True)
class Shot:
    """What a job works with.

    Attributes:
        scale: size of the files relative to the recipe's format.
        window: what mattes cover, in the files' pixels.
        engines: by role; a role that the recipe turns off is not in it.
        see_through: phrases for transparent things (`matte-anything`), or empty.
    """

    recipe: pb.Recipe
    reader: PlateReader
    frames: Frames
    format: Format
    scale: float
    window: Window
    rules: EdgeRules
    engines: dict[Role, EngineSpec]
    threads: int
    seed: int
    provenance: Provenance
    see_through: str = ""

    @property
    def working(self) -> Working:
        """The picture that segmenter and tracker see."""
        return self.frames.working

    def shown(self, plate: Frame, alphas: Sequence[Mask], side: int) -> tuple[Picture, list[Mask]]:
        """The display window of a frame and its mattes, small enough to look at.

        Args:
            alphas: over the output window.
            side: long side of the answer in pixels, at most.
        """
        small = working_for(dataclasses.replace(self.format, data_window=None), side)
        picture = to_picture(plate.pixels, plate.window, self.scale, small, self.frames.colour)
        return picture, [mask_to_picture(alpha, self.window, small, self.scale) for alpha in alphas]


def open_shot(
    workshop: Workshop,
    recipe: pb.Recipe,
    uploads: Iterable[pb.UploadedFrame],
    roles: Iterable[Role],
    *,
    one_frame: bool = False,
) -> Shot:
    """Resolve a validated recipe: engines, colour, geometry, the plate's reader.

    Args:
        one_frame: a call on one frame, which is likely to be followed by others.

    Raises:
        EngineUnavailableError, ColourError, PlateError: whatever cannot be had.
        EngineForbiddenError: a preset does not allow an engine.
    """
    scale = recipe.plate.proxy_scale or 1.0
    plate_format = format_of(recipe.plate.format)
    allowed = workshop.policies.rules(recipe)
    engines = {
        role: engine_for(workshop.residency, role, name, allowed)
        for role, name in _wishes(recipe).items()
        if role in set(roles) and name != "none"
    }
    see_through = ""
    if Role.MATTER in engines and engines[Role.MATTER].parts:
        # A composed matter: its detector joins, and the best single matter does the work.
        see_through = recipe.matte.transparent or PHRASES
        detector = engine_for(workshop.residency, Role.DETECTOR, recipe.detect.engine, allowed)
        matter = engine_for(workshop.residency, Role.MATTER, "auto", allowed)
        engines |= {Role.DETECTOR: detector, Role.MATTER: matter}
    reader = open_reader(workshop, recipe.plate, uploads)
    colour = open_colour(workshop, recipe.plate, reader)
    working = working_for(plate_format, _working_size(recipe, engines))
    threads = recipe.processing.threads or workshop.settings.threads
    rules = EdgeRules.of(with_defaults(recipe).matte, plate_format, scale)
    provenance = Provenance(
        airoto_version=__version__,
        engines=tuple(
            EngineUse(
                role,
                spec.facts.name,
                spec.facts.version,
                device="",
                precision="",
                weights_sha256=workshop.residency.availability(spec).weights_sha256,
            )
            for role, spec in engines.items()
        ),
        working=(working.width, working.height),
        colour=colour.describe(),
        threads=threads,
        choices={
            "trimap_widths": f"{rules.narrow:g} to {rules.wide:g} pixels"
            if rules.adaptive
            else f"{rules.narrow:g} pixels",
            **({"preset": pin_in_words(recipe.preset)} if recipe.HasField("preset") else {}),
            **({"matte_anything": f"seen through: {see_through}"} if see_through else {}),
        },
    )
    return Shot(
        recipe=recipe,
        reader=reader,
        frames=Frames(
            reader, scale, working, colour, threads, workshop.shared_frames, keep=one_frame
        ),
        format=plate_format,
        scale=scale,
        window=output_window(plate_format, scale),
        rules=rules,
        engines=engines,
        threads=threads,
        seed=recipe.processing.seed,
        provenance=provenance,
        see_through=see_through,
    )


def open_reader(
    workshop: Workshop, plate: pb.Plate, uploads: Iterable[pb.UploadedFrame]
) -> PlateReader:
    """The reader of a plate, by path or from uploaded frames."""
    settings = PlateSettings(
        path=plate.path,
        frames=(plate.frames.first, plate.frames.last) if plate.HasField("frames") else None,
        format=format_of(plate.format) if plate.HasField("format") else None,
        proxy_scale=plate.proxy_scale or 1.0,
        view=plate.view,
        layer=plate.layer,
        missing=plate.missing_frames,
        movie_first_frame=plate.movie_first_frame or 1,
        uploads={one.frame: one.handle for one in uploads},
    )
    return PlateReader(
        settings, workshop.decoder, workshop.roots, workshop.spool, workshop.contents
    )


def format_of(message: pb.Format) -> Format:
    """A recipe's format; its data window is the display window where it says nothing."""
    data = None
    if message.HasField("data_window"):
        w = message.data_window
        data = Window(w.x_min, w.y_min, w.x_max, w.y_max)
    return Format(message.width, message.height, message.pixel_aspect or 1.0, data)


def open_colour(workshop: Workshop, plate: pb.Plate, reader: PlateReader) -> Colour:
    """A recipe's colour, its space by the kind of file where it says nothing.

    Raises:
        ColourError: from the config.
        PathForbiddenError: the config's file lies outside the roots.
    """
    colour = plate.colour
    if colour.config and not colour.config.startswith("ocio://"):
        workshop.roots.check_read(Path(colour.config))
    return Colour(
        ColourSettings(
            space=colour.space or reader.assumed_space(),
            config=colour.config,
            config_hash=colour.config_hash,
            display=colour.display,
            view=colour.view,
            exposure=colour.exposure,
        )
    )


def frame_span(recipe: pb.Recipe, frames: pb.FrameRange | None) -> range:
    """The frames to deliver: those asked for, all of the plate's if none were.

    Raises:
        RecipeError: they reach outside the plate.
    """
    first, last = recipe.plate.frames.first, recipe.plate.frames.last
    if frames is None:
        return range(first, last + 1)
    if not first <= frames.first <= frames.last <= last:
        raise RecipeError(
            f"frames: {frames.first}..{frames.last} reaches outside the plate ({first}..{last})",
            violations=(
                Violation(
                    "frames",
                    f"{frames.first}..{frames.last}",
                    f"within the plate ({first}..{last})",
                ),
            ),
        )
    return range(frames.first, frames.last + 1)


def _wishes(recipe: pb.Recipe) -> dict[Role, str]:
    return {
        Role.DETECTOR: recipe.detect.engine,
        Role.SEGMENTER: recipe.segment.engine,
        Role.TRACKER: recipe.track.engine,
        Role.MATTER: recipe.matte.engine,
    }


def _working_size(recipe: pb.Recipe, engines: dict[Role, EngineSpec]) -> int:
    if recipe.processing.working_size:
        return recipe.processing.working_size
    sizes = [
        engines[role].facts.working_size
        for role in (Role.SEGMENTER, Role.TRACKER)
        if role in engines
    ]
    return max(sizes, default=0)
