"""Prompts as flags: `--object hero --point 1001:812,455 --box 1001:700,300,940,800`.

A prompt belongs to the `--object` before it; flags for the same frame are one prompt.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from airoto.errors import BadRequestError
from airoto.wire.messages import Prompt, RotoObject
from airoto.wire.prompts import parse_box, parse_mask, parse_point, parse_text, prompt_at

# Of the object that prompts without an `--object` before them belong to.
DEFAULT_OBJECT = "object"
# The object that a matter finds without prompts.
SUBJECT = "subject"
_COLOURS = ("#ff5a36", "#2f9bff", "#5fd35f", "#ffc93c", "#c46bff", "#3ce0d0")
_HAS_FRAME = re.compile(r"-?\d+:.")


@dataclass(frozen=True)
class Flag:
    """One prompt flag as it stood on the command line."""

    option: str
    value: str


class _AppendFlag(argparse.Action):
    """Collects prompt flags of all kinds in one list, since their order matters."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        flags = list(getattr(namespace, "prompts", None) or ())
        flags.append(Flag(self.option_strings[0], str(values)))
        namespace.prompts = flags


def add_prompt_options(parser: argparse.ArgumentParser, *, one_frame: bool = False) -> None:
    """The prompt options; with `one_frame` the `FRAME:` before a value may be left out."""
    at = "[FRAME:]" if one_frame else "FRAME:"
    group = parser.add_argument_group(
        "prompts (each may be repeated)",
        "Coordinates are full-resolution plate pixels, from the top-left corner.",
    )

    def add(option: str, metavar: str, text: str) -> None:
        group.add_argument(option, action=_AppendFlag, dest="prompts", metavar=metavar, help=text)

    add("--object", "NAME", "begin another object, which the prompts after it belong to")
    add("--point", f"{at}X,Y", "a point on the object")
    add("--negative", f"{at}X,Y", "a point that is not on the object")
    add("--box", f"{at}X0,Y0,X1,Y1", "a box around the object")
    add("--mask", f"{at}FILE", "a drawn mask; alone it is the answer for its frame")
    if one_frame:
        add("--text", f"{at}PHRASE", "a phrase for the object")
    else:
        add(
            "--text",
            "[FRAME:]PHRASES",
            "after --object, a phrase for it; before any, phrases that objects are made of: "
            "'person . red car' (on the plate's first frame, if none is given)",
        )
    if not one_frame:
        add("--candidate", "FRAME:N", "which of the segmenter's candidates to take, 1 to 3")


@dataclass(frozen=True)
class Search:
    """Phrases for objects to be found; `frame` is None for the plate's first."""

    text: str
    frame: int | None


def split_search(flags: Sequence[Flag]) -> tuple[Search | None, list[Flag]]:
    """Take out each `--text` that no `--object` stands before: it makes objects.

    Raises:
        BadRequestError: two of them are for different frames.
    """
    texts: list[str] = []
    frames: set[int | None] = set()
    left: list[Flag] = []
    for flag in flags:
        if flag.option != "--text" or any(one.option == "--object" for one in left):
            left.append(flag)
            continue
        frame, text = parse_text(flag.value) if _HAS_FRAME.match(flag.value) else (None, flag.value)
        texts.append(text)
        frames.add(frame)
    if not texts:
        return None, left
    if len(frames) > 1:
        raise BadRequestError("--text: objects are found on one frame; give all the same FRAME:")
    return Search(" . ".join(texts), frames.pop()), left


def named_frames(flags: Sequence[Flag]) -> set[int]:
    """The frames that prompts name with a `FRAME:` before their value."""
    prompts = (flag.value for flag in flags if flag.option != "--object")
    return {int(value.partition(":")[0]) for value in prompts if _HAS_FRAME.match(value)}


def build_objects(
    flags: Sequence[Flag], *, frame: int | None = None, subject: bool = False
) -> list[RotoObject]:
    """The recipe's objects, their prompts in the order of frames.

    Args:
        flags: as they stood on the command line.
        frame: the one frame there is, which flags need not name; None: they must name one.
        subject: without any flag there is one object, which the matter finds.

    Raises:
        BadRequestError: a flag that cannot be read, or no prompt at all.
    """
    objects: list[RotoObject] = []
    for flag in flags:
        if flag.option == "--object":
            _check_last(objects)
            objects.append(_new_object(len(objects), flag.value))
            continue
        if not objects:
            objects.append(_new_object(0, DEFAULT_OBJECT))
        try:
            _add_prompt(objects[-1], flag, frame)
        except BadRequestError as exc:
            raise BadRequestError(f"{flag.option}: {exc.message}", hint=exc.hint) from exc
    _check_last(objects)
    if not objects and subject:
        return [_new_object(0, SUBJECT)]
    if not objects:
        raise BadRequestError(
            "no prompt says what to roto",
            hint="give at least one of --point, --box, --mask, --text",
        )
    for entry in objects:
        entry.prompts.sort(key=lambda prompt: prompt.frame)
    return objects


def _new_object(index: int, name: str) -> RotoObject:
    return RotoObject(id=index + 1, name=name, colour=_COLOURS[index % len(_COLOURS)])


def _check_last(objects: Sequence[RotoObject]) -> None:
    if objects and not objects[-1].prompts:
        raise BadRequestError(
            f"--object {objects[-1].name} has no prompts",
            hint="prompts follow the --object that they belong to",
        )


def _add_prompt(entry: RotoObject, flag: Flag, frame: int | None) -> None:
    text = flag.value
    if frame is not None and not _HAS_FRAME.match(text):
        text = f"{frame}:{text}"
    if flag.option in ("--point", "--negative"):
        number, point = parse_point(text, positive=flag.option == "--point")
        _prompt(entry, number, frame).points.append(point)
    elif flag.option == "--box":
        number, box = parse_box(text)
        _prompt(entry, number, frame, "box").box.CopyFrom(box)
    elif flag.option == "--mask":
        number, mask = parse_mask(text)
        _prompt(entry, number, frame, "mask").mask.CopyFrom(mask)
    elif flag.option == "--text":
        number, phrase = parse_text(text)
        _prompt(entry, number, frame, "text").text = phrase
    else:
        number, phrase = parse_text(text)
        if phrase not in ("1", "2", "3"):
            raise BadRequestError(f"{phrase!r} is no candidate; allowed: 1, 2, 3")
        _prompt(entry, number, frame, "candidate").candidate = int(phrase)


def _prompt(entry: RotoObject, number: int, frame: int | None, alone: str = "") -> Prompt:
    """The object's prompt on a frame, on which `alone` must not have been said yet."""
    if frame is not None and number != frame:
        raise BadRequestError(f"frame {number} is not the frame to work on, {frame}")
    prompt = prompt_at(entry, number)
    if alone and any(field.name == alone for field, _ in prompt.ListFields()):
        raise BadRequestError(
            f"object {entry.name!r} has more than one {alone} on frame {number}",
            hint="another object begins with --object NAME",
        )
    return prompt
