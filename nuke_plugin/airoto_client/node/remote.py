"""What the worker thread does: plates, candidates and renders through a link; no node is touched.

Standard library only, no host.
"""

# ruff: noqa: PTH120 - paths are text here, as knobs have them

from __future__ import annotations

import contextlib
import copy
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airoto.errors import AIRotoError, FrameMismatchError, ServerUnreachableError
from airoto.review import Seen as FrameNote
from airoto_client.node import handing, links, sight
from airoto_client.node.cache_paths import candidate_path, frame_path
from airoto_client.node.jobs import Emit, Stop
from airoto_client.node.state import Lock

# Seconds a click may take: the first one loads the model.
CLICK_TIMEOUT = 300.0
_PROBE_TIMEOUT = 60.0


@dataclass(frozen=True)
class Ask:
    """What is wanted of the server.

    Attributes:
        recipe: with absolute paths.
        key: of the result.
        folder: of the node.
        frames: to deliver, first and last.
        locks: approved frames, with absolute paths.
        target, link: the server and the way to it.
        given: `UploadedFrame` messages of a plate that the host has rendered and given to the
            server; None: the plate is in files.
        pixels: digest of each frame that was given.
    """

    recipe: Mapping[str, Any]
    key: str
    folder: str
    frames: tuple[int, int]
    locks: tuple[Lock, ...] = ()
    target: str = ""
    link: str = "bridge"
    given: tuple[Mapping[str, Any], ...] | None = None
    pixels: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Planned:
    """The render begins: the recipe's hash, what is used, how many frames are to be made."""

    recipe_hash: str
    made_with: str
    frames: int


@dataclass(frozen=True)
class FrameDone:
    """A frame's matte lies in its place."""

    frame: int
    notes: tuple[FrameNote, ...]
    locked: bool = False


@dataclass(frozen=True)
class Going:
    """Progress: 0 to 1, and words."""

    fraction: float
    text: str


@dataclass(frozen=True)
class Found:
    """Candidates of one object: files and scores, best first."""

    object_id: int
    files: tuple[str, ...]
    scores: tuple[float, ...]


def render(ask: Ask, emit: Emit, stop: Stop) -> None:
    """Deliver the frames that are asked for; finished ones are emitted as they come.

    Raises:
        AIRotoError: of any kind.
    """
    link = _link(ask)
    with _noticing(ask):
        recipe, uploads = _prepared(link, ask, emit, stop)
        output = recipe["output"]["path"]
        written = sight.sees_folder(link, os.path.dirname(output))
        request = {
            "recipe": recipe,
            "frames": {"first": ask.frames[0], "last": ask.frames[1]},
            "delivery": "DELIVERY_WRITE" if written else "DELIVERY_HANDLES",
            "uploads": uploads,
            "locked": handing.uploaded_locks(link, recipe.get("locked", ())),
        }
        stream = link.stream("Render", request)
        try:
            for event in stream:
                stop.check()
                _tell(event, link, output, emit)
        finally:
            stream.close()
        for lock in ask.locks:
            if ask.frames[0] <= lock.frame <= ask.frames[1]:
                emit(FrameDone(lock.frame, (), locked=True))


def segment(ask: Ask, emit: Emit, stop: Stop) -> list[Found]:
    """Candidate masks of every object that is prompted on `ask.frames[0]`, as files.

    Raises:
        AIRotoError: of any kind.
    """
    link = _link(ask)
    frame = ask.frames[0]
    with _noticing(ask):
        recipe, uploads = _prepared(link, ask, emit, stop)
        emit(Going(0.3, f"segmenting frame {frame}"))
        request = {"recipe": recipe, "frame": frame, "uploads": uploads}
        answer = link.call("Segment", request, timeout=CLICK_TIMEOUT)
        found = []
        for one in answer.get("objects", ()):
            files, scores = [], []
            for number, candidate in enumerate(one.get("candidates", ()), 1):
                stop.check()
                path = candidate_path(ask.folder, ask.key, frame, int(one["object_id"]), number)
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                link.download(candidate["mask_handle"], path, encoding="exr")
                files.append(path)
                scores.append(float(candidate.get("score", 0.0)))
            found.append(Found(int(one["object_id"]), tuple(files), tuple(scores)))
        return found


def detect(ask: Ask, emit: Emit, stop: Stop) -> dict[str, Any]:
    """The answer of the server's Detect call: objects with boxes, phrases that were not found.

    Raises:
        AIRotoError: of any kind.
    """
    link = _link(ask)
    with _noticing(ask):
        recipe, uploads = _prepared(link, ask, emit, stop)
        emit(Going(0.3, f"looking on frame {ask.frames[0]}"))
        request = {"recipe": recipe, "uploads": uploads}
        answer: dict[str, Any] = link.call("Detect", request, timeout=CLICK_TIMEOUT)
        return answer


