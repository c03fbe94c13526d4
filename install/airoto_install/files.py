"""Steps on files and folders. Whatever is written gets its name when it is whole."""

from __future__ import annotations

import contextlib
import difflib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from airoto.errors import AIRotoError, OutOfSpaceError, OutputError
from airoto_install.plan import Tell


@contextlib.contextmanager
def said(what: str, path: Path) -> Iterator[None]:
    """Translate what the system says of a file."""
    try:
        yield
    except OSError as exc:
        raise failure(exc, what, path) from exc


def failure(exc: OSError, what: str, path: Path) -> AIRotoError:
    """An error of the system in our words."""
    text = f"{what} {path}: {exc.strerror or exc}"
    if exc.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutOfSpaceError(text, hint="make room there and run it again", path=str(path))
    return OutputError(text, path=str(path))


@dataclass(frozen=True)
class MakeFolder:
    """A folder and those above it that are missing."""

    path: Path
    mode: int = 0o755

    def lines(self) -> Sequence[str]:
        return (f"make the folder {self.path}",)

    def apply(self, tell: Tell) -> None:
        with said("cannot make", self.path):
            self.path.mkdir(self.mode, parents=True, exist_ok=True)


@dataclass(frozen=True)
class WriteFile:
    """A file with this content, whatever was there before.

    A link is followed, so that a file kept elsewhere stays a link to it; the mode is kept.

    Attributes:
        before: what is there when planning; None for nothing. Another content at the time of
            writing is refused.
    """

    path: Path
    data: bytes
    what: str
    before: bytes | None = None
    mode: int = 0o644

    def lines(self) -> Sequence[str]:
        return (f"write {self.what}: {self.path}", *changes(self.before or b"", self.data))

    def apply(self, tell: Tell) -> None:
        real = Path(os.path.realpath(self.path))
        with said("cannot write", self.path):
            now = real.read_bytes() if real.exists() else None
            if now != self.before:
                raise OutputError(
                    f"{self.path} was changed meanwhile",
                    hint="run it again",
                    path=str(self.path),
                )
            write_atomic(real, self.data, self.mode)


@dataclass(frozen=True)
class RemoveFile:
    """A file or link that goes, if it is there."""

    path: Path
    what: str

    def lines(self) -> Sequence[str]:
        return (f"remove {self.what}: {self.path}",)

    def apply(self, tell: Tell) -> None:
        with said("cannot remove", self.path):
            self.path.unlink(missing_ok=True)


@dataclass(frozen=True)
class RemoveTree:
    """A folder that goes with all that is in it."""

    path: Path
    what: str

    def lines(self) -> Sequence[str]:
        return (f"remove {self.what}: {self.path}",)

    def apply(self, tell: Tell) -> None:
        with said("cannot remove", self.path):
            if self.path.exists():
                shutil.rmtree(self.path)


@dataclass(frozen=True)
class RemoveIfEmpty:
    """A folder that we made goes, unless somebody else's things are in it by now."""

    path: Path

    def lines(self) -> Sequence[str]:
        return (f"remove the folder {self.path}, if nothing of yours is in it",)

    def apply(self, tell: Tell) -> None:
        try:
            self.path.rmdir()
        except FileNotFoundError:
            return
        except OSError as exc:
            if exc.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise failure(exc, "cannot remove", self.path) from exc
            tell(f"  {self.path} stays: it is not empty")


@dataclass(frozen=True)
class Link:
    """A link that leads to `target`, switched in one step from where it led before."""

    path: Path
    target: str
    what: str

    def lines(self) -> Sequence[str]:
        return (f"{self.what}: {self.path} -> {self.target}",)

    def apply(self, tell: Tell) -> None:
        with said("cannot make the link", self.path):
            if os.name == "nt":
                _junction(self.path, self.target)
                return
            fresh = self.path.with_name(f".{self.path.name}.{os.getpid()}")
            fresh.unlink(missing_ok=True)
            try:
                fresh.symlink_to(self.target)
                fresh.replace(self.path)
            finally:
                fresh.unlink(missing_ok=True)


@dataclass(frozen=True)
class CopyTree:
    """Folders and files of AIRoto's own, without compiled ones."""

    source: Path
    target: Path
    names: tuple[str, ...]

    def lines(self) -> Sequence[str]:
        return (f"copy {', '.join(self.names)} from {self.source} to {self.target}",)

    def apply(self, tell: Tell) -> None:
        for name in self.names:
            source, target = self.source / name, self.target / name
            with said("cannot copy to", target):
                try:
                    if source.is_dir():
                        shutil.copytree(source, target, ignore=_not_ours)
                    else:
                        shutil.copy2(source, target)
                except shutil.Error as exc:
                    raise OutputError(f"cannot copy to {target}: {exc.args[0][0][2]}") from exc


def write_atomic(path: Path, data: bytes, mode: int) -> None:
    """Write beside the file, then rename; the mode of a file that is there is kept.

    Raises:
        OSError: it could not be written; the file is as it was.
    """
    kept = path.stat().st_mode & 0o7777 if path.exists() else mode
    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, "it is read-only", str(path))
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(kept)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def changes(before: bytes, after: bytes) -> list[str]:
    """The lines that differ, as in a patch."""
    old = before.decode("utf-8", "replace").splitlines()
    new = after.decode("utf-8", "replace").splitlines()
    return list(difflib.unified_diff(old, new, lineterm="", n=1))[2:]


def _not_ours(folder: str, names: list[str]) -> set[str]:
    return {name for name in names if name == "__pycache__" or name.endswith((".pyc", ".pyo"))}


def _junction(path: Path, target: str) -> None:
    # Links need a privilege there, junctions do not; they cannot be switched in one step.
    import _winapi

    if path.exists():
        path.rmdir()
    _winapi.CreateJunction(str(path.parent / target), str(path))  # type: ignore[attr-defined]
