"""The one marked block that lets Nuke find AIRoto, in an `init.py` that is somebody else's.

A block carries what is needed to take it out again so that the file is as it was, byte for
byte: whether the file is new, whether a line break had to be added before the block, and the
hash of its own lines. Lines that were changed by hand are therefore noticed, and left alone.
Functions from bytes to bytes; nothing here touches a disk.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from airoto.errors import BadRequestError

_OPENS = b"# >>> AIRoto"
_CLOSES = b"# <<< AIRoto"
_OPEN = re.compile(
    rb"# >>> AIRoto ([0-9a-f]{8}) (new-file|line-break|own-line) >>> [^\r\n]*(\r?\n)"
)
_TITLE = "made by AIRoto's installer, which replaces and removes all of it"
_FOLDER = re.compile(rb"_airoto_plugin = (?P<literal>'[^\r\n]*'|\"[^\r\n]*\")\r?\n")

# The file is made by the block; a line break was added before it; neither.
NEW_FILE, LINE_BREAK, OWN_LINE = "new-file", "line-break", "own-line"


@dataclass(frozen=True)
class Block:
    """A block as it was found.

    Attributes:
        start, end: its bytes in the file.
        flag: `new-file`, `line-break` or `own-line`.
        newline: how its lines end.
        lines: what stands between its marks.
    """

    start: int
    end: int
    flag: str
    newline: bytes
    lines: bytes

    @property
    def plugin(self) -> Path | None:
        """The folder that it gives Nuke; None where a newer AIRoto wrote it in another way."""
        import ast

        found = _FOLDER.search(self.lines)
        return Path(ast.literal_eval(found["literal"].decode("ascii"))) if found else None


def find_block(data: bytes, where: Path) -> Block | None:
    """The block in a file, or None.

    Args:
        where: the file, for the error.

    Raises:
        BadRequestError: marks without their other half, more than one block, or lines that
            are not as they were written.
    """
    opens, closes = [], []
    at = 0
    for number, line in enumerate(data.splitlines(keepends=True), 1):
        if line.startswith(_OPENS):
            opens.append((number, at))
        elif line.startswith(_CLOSES):
            closes.append((number, at + len(line)))
        at += len(line)
    if not opens and not closes:
        return None
    if len(opens) != 1 or len(closes) != 1 or closes[0][0] < opens[0][0]:
        marks = ", ".join(str(number) for number, _ in sorted(opens + closes))
        raise _damaged(where, f"its marks (line {marks}) are not one block")
    start, end = opens[0][1], closes[0][1]
    text = data[start:end]
    match = _OPEN.match(text)
    if match is None:
        raise _damaged(where, f"its first line ({opens[0][0]}) was changed")
    newline = match[3]
    lines = text[match.end() : text.rindex(_CLOSES)]
    if _hash(lines) != match[1] or text != _block(lines, match[2].decode(), newline):
        raise _damaged(where, f"its lines ({opens[0][0]} to {closes[0][0]}) were changed")
    return Block(start, end, match[2].decode(), newline, lines)


def with_block(data: bytes | None, plugin: Path, where: Path) -> bytes:
    """The file with a block that leads to `plugin`; one that is there is replaced in its place.

    Args:
        data: the file as it is; None where there is none.
        plugin: the folder for Nuke, absolute.
        where: the file, for errors.

    Raises:
        BadRequestError: a damaged block.
    """
    if data is None:
        return _block(_lines(plugin, b"\n"), NEW_FILE, b"\n")
    found = find_block(data, where)
    if found is not None:
        new = _block(_lines(plugin, found.newline), found.flag, found.newline)
        return data[: found.start] + new + data[found.end :]
    newline = b"\r\n" if data.count(b"\r\n") * 2 > data.count(b"\n") else b"\n"
    flag = OWN_LINE if not data or data.endswith(b"\n") else LINE_BREAK
    before = data + newline if flag == LINE_BREAK else data
    return before + _block(_lines(plugin, newline), flag, newline)


def without_block(data: bytes, where: Path) -> bytes | None:
    """The file as it was before; None where there was none.

    Raises:
        BadRequestError: a damaged block.
    """
    found = find_block(data, where)
    if found is None:
        return data
    before, after = data[: found.start], data[found.end :]
    # Lines that were added behind the block still need the break.
    if found.flag == LINE_BREAK and not after and before.endswith(found.newline):
        before = before[: -len(found.newline)]
    if found.flag == NEW_FILE and not before and not after:
        return None
    return before + after


def compiles(data: bytes) -> bool:
    """Whether Python can read the file at all."""
    try:
        compile(data, "init.py", "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return False
    return True


def _lines(plugin: Path, newline: bytes) -> bytes:
    # ASCII, whatever the file is encoded in.
    text = f"""\
try:
    import os

    import nuke

    _airoto_plugin = {str(plugin)!a}
    if os.path.isdir(_airoto_plugin):
        nuke.pluginAddPath(_airoto_plugin)
except Exception as exc:
    print(f"AIRoto is not available: {{exc}}")
"""
    return text.encode("ascii").replace(b"\n", newline)


def _block(lines: bytes, flag: str, newline: bytes) -> bytes:
    mark = _hash(lines).decode()
    first = f"# >>> AIRoto {mark} {flag} >>> {_TITLE}".encode()
    return first + newline + lines + b"# <<< AIRoto <<<" + newline


def _hash(lines: bytes) -> bytes:
    return hashlib.sha256(lines).hexdigest()[:8].encode()


def _damaged(where: Path, what: str) -> BadRequestError:
    return BadRequestError(
        f"the AIRoto block in {where} is not as it was written: {what}",
        hint="nothing was changed; take the block out by hand (your own lines stay), run again",
        path=str(where),
    )
