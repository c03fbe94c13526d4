"""What one look at an installation found."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from airoto.errors import AIRotoError


class State(enum.Enum):
    """`pass`: it works. `warn`: it works, but not all of it or not as it may be meant. `fail`."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Check:
    """One line of the doctor's.

    Attributes:
        name: what was looked at, one word or two.
        state: how it is.
        found: what there is, for people.
        next_step: what to do about it; empty where nothing is to be done.
    """

    name: str
    state: State
    found: str
    next_step: str = ""


def passed(name: str, found: str) -> Check:
    """It works."""
    return Check(name, State.PASS, found)


def warned(name: str, found: str, next_step: str) -> Check:
    """It works in part."""
    return Check(name, State.WARN, found, next_step)


def failed(name: str, found: str, next_step: str) -> Check:
    """It does not work."""
    return Check(name, State.FAIL, found, next_step)


def of_error(name: str, error: AIRotoError, next_step: str) -> Check:
    """It does not work, and this is why."""
    return failed(name, error.message, error.hint or next_step)
