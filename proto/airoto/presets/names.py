"""Which presets there are to name: of the studio, a show, a sequence, each with a task or without.

A name is written `studio`, `SHOW`, `SHOW/sequence`; a task follows after a colon
(`SHOW:hair hero`, `studio:hair`).
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

from airoto.errors import BadRequestError

STUDIO = "studio"
ALLOWED_WORD = "letters, digits, _ - . and no more than 64 of them"
ALLOWED_TASK = "letters, digits, blanks, _ - . and no more than 64 of them"
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_TASK = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 _.-]{0,62}[A-Za-z0-9_.-])?")


class Level(enum.Enum):
    """Whom a preset is for; the nearer to the node, the later in this list."""

    BUILT_IN = "built-in"
    STUDIO = "studio"
    SHOW = "show"
    SEQUENCE = "sequence"
    TASK = "task"
    NODE = "node"


@dataclass(frozen=True)
class Scope:
    """What a preset is for. Empty texts: the whole studio, the whole show, no task."""

    show: str = ""
    sequence: str = ""
    task: str = ""

    @property
    def level(self) -> Level:
        """The level of the preset of exactly this scope."""
        if self.task:
            return Level.TASK
        if self.sequence:
            return Level.SEQUENCE
        return Level.SHOW if self.show else Level.STUDIO

    def __str__(self) -> str:
        name = self.show or STUDIO
        if self.sequence:
            name += f"/{self.sequence}"
        return f"{name}:{self.task}" if self.task else name


def parse_name(text: str) -> Scope:
    """The scope that a name stands for.

    Raises:
        BadRequestError: it is none; says what is allowed.
    """
    place, colon, task = text.strip().partition(":")
    show, slash, sequence = place.partition("/")
    show = "" if show == STUDIO else show
    if (
        not place
        or (show and not _WORD.fullmatch(show))
        or (slash and not (show and _WORD.fullmatch(sequence)))
        or (colon and not _TASK.fullmatch(task))
    ):
        raise BadRequestError(
            f"{text!r} names no preset; allowed: studio, SHOW or SHOW/sequence, each also with a "
            "task: 'SHOW:hair hero'"
        )
    return Scope(show, sequence, task)


def is_name(text: str) -> bool:
    """Whether `parse_name` takes it."""
    try:
        parse_name(text)
    except BadRequestError:
        return False
    return True


def is_word(text: str) -> bool:
    """Whether a show or sequence may be called so."""
    return bool(_WORD.fullmatch(text)) and text != STUDIO


def is_task(text: str) -> bool:
    """Whether a task may be called so."""
    return bool(_TASK.fullmatch(text))
