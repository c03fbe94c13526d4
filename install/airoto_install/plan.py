"""A plan: every change, in order. What is shown is what is carried out.

Planning looks and refuses, and changes nothing; a step holds all that it needs, so that showing
and applying it cannot differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Callable, Protocol

Tell = Callable[[str], None]


class Step(Protocol):
    """One change."""

    def lines(self) -> Sequence[str]:
        """What it changes, for people; the first line says it in short."""
        ...

    def apply(self, tell: Tell) -> None:
        """Make the change.

        Args:
            tell: takes what is worth saying meanwhile.

        Raises:
            AIRotoError: it could not be made; what it began is as it was, or is undone.
        """
        ...


@dataclass(frozen=True)
class Plan:
    """Steps, and what is said before them.

    Attributes:
        steps: in the order in which they are made.
        notes: what was found, and what follows of it.
        done: what is said when all is done.
        last: steps for when the prefix is no longer held.
    """

    steps: tuple[Step, ...] = ()
    notes: tuple[str, ...] = ()
    done: tuple[str, ...] = ()
    last: tuple[Step, ...] = ()

    def show(self) -> Iterator[str]:
        """The plan in lines."""
        yield from self.notes
        if not self.steps:
            yield "nothing is to be changed"
        for number, step in enumerate((*self.steps, *self.last), 1):
            first, *more = step.lines()
            yield f"{number:3}. {first}"
            yield from (f"       {line}" for line in more)

    def apply(self, tell: Tell) -> None:
        """Make every change but the last ones; the first that fails ends it."""
        for note in self.notes:
            tell(note)
        for step in self.steps:
            tell(step.lines()[0])
            step.apply(tell)

    def apply_last(self, tell: Tell) -> None:
        """What is left once the prefix is let go of."""
        for step in self.last:
            step.apply(tell)
        for line in self.done:
            tell(line)
