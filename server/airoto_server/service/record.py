"""What is written down of a call: one line in the log when it ends, and its numbers."""

from __future__ import annotations

import contextvars
import logging
import time
from dataclasses import dataclass, field

from airoto.wire.caller import Caller

_log = logging.getLogger("airoto_server.calls")

# The call that a thread or task works for, for lines that others log meanwhile.
_current: contextvars.ContextVar[CallRecord | None] = contextvars.ContextVar("call", default=None)


@dataclass
class CallRecord:
    """A call that runs.

    Attributes:
        person: who it is by proof; empty for the server's own user.
        peer: where the connection comes from.
        subject: the plate or path that it is about.
        recipe_hash, frames: of a render: the recipe, and frames made so far.
    """

    method: str
    caller: Caller
    person: str = ""
    peer: str = ""
    subject: str = ""
    recipe_hash: str = ""
    frames: int = 0
    began: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self.began

    def follow(self) -> None:
        """Lines that this task, and threads started with its context, log belong to it."""
        _current.set(self)

    def log_end(self, outcome: str, code: str) -> None:
        """Write its line. Quick calls that went well are for those who debug."""
        quiet = outcome == "ok" and self.method not in ("Render", "Segment", "Matte", "Detect")
        _log.log(
            logging.DEBUG if quiet else logging.INFO,
            "%s %s: %s in %.3f s for %s",
            self.caller.request_id,
            self.method,
            outcome,
            self.seconds,
            self.caller.client,
            extra={
                "call": {
                    "method": self.method,
                    "recipe_hash": self.recipe_hash,
                    "frames": self.frames,
                    "seconds": round(self.seconds, 4),
                    "outcome": outcome,
                    "code": code,
                }
            },
        )


def about(subject: str) -> None:
    """What the call of this task is about, for the audit."""
    record = _current.get()
    if record is not None:
        record.subject = subject


def current_caller() -> Caller | None:
    """Whose work this thread does, where it is known."""
    record = _current.get()
    return None if record is None else record.caller
