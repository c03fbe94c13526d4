"""A script of Nuke to a farm job: for each AIRoto node plate, track and matte, and then the Writes.

The plate step is there only where Nuke has to render what the node sees; the comp step only where
it is wanted. Both run Nuke with a file that lies in the job's folder, so that blades need nothing
but AIRoto on their `NUKE_PATH`.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from airoto.errors import BadRequestError
from airoto.wire import recipe as recipes
from airoto.wire.messages import Recipe
from airoto_client.farm.job import (
    FOLDER_TOKEN,
    RECIPE_FILE,
    FarmJob,
    Host,
    Stage,
    Step,
    Task,
    write_job,
)
from airoto_client.farm.plan import Farming, plan
from airoto_client.farm.segments import chunks, frame_word
from airoto_client.files import atomic_file
from airoto_client.nk.requests import Request
from airoto_client.nk.script import Script

STEP_FILE = "nuke_step.py"
STEP_CODE = '''"""One task of a farm job, run by `nuke -t`."""

import sys

from airoto_nuke import farm_step

sys.exit(farm_step.main(sys.argv[1:]))
'''
_UNSAFE = re.compile(r"[^A-Za-z0-9]+")


@dataclasses.dataclass(frozen=True)
class ScriptJob:
    """A job, and the recipes of its nodes by their file's name in the job's folder."""

    job: FarmJob
    recipes: Mapping[str, Recipe]


def job_of(
    requests: Sequence[Request],
    folder: Path,
    farming: Callable[[Request, Recipe], Farming],
    *,
    cache: str = "",
    comp: Mapping[str, tuple[int, int]] | None = None,
) -> ScriptJob:
    """The job of some nodes of one script.

    Args:
        folder: of the job, absolute.
        farming: how a node's part is cut and queued.
        comp: Writes that are rendered in the end, each with its first and last frame.

    Raises:
        RecipeError: a node's recipe is refused; with every field.
        BadRequestError: the nodes' presets ask for different queues.
    """
    steps: list[Step] = []
    found: dict[str, Recipe] = {}
    hashes: dict[str, str] = {}
    settings: dict[str, Farming] = {}
    for request in requests:
        recipe = recipes.from_dict(request.recipe)
        recipes.validate(recipe)
        own = settings[request.node] = farming(request, recipe)
        word = "" if len(requests) == 1 else _word(request.node, found)
        name = RECIPE_FILE if not word else f"{word}.airoto.json"
        part = plan(recipe, folder, own, cache=cache)
        found[name], hashes[name] = recipe, part.recipes[RECIPE_FILE]
        steps.extend(_steps(part, request, own, word, name))
    first = requests[0]
    for node, one in settings.items():
        if one.wishes != settings[first.node].wishes:
            raise BadRequestError(
                f"the presets of {first.node} and {node} ask for different queues: "
                f"{settings[first.node].wishes} and {one.wishes}",
                hint="name pool, priority, retries and limits, or make a job for each with --node",
            )
    mattes = [one for one in steps if one.stage is Stage.MATTE]
    for write, (start, end) in (comp or {}).items():
        needed = {one.node for one in requests if write in one.writes}
        before = tuple(
            step.name
            for step in mattes
            if not needed or len(requests) == 1 or _node_of(step, requests, found) in needed
        )
        steps.append(_comp(write, first.script, (start, end), settings[first.node], before, comp))
    return ScriptJob(
        FarmJob(
            name=Path(first.script).stem if len(requests) > 1 else f"{first.node}",
            folder=str(folder),
            recipes=hashes,
            steps=tuple(steps),
            wishes=settings[first.node].wishes,
            cache=cache,
        ),
        found,
    )


def write_script_job(made: ScriptJob) -> None:
    """Write recipes, the file that Nuke runs, and the job into the job's folder.

    Raises:
        BadRequestError: the folder holds the job of other recipes.
        OutputError: they cannot be written.
    """
    folder = Path(made.job.folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in made.recipes:
        there = folder / name
        if there.exists() and recipes.recipe_hash(recipes.read(there)) != made.job.recipes[name]:
            raise BadRequestError(
                f"{folder} holds the job of another recipe",
                hint="name another folder with --job, or remove that one",
                path=str(folder),
            )
    for name, recipe in made.recipes.items():
        recipes.write(recipe, folder / name)
    if any(step.host is Host.NUKE for step in made.job.steps):
        with atomic_file(folder / STEP_FILE) as file:
            file.write(STEP_CODE.encode())
    write_job(made.job)


def writes_of(script: Script, requests: Sequence[Request]) -> dict[str, tuple[int, int]]:
    """Writes that need these nodes, with the frames that they would render."""
    wanted = {name for one in requests for name in one.writes}
    made = {}
    for node in script.walk():
        if node.class_name == "Write" and node.full_name in wanted:
            limited = node.knobs.get("use_limit", "") in ("true", "1")
            knobs = node.knobs if limited else script.root.knobs
            names = ("first", "last") if limited else ("first_frame", "last_frame")
            made[node.full_name] = (_frame(knobs, names[0], 1), _frame(knobs, names[1], 100))
    return made


def _frame(knobs: Mapping[str, str], name: str, default: int) -> int:
    try:
        return round(float(knobs.get(name, default)))
    except (ValueError, OverflowError) as exc:
        raise BadRequestError(
            f"the script's {name} is {knobs[name][:40]!r}, not a frame", hint="name --frames"
        ) from exc


def _steps(part: FarmJob, request: Request, own: Farming, word: str, recipe: str) -> list[Step]:
    """A node's steps, with its word in their names and its recipe in their arguments."""
    tail = f"_{word}" if word else ""
    made = [
        dataclasses.replace(
            step,
            name=f"{step.name}{tail}",
            recipe=recipe,
            depends_on=tuple(f"{one}{tail}" for one in step.depends_on),
            tasks=tuple(
                dataclasses.replace(
                    task,
                    argv=tuple(
                        one.replace(f"{FOLDER_TOKEN}/{RECIPE_FILE}", f"{FOLDER_TOKEN}/{recipe}")
                        for one in task.argv
                    ),
                )
                for task in step.tasks
            ),
        )
        for step in part.steps
    ]
    if not request.why_render:
        return made
    first, last = request.frames
    plate = Step(
        f"plate{tail}",
        Stage.PLATE,
        Host.NUKE,
        tuple(
            Task(
                f"{frame_word(a)}-{frame_word(b)}",
                (
                    "-t",
                    f"{FOLDER_TOKEN}/{STEP_FILE}",
                    "plate",
                    request.script,
                    request.node,
                    str(a),
                    str(b),
                    request.recipe["plate"]["path"],
                ),
                (a, b),
            )
            for a, b in chunks(first, last, own.chunk_frames)
        ),
        recipe,
    )
    return [
        plate,
        *(
            step if step.depends_on else dataclasses.replace(step, depends_on=(plate.name,))
            for step in made
        ),
    ]


def _comp(
    write: str,
    script: str,
    span: tuple[int, int],
    own: Farming,
    before: tuple[str, ...],
    all_writes: Mapping[str, object] | None,
) -> Step:
    tail = f"_{_UNSAFE.sub('_', write)}" if len(all_writes or ()) > 1 else ""
    return Step(
        f"comp{tail}",
        Stage.COMP,
        Host.NUKE,
        tuple(
            Task(
                f"{frame_word(a)}-{frame_word(b)}",
                ("-F", f"{a}-{b}", "-X", write, script),
                (a, b),
            )
            for a, b in chunks(span[0], span[1], own.chunk_frames)
        ),
        depends_on=before,
    )


def _node_of(step: Step, requests: Sequence[Request], found: Mapping[str, Recipe]) -> str:
    return requests[list(found).index(step.recipe)].node


def _word(node: str, taken: Mapping[str, Recipe]) -> str:
    word = _UNSAFE.sub("_", node)[-40:]
    while f"{word}.airoto.json" in taken:
        word += "_"
    return word
