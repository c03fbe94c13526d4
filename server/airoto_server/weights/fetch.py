"""Fetching checkpoints: the only thing in AIRoto that reaches for weights on the network."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from airoto.errors import (
    BusyError,
    EngineUnavailableError,
    OutputError,
    ServerUnreachableError,
)
from airoto_server.weights.download import (
    ContentError,
    Transfer,
    TransferError,
    download,
    part_of,
)
from airoto_server.weights.formats import inspect
from airoto_server.weights.manifest import (
    Checkpoint,
    Form,
    WeightFile,
    is_allowed_url,
)
from airoto_server.weights.pins import Pin, pin_key
from airoto_server.weights.store import CheckpointStatus, State, WeightStore
from airoto_server.weights.wheel import from_wheel

MIRROR_VARIABLE = "AIROTO_WEIGHTS_MIRROR"

# (file name, bytes there, bytes in all or 0 where unknown)
FileProgress = Callable[[str, int, int], None]


def mirrors_from_environment() -> tuple[str, ...]:
    """The addresses in `AIROTO_WEIGHTS_MIRROR`, separated by spaces; asked before the others.

    A mirror holds `<address>/<checkpoint>/<file>`. It may speak plain http: what it gives has
    to have the hash of the manifest or the lock.
    """
    return tuple(os.environ.get(MIRROR_VARIABLE, "").split())


def fetch(
    store: WeightStore,
    name: str,
    *,
    format_: str = "",
    mirrors: tuple[str, ...] = (),
    transfer: Transfer | None = None,
    progress: FileProgress | None = None,
) -> CheckpointStatus:
    """Make a checkpoint ready, fetching what is missing.

    Args:
        format_: which of the released formats; empty is the manifest's first.
        mirrors: addresses to ask before those of the manifest.
        progress: called while bytes arrive.

    Returns:
        the checkpoint's status, ready.

    Raises:
        EngineUnavailableError: unknown, its licence is not allowed, a file in the way is
            wrong, or all addresses give something else than it must be.
        ServerUnreachableError: no address answers.
        OutputError, OutOfSpaceError: it cannot be written.
        BusyError: another process is fetching it.
    """
    checkpoint = store.manifest.find(name)
    status = store.status(name)
    if status.ready and format_ in ("", status.form.format):
        return status
    if status.state is State.FORBIDDEN:
        raise EngineUnavailableError(
            f"checkpoint {name!r} is not fetched: {status.reason}", hint=status.fix
        )
    form = choose_form(checkpoint, format_)
    folder = store.writable_folder() / name
    try:
        folder.mkdir(exist_ok=True)
    except OSError as exc:
        raise OutputError(f"{folder} cannot be made ({exc.strerror})", path=str(folder)) from exc
    with _alone(folder):
        for file in form.files:
            _fetch_file(
                store, checkpoint, form, file, folder, mirrors, transfer or Transfer(), progress
            )
    return store.require(name)


def choose_form(checkpoint: Checkpoint, format_: str) -> Form:
    """The form in that format; the first where none is named.

    Raises:
        EngineUnavailableError: it was not released in that format.
    """
    for form in checkpoint.forms:
        if format_ in ("", form.format):
            return form
    known = ", ".join(form.format for form in checkpoint.forms)
    raise EngineUnavailableError(
        f"checkpoint {checkpoint.name!r} is not known in format {format_!r}; known: {known}"
    )


def install(
    store: WeightStore,
    checkpoint: Checkpoint,
    form: Form,
    file: WeightFile,
    part: Path,
    sha256: str,
    origin: str,
) -> Path:
    """Give bytes their name, once they are known to be right.

    A file without a pin is looked into first, and its hash is recorded.

    Args:
        part: the bytes, in the folder they shall stay in, with suffix `.part`.
        sha256: of these bytes.
        origin: where they came from, for the lock.

    Raises:
        EngineUnavailableError: damaged, or it could run code.
        OutputError: it cannot be named, or the lock cannot be written.
    """
    target = part.with_name(file.name)
    if not store.pinned(checkpoint, file):
        try:
            inspect(checkpoint.name, form, file, part)
        except EngineUnavailableError:
            part.unlink()
            raise
        pin = Pin.of(sha256, part.stat().st_size, origin)
        store.record({pin_key(checkpoint.name, file.name): pin})
    try:
        part.replace(target)
    except OSError as exc:
        raise OutputError(f"{target} cannot be written ({exc.strerror})", path=str(target)) from exc
    store.hashes.remember(target, sha256)
    return target


def _fetch_file(
    store: WeightStore,
    checkpoint: Checkpoint,
    form: Form,
    file: WeightFile,
    folder: Path,
    mirrors: tuple[str, ...],
    transfer: Transfer,
    progress: FileProgress | None,
) -> None:
    target = folder / file.name
    pinned = store.pinned(checkpoint, file)
    if target.exists():
        _accept_or_refuse(store, checkpoint, form, file, target, pinned)
        return
    told = progress or (lambda _name, _done, _total: None)
    failures: list[tuple[str, TransferError]] = []
    for url in _addresses(checkpoint, file, mirrors, pinned=bool(pinned)):
        try:
            sha256 = download(
                url,
                target,
                sha256=pinned,
                size=file.bytes,
                transfer=transfer,
                progress=lambda done, total: told(file.name, done, total),
            )
        except TransferError as exc:
            failures.append((url, exc))
            continue
        install(store, checkpoint, form, file, part_of(target), sha256, url)
        return
    if file.wheel:
        address = f"wheel {file.wheel}"
        try:
            sha256 = from_wheel(
                file.wheel, file.member, target, sha256=file.sha256, size=file.bytes
            )
        except TransferError as exc:
            failures.append((address, exc))
        else:
            install(store, checkpoint, form, file, part_of(target), sha256, address)
            return
    listed = "".join(f"\n  {url} {exc}" for url, exc in failures)
    message = f"{file.name} of checkpoint {checkpoint.name!r} could not be fetched:{listed}"
    if any(isinstance(exc, ContentError) for _, exc in failures):
        raise EngineUnavailableError(
            message, hint="somebody changed the file, or a proxy answers in its place"
        )
    raise ServerUnreachableError(
        message,
        hint="run it again, it goes on where it stopped; without a network: airoto weights import",
    )


def _accept_or_refuse(
    store: WeightStore,
    checkpoint: Checkpoint,
    form: Form,
    file: WeightFile,
    target: Path,
    pinned: str,
) -> None:
    found = store.hashes.sha256(target)
    if not pinned:
        inspect(checkpoint.name, form, file, target)
        pin = Pin.of(found, target.stat().st_size, str(target))
        store.record({pin_key(checkpoint.name, file.name): pin})
    elif found != pinned:
        raise EngineUnavailableError(
            f"{target} is in the way: it has sha256 {found} instead of {pinned}",
            hint="move it away, then fetch again",
            path=str(target),
        )


def _addresses(
    checkpoint: Checkpoint, file: WeightFile, mirrors: tuple[str, ...], *, pinned: bool
) -> Iterator[str]:
    for mirror in mirrors:
        url = urljoin(mirror.rstrip("/") + "/", f"{checkpoint.name}/{file.name}")
        if not is_allowed_url(url) and not (pinned and urlsplit(url).scheme == "http"):
            raise EngineUnavailableError(
                f"{file.name} of checkpoint {checkpoint.name!r} is not fetched from {url}: "
                "mirrors speak https; http only for files whose hash is known"
            )
        yield url
    yield from file.urls


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time fetches into a folder (where the system can lock files)."""
    try:
        import fcntl
    except ImportError:
        # Windows itself refuses to open a file for writing that another process writes.
        yield
        return
    path = folder / ".fetching"
    try:
        lock = path.open("w")
    except OSError as exc:
        raise OutputError(f"{path} cannot be written ({exc.strerror})", path=str(path)) from exc
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise BusyError(f"another process is fetching into {folder}", retry_after=10.0) from exc
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
