"""A recipe to a farm job."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airoto.errors import BadRequestError
from airoto.presets.keys import KEYS, Value
from airoto.wire import recipe as recipes
from airoto.wire.messages import Recipe
from airoto_client.farm.job import (
    FOLDER_TOKEN,
    JOB_FILE,
    RECIPE_FILE,
    FarmJob,
    Host,
    Needs,
    Stage,
    Step,
    Task,
    Wishes,
    write_job,
)
from airoto_client.farm.segments import chunks, frame_word, has_masks, named, segments


@dataclass(frozen=True)
class Farming:
    """How a job is cut and queued; `settings` makes it.

    Attributes:
        chunk_frames: frames of a matte task.
        gpu: whether steps ask for a graphics processor.
        may_track: whether a matte task may track where masks are missing, rather than fail.
    """

    chunk_frames: int = 10
    wishes: Wishes = field(default_factory=Wishes)
    gpu: bool = False
    gpu_memory: int = 0
    memory: int = 0
    may_track: bool = False

    @property
    def needs(self) -> Needs:
        """What a blade has to have."""
        gpu_memory = self.gpu_memory if self.gpu else 0
        return Needs(1 if self.gpu else 0, gpu_memory, self.memory)


def settings(
    flags: Mapping[str, Value], preset: Mapping[str, Value], *, gpu: bool, may_track: bool = False
) -> Farming:
    """Flags before the preset before what is built in.

    Args:
        flags, preset: values of `farm.*` keys (`airoto.presets.keys`); what is not in them is
            left open.

    Raises:
        BadRequestError: a flag's value is not allowed.
    """

    def value(key: str) -> Any:
        if key in flags:
            allowed = KEYS[key].wrong(flags[key])
            if allowed:
                name = key.partition(".")[2].replace("_", "-")
                raise BadRequestError(f"--{name}: {flags[key]!r}; allowed: {allowed}")
            return flags[key]
        return preset.get(key, KEYS[key].default)

    return Farming(
        chunk_frames=value("farm.chunk_frames"),
        wishes=Wishes(
            pool=value("farm.queue"),
            priority=value("farm.priority"),
            retries=value("farm.retries"),
            limits=tuple(filter(None, re.split(r"[,\s]+", value("farm.limits")))),
        ),
        gpu=gpu,
        gpu_memory=value("farm.gpu_memory"),
        memory=value("farm.memory"),
        may_track=may_track,
    )


def needs_gpu(recipe: Recipe, info: Mapping[str, Any] | None) -> bool:
    """Whether an engine of the recipe is a network, which wants a graphics processor.

    Args:
        info: a server's `GetServerInfoResponse`, which knows what engines are and what `auto`
            means; None: only what the recipe names counts, and what is not built on weights by
            its name (`classic...`, `null`, `none`) needs none.
    """
    wanted = [
        ("ENGINE_ROLE_SEGMENTER", recipe.segment.engine),
        ("ENGINE_ROLE_TRACKER", recipe.track.engine),
        ("ENGINE_ROLE_MATTER", recipe.matte.engine),
    ]
    if recipe.detect.text:
        wanted.append(("ENGINE_ROLE_DETECTOR", recipe.detect.engine))
    if info is None:
        plain = ("", "auto", "none", "null")
        return any(name not in plain and not name.startswith("classic") for _, name in wanted)
    return any(
        one.get("needs_weights", False)
        for role, name in wanted
        for one in info.get("engines", [])
        if one.get("role") == role
        and (one.get("name") == name or (name in ("", "auto") and one.get("is_default", False)))
    )


def plan(recipe: Recipe, folder: Path, farming: Farming, *, cache: str = "") -> FarmJob:
    """The job of one recipe: track, then matte.

    A plate that is a sequence needs no step of its own, and its mattes are files: what a host
    renders before or after is added by whoever knows the host.

    Args:
        recipe: valid, its paths absolute.
        folder: of the job, absolute.
        cache: folder of results that all blades see; empty: one in the job's folder.
    """
    steps: list[Step] = []
    render = ("render", f"{FOLDER_TOKEN}/{RECIPE_FILE}", "--json")
    if has_masks(recipe):
        names = named(segments(recipe))
        tasks = tuple(
            Task(
                names[one],
                (
                    *render,
                    "--stage=track",
                    f"--group={one.group}",
                    f"--frames={one.first}-{one.last}",
                ),
                (one.first, one.last),
            )
            for one in names
        )
        steps.append(
            Step("track", Stage.TRACK, Host.AIROTO, tasks, RECIPE_FILE, needs=farming.needs)
        )
    span = recipe.plate.frames
    may = ("--may-track",) if farming.may_track else ()
    steps.append(
        Step(
            "matte",
            Stage.MATTE,
            Host.AIROTO,
            tuple(
                Task(
                    f"{frame_word(first)}-{frame_word(last)}",
                    (*render, "--stage=matte", *may, f"--frames={first}-{last}"),
                    (first, last),
                )
                for first, last in chunks(span.first, span.last, farming.chunk_frames)
            ),
            RECIPE_FILE,
            depends_on=tuple(one.name for one in steps),
            needs=farming.needs,
        )
    )
    return FarmJob(
        name=recipe.name or Path(recipe.output.path).stem.partition(".")[0] or "mattes",
        folder=str(folder),
        recipes={RECIPE_FILE: recipes.recipe_hash(recipe)},
        steps=tuple(steps),
        wishes=farming.wishes,
        cache=cache,
    )


def write_folder(job: FarmJob, recipe: Recipe) -> None:
    """Write recipe and job into the job's folder.

    A folder that holds the job of another recipe is refused: its logs tell of that one.

    Raises:
        BadRequestError: it does.
        OutputError: they cannot be written.
    """
    folder = Path(job.folder)
    there = folder / RECIPE_FILE
    if (folder / JOB_FILE).exists() and there.exists():
        found = recipes.recipe_hash(recipes.read(there))
        if found != job.recipes[RECIPE_FILE]:
            raise BadRequestError(
                f"{folder} holds the job of another recipe ({found})",
                hint="name another folder with --job, or remove that one",
                path=str(folder),
            )
    folder.mkdir(parents=True, exist_ok=True)
    recipes.write(recipe, there)
    write_job(job)
