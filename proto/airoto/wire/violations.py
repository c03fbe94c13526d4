"""How wrong fields are named, shown and refused."""

from __future__ import annotations

import json
from collections.abc import Sequence

from airoto.errors import BadRequestError, Violation

_SHOWN = 3
_FOUND_LENGTH = 60


def shown(value: object) -> str:
    """A short form of a value for `Violation.found`."""
    if isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False)
    elif value is None or isinstance(value, bool):
        text = json.dumps(value)
    elif isinstance(value, (list, tuple)):
        text = f"a list of {len(value)}"
    elif isinstance(value, dict):
        text = "an object"
    elif isinstance(value, float):
        text = f"{value:.10g}"
    else:
        text = str(value)
    # A lone surrogate cannot be printed.
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= _FOUND_LENGTH else text[: _FOUND_LENGTH - 1] + "…"


def refuse(
    what: str,
    violations: Sequence[Violation],
    error: type[BadRequestError] = BadRequestError,
    *,
    path: str = "",
) -> None:
    """Raise `error` if there are violations; its message shows the first few.

    Args:
        what: what is refused (`the recipe`).
        path: its file, where it has one.
    """
    if not violations:
        return
    first = "; ".join(str(violation) for violation in violations[:_SHOWN])
    more = len(violations) - _SHOWN
    rest = f"; and {more} more" if more > 0 else ""
    count = "a wrong field" if len(violations) == 1 else f"{len(violations)} wrong fields"
    raise error(f"{what} has {count}: {first}{rest}", violations=tuple(violations), path=path)
