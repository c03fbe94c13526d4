"""What the server counts of its work; the service turns it into metrics."""

from __future__ import annotations

from dataclasses import dataclass

from airoto_server.scheduler.lane import Urgency


@dataclass(frozen=True)
class StoreUse:
    """Something that keeps what need not be made again.

    Attributes:
        name: `embeddings`, `results`.
        entries, bytes: kept now.
        limit: in bytes; 0: none.
        hits, misses: since the server began.
    """

    name: str
    entries: int
    bytes: int
    limit: int
    hits: int = 0
    misses: int = 0


class Watch:
    """Told of work as it ends, from any thread. This one does not care."""

    def stage(self, name: str, units: int, seconds: float) -> None:
        """A stage of a render did so many frames; the wait for the device counts."""

    def turn(self, device: str, urgency: Urgency, waited: float, held: float) -> None:
        """A turn on a device ended; both in seconds."""


NOBODY = Watch()
