"""Tcl as scripts use it: commands, words, lists. Nothing is substituted or executed.

Scripts are data written as Tcl: a command is a node, its braced body a list of knob names and
values. `$variables` and `[commands]` stay as they are written. Rules: Tcl's manual, `Tcl(n)` and
`list(n)`. Time and memory grow with the text alone, whatever is in it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

_SPACE = " \t\n\r\v\f"
_SPACES = re.compile(r"[ \t\n\r\v\f]*")
# Each finds escaped characters, so that they are passed over, and what ends something (its group).
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_BRACKET = re.compile(r"\\.|[\[\]]", re.DOTALL)
_QUOTE = re.compile(r'\\.|(")', re.DOTALL)
_BARE_IN_LIST = re.compile(r"\\.|([ \t\n\r\v\f])", re.DOTALL)
_BARE = re.compile(r"\\[^\n]|(\\\n|[\[; \t\n\r\v\f])")
_LINE = re.compile(r"\\.|(\n)", re.DOTALL)
_GAP = re.compile(r"(?:[ \t\r\v\f]|\\\n)*")
_CONTINUED = re.compile(r"\\(?:\n[ \t]*|.)", re.DOTALL)
_ESCAPE = re.compile(
    r"\\(?:\n[ \t]*|x[0-9A-Fa-f]{1,2}|u[0-9A-Fa-f]{1,4}|U[0-9A-Fa-f]{1,8}|[0-7]{1,3}|.|\Z)",
    re.DOTALL,
)
_LETTERS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_LAST_CHARACTER = 0x10FFFF


class TclError(ValueError):
    """Text that is no Tcl: what is wrong, and at which character."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.message = message
        self.at = at


@dataclass(frozen=True)
class Word:
    """A word of a command: its text, whether it was in braces, where its text begins."""

    text: str
    braced: bool
    at: int


class Lines:
    """Line numbers of characters, from 1."""

    def __init__(self, text: str) -> None:
        self._ends = [match.start() for match in re.finditer("\n", text)]

    def number(self, at: int) -> int:
        """The line of a character."""
        return bisect_right(self._ends, at - 1) + 1


def commands(text: str) -> Iterator[list[Word]]:
    """The commands of a script; comments and empty ones are left out.

    Raises:
        TclError: a brace, bracket or quote is not closed, or something follows its end.
    """
    at, command = 0, list[Word]()
    while at < len(text):
        at = _end(_GAP, text, at)
        if at >= len(text):
            break
        sign = text[at]
        if sign in "\n;":
            at += 1
            if command:
                yield command
                command = []
        elif sign == "#" and not command:
            at = _until(_LINE, text, at)
        else:
            word, at = _word(text, at)
            command.append(word)
    if command:
        yield command


def split(text: str) -> list[str]:
    """A Tcl list as its elements.

    Raises:
        TclError: it is none.
    """
    return [element for element, _ in elements(text)]


def elements(text: str) -> Iterator[tuple[str, int]]:
    """The elements of a Tcl list, each with where it begins. As `split`."""
    at = _end(_SPACES, text, 0)
    while at < len(text):
        start = at
        if text[at] == "{":
            at = _closing_brace(text, at)
            element = text[start + 1 : at - 1]
            _check_end(text, at, "braces", _SPACE)
        elif text[at] == '"':
            at = _closing_quote(text, at)
            element = unescaped(text[start + 1 : at - 1])
            _check_end(text, at, "quotes", _SPACE)
        else:
            at = _until(_BARE_IN_LIST, text, at)
            element = unescaped(text[start:at])
        yield element, start
        at = _end(_SPACES, text, at)


def unescaped(text: str) -> str:
    """A text with its backslash sequences replaced."""
    return _ESCAPE.sub(_character, text) if "\\" in text else text


# ---- parts ----------------------------------------------------------------------------------


def _word(text: str, at: int) -> tuple[Word, int]:
    if text[at] == "{":
        end = _closing_brace(text, at)
        _check_end(text, end, "close-brace", _SPACE + ";")
        inside = text[at + 1 : end - 1]
        if "\\\n" in inside:
            inside = _CONTINUED.sub(lambda one: " " if one[0][1] == "\n" else one[0], inside)
        return Word(inside, braced=True, at=at + 1), end
    if text[at] == '"':
        end = _closing_quote(text, at)
        _check_end(text, end, "close-quote", _SPACE + ";")
        return Word(unescaped(text[at + 1 : end - 1]), braced=False, at=at + 1), end
    start = at
    while True:
        at = _until(_BARE, text, at)
        if at >= len(text) or text[at] != "[":
            break
        at = _closing_bracket(text, at)
    return Word(unescaped(text[start:at]), braced=False, at=start), at


def _closing_brace(text: str, at: int) -> int:
    depth = 0
    for match in _BRACE.finditer(text, at):
        if match[0] == "{":
            depth += 1
        elif match[0] == "}":
            depth -= 1
            if depth == 0:
                return match.end()
    raise TclError("this brace { is never closed", at)


def _closing_quote(text: str, at: int) -> int:
    end = _until(_QUOTE, text, at + 1)
    if end >= len(text):
        raise TclError('this quote " is never closed', at)
    return end + 1


def _closing_bracket(text: str, at: int) -> int:
    depth = 0
    for match in _BRACKET.finditer(text, at):
        if match[0] == "[":
            depth += 1
        elif match[0] == "]":
            depth -= 1
            if depth == 0:
                return match.end()
    raise TclError("this bracket [ is never closed", at)


def _check_end(text: str, at: int, what: str, allowed: str) -> None:
    if at < len(text) and text[at] not in allowed and not text.startswith("\\\n", at):
        raise TclError(f"{text[at]!r} right after {what}, where a space should be", at)


def _character(match: re.Match[str]) -> str:
    text = match[0][1:]
    if not text:
        return "\\"
    if text[0] == "\n":
        return " "
    if len(text) > 1 and text[0] in "xuU":
        code = int(text[1:], 16)
        return chr(code) if code <= _LAST_CHARACTER else "\ufffd"
    if text[0] in "01234567":
        return chr(int(text, 8) & 0xFF)
    return _LETTERS.get(text, text)


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return at if match is None else match.end()


def _until(pattern: re.Pattern[str], text: str, at: int) -> int:
    """Where the first match of the pattern's group lies; the text's end for none."""
    for match in pattern.finditer(text, at):
        if match.lastindex:
            return match.start()
    return len(text)
