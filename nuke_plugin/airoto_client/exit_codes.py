"""The exit codes of the `airoto` command line, one meaning each.

Standard library only. `docs/exit-codes.md` explains them to people.
"""

from __future__ import annotations

import enum

from airoto.errors import (
    AIRotoError,
    BadRequestError,
    BusyError,
    CancelledError,
    DeviceMemoryError,
    EngineError,
    EngineForbiddenError,
    EngineUnavailableError,
    HandleUnknownError,
    OutputError,
    PathForbiddenError,
    PlateError,
    ResultMissingError,
    ServerUnreachableError,
    TimedOutError,
    UnauthenticatedError,
)


@enum.unique
class ExitCode(enum.IntEnum):
    """How a run of `airoto` ended."""

    DONE = 0
    INTERNAL = 1
    USAGE = 2
    PLATE = 3
    OUTPUT = 4
    SERVER = 5
    ENGINE = 6
    BUSY = 7
    FORBIDDEN = 8
    MISSING = 9
    MEMORY = 10
    UNHEALTHY = 11
    INTERRUPTED = 130
    TERMINATED = 143


# Subclasses of these kinds share their code; the first that fits counts.
_BY_ERROR: tuple[tuple[type[AIRotoError], ExitCode], ...] = (
    (DeviceMemoryError, ExitCode.MEMORY),
    (BadRequestError, ExitCode.USAGE),
    (PlateError, ExitCode.PLATE),
    (OutputError, ExitCode.OUTPUT),
    (ServerUnreachableError, ExitCode.SERVER),
    (TimedOutError, ExitCode.SERVER),
    # A handle is lost when the server was started again meanwhile.
    (HandleUnknownError, ExitCode.SERVER),
    # Cancelled, but not by us: the server is going down.
    (CancelledError, ExitCode.SERVER),
    (EngineForbiddenError, ExitCode.FORBIDDEN),
    (EngineUnavailableError, ExitCode.ENGINE),
    (EngineError, ExitCode.ENGINE),
    (BusyError, ExitCode.BUSY),
    (ResultMissingError, ExitCode.MISSING),
    (PathForbiddenError, ExitCode.FORBIDDEN),
    (UnauthenticatedError, ExitCode.FORBIDDEN),
)

# A farm may simply run these again; MISSING once the step before has made what is missing.
RETRYABLE = frozenset({ExitCode.SERVER, ExitCode.BUSY, ExitCode.MISSING, ExitCode.MEMORY})


def exit_code_of(error: AIRotoError) -> ExitCode:
    """The exit code that an error ends the command with."""
    for cls, code in _BY_ERROR:
        if isinstance(error, cls):
            return code
    return ExitCode.INTERNAL
