"""Phrases that things are found by: `person . red car`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

from airoto.errors import BadRequestError

# A name of a recipe's object has at most 64 characters; some are for the number after it.
_NAME_LENGTH = 56


def split_phrases(text: str) -> tuple[str, ...]:
    """The phrases of a text, which periods separate: lower case, single spaces, no doubles.

    Raises:
        BadRequestError: there is none, or one has neither letter nor digit.
    """
    phrases: dict[str, None] = {}
    for part in unicodedata.normalize("NFC", text).split("."):
        phrase = " ".join(part.lower().split())
        if not phrase:
            continue
        if not any(sign.isalnum() for sign in phrase):
            raise BadRequestError(
                f"the phrase {phrase!r} has no word in it",
                hint="write words, with periods between phrases: 'person . red car'",
            )
        phrases[phrase] = None
    if not phrases:
        raise BadRequestError(
            f"there is no word in the text {text!r}",
            hint="write words, with periods between phrases: 'person . red car'",
        )
    return tuple(phrases)


def object_name(phrase: str, taken: Collection[str]) -> str:
    """A name for an object that was found for a phrase: `red_car_1`, the first that is free.

    Args:
        taken: names there are; upper and lower case are one.
    """
    plain = unicodedata.normalize("NFKD", phrase).encode("ascii", "ignore").decode()
    stem = re.sub(r"[^a-z0-9]+", "_", plain.lower()).strip("_")[:_NAME_LENGTH].strip("_")
    if not stem:
        stem = "object"
    elif stem[0].isdigit():
        stem = f"_{stem}"
    used = {name.lower() for name in taken}
    number = 1
    while f"{stem}_{number}" in used:
        number += 1
    return f"{stem}_{number}"
