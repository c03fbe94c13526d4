"""A farm job to look at, without a server: its folder, logs and mattes' headers."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from airoto.wire import recipe as recipes
from airoto.wire.messages import Recipe
from airoto_client.farm.job import FarmJob, Step, Task
from airoto_client.farm.plan import plan, settings, write_folder

FIRST, LAST = 1001, 1040


def make_job(folder: Path, flags: dict[str, Any] | None = None) -> tuple[FarmJob, Recipe]:
    """A job of 40 frames: two segments to track, four chunks to matte."""
    recipe = recipes.from_dict(
        {
            "version": 1,
            "name": "sh010 mattes",
            "plate": {
                "path": str(folder / "plate.%04d.exr"),
                "frames": {"first": FIRST, "last": LAST},
                "format": {"width": 100, "height": 50},
            },
            "objects": [
                {
                    "id": 1,
                    "name": "hero",
                    "prompts": [
                        {"frame": frame, "points": [{"x": 5, "y": 5}]} for frame in (FIRST, 1020)
                    ],
                }
            ],
            "output": {"path": str(folder / "mattes/hero.%04d.exr")},
        }
    )
    job = plan(recipe, folder / "JOB", settings(flags or {}, {}, gpu=False))
    write_folder(job, recipe)
    return job, recipe


def tell(job: FarmJob, step: Step, task: Task, events: Iterable[dict[str, Any]]) -> None:
    """Add lines to a task's log, which begins with the first attempt's `task`."""
    events = list(events)
    path = job.log(step, task)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() and events[0]["event"] != "task":
        events.insert(0, {"event": "task"})
    with path.open("a") as file:
        file.writelines(json.dumps(event) + "\n" for event in events)


def frame_event(frame: int, seconds: float, area: float = 100.0) -> dict[str, Any]:
    """As a render tells of a frame that it made."""
    return {
        "event": "frame",
        "time": seconds,
        "frame": frame,
        "status": "done",
        "path": f"hero.{frame}.exr",
        "objects": [{"id": 1, "confidence": 0.9, "area": area}],
    }


def put_matte(recipe: Recipe, job: FarmJob, frame: int, **other: Any) -> Path:
    """A file whose header says what a matte's does; its pixels do not matter here."""
    made = {
        "airoto_version": "0.1.0",
        "recipe_hash": job.recipes["recipe.airoto.json"],
        "engines": [{"role": "matter", "name": "null", "version": "1"}],
        "objects": {"1": {"confidence": 0.9, "area": 100.0 + frame % 2}},
        **other,
    }
    path = Path(recipe.output.path.replace("%04d", f"{frame:04d}"))
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"header " + json.dumps({"airoto": made}, separators=(",", ":")).encode())
    return path
