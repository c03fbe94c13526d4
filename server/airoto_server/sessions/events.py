"""What a running render tells its caller; plain data, turned into messages by the service."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from airoto.review import Finding
from airoto_server.engines.registry import Role
from airoto_server.engines.roles import Engine


@dataclass(frozen=True)
class EngineUse:
    """An engine that made a result; device and precision are empty until it is loaded."""

    role: Role
    name: str
    version: str
    device: str
    precision: str
    weights_sha256: str = ""


@dataclass(frozen=True)
class Provenance:
    """Which algorithms and versions made a result.

    Attributes:
        working: width and height of the picture that segmenter and tracker saw.
        choices: what was chosen where the recipe left it open, and fallbacks.
    """

    airoto_version: str
    engines: tuple[EngineUse, ...]
    working: tuple[int, int]
    colour: str
    threads: int
    choices: dict[str, str] = field(default_factory=dict)

    def with_engine(self, role: Role, engine: Engine) -> Provenance:
        """The same with what a loaded engine says of its device and precision."""
        return self.with_facts(role, engine.device(), engine.precision())

    def with_facts(self, role: Role, device: str, precision: str) -> Provenance:
        """The same with the device and precision of the engine of a role."""
        return replace(
            self,
            engines=tuple(
                replace(use, device=device, precision=precision) if use.role is role else use
                for use in self.engines
            ),
        )

    def with_notes(self, notes: Iterable[str]) -> Provenance:
        """The same with fallbacks of engines among its choices."""
        known = self.choices.get("fallbacks", "").split("; ")
        said = list(dict.fromkeys(filter(None, [*known, *notes])))
        if not said:
            return self
        return replace(self, choices={**self.choices, "fallbacks": "; ".join(said)})

    def as_dict(self) -> dict[str, object]:
        """For the header of a file."""
        return {
            "airoto_version": self.airoto_version,
            "engines": [
                {
                    "role": use.role.value,
                    "name": use.name,
                    "version": use.version,
                    "weights_sha256": use.weights_sha256,
                    "device": use.device,
                    "precision": use.precision,
                }
                for use in self.engines
            ],
            "working_size": list(self.working),
            "colour": self.colour,
            "threads": self.threads,
            "choices": dict(sorted(self.choices.items())),
        }


@dataclass(frozen=True)
class FoundObject:
    """An object that was found by text.

    Attributes:
        name: fit to be that of a recipe's object.
        phrase: as it was asked for; `words` are those of its words that count.
        box: x_min, y_min, x_max, y_max in plate pixels.
    """

    object_id: int
    name: str
    phrase: str
    words: str
    score: float
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class Planned:
    """What is going to happen."""

    recipe_hash: str
    provenance: Provenance
    frames_to_deliver: int
    frames_kept: tuple[int, ...]
    found: tuple[FoundObject, ...] = ()


class FrameStatus(enum.Enum):
    """How a frame ended."""

    DONE = "done"
    KEPT = "kept"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class ObjectResult:
    """One object on one finished frame; area is the sum of alpha in plate pixels."""

    object_id: int
    confidence: float
    area: float


@dataclass(frozen=True)
class FrameFinished:
    """A frame that was delivered, was there before, or is left out."""

    frame: int
    status: FrameStatus
    path: str = ""
    handle: str = ""
    objects: tuple[ObjectResult, ...] = ()


@dataclass(frozen=True)
class Queued:
    """A render waits for others.

    Attributes:
        position: 1 is next; 0: the waiting is over.
        running: renders that run now.
        wait_seconds: estimated; negative while unknown.
    """

    position: int
    running: int
    wait_seconds: float


@dataclass(frozen=True)
class Progress:
    """Where the work is.

    Attributes:
        done, total: frames delivered, of those to be made.
        seconds_left: negative while unknown.
        fraction: of all the work, 0 to 1.
    """

    stage: str
    done: int
    total: int
    seconds_left: float
    fraction: float


@dataclass(frozen=True)
class Warned:
    """Something the artist should know that did not stop the work."""

    message: str
    frame: int | None = None


@dataclass(frozen=True)
class PreviewMade:
    """A contact sheet or overlay, kept in the spool."""

    kind: str
    handle: str
    name: str


@dataclass(frozen=True)
class Reviewed:
    """The frames most worth looking at, worst first."""

    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Finished:
    """The end of a render.

    Attributes:
        stage_seconds: of work by stage.
        stage_made, stage_cached: results that were computed, and those that were kept before.
    """

    done: int
    kept: int
    skipped: int
    seconds: float
    stage_seconds: dict[str, float]
    stage_made: dict[str, int] = field(default_factory=dict)
    stage_cached: dict[str, int] = field(default_factory=dict)


Event = Planned | Queued | FrameFinished | Progress | Warned | PreviewMade | Reviewed | Finished


@dataclass(frozen=True)
class Delivered:
    """Where a matte file went: a path that client and server see, or a spool handle."""

    path: Path | None = None
    handle: str = ""
