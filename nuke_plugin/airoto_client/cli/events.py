"""What the command line says to programs: one JSON object per line, each with an `event`.

`docs/command-line.md` describes every shape; the shapes are made here and nowhere else.
"""

from __future__ import annotations

from typing import Any

from airoto.errors import AIRotoError, error_to_dict
from airoto_client.exit_codes import ExitCode
from airoto_client.link import Message

Event = dict[str, Any]

_STATUS = {
    "FRAME_STATUS_DONE": "done",
    "FRAME_STATUS_KEPT": "kept",
    "FRAME_STATUS_SKIPPED": "skipped",
}


def note(message: str) -> Event:
    """Something people may want to know."""
    return {"event": "note", "message": message}


def warning(message: str, frame: int | None = None) -> Event:
    """Something people should look at."""
    return {"event": "warning", "message": message, "frame": frame}


def plan(found: Message) -> Event:
    """Of a `RenderPlan` message."""
    return {
        "event": "plan",
        "recipe_hash": found.get("recipe_hash", ""),
        "frames_to_deliver": found.get("frames_to_deliver", 0),
        "frames_kept": found.get("frames_kept", []),
        "provenance": found.get("provenance", {}),
    }


def found(entry: Message, number: int) -> Event:
    """Of a `FoundObject` message; `number` is the frame that it was found on."""
    box = entry.get("box", {})
    return {
        "event": "found",
        "frame": number,
        "id": entry.get("object_id", 0),
        "name": entry.get("name", ""),
        "phrase": entry.get("phrase", ""),
        "words": entry.get("words", ""),
        "score": entry.get("score", 0.0),
        "box": [box.get(side, 0.0) for side in ("x_min", "y_min", "x_max", "y_max")],
    }


def frame(found: Message, path: str) -> Event:
    """Of a `FrameResult` message; `path` is where the matte lies, empty where there is none."""
    return {
        "event": "frame",
        "frame": found.get("frame", 0),
        "status": _STATUS.get(found.get("status", ""), "done"),
        "path": path,
        "objects": [
            {
                "id": entry.get("object_id", 0),
                "confidence": entry.get("confidence", 0.0),
                "area": entry.get("area", 0.0),
            }
            for entry in found.get("objects", [])
        ],
    }


def progress(stage: str, done: int, total: int, seconds_left: float | None = None) -> Event:
    """How far a stage is; `seconds_left` is None where nobody knows."""
    return {
        "event": "progress",
        "stage": stage,
        "done": done,
        "total": total,
        "seconds_left": seconds_left,
    }


def progress_of(found: Message) -> Event:
    """Of a `Progress` message."""
    left = found.get("seconds_left", 0.0)
    return progress(
        found.get("stage", ""),
        found.get("done", 0),
        found.get("total", 0),
        None if left < 0 else left,
    )


def queue(found: Message) -> Event:
    """Of a `QueuePlace` message."""
    wait = found.get("wait_seconds", 0.0)
    return {
        "event": "queue",
        "position": found.get("position", 0),
        "running": found.get("running", 0),
        "wait_seconds": None if wait < 0 else wait,
    }


def review(found: Message) -> Event:
    """Of a `Review` message: the frames most worth looking at, worst first."""
    return {
        "event": "review",
        "frames": [
            {
                "frame": entry.get("frame", 0),
                "object": entry.get("object_id", 0),
                "reason": entry.get("reason", "").replace("REVIEW_REASON_", "").lower(),
                "weight": entry.get("weight", 0.0),
                "message": entry.get("message", ""),
            }
            for entry in found.get("frames", [])
        ],
    }


def preview(kind: str, path: str) -> Event:
    """A picture or movie to look at was written."""
    return {"event": "preview", "kind": kind, "path": path}


def result(kind: str, path: str, **facts: Any) -> Event:
    """A file of one frame was written: `mask`, `alpha`, `foreground`, `recipe`, `plate`."""
    return {"event": "result", "kind": kind, "path": path, **facts}


def summary(found: Message, output: str) -> Event:
    """Of a `RenderSummary` message; `output` is the pattern of the mattes."""
    return {
        "event": "summary",
        "done": found.get("done", 0),
        "kept": found.get("kept", 0),
        "skipped": found.get("skipped", 0),
        "seconds": found.get("seconds", 0.0),
        "stage_seconds": found.get("stage_seconds", {}),
        "stage_made": found.get("stage_made", {}),
        "stage_cached": found.get("stage_cached", {}),
        "problems": found.get("problems", []),
        "output": output,
    }


def submitted(manager: str, step: str, name: str) -> Event:
    """A farm manager took a job, or one step of it; `name` is what it calls it."""
    return {"event": "submitted", "manager": manager, "step": step, "id": name}


def problem(exc: AIRotoError) -> Event:
    """Something is wrong, and the command goes on."""
    return {"event": "problem", **error_to_dict(exc)}


def error(exc: AIRotoError, code: ExitCode) -> Event:
    """Why the command ended; always the last line."""
    return {"event": "error", "exit_code": int(code), **error_to_dict(exc)}
