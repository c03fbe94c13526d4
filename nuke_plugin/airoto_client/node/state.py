"""What the artist has said on one node: objects, prompts by frame, locked frames.

Standard library only, no Nuke. A `State` is a value: every operation (`state_ops`) gives a new
one, so an undo is the old value again. Coordinates are the recipe's: full-resolution plate
pixels, origin at the top-left of the display window, y down, pixel centres at .5.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from airoto.errors import BadRequestError

# Version of the stored form. Older ones are read, newer ones refused.
VERSION = 1

# Characters that mean nothing to Tcl, so that the text survives any script unquoted.
PLAIN = "-_.~:,+*/@!#"


@dataclass(frozen=True)
class Point:
    """One click: plate pixels, and whether it lies on the object."""

    x: float
    y: float
    positive: bool = True


@dataclass(frozen=True)
class Box:
    """A box in plate pixels, x_min < x_max and y_min < y_max."""

    x_min: float
    y_min: float
    x_max: float
    y_max: float


@dataclass(frozen=True)
class Prompt:
    """Everything said about one object on one frame.

    Attributes:
        mask: path of a drawn mask's file, or empty.
        image: a drawn mask inside the recipe, base64, or empty; never beside `mask`.
        candidate: which of the segmenter's masks, 1 to 3; 0 is the best.
        trimap: `mask` or `image` is a painted trimap.
    """

    frame: int
    points: tuple[Point, ...] = ()
    box: Box | None = None
    text: str = ""
    mask: str = ""
    image: str = ""
    candidate: int = 0
    trimap: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing is said, so that it is no prompt at all."""
        return not (self.points or self.box or self.text.strip() or self.mask or self.image)


@dataclass(frozen=True)
class RotoObject:
    """One object; `prompts` are in the order of their frames, one a frame at most."""

    id: int
    name: str
    colour: str = ""
    group: str = ""
    prompts: tuple[Prompt, ...] = ()

    def prompt(self, frame: int) -> Prompt | None:
        """What is said on that frame, or None."""
        return next((one for one in self.prompts if one.frame == frame), None)


@dataclass(frozen=True)
class Lock:
    """An approved frame.

    Attributes:
        path: of the file that was kept, as a script has it (`NodePlace.shown`).
        objects: names of those it holds.
        sha256: of the file, hex digits.
    """

    frame: int
    path: str
    objects: tuple[str, ...]
    sha256: str = ""


@dataclass(frozen=True)
class State:
    """All of it.

    Attributes:
        objects: in the order in which they were made.
        current: id of the object that clicks go to, 0 for none.
        locks: in the order of their frames.
        rest: recipe fields that no knob shows (JSON, keys sorted), kept as they came.
    """

    objects: tuple[RotoObject, ...] = ()
    current: int = 0
    locks: tuple[Lock, ...] = ()
    rest: str = "{}"

    def object(self, object_id: int) -> RotoObject:
        """The object with that id.

        Raises:
            BadRequestError: there is none.
        """
        for one in self.objects:
            if one.id == object_id:
                return one
        raise BadRequestError(f"there is no object {object_id}", hint="add an object first")

    @property
    def prompted_frames(self) -> tuple[int, ...]:
        """Frames with a prompt of any object, rising."""
        return tuple(sorted({p.frame for one in self.objects for p in one.prompts}))

    @property
    def locked_frames(self) -> tuple[int, ...]:
        """Approved frames, rising."""
        return tuple(one.frame for one in self.locks)


def dump(state: State) -> str:
    """A state as the text of its knob: JSON in which whatever Tcl could read is %-quoted."""
    data = {
        "version": VERSION,
        "current": state.current,
        "objects": [_object_out(one) for one in state.objects],
        "locks": [
            {
                "frame": one.frame,
                "path": one.path,
                "objects": list(one.objects),
                "sha256": one.sha256,
            }
            for one in state.locks
        ],
        "rest": json.loads(state.rest),
    }
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return quote(text, safe=PLAIN)


def load(text: str) -> State:
    """The state in a knob's text; an empty one is a new node's.

    Raises:
        BadRequestError: it is damaged, or a newer AIRoto wrote it.
    """
    if not text.strip():
        return State()
    try:
        data = json.loads(unquote(text))
        version = int(data["version"])
    except (ValueError, KeyError, TypeError) as exc:
        raise BadRequestError(
            f"the stored prompts cannot be read: {exc}",
            hint="restore an older copy of the script; nothing was changed",
        ) from exc
    if version > VERSION:
        raise BadRequestError(
            f"the node was saved by a newer AIRoto (its state has version {version}, "
            f"this one reads up to {VERSION})",
            hint="install that AIRoto; the mattes still show",
        )
    try:
        return State(
            objects=tuple(_object_in(one) for one in data.get("objects", ())),
            current=int(data.get("current", 0)),
            locks=tuple(
                Lock(
                    int(one["frame"]),
                    str(one["path"]),
                    tuple(one.get("objects", ())),
                    str(one.get("sha256", "")),
                )
                for one in data.get("locks", ())
            ),
            rest=json.dumps(data.get("rest", {}), sort_keys=True),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise BadRequestError(f"the stored prompts are damaged: {exc!r}") from exc


def _object_out(one: RotoObject) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        "colour": one.colour,
        "group": one.group,
        "prompts": [_prompt_out(prompt) for prompt in one.prompts],
    }


def _prompt_out(prompt: Prompt) -> dict[str, Any]:
    made: dict[str, Any] = {"frame": prompt.frame}
    if prompt.points:
        made["points"] = [[p.x, p.y, 1 if p.positive else 0] for p in prompt.points]
    if prompt.box:
        made["box"] = [prompt.box.x_min, prompt.box.y_min, prompt.box.x_max, prompt.box.y_max]
    for name in ("text", "mask", "image", "candidate"):
        if getattr(prompt, name):
            made[name] = getattr(prompt, name)
    if prompt.trimap:
        made["trimap"] = 1
    return made


def _object_in(data: Mapping[str, Any]) -> RotoObject:
    prompts = [_prompt_in(one) for one in data.get("prompts", ())]
    return RotoObject(
        id=int(data["id"]),
        name=str(data["name"]),
        colour=str(data.get("colour", "")),
        group=str(data.get("group", "")),
        prompts=tuple(sorted(prompts, key=lambda one: one.frame)),
    )


def _prompt_in(data: Mapping[str, Any]) -> Prompt:
    box = data.get("box")
    return Prompt(
        frame=int(data["frame"]),
        points=tuple(
            Point(_finite(x), _finite(y), bool(sign)) for x, y, sign in data.get("points", ())
        ),
        box=Box(*(_finite(value) for value in box)) if box else None,
        text=str(data.get("text", "")),
        mask=str(data.get("mask", "")),
        image=str(data.get("image", "")),
        candidate=int(data.get("candidate", 0)),
        trimap=bool(data.get("trimap", 0)),
    )


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value} is no coordinate")
    return number
