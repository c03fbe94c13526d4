"""The little of Tcl that .nk files use: words, braces, quotes, `set`, `push`, `[stack 0]`.

Our files are proved against a real Tcl interpreter in `test_nk_files.py`; this reader serves the
double where none is installed.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\n": " "}
_BRACES = re.compile(r"\\.|[{}]", re.DOTALL)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_SPECIAL = set(' \t\n\r;"$[]{}\\#')


class TclError(ValueError):
    """Text that Tcl would refuse."""


def words(text: str) -> Iterator[list[str]]:
    """The commands of a script, each as its words, unquoted; comments are left out."""
    at = 0
    command: list[str] = []
    while at < len(text):
        sign = text[at]
        if sign in "\n;":
            if command:
                yield command
                command = []
            at += 1
        elif sign in " \t\r":
            at += 1
        elif text.startswith("\\\n", at):
            at += 2
        elif sign == "#" and not command:
            end = text.find("\n", at)
            at = len(text) if end < 0 else end
        else:
            word, at = _word(text, at)
            command.append(word)
    if command:
        yield command


def split(text: str) -> list[str]:
    """A Tcl list as its elements."""
    return list(_split(text))


@functools.lru_cache(maxsize=10_000)  # the same definitions of knobs come again and again
def _split(text: str) -> tuple[str, ...]:
    found: list[str] = []
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        word, at = _word(text, at, in_list=True)
        found.append(word)
    return tuple(found)


def quoted(value: str) -> str:
    """A value as one Tcl word."""
    if value and not (set(value) & _SPECIAL):
        return value
    made = value.replace("\\", "\\\\")
    for sign in '"$[]{}':
        made = made.replace(sign, "\\" + sign)
    return '"' + made.replace("\n", "\\n") + '"'


def _word(text: str, at: int, *, in_list: bool = False) -> tuple[str, int]:
    sign = text[at]
    if sign == "{":
        return _braced(text, at)
    if sign == '"':
        return _quoted(text, at)
    if sign == "[" and not in_list:
        end = text.find("]", at)
        if end < 0:
            raise TclError("missing close-bracket")
        return text[at : end + 1], end + 1
    made = ""
    while at < len(text) and text[at] not in " \t\r\n" and (in_list or text[at] != ";"):
        if text[at] == "\\":
            made += _ESCAPES.get(text[at + 1], text[at + 1])
            at += 2
        else:
            made += text[at]
            at += 1
    return made, at


def _braced(text: str, at: int) -> tuple[str, int]:
    depth, start = 0, at
    for match in _BRACES.finditer(text, at):
        sign = match[0]
        if sign == "{":
            depth += 1
        elif sign == "}":
            depth -= 1
            if depth == 0:
                end = match.end()
                after = text[end : end + 1]
                if after and after not in " \t\r\n;":
                    raise TclError("extra characters after close-brace")
                return text[start + 1 : end - 1], end
    raise TclError("missing close-brace")


def _quoted(text: str, at: int) -> tuple[str, int]:
    match = _QUOTED.match(text, at)
    if match is None:
        raise TclError('missing "')
    return _ESCAPE.sub(lambda one: _ESCAPES.get(one[1], one[1]), match[1]), match.end()
