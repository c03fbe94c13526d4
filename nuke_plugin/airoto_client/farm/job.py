"""A farm job: steps of tasks, as plain data. Standard library only.

Everything that a manager is told (an Open Job Description template, Deadline's job files, an
OpenCue outline) and everything that is told of a job afterwards is made from this. It lies as
`job.json` in the job's folder, beside the recipe and the logs:

    JOB/job.json                      the job, as `FarmJob`
    JOB/recipe.airoto.json            what it makes: complete, paths absolute, the preset pinned
    JOB/template.yaml                 the same job as an Open Job Description
    JOB/logs/<step>/<task>.jsonl      what a task told, as `airoto --json` prints it
    JOB/cache                         results on their way from task to task, where no other
                                      cache folder is named
"""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from airoto.errors import BadRequestError
from airoto_client.files import atomic_file

VERSION = 1
JOB_FILE = "job.json"
RECIPE_FILE = "recipe.airoto.json"
TEMPLATE_FILE = "template.yaml"
LOG_FOLDER = "logs"
CACHE_FOLDER = "cache"
# In an `argv`: the job's folder, wherever the blade sees it.
FOLDER_TOKEN = "{job}"

# What steps and tasks may be called: they are names of files.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,63}")


class Stage(str, enum.Enum):
    """What a step does."""

    PLATE = "plate"
    TRACK = "track"
    MATTE = "matte"
    COMP = "comp"


class Host(str, enum.Enum):
    """Which command runs a step's tasks."""

    AIROTO = "airoto"
    NUKE = "nuke"


@dataclass(frozen=True)
class Needs:
    """What a blade has to have.

    Attributes:
        gpus: graphics processors; 0: none.
        gpu_memory, memory: MiB; 0: nothing is asked for.
    """

    gpus: int = 0
    gpu_memory: int = 0
    memory: int = 0


@dataclass(frozen=True)
class Task:
    """The smallest thing that a blade is given.

    Attributes:
        name: unique within its step, fit to be a file's name: `1001-1010`, `hero.1001-1040`.
        argv: arguments of the step's host command; `{job}` stands for the job's folder.
        frames: first and last, both inclusive.
    """

    name: str
    argv: tuple[str, ...]
    frames: tuple[int, int]

    def arguments(self, folder: Path | str) -> list[str]:
        """`argv` with the job's folder as it is seen here."""
        return [one.replace(FOLDER_TOKEN, str(folder)) for one in self.argv]


@dataclass(frozen=True)
class Step:
    """Tasks of one kind, which do not wait for each other.

    Attributes:
        name: unique within the job; the stage's word where a job has one step of the stage.
        recipe: whose mattes these are, relative to the job's folder; empty: none's.
        depends_on: names of steps that have to be done before.
    """

    name: str
    stage: Stage
    host: Host
    tasks: tuple[Task, ...]
    recipe: str = ""
    depends_on: tuple[str, ...] = ()
    needs: Needs = Needs()

    def task(self, name: str) -> Task:
        """The task of that name.

        Raises:
            BadRequestError: there is none; says which there are.
        """
        for one in self.tasks:
            if one.name == name:
                return one
        known = ", ".join(one.name for one in self.tasks)
        raise BadRequestError(f"the step {self.name} has no task {name!r}; there are: {known}")


@dataclass(frozen=True)
class Wishes:
    """What the queue is asked for: flags, else the show's preset, else what is built in.

    Attributes:
        pool: queue or pool; empty: the manager's own.
        priority: 0 to 100.
        retries: how often a task that failed is run again.
        limits: names of what may be used by so many jobs at a time (licences, a disk).
    """

    pool: str = ""
    priority: int = 50
    retries: int = 2
    limits: tuple[str, ...] = ()


