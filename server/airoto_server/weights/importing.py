"""Weights that are here already: bringing them into the store, and pinning them.

Files are recognised by what they are (size and sha256), whatever they are called; only a file
whose hash nobody knows yet goes by its name. A folder or a zip archive (a wheel is one) is
searched for everything the manifest knows.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from airoto.errors import BadRequestError, EngineUnavailableError, OutOfSpaceError, OutputError
from airoto_server.weights.download import part_of
from airoto_server.weights.fetch import install
from airoto_server.weights.formats import inspect
from airoto_server.weights.manifest import Checkpoint, Form, WeightFile
from airoto_server.weights.pins import Pin, pin_key
from airoto_server.weights.store import FileStatus, State, WeightStore

CHUNK = 1 << 20


@dataclass(frozen=True)
class Imported:
    """One file that was brought into the store.

    Attributes:
        path: where it is now.
        recorded: whether its hash was unknown until now and stands in the lock.
    """

    checkpoint: str
    path: Path
    sha256: str
    recorded: bool


@dataclass(frozen=True)
class _Candidate:
    """Bytes that may be a known file."""

    name: str
    origin: str
    size: int
    open: Callable[[], IO[bytes]]

    def sha256(self) -> str:
        with self.open() as stream:
            digest = hashlib.sha256()
            while piece := stream.read(CHUNK):
                digest.update(piece)
        return digest.hexdigest()


@dataclass(frozen=True)
class _Match:
    """A candidate, recognised."""

    checkpoint: Checkpoint
    form: Form
    file: WeightFile
    candidate: _Candidate
    sha256: str
    recorded: bool


def import_weights(store: WeightStore, source: Path, *, name: str = "") -> list[Imported]:
    """Copy known files from a file, folder or zip archive into the store.

    Args:
        name: the checkpoint it is; needed where neither hash nor name tells.

    Returns:
        what was copied, or was in the store already; never empty.

    Raises:
        BadRequestError: nothing there, or nothing the manifest knows; names what was found.
        EngineUnavailableError: unknown checkpoint, a licence that is not allowed, a file that
            is damaged or could run code.
        OutputError, OutOfSpaceError: the store cannot be written.
    """
    if name:
        store.manifest.find(name)
    try:
        with _opened(source) as candidates:
            matches = [match for each in candidates for match in _matches(store, each, name)]
            if not matches and source.is_file() and len(candidates) == 1:
                _explain(store, candidates[0], name)
            wanted = matches if name else _belonging(store, matches)
            allowed = [match for match in wanted if store.policy.allows(match.checkpoint)]
            if wanted and not allowed:
                checkpoint = wanted[0].checkpoint
                raise EngineUnavailableError(
                    f"checkpoint {checkpoint.name!r} is not imported: "
                    + store.policy.refusal(checkpoint),
                    hint=store.policy.remedy(checkpoint),
                )
            imported = [_copy_in(store, match) for match in allowed]
    except (zipfile.BadZipFile, EOFError) as exc:
        raise BadRequestError(f"{source} is a damaged archive ({exc})", path=str(source)) from exc
    if not imported:
        names = ", ".join(sorted({each.name for each in candidates})[:8]) or "none"
        if name:
            wanted_files = ", ".join(
                f"{file.name} ({f'{file.bytes:,} bytes' if file.bytes else 'by that name'})"
                for form in store.manifest.find(name).forms
                for file in form.files
            )
            raise BadRequestError(
                f"{source} holds no file of checkpoint {name!r}; files there: {names}; "
                f"looked for by size and sha256: {wanted_files}",
                path=str(source),
            )
        raise BadRequestError(
            f"{source} holds no weights that the manifest knows; files there: {names}",
            hint="say what it is with --as NAME",
            path=str(source),
        )
    return imported


def lock(store: WeightStore, names: list[str], target: Path | None = None) -> dict[str, Pin]:
    """Record the hashes of files in the store that the manifest could not know.

    Args:
        names: checkpoints; empty is all that are there.
        target: the lock file; the first writable folder's by default.

    Returns:
        what was recorded, by `<checkpoint>/<file>`; files with a pin stay as they are.

    Raises:
        EngineUnavailableError: a named checkpoint is not there, is not what its pins say, or
            could run code.
        OutputError: the lock cannot be written.
    """
    pins: dict[str, Pin] = {}
    for name in names or list(store.manifest.checkpoints):
        status = store.status(name)
        if status.state is State.UNPINNED:
            for each in status.files:
                if each.state is State.UNPINNED:
                    pins[pin_key(name, each.file.name)] = _pin(store, name, status.form, each)
        elif names and not status.ready:
            raise EngineUnavailableError(
                f"checkpoint {name!r} cannot be locked: {status.reason}", hint=status.fix
            )
    if pins:
        store.record(pins, target)
    return pins


def _pin(store: WeightStore, name: str, form: Form, each: FileStatus) -> Pin:
    inspect(name, form, each.file, each.path)
    return Pin.of(store.hashes.sha256(each.path), each.path.stat().st_size, str(each.path))


@contextmanager
def _opened(source: Path) -> Iterator[list[_Candidate]]:
    """All files of a source, readable until the block ends."""
    if source.is_dir():
        paths = sorted(path for path in source.rglob("*") if path.is_file())
        yield [_plain(path) for path in paths]
    elif not source.is_file():
        raise BadRequestError(f"{source} is not there", path=str(source))
    elif source.suffix in (".zip", ".whl"):
        with zipfile.ZipFile(source) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            yield [_member(source, archive, member) for member in members]
    else:
        yield [_plain(source)]


def _plain(path: Path) -> _Candidate:
    return _Candidate(path.name, str(path), path.stat().st_size, lambda: path.open("rb"))


def _member(source: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> _Candidate:
    return _Candidate(
        Path(member.filename).name,
        f"{source}:{member.filename}",
        member.file_size,
        lambda: archive.open(member),
    )


def _matches(store: WeightStore, candidate: _Candidate, name: str) -> list[_Match]:
    """What these bytes may be: by size and hash, or by name where no hash is known."""
    known = [
        (checkpoint, form, file, store.pinned(checkpoint, file))
        for checkpoint, form, file in store.manifest.files()
        if name in ("", checkpoint.name)
        and (file.bytes == candidate.size or (not file.bytes and file.name == candidate.name))
    ]
    if not known:
        return []
    sha256 = candidate.sha256()
    exact = [each for each in known if each[3] == sha256]
    if not exact:
        unknown = [each for each in known if not each[3] and each[2].name == candidate.name]
        # A name that several checkpoints share says nothing, unless a person says which.
        exact = unknown if len(unknown) == 1 else []
    return [
        _Match(checkpoint, form, file, candidate, sha256, recorded=not pin)
        for checkpoint, form, file, pin in exact
    ]


def _belonging(store: WeightStore, matches: list[_Match]) -> list[_Match]:
    """Only files whose weights come along or are here: configurations look alike."""
    mains = {(each.checkpoint.name, each.file.name) for each in matches}
    return [
        each
        for each in matches
        if (each.checkpoint.name, each.form.main.name) in mains
        or any(
            (folder / each.checkpoint.name / each.form.main.name).is_file()
            for folder in store.folders
        )
    ]


def _explain(store: WeightStore, candidate: _Candidate, name: str) -> None:
    """Say why a single file was not recognised, where its name gives a clue."""
    called = [
        (checkpoint, file, store.pinned(checkpoint, file))
        for checkpoint, _, file in store.manifest.files()
        if file.name == candidate.name and name in ("", checkpoint.name)
    ]
    if len(called) == 1:
        checkpoint, file, wanted = called[0]
        raise EngineUnavailableError(
            f"{candidate.origin} is not {file.name} of checkpoint {checkpoint.name!r}: it has "
            f"{candidate.size:,} bytes and sha256 {candidate.sha256()}, but must have "
            f"{f'{file.bytes:,} bytes and ' if file.bytes else ''}sha256 {wanted}",
            path=candidate.origin,
        )


def _copy_in(store: WeightStore, match: _Match) -> Imported:
    checkpoint, file, candidate = match.checkpoint, match.file, match.candidate
    target = store.writable_folder() / checkpoint.name / file.name
    if target.is_file() and not match.recorded and store.hashes.sha256(target) == match.sha256:
        return Imported(checkpoint.name, target, match.sha256, recorded=False)
    part = part_of(target)
    try:
        target.parent.mkdir(exist_ok=True)
        with candidate.open() as source, part.open("wb") as out:
            shutil.copyfileobj(source, out, CHUNK)
    except OSError as exc:
        part.unlink(missing_ok=True)
        kind = OutOfSpaceError if exc.errno in (errno.ENOSPC, errno.EDQUOT) else OutputError
        raise kind(
            f"{part} cannot be written ({os.strerror(exc.errno or 0)})", path=str(part)
        ) from exc
    if store.hashes.sha256(part) != match.sha256:
        part.unlink()
        raise EngineUnavailableError(f"{candidate.origin} changed while it was copied")
    path = install(store, checkpoint, match.form, file, part, match.sha256, candidate.origin)
    return Imported(checkpoint.name, path, match.sha256, match.recorded)
