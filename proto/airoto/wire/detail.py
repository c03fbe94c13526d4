"""Errors as data: the ErrorDetail message that travels beside a gRPC status."""

from __future__ import annotations

from airoto.errors import AIRotoError, InternalError, Violation, all_kinds
from airoto.wire.messages import ErrorDetail, FieldViolation

# gRPC refuses trailing metadata from 8 KiB on, base64 and the status message included.
DETAIL_BYTES = 4096

_MESSAGE_BYTES = 1024
_HINT_BYTES = 512
_PATH_BYTES = 1024
_FIELD_BYTES = 256
# Room for the closing entry that counts the violations left out, and for numbers.
_REST_BYTES = 128


def error_to_detail(error: AIRotoError) -> ErrorDetail:
    """`error` as a message of at most DETAIL_BYTES.

    Long texts are shortened; violations that find no room are counted in a last one.
    """
    detail = ErrorDetail(
        kind=error.kind,
        message=clip(error.message, _MESSAGE_BYTES),
        hint=clip(error.hint, _HINT_BYTES),
        retry_after_seconds=error.retry_after,
        frame=error.frame,
        path=clip(error.path, _PATH_BYTES),
    )
    room = DETAIL_BYTES - detail.ByteSize() - _REST_BYTES
    for done, violation in enumerate(error.violations):
        entry = FieldViolation(
            path=clip(violation.path, _FIELD_BYTES),
            found=clip(violation.found, _FIELD_BYTES),
            allowed=clip(violation.allowed, _FIELD_BYTES),
        )
        # Tag and length of an entry take at most four bytes.
        room -= entry.ByteSize() + 4
        if room < 0:
            left = len(error.violations) - done
            detail.violations.append(FieldViolation(found=f"{left} more", allowed="none"))
            break
        detail.violations.append(entry)
    return detail


def error_from_detail(
    detail: ErrorDetail, unknown: type[AIRotoError] = InternalError
) -> AIRotoError:
    """The error that `detail` describes; `unknown` for a kind of a newer version."""
    return all_kinds().get(detail.kind, unknown)(
        detail.message,
        hint=detail.hint,
        violations=tuple(
            Violation(entry.path, entry.found, entry.allowed) for entry in detail.violations
        ),
        frame=detail.frame if detail.HasField("frame") else None,
        path=detail.path,
        retry_after=detail.retry_after_seconds,
    )


def clip(text: str, limit: int) -> str:
    """`text` in at most `limit` bytes of UTF-8, its middle replaced by an ellipsis.

    What UTF-8 cannot hold (odd bytes of a file name) is shown as its escape.
    """
    data = text.encode("utf-8", "backslashreplace")
    if len(data) <= limit:
        return data.decode()
    half = (limit - len("…".encode())) // 2
    return f"{data[:half].decode(errors='ignore')}…{data[-half:].decode(errors='ignore')}"
