"""The audit: one JSON line for each call that ended or was refused. No secrets, no contents."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from airoto.errors import OutputError
from airoto_server.service.record import CallRecord

_log = logging.getLogger("airoto_server.audit")

# Lines of refusals that are written in a second; how many more there were is told later. Else
# whoever is not let in could fill the disk.
_REFUSALS = 10

# The longest text of one value.
_LONGEST = 512


class Audit:
    """Where the lines go: a file that only its owner can read, or the server's log.

    Args:
        path: appended to; None: the log of the server.
        clock: seconds, for the rate of refusals.

    Raises:
        OutputError: the file cannot be opened.
    """

    def __init__(
        self, path: Path | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._second, self._refusals, self._untold = -1, 0, 0
        self._failed = False
        self._file: int | None = None
        if path is not None:
            try:
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
                self._file = os.open(path, flags, 0o600)
            except OSError as exc:
                raise OutputError(
                    f"the audit cannot be written to {path}: {exc.strerror}",
                    hint="name another file with --audit",
                    path=str(path),
                ) from exc

    def __enter__(self) -> Audit:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; later lines go to the log."""
        with self._lock:
            file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def ended(self, record: CallRecord, outcome: str, code: str) -> None:
        """A call ended."""
        self._write(
            {
                "who": record.person or "owner",
                "client": record.caller.client,
                "request_id": record.caller.request_id,
                "from": record.peer,
                "method": record.method,
                "what": record.subject,
                "recipe_hash": record.recipe_hash,
                "frames": record.frames,
                "seconds": round(record.seconds, 4),
                "outcome": outcome,
                "code": code,
            }
        )

    def refused(self, method: str) -> None:
        """Somebody was not let in."""
        with self._lock:
            second = int(self._clock())
            if second != self._second:
                self._second, self._refusals = second, 0
            self._refusals += 1
            if self._refusals > _REFUSALS:
                self._untold += 1
                return
            untold, self._untold = self._untold, 0
        self._write(
            {"who": "nobody", "method": method, "outcome": "unauthenticated", "untold": untold}
        )

    def _write(self, said: dict[str, object]) -> None:
        kept = {
            key: value[:_LONGEST] if isinstance(value, str) else value
            for key, value in said.items()
            if value not in ("", 0)
        }
        when = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": when, **kept}, ensure_ascii=True)
        if self._file is None:
            _log.info("%s", line, extra={"call": kept})
            return
        try:
            os.write(self._file, line.encode() + b"\n")
        except OSError as exc:
            if not self._failed:
                _log.error("the audit cannot be written: %s; lines go to this log", exc.strerror)
            self._failed = True
            _log.info("%s", line, extra={"call": kept})
