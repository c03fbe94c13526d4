"""Which folders a client may have read and written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from airoto.errors import PathForbiddenError


class Roots:
    """The folders that the server was told to stay in (`--root`).

    A path is judged by where it really lies, after `..` and symbolic links. Guarded is what a
    client can do with paths: name a file outside, or a link to one. Not guarded is a race
    with somebody who may write inside the roots and swaps a folder for a link between check
    and use; such a person has to be kept out by the rights of the server's user.
    """

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        """
        Args:
            folders: roots, for reading and writing; none: everything the server's user may.
        """
        self.folders = tuple(Path(os.path.realpath(folder)) for folder in folders)

    def check_read(self, path: str | Path) -> Path:
        """Where a file to be read really lies. It need not be there.

        Raises:
            PathForbiddenError: outside the roots, or no usable path.
        """
        return self._check(Path(path), self._real(Path(path)), "read")

    def check_write(self, path: str | Path) -> Path:
        """Where a file to be written will really lie.

        The folder's links are followed, not the file's own: a finished file is renamed over a
        link and does not write through it.

        Raises:
            PathForbiddenError: outside the roots, or no usable path.
        """
        path = Path(path)
        if path.name in ("", ".."):
            raise PathForbiddenError(f"{path} names no file", path=str(path))
        return self._check(path, self._real(path.parent) / path.name, "written")

    def _check(self, asked: Path, real: Path, what: str) -> Path:
        if self.folders and not any(real.is_relative_to(folder) for folder in self.folders):
            where = f"{asked}" if asked == real else f"{asked} (which is {real})"
            allowed = ", ".join(str(folder) for folder in self.folders)
            raise PathForbiddenError(
                f"{where} may not be {what}; allowed: {allowed}",
                hint="start the server with --root for that folder",
                path=str(asked),
            )
        return real

    def _real(self, path: Path) -> Path:
        try:
            return Path(os.path.realpath(path))
        except (OSError, ValueError) as exc:  # a zero byte, too many links
            raise PathForbiddenError(f"{str(path)!r} is no usable path", path=str(path)) from exc