def _prepared(
    link: Any, ask: Ask, emit: Emit, stop: Stop
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The recipe with what the server found of the plate; uploads where it sees no files."""
    recipe = copy.deepcopy(dict(ask.recipe))
    plate = recipe["plate"]
    frames = range(ask.frames[0], ask.frames[1] + 1)
    tracked = recipe.get("track", {}).get("engine") != "none"
    if tracked and len(frames) > 1:
        frames = range(plate["frames"]["first"], plate["frames"]["last"] + 1)
    emit(Going(0.0, "looking at the plate"))

    def sending(frame: int, done: int, total: int) -> None:
        stop.check()
        emit(Going(done / total, f"sending frame {frame}"))

    if ask.given is None:
        uploads = handing.uploaded_plate(link, plate["path"], frames, sending)
    else:
        uploads = [dict(one) for one in ask.given]
    handing.inline_masks(link, recipe)
    used = ("path", "view", "layer", "colour", "proxy_scale")
    request = {
        "plate": {name: plate[name] for name in used if name in plate},
        "uploads": uploads,
    }
    probed = link.call("ProbePlate", request, timeout=_PROBE_TIMEOUT)["plate"]["format"]
    wanted, scale = plate["format"], float(plate.get("proxy_scale") or 1.0)
    # A proxy of an odd size was rounded to whole pixels.
    off = max(abs(probed[side] - wanted[side]) for side in ("width", "height"))
    if off > (0 if scale == 1 else 1 / scale):
        raise FrameMismatchError(
            f"the plate's files are {probed['width']}x{probed['height']}, the node sees "
            f"{wanted['width']}x{wanted['height']}",
            hint="let the host render the plate in place of its files",
            path=plate["path"],
        )
    plate["format"] = {**wanted, **probed, "width": wanted["width"], "height": wanted["height"]}
    if "data_window" not in probed:
        plate["format"].pop("data_window", None)
    stop.check()
    return recipe, uploads


def _tell(event: Mapping[str, Any], link: Any, output: str, emit: Emit) -> None:
    if "plan" in event:
        plan = event["plan"]
        emit(
            Planned(
                plan.get("recipe_hash", ""),
                made_with(plan.get("provenance", {})),
                int(plan.get("frames_to_deliver", 0)),
            )
        )
    elif "frame" in event:
        _frame_event(event["frame"], link, output, emit)
    elif "progress" in event:
        progress = event["progress"]
        stage = progress.get("stage", "working")
        text = f"{stage}: {progress.get('done', 0)} of {progress.get('total', 0)} frames"
        emit(Going(float(progress.get("fraction", 0.0)), text))
    elif int(event.get("queue", {}).get("position", 0)):
        emit(Going(0.0, f"waiting, place {event['queue']['position']} in the queue"))
    elif "warning" in event:
        emit(Going(-1.0, event["warning"].get("message", "")))


def _frame_event(result: Mapping[str, Any], link: Any, output: str, emit: Emit) -> None:
    if result.get("status") == "FRAME_STATUS_SKIPPED":
        return
    frame = int(result.get("frame", 0))
    if result.get("handle"):
        path = frame_path(output, frame)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        link.download(result["handle"], path)
    notes = tuple(
        FrameNote(
            int(one.get("object_id", 0)),
            float(one.get("confidence", 0.0)),
            float(one.get("area", 0.0)),
        )
        for one in result.get("objects", ())
    )
    emit(FrameDone(frame, notes))


def made_with(provenance: Mapping[str, Any]) -> str:
    """Engines and versions in one line."""
    engines = [
        f"{one.get('role', '').replace('ENGINE_ROLE_', '').lower()} {one.get('name', '?')} "
        f"{one.get('version', '')}".strip()
        for one in provenance.get("engines", ())
    ]
    return f"AIRoto {provenance.get('airoto_version', '?')}: {', '.join(engines)}"


def scores_text(scores: Iterable[float]) -> str:
    """Scores of candidates as an artist reads them."""
    said = ", ".join(f"{number}: {score:.2f}" for number, score in enumerate(scores, 1))
    return said or "none"


def _link(ask: Ask) -> Any:
    return links.get(ask.target, ask.link)


@contextlib.contextmanager
def _noticing(ask: Ask) -> Iterator[None]:
    """A link that has failed is not used again, and the artist hears what to do next."""
    try:
        yield
    except ServerUnreachableError as exc:
        links.forget(ask.target, ask.link)
        raise ServerUnreachableError(exc.message, hint=links.NO_SERVER) from exc


def error_text(error: AIRotoError) -> str:
    """An error as an artist reads it."""
    return f"{error.message}\n\n{error.hint}" if error.hint else error.message
