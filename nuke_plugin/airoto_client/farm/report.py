"""A job's report: one HTML file that holds its pictures and curves itself.

Curves come from the mattes' headers, so they do not depend on logs; times, warnings and
frames worth looking at come from the logs.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from airoto.sequence import compress_frames
from airoto.wire.messages import Recipe
from airoto_client.farm.curves import Curve, chart, flicker, legend
from airoto_client.farm.job import Stage
from airoto_client.farm.logs import TaskState
from airoto_client.farm.report_style import STYLE
from airoto_client.farm.status import (
    FrameState,
    JobStatus,
    StepStatus,
    job_recipe,
    mattes_there,
    strip,
)
from airoto_client.farm.stories import Doubt, FrameRecord, TaskStory
from airoto_client.files import atomic_file

REPORT_FILE = "report.html"
_COLOURS = ("#f2a65a", "#6ab0f3", "#8bd17c", "#e86a92", "#c7a6f5", "#e5d352", "#5fd0c5", "#d98e73")
_MOST_ROWS = 12
# How many times as long as the middle one a frame took to be called slow.
_SLOW = 2.0
_STRIP = 160


@dataclass(frozen=True)
class Shown:
    """Pictures of a stretch of frames.

    Attributes:
        sheet: a PNG.
        movie: beside the report; None where there is none.
    """

    sheet: Path
    movie: Path | None = None


def write_report(
    status: JobStatus, pictures: Sequence[Shown], *, notes: Sequence[str] = ()
) -> Path:
    """Write `report.html` into the job's folder; its path.

    Args:
        pictures: contact sheets to show.
        notes: what the reader should know about this report.

    Raises:
        OutputError: it cannot be written.
    """
    path = Path(status.job.folder) / REPORT_FILE
    text = page(status, pictures, notes)
    with atomic_file(path) as file:
        file.write(text.encode())
    return path


def page(status: JobStatus, pictures: Sequence[Shown], notes: Sequence[str] = ()) -> str:
    """The report as HTML."""
    job = status.job
    state = "finished" if status.done else "failed" if status.failed else "not finished"
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        f"<title>{escape(job.name)}: AIRoto mattes</title><style>{STYLE}</style></head><body>",
        f"<h1>{escape(job.name)} <em class='{state.split()[0]}'>{state}</em></h1>",
        f"<p class='quiet'>{escape(job.folder)}, {time.strftime('%Y-%m-%d %H:%M')}</p>",
        *(f"<p class='note'>{escape(note)}</p>" for note in notes),
        _steps(status),
        _pictures(pictures, Path(job.folder)),
    ]
    for step in status.steps:
        if step.step.stage is Stage.MATTE and step.step.recipe:
            parts.append(_mattes(status, step))
    parts.append(_warnings(status))
    parts.append("</body></html>")
    return "\n".join(part for part in parts if part)


def slow_frames(records: Iterable[TaskStory]) -> list[FrameRecord]:
    """Frames that took more than twice as long as the middle one, the slowest first."""
    timed = [frame for one in records for frame in one.frames.values() if frame.seconds is not None]
    if not timed:
        return []
    ordered = sorted(timed, key=lambda one: one.seconds or 0.0)
    middle = ordered[len(ordered) // 2].seconds or 0.0
    slow = [one for one in reversed(ordered) if (one.seconds or 0.0) > _SLOW * middle]
    return slow


# ---- parts of the page ---------------------------------------------------------------------


def _steps(status: JobStatus) -> str:
    rows = []
    for step in status.steps:
        seconds = sum(one.seconds or 0.0 for one in step.tasks)
        retried = sum(max(0, one.attempts - 1) for one in step.tasks)
        rows.append(
            (
                step.step.name,
                f"{len(step.of(FrameState.DONE))} of {len(step.frames)}",
                f"<code>{escape(strip(step.frames, _STRIP))}</code>",
                str(len(step.tasks)),
                str(step.count(TaskState.FAILED)),
                str(retried),
                _duration(seconds),
            )
        )
    head = ("step", "frames", "", "tasks", "failed", "retried", "time in tasks")
    return "<h2>Steps</h2>" + _table(head, rows, raw=(2,))


def _pictures(pictures: Sequence[Shown], folder: Path) -> str:
    parts = []
    for one in pictures:
        data = base64.b64encode(one.sheet.read_bytes()).decode()
        parts.append(f"<img alt='contact sheet' src='data:image/png;base64,{data}'>")
        if one.movie is not None:
            inside = one.movie.is_relative_to(folder)
            name = escape(str(one.movie.relative_to(folder) if inside else one.movie))
            parts.append(f"<p class='quiet'>overlay: <a href='{name}'>{name}</a></p>")
    return "<h2>Mattes</h2>" + "".join(parts) if parts else ""


def _mattes(status: JobStatus, step: StepStatus) -> str:
    recipe = job_recipe(status.job, step.step)
    made = mattes_there(status.job, step.step)
    span = (recipe.plate.frames.first, recipe.plate.frames.last)
    names = _names(recipe, made.values())
    confidence = _curves(made, names, "confidence")
    area = _curves(made, names, "area")
    jumps = [Curve(one.name, one.colour, flicker(one.values)) for one in area]
    keys = sorted({prompt.frame for one in recipe.objects for prompt in one.prompts})
    worst = max((value for one in jumps for value in one.values.values()), default=0.0)
    parts = [
        f"<h2>Curves</h2><p>{legend(confidence)} <span class='key'>| keyframe</span></p>",
        f"<h3>Confidence</h3>{chart(confidence, span, top=1.0, marks=keys)}",
        f"<h3>Area, pixels of the plate</h3>{chart(area, span, marks=keys)}",
        "<h3>Flicker: how far the area jumps and comes back</h3>",
        chart(jumps, span, top=max(0.05, worst), marks=keys),
        _doubts(step.tasks, names),
        _slow(step.tasks),
        _made_with(status, step, made.values()),
    ]
    return "".join(parts)


def _doubts(records: Iterable[TaskStory], names: Mapping[int, str]) -> str:
    worst: dict[tuple[int, int], Doubt] = {}
    for record in records:
        for one in record.doubts:
            key = (one.frame, one.object_id)
            if key not in worst or worst[key].weight < one.weight:
                worst[key] = one
    rows = [
        (
            str(one.frame),
            names.get(one.object_id, ""),
            one.message or one.reason,
            f"{one.weight:.2f}",
        )
        for one in sorted(worst.values(), key=lambda one: (-one.weight, one.frame))
    ]
    return _section("Frames worth a look", ("frame", "object", "why", "weight"), rows)


def _slow(records: Sequence[TaskStory]) -> str:
    rows = [(str(one.frame), f"{one.seconds:.2f} s") for one in slow_frames(records)]
    return _section("Slow frames", ("frame", "time"), rows)


def _warnings(status: JobStatus) -> str:
    frames: dict[tuple[str, str], list[int]] = {}
    for step in status.steps:
        for record in step.tasks:
            for frame, message in record.warnings:
                some = frames.setdefault((step.step.name, message), [])
                if frame is not None:
                    some.append(frame)
    rows = [
        (step, compress_frames(sorted(set(some))) if some else "", message)
        for (step, message), some in frames.items()
    ]
    failed = [
        (step.step.name, one.task.name, f"{one.error} ({one.exit_code})", _log(status, step, one))
        for step in status.steps
        for one in step.failures
    ]
    return _section("Failed tasks", ("step", "task", "why", "log"), failed) + _section(
        "Warnings", ("step", "frames", "message"), rows
    )


def _made_with(status: JobStatus, step: StepStatus, made: Iterable[Mapping[str, Any]]) -> str:
    engines: dict[str, None] = {}
    versions: dict[str, None] = {}
    for one in made:
        versions[str(one.get("airoto_version", ""))] = None
        for use in one.get("engines", []):
            said = ", ".join(
                f"{key} {value}" for key, value in sorted(use.items()) if value not in ("", None)
            )
            engines[said] = None
    rows = [("recipe", status.job.recipes[step.step.recipe])]
    rows += [("AIRoto", version) for version in versions if version]
    rows += [("engine", said) for said in engines]
    return _section("Made with", ("what", ""), rows)


def _names(recipe: Recipe, made: Iterable[Mapping[str, Any]]) -> dict[int, str]:
    """Objects by id; those that were found by text are in no recipe, but in the headers."""
    names = {one.id: one.name for one in recipe.objects}
    for one in made:
        for key in one.get("objects", {}):
            names.setdefault(int(key), f"object {key}")
    return names


def _curves(
    made: Mapping[int, Mapping[str, Any]], names: Mapping[int, str], what: str
) -> list[Curve]:
    curves = []
    for index, (key, name) in enumerate(sorted(names.items())):
        values = {
            frame: float(one["objects"][str(key)][what])
            for frame, one in made.items()
            if str(key) in one.get("objects", {})
        }
        curves.append(Curve(name, _COLOURS[index % len(_COLOURS)], values))
    return curves


def _log(status: JobStatus, step: StepStatus, record: TaskStory) -> str:
    path = status.job.log(step.step, record.task)
    return str(path.relative_to(status.job.folder))


def _section(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    left = len(rows) - _MOST_ROWS
    more = f"<p class='quiet'>and {left} more</p>" if left > 0 else ""
    return f"<h2>{escape(title)}</h2>" + _table(head, rows[:_MOST_ROWS]) + more


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], *, raw: Sequence[int] = ()) -> str:
    top = "".join(f"<th>{escape(one)}</th>" for one in head)
    body = "".join(
        "<tr>"
        + "".join(
            f"<td>{cell if index in raw else escape(cell)}</td>" for index, cell in enumerate(row)
        )
        + "</tr>"
        for row in rows
    )
    return f"<table><tr>{top}</tr>{body}</table>"


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"
