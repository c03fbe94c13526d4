"""Sizes as people write them."""

from __future__ import annotations

import re

from airoto.errors import BadRequestError

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def parse_size(text: str) -> int:
    """`20G` in bytes.

    Raises:
        BadRequestError: it is no size.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise BadRequestError(f"{text!r} is no size; allowed: a number of bytes, or 500M, 20G, 1T")
    return int(float(match[1]) * 1024 ** _POWERS[match[2].lower()])
