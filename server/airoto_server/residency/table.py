"""Who holds memory: the records that residency keeps, and how they are told to people."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from airoto_server.engines.registry import EngineSpec
from airoto_server.engines.roles import Engine

# Moves what can be moved off the device; returns the bytes that stay on it.
Offload = Callable[[], int]


class Tier(enum.Enum):
    """Where a model is."""

    DEVICE = "device"
    HOST = "host"
    NONE = "not loaded"


@dataclass(frozen=True)
class Holding:
    """Memory that somebody holds, for `airoto info` and for messages.

    Attributes:
        who: `tracker cutie-base`, `session 3f2a`.
        bytes: on its tier.
        leases: lanes that use it now; an unnamed one is an empty text.
        pinned: whether it stays whatever happens.
    """

    who: str
    bytes: int
    tier: Tier
    leases: tuple[str, ...] = ()
    pinned: bool = False

    def __str__(self) -> str:
        notes = []
        if self.leases:
            lanes = ", ".join(sorted(filter(None, self.leases)))
            notes.append(f"in use by {lanes}" if lanes else "in use")
        if self.pinned:
            notes.append("pinned")
        return f"{self.who} {as_size(self.bytes)}" + (f" ({'; '.join(notes)})" if notes else "")


@dataclass(frozen=True)
class Room:
    """Memory of a device in bytes: that models may have, that is free, that is held."""

    total: int
    free: int
    held: int


class NoRoomError(Exception):
    """Something does not fit, whatever else is moved. Never leaves this package."""

    def __init__(self, need: int) -> None:
        super().__init__(need)
        self.need = need


@dataclass
class Transition:
    """A model on its way in or out. Others wait for it to be `done`, and share its `error`."""

    done: bool = False
    error: Exception | None = None


@dataclass(eq=False)
class Entry:
    """One engine. All fields but `bytes` belong to the lock of `Memory`.

    Attributes:
        bytes: as measured at the last load; 0 before.
        at_least: bytes that were not enough for a load that failed.
        leases: lanes that use it now.
        used: number of its last use; the lowest goes first.
        transition: set while somebody moves it; nobody else touches it then.
    """

    spec: EngineSpec
    engine: Engine | None = None
    tier: Tier = Tier.NONE
    bytes: int = 0
    at_least: int = 0
    pinned: bool = False
    used: int = 0
    leases: list[str] = field(default_factory=list)
    transition: Transition | None = None

    @property
    def who(self) -> str:
        """How messages name it."""
        return f"{self.spec.role.value} {self.spec.facts.name}"

    def holding(self) -> Holding:
        """A picture of it as it is now."""
        return Holding(self.who, self.bytes, self.tier, tuple(self.leases), self.pinned)


@dataclass(eq=False)
class Session:
    """Tracker memory of one session on the device."""

    name: str
    bytes: int = 0
    used: int = 0
    offload: Offload | None = None

    def holding(self) -> Holding:
        """A picture of it as it is now."""
        return Holding(f"session {self.name}", self.bytes, Tier.DEVICE)


def describe(holdings: Iterable[Holding]) -> str:
    """What is held by whom, the largest first."""
    held = sorted(holdings, key=lambda each: -each.bytes)
    return "; ".join(str(each) for each in held) or "nothing of AIRoto's"


def as_size(count: int) -> str:
    """1,234 MB or 1.2 GB."""
    return f"{count / 1e9:.1f} GB" if count >= 10**10 else f"{count / 1e6:,.0f} MB"
