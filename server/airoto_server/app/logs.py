"""The server's log: lines for people, or JSON lines for programs."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

from airoto_server.service.record import current_caller

TEXT, JSON = "text", "json"


class _Call(logging.Filter):
    """Adds the call that a line belongs to."""

    def filter(self, record: logging.LogRecord) -> bool:
        caller = current_caller()
        record.request_id = "" if caller is None else caller.request_id
        record.client = "" if caller is None else caller.client
        return True


class _Text(logging.Formatter):
    """`time level logger: message [request id]`."""

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        request = getattr(record, "request_id", "")
        return f"{line} [{request}]" if request and request not in line else line


class _Json(logging.Formatter):
    """One object a line; keys without a value are left out."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": getattr(record, "request_id", ""),
            "client": getattr(record, "client", ""),
            **getattr(record, "call", {}),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        kept = {key: value for key, value in line.items() if value not in ("", None)}
        return json.dumps(kept, ensure_ascii=False)


def start_log(level: str, style: str) -> None:
    """Send all lines to standard error, in that style."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_Call())
    if style == JSON:
        handler.setFormatter(_Json())
    else:
        handler.setFormatter(_Text("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler])
