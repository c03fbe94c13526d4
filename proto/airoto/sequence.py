"""Frame patterns: `plate.%04d.exr` to file names and back.

A pattern is a file's path with at most one token for the frame number in its file name:

- `%04d`, `%d`: as in printf.
- `#`: four digits. `##`, `####`: as many digits as signs, as in Nuke.
- `@@@`: as many digits as signs, directly before the extension.
- `1001-1100#`: a range (as fileseq writes them) before `#` or `@` says which frames there are.

`%V` stands for the name of the view, `%v` for its first letter, in folders too. Every other
character, `%` included, means itself. A path without a frame token is one still or a movie.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import fileseq

from airoto.errors import BadRequestError, FrameMissingError

MOVIE_EXTENSIONS = frozenset({".mov", ".mp4", ".mkv", ".avi", ".mxf", ".webm", ".m4v"})

_MAX_DECLARED = 1_000_000
_MAX_DIGITS = 12
_MAX_TEXT = 4096
_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\")
_VIEW = re.compile(r"%[vV]")
_PRINTF = re.compile(r"%(?:0(?P<digits>\d{1,9}))?d")
# In a folder `%d` may be part of a word (`100%done`); this is certainly meant as a token.
_PADDED_PRINTF = re.compile(r"%0\d+d")
# A printf conversion that Nuke and fileseq do not know either.
_OTHER_PRINTF = re.compile(r"%[-+ ]?\d*[diouxX]")
# A minus after a letter or digit separates: `plate-1-9#` has no frame -1.
_NUMBER = r"(?:(?<![^\W_])-)?\d{1,9}"
_SPAN = rf"{_NUMBER}--?\d{{1,9}}(?:x\d{{1,9}})?"
_ITEM = rf"(?:{_SPAN}|{_NUMBER})"
# One number alone counts as a range after a full stop only: `v2#` is not frame 2.
_RANGE = rf"(?P<range>{_ITEM}(?:,{_ITEM})+|{_SPAN}|(?<=\.)-?\d{{1,9}})?"
_HASH = re.compile(_RANGE + r"(?P<signs>#+)")
_AT = re.compile(r"(?<![A-Za-z])" + _RANGE + r"(?<![A-Za-z])(?P<signs>@+)(?=\.|$)")


@dataclass(frozen=True)
class Pattern:
    """A parsed pattern; make it with `Pattern.parse`.

    Attributes:
        text: as it was written.
        folder: what stands before the file name, with its closing slash, or empty.
        prefix, suffix: the file name before and after the frame token.
        padding: least number of digits; 0 without a frame token.
        declared_frames: frames that the pattern itself names, rising; empty if none.
    """

    text: str
    folder: str
    prefix: str
    suffix: str = ""
    padding: int = 0
    declared_frames: tuple[int, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """Read a pattern.

        Raises:
            BadRequestError: it cannot be understood; the message quotes it and says why.
        """
        folder, name = _split(text)
        if _PADDED_PRINTF.search(folder):
            raise _refused(text, "the frame number can stand in the file name only")
        if Path(name).suffix.lower() in MOVIE_EXTENSIONS:
            if _PRINTF.search(name):
                raise _refused(text, "a movie holds all frames in one file")
            return cls(text, folder, name)
        token = _find_token(text, name)
        if token is None:
            return cls(text, folder, name)
        digits = _digits(token)
        if digits > _MAX_DIGITS:
            raise _refused(text, f"at most {_MAX_DIGITS} digits are allowed")
        return cls(
            text,
            folder,
            prefix=name[: token.start()],
            suffix=name[token.end() :],
            padding=digits,
            declared_frames=_declared(text, token),
        )

    def __str__(self) -> str:
        return self.text

    @property
    def has_token(self) -> bool:
        """Whether there is a place for the frame number."""
        return self.padding > 0

    @property
    def has_view_token(self) -> bool:
        """Whether there is a place for the view."""
        return _VIEW.search(self.folder + self.prefix + self.suffix) is not None

    @property
    def extension(self) -> str:
        """In lower case with its full stop, or empty."""
        name = f"{self.prefix}0{self.suffix}" if self.has_token else self.prefix
        return Path(name).suffix.lower()

    @property
    def is_movie(self) -> bool:
        """Whether it is one file that holds all frames."""
        return self.extension in MOVIE_EXTENSIONS

    @property
    def is_absolute(self) -> bool:
        """Whether it needs no base folder."""
        return self.folder.startswith("/") or _WINDOWS.match(self.folder) is not None

    def resolved(self, base: Path) -> Pattern:
        """The same pattern, a relative one counted from the folder `base`."""
        if self.is_absolute:
            return self
        prefix = f"{base.as_posix().rstrip('/')}/"
        # A base's own `%` signs mean themselves, but they would be read again as tokens.
        if _VIEW.search(prefix) or _PADDED_PRINTF.search(prefix):
            raise _refused(prefix, "a folder of that name cannot hold a recipe's files")
        return replace(self, text=prefix + self.text, folder=prefix + self.folder)

    def path(self, frame: int, view: str = "") -> Path:
        """The file of one frame; a still or a movie is the same for every frame.

        Negative frames are written as printf does: -5 is `-005` with four digits.

        Raises:
            BadRequestError: the pattern needs a view and there is none, or it is no name.
        """
        folder, prefix, suffix = self._parts(view)
        number = _number(frame, self.padding) if self.has_token else ""
        return Path(f"{folder}{prefix}{number}{suffix}")

    def frames_on_disk(self, view: str = "") -> list[int]:
        """The frames whose files are there, rising; none for a still or a movie.

        Raises:
            BadRequestError: as `path`.
            FrameMissingError: the folder is not there or cannot be read.
        """
        folder, prefix, suffix = self._parts(view)
        if not self.has_token:
            return []
        shape = re.compile(rf"{re.escape(prefix)}(-?\d+){re.escape(suffix)}", re.DOTALL)
        frames = []
        try:
            with os.scandir(folder or ".") as entries:
                for entry in entries:
                    match = shape.fullmatch(entry.name)
                    # Other paddings are other sequences.
                    if (
                        match
                        and match[1] == _number(int(match[1]), self.padding)
                        and entry.is_file()
                    ):
                        frames.append(int(match[1]))
        except OSError as exc:
            raise FrameMissingError(
                f"the plate's folder {folder or '.'} cannot be read: {exc.strerror}",
                path=folder or ".",
            ) from exc
        return sorted(frames)

    def _parts(self, view: str) -> tuple[str, str, str]:
        if not self.has_view_token:
            return self.folder, self.prefix, self.suffix
        if not view:
            raise _refused(self.text, "it has a place for a view, so a view must be named")
        if "/" in view or "\\" in view or view in (".", "..") or not view.isprintable():
            raise BadRequestError(f"{view!r} is no name of a view")
        names = {"%V": view, "%v": view[0]}

        def filled(part: str) -> str:
            return _VIEW.sub(lambda match: names[match[0]], part)

        return filled(self.folder), filled(self.prefix), filled(self.suffix)


def compress_frames(frames: Iterable[int]) -> str:
    """`1-3,7` for 1, 2, 3, 7, in rising order, each once; empty for none."""
    runs: list[list[int]] = []
    for frame in sorted(set(frames)):
        if runs and frame == runs[-1][1] + 1:
            runs[-1][1] = frame
        else:
            runs.append([frame, frame])
    return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in runs)


def _split(text: str) -> tuple[str, str]:
    """Folder with its closing slash, and file name."""
    if len(text) > _MAX_TEXT:
        raise _refused(f"{text[:60]}…", f"it has more than {_MAX_TEXT} characters")
    if any(ord(sign) < 32 or ord(sign) == 127 for sign in text):
        raise _refused(text, "it has a control character")
    if os.name == "nt" or _WINDOWS.match(text):
        text = text.replace("\\", "/")
    elif "\\" in text:
        raise _refused(text, "it has a backslash; write / between folders")
    folder, slash, name = text.rpartition("/")
    if name in ("", ".", ".."):
        raise _refused(text, "it names no file")
    return folder + slash, name


def _find_token(text: str, name: str) -> re.Match[str] | None:
    for expression in (_PRINTF, _HASH, _AT):
        found = list(expression.finditer(name))
        if len(found) > 1:
            raise _refused(text, "it has more than one place for the frame number")
        if found:
            return found[0]
    if _OTHER_PRINTF.search(name):
        raise _refused(text, "the frame number is written %04d, #### or @@@@")
    return None


def _digits(token: re.Match[str]) -> int:
    groups = token.groupdict()
    if "signs" not in groups:
        return max(1, int(groups["digits"] or 1))
    return 4 if groups["signs"] == "#" else len(groups["signs"])


def _declared(text: str, token: re.Match[str]) -> tuple[int, ...]:
    written = token.groupdict().get("range")
    if not written:
        return ()
    bounds = [int(number) for number in re.findall(r"(?:^|(?<=[-,]))-?\d+", written)]
    if max(bounds) - min(bounds) >= _MAX_DECLARED:
        raise _refused(text, f"it names more than {_MAX_DECLARED} frames")
    try:
        return tuple(sorted({int(frame) for frame in fileseq.FrameSet(written)}))
    except fileseq.FileSeqException as exc:
        raise _refused(text, f"{written} is no frame range") from exc


def _number(frame: int, padding: int) -> str:
    return f"{frame:0{padding}d}"


def _refused(text: str, why: str) -> BadRequestError:
    return BadRequestError(f"{text!r} is no frame pattern: {why}", path=text)
