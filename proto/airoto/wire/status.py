"""Our errors to gRPC statuses and back."""

from __future__ import annotations

from typing import NamedTuple, cast

import grpc
from google.protobuf.message import DecodeError

from airoto import errors
from airoto.errors import AIRotoError
from airoto.wire.detail import clip, error_from_detail, error_to_detail
from airoto.wire.messages import ErrorDetail

__all__ = [
    "CODES",
    "ERROR_KEY",
    "Status",
    "error_from_detail",
    "error_to_detail",
    "from_rpc_error",
    "to_status",
]

# The trailing metadata that carries an ErrorDetail.
ERROR_KEY = "airoto-error-bin"

_STATUS_TEXT_BYTES = 512

_Code = grpc.StatusCode

# What programs that know only gRPC see. Subclasses stand before their bases.
CODES: dict[type[AIRotoError], grpc.StatusCode] = {
    errors.RecipeError: _Code.INVALID_ARGUMENT,
    errors.DeviceMemoryError: _Code.RESOURCE_EXHAUSTED,
    errors.TooLargeError: _Code.RESOURCE_EXHAUSTED,
    errors.BadRequestError: _Code.INVALID_ARGUMENT,
    errors.FrameMissingError: _Code.NOT_FOUND,
    errors.FrameUnreadableError: _Code.DATA_LOSS,
    errors.FrameMismatchError: _Code.FAILED_PRECONDITION,
    errors.ColourError: _Code.FAILED_PRECONDITION,
    errors.PlateError: _Code.FAILED_PRECONDITION,
    errors.PathForbiddenError: _Code.PERMISSION_DENIED,
    errors.OutputExistsError: _Code.ALREADY_EXISTS,
    errors.OutOfSpaceError: _Code.RESOURCE_EXHAUSTED,
    errors.OutputError: _Code.FAILED_PRECONDITION,
    errors.EngineForbiddenError: _Code.PERMISSION_DENIED,
    errors.EngineUnavailableError: _Code.FAILED_PRECONDITION,
    errors.EngineError: _Code.ABORTED,
    errors.ResultMissingError: _Code.FAILED_PRECONDITION,
    errors.HandleUnknownError: _Code.NOT_FOUND,
    errors.BusyError: _Code.RESOURCE_EXHAUSTED,
    errors.ServerUnreachableError: _Code.UNAVAILABLE,
    errors.TimedOutError: _Code.DEADLINE_EXCEEDED,
    errors.CancelledError: _Code.CANCELLED,
    errors.UnauthenticatedError: _Code.UNAUTHENTICATED,
    errors.InternalError: _Code.INTERNAL,
    AIRotoError: _Code.INTERNAL,
}

# What a status without our detail means: it comes from gRPC itself or from a proxy.
_MEANINGS: dict[grpc.StatusCode, tuple[type[AIRotoError], str, str]] = {
    _Code.UNAVAILABLE: (
        errors.ServerUnreachableError,
        "no AIRoto server answers{at}, or it went away during the call",
        "start one with: airoto serve",
    ),
    _Code.DEADLINE_EXCEEDED: (
        errors.TimedOutError,
        "the server{at} did not finish in the time allowed",
        "allow more time, or look at the server's log",
    ),
    _Code.CANCELLED: (errors.CancelledError, "the call was cancelled", ""),
    _Code.UNAUTHENTICATED: (
        errors.UnauthenticatedError,
        "the server{at} wants credentials",
        "name the file of your token in $AIROTO_TOKEN_FILE, or your certificate in "
        "$AIROTO_TLS_CERT; one that was sent is unknown, has ended or was revoked; a server on "
        "this machine without TLS is for the user alone who started it",
    ),
    _Code.PERMISSION_DENIED: (
        errors.UnauthenticatedError,
        "the server{at} does not let these credentials do that",
        "",
    ),
    _Code.UNIMPLEMENTED: (
        errors.BadRequestError,
        "the server{at} does not know this call",
        "client and server are of different versions, or another program listens there",
    ),
    _Code.INVALID_ARGUMENT: (errors.BadRequestError, "the server{at} refused the request", ""),
}


class Status(NamedTuple):
    """The arguments of `context.abort`."""

    code: grpc.StatusCode
    details: str
    trailing_metadata: tuple[tuple[str, bytes], ...]


def to_status(error: AIRotoError) -> Status:
    """`error` as a gRPC status; all it says travels beside, in ERROR_KEY."""
    code = next(code for cls, code in CODES.items() if isinstance(error, cls))
    detail = error_to_detail(error).SerializeToString()
    return Status(code, clip(error.message, _STATUS_TEXT_BYTES), ((ERROR_KEY, detail),))


def from_rpc_error(exc: grpc.RpcError, target: str = "") -> AIRotoError:
    """The error that a failed call stands for; raise it `from exc`.

    Args:
        exc: from a channel of `grpc` or `grpc.aio`.
        target: the server's address, for messages.
    """
    code, text = exc.code(), exc.details() or ""
    known = _without_detail(code, text, target)
    # Pairs of key and value, whatever the type stubs say.
    metadata = cast("tuple[tuple[str, object], ...]", exc.trailing_metadata() or ())
    for key, value in metadata:
        if key == ERROR_KEY and isinstance(value, bytes):
            try:
                return error_from_detail(ErrorDetail.FromString(value), unknown=type(known))
            except DecodeError:
                return known
    return known


def _without_detail(code: grpc.StatusCode, text: str, target: str) -> AIRotoError:
    at = f" at {target}" if target else ""
    said = f": {text}" if text else ""
    if code is _Code.RESOURCE_EXHAUSTED:
        # gRPC has one code for a message above the limit and for too many calls.
        if "larger than" in text:
            return errors.TooLargeError(f"a message is too large for the wire{said}")
        return errors.BusyError(f"the server{at} takes no more calls{said}", retry_after=1.0)
    if code in _MEANINGS:
        cls, message, hint = _MEANINGS[code]
        return cls(message.format(at=at) + said, hint=hint)
    return errors.InternalError(
        f"the server{at} failed with {code.name}{said}", hint="look at the server's log"
    )
