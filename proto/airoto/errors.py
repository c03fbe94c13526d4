"""The errors of AIRoto, the same on both sides of the wire.

Standard library only: engines, hosts and the wire all raise these. `airoto.wire.status`
translates them to gRPC statuses and back, `error_to_dict` to JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True)
class Violation:
    """One wrong field: its path (`objects[1].name`), what was found, what is allowed."""

    path: str
    found: str
    allowed: str

    def __str__(self) -> str:
        return f"{self.path}: {self.found}; allowed: {self.allowed}"


class AIRotoError(Exception):
    """Base of all errors that are meant for people.

    Attributes:
        message: what was wrong and where, one sentence without a full stop.
        hint: what to do next, or empty.
        violations: wrong fields, for a request that was refused as a whole.
        frame: the frame at fault, if there is one.
        path: the file at fault, or empty.
        retry_after: seconds after which trying again makes sense, or 0.
        request_id: the call that failed, as the server's log names it, or empty.
    """

    kind: ClassVar[str] = "internal"

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        violations: tuple[Violation, ...] = (),
        frame: int | None = None,
        path: str = "",
        retry_after: float = 0.0,
        request_id: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.violations = tuple(violations)
        self.frame = frame
        self.path = path
        self.retry_after = retry_after
        self.request_id = request_id


class InternalError(AIRotoError):
    """A fault of ours; the server's log has the trace."""

    kind = "internal"


class BadRequestError(AIRotoError):
    """The request itself is wrong; trying again will not help."""

    kind = "bad_request"


class RecipeError(BadRequestError):
    """A recipe that is refused as a whole; `violations` names every wrong field."""

    kind = "recipe"


class TooLargeError(BadRequestError):
    """Something goes beyond the server's limits."""

    kind = "too_large"


class DeviceMemoryError(TooLargeError):
    """The memory of a device, or of the machine, is not enough for the work at this time."""

    kind = "device_memory"


class PlateError(AIRotoError):
    """Base of what can be wrong with a plate."""

    kind = "plate"


class FrameMissingError(PlateError):
    """A frame, or the whole plate, is not there."""

    kind = "frame_missing"


class FrameUnreadableError(PlateError):
    """A frame is there but cannot be decoded."""

    kind = "frame_unreadable"


class FrameMismatchError(PlateError):
    """A frame's size or layers are not what the recipe says."""

    kind = "frame_mismatch"


class ColourError(PlateError):
    """A colour space, view or config that cannot be used."""

    kind = "colour"


class PathForbiddenError(AIRotoError):
    """A path outside the folders that the server may use."""

    kind = "path_forbidden"


class OutputError(AIRotoError):
    """A result cannot be written."""

    kind = "output"


class OutputExistsError(OutputError):
    """A file is in the way and the overwrite policy keeps it."""

    kind = "output_exists"


class OutOfSpaceError(OutputError):
    """The disk is full."""

    kind = "out_of_space"


class EngineUnavailableError(AIRotoError):
    """An engine that is unknown, or whose weights or packages are missing."""

    kind = "engine_unavailable"


class EngineForbiddenError(EngineUnavailableError):
    """An engine or licence that the show's preset does not allow."""

    kind = "engine_forbidden"


class EngineError(AIRotoError):
    """An engine could not do its work on this input."""

    kind = "engine"


class ResultMissingError(AIRotoError):
    """Results that an earlier part of a render makes are not kept (any more)."""

    kind = "result_missing"


class HandleUnknownError(AIRotoError):
    """A handle the server does not know (any more)."""

    kind = "handle_unknown"


class BusyError(AIRotoError):
    """The server's queue is full; try again after `retry_after` seconds."""

    kind = "busy"


class ServerUnreachableError(AIRotoError):
    """No server answers there, or it went away during the call."""

    kind = "server_unreachable"


class TimedOutError(AIRotoError):
    """A call took longer than it was allowed to."""

    kind = "timed_out"


class CancelledError(AIRotoError):
    """The caller gave up."""

    kind = "cancelled"


class UnauthenticatedError(AIRotoError):
    """No credentials, or wrong ones."""

    kind = "unauthenticated"


def all_kinds() -> dict[str, type[AIRotoError]]:
    """Every error class by its kind; one without a kind of its own goes by its base's."""
    found: dict[str, type[AIRotoError]] = {}
    waiting = list(AIRotoError.__subclasses__())
    while waiting:
        cls = waiting.pop()
        if "kind" in vars(cls):
            found[cls.kind] = cls
        waiting.extend(cls.__subclasses__())
    return found


def error_to_dict(error: AIRotoError) -> dict[str, Any]:
    """An error as JSON can hold it; every key is always there."""
    return {
        "kind": error.kind,
        "message": error.message,
        "hint": error.hint,
        "violations": [
            {"path": entry.path, "found": entry.found, "allowed": entry.allowed}
            for entry in error.violations
        ],
        "frame": error.frame,
        "path": error.path,
        "retry_after_seconds": error.retry_after,
        "request_id": error.request_id,
    }


def error_from_dict(found: Mapping[str, Any]) -> AIRotoError:
    """The error that `error_to_dict` wrote; InternalError for a kind of a newer version."""
    cls = all_kinds().get(str(found.get("kind", "")), InternalError)
    return cls(
        str(found.get("message", "an error without a message")),
        hint=str(found.get("hint", "")),
        violations=tuple(
            Violation(str(v.get("path", "")), str(v.get("found", "")), str(v.get("allowed", "")))
            for v in found.get("violations", ())
        ),
        frame=found.get("frame"),
        path=str(found.get("path", "")),
        retry_after=float(found.get("retry_after_seconds", 0.0)),
        request_id=str(found.get("request_id", "")),
    )