@dataclass(frozen=True)
class FarmJob:
    """A job.

    Attributes:
        name: for people.
        folder: of the job, absolute, as the one who made it saw it.
        recipes: relative to the folder, each to the hash of its recipe.
        steps: a step stands behind those that it depends on.
        cache: folder of results that all blades see; empty: `cache` in the job's folder.
    """

    name: str
    folder: str
    recipes: Mapping[str, str]
    steps: tuple[Step, ...]
    wishes: Wishes = Wishes()
    cache: str = ""

    def step(self, name: str) -> Step:
        """The step of that name.

        Raises:
            BadRequestError: there is none; says which there are.
        """
        for one in self.steps:
            if one.name == name:
                return one
        known = ", ".join(one.name for one in self.steps)
        raise BadRequestError(f"the job {self.name} has no step {name!r}; there are: {known}")

    def log(self, step: Step, task: Task) -> Path:
        """Where what a task tells is kept."""
        return Path(self.folder) / LOG_FOLDER / step.name / f"{task.name}.jsonl"

    @property
    def cache_folder(self) -> Path:
        """Where results travel from task to task."""
        return Path(self.cache) if self.cache else Path(self.folder) / CACHE_FOLDER


def write_job(job: FarmJob) -> Path:
    """Write `job.json` into the job's folder; its path.

    Raises:
        OutputError: it cannot be written.
    """
    path = Path(job.folder) / JOB_FILE
    said = {"version": VERSION, **asdict(job)}
    with atomic_file(path) as file:
        file.write((json.dumps(said, indent=2, ensure_ascii=False) + "\n").encode())
    return path


def read_job(folder: Path | str) -> FarmJob:
    """The job in a folder; `folder` becomes the one where it was found.

    Raises:
        BadRequestError: there is none, or it is not what `write_job` writes.
    """
    place = Path(folder).absolute()
    path = place / JOB_FILE
    try:
        data = json.loads(path.read_bytes())
    except OSError as exc:
        raise BadRequestError(
            f"{place} is no job folder: {JOB_FILE} cannot be read: {exc.strerror}",
            hint="make one with: airoto farm template RECIPE --job FOLDER",
            path=str(path),
        ) from exc
    except ValueError as exc:
        raise BadRequestError(f"{path} is no JSON: {exc}", path=str(path)) from exc
    try:
        version = data["version"]
        if version != VERSION:
            raise BadRequestError(
                f"{path} has version {version!r}; this AIRoto reads {VERSION}", path=str(path)
            )
        return _job(data, place)
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise BadRequestError(
            f"{path} is not a job as this AIRoto writes it: {type(exc).__name__}: {exc}",
            path=str(path),
        ) from exc


def check_name(name: str, what: str) -> str:
    """The name, if files may be called so.

    Raises:
        ValueError: they may not.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{what} is called {name!r}; allowed: {_NAME.pattern}")
    return name


def _job(data: Mapping[str, Any], folder: Path) -> FarmJob:
    wishes = data["wishes"]
    steps = tuple(_step(one) for one in data["steps"])
    before: set[str] = set()
    for step in steps:
        missing = set(step.depends_on) - before
        if missing or step.name in before:
            raise ValueError(f"the step {step.name} comes twice, or before {sorted(missing)}")
        before.add(step.name)
    return FarmJob(
        name=str(data["name"]),
        folder=str(folder),
        recipes={str(name): str(digest) for name, digest in data["recipes"].items()},
        steps=steps,
        wishes=Wishes(
            str(wishes["pool"]),
            int(wishes["priority"]),
            int(wishes["retries"]),
            tuple(map(str, wishes["limits"])),
        ),
        cache=str(data["cache"]),
    )


def _step(data: Mapping[str, Any]) -> Step:
    needs = data["needs"]
    return Step(
        name=check_name(str(data["name"]), "a step"),
        stage=Stage(data["stage"]),
        host=Host(data["host"]),
        tasks=tuple(_task(one) for one in data["tasks"]),
        recipe=str(data["recipe"]),
        depends_on=tuple(map(str, data["depends_on"])),
        needs=Needs(int(needs["gpus"]), int(needs["gpu_memory"]), int(needs["memory"])),
    )


def _task(data: Mapping[str, Any]) -> Task:
    first, last = data["frames"]
    return Task(
        name=check_name(str(data["name"]), "a task"),
        argv=tuple(map(str, data["argv"])),
        frames=(int(first), int(last)),
    )
