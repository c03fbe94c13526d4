"""The folders in which weights lie, and what can be said of each checkpoint in them.

`AIROTO_WEIGHTS` names folders like a PATH: they are searched in order, and may be read-only.
A file lies in `<folder>/<checkpoint>/<file>`; a checkpoint of one file is also found as
`<folder>/<file>`, as shares often have it. Nothing here reaches for the network.
"""

from __future__ import annotations

import enum
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from airoto.errors import EngineUnavailableError, OutputError
from airoto_server.weights.hashes import HashMemory, default_memory
from airoto_server.weights.manifest import (
    Checkpoint,
    Form,
    Manifest,
    WeightFile,
    default_manifest,
    read_manifest,
)
from airoto_server.weights.pins import LOCK_NAME, Pin, pin_key, read_pins, record_pins
from airoto_server.weights.policy import LicencePolicy

VARIABLE = "AIROTO_WEIGHTS"
OWN_MANIFEST = "manifest.toml"


class State(enum.Enum):
    """What can be said of a file or a checkpoint; the value is the word people see."""

    READY = "ready"
    FORBIDDEN = "licence not allowed"
    DAMAGED = "wrong content"
    UNPINNED = "not pinned yet"
    INCOMPLETE = "incomplete"
    MISSING = "missing"


# Of several copies that cannot be used, the one that says most is spoken of.
_TELLING = (State.READY, State.DAMAGED, State.UNPINNED, State.INCOMPLETE, State.MISSING)


@dataclass(frozen=True)
class FileStatus:
    """One file of a form in one folder.

    Attributes:
        path: where it is, or would be.
        sha256: what it is, or empty where that was not looked at.
        reason: why it cannot be used, or empty.
    """

    file: WeightFile
    path: Path
    state: State
    sha256: str = ""
    reason: str = ""


@dataclass(frozen=True)
class CheckpointStatus:
    """A checkpoint, as far as it is here.

    Attributes:
        form: the form this is about: the one that is ready, or the nearest to it.
        path: the file or folder to hand to the engine; None unless every file is there.
        sha256: of the file with the weights; empty unless ready.
        bytes: size on disk where ready, else of what has to be fetched; 0 where not known.
        reason: why it cannot be used, or empty.
        fix: the command or setting that would change that, or empty.
    """

    checkpoint: Checkpoint
    state: State
    form: Form
    files: tuple[FileStatus, ...]
    path: Path | None = None
    sha256: str = ""
    bytes: int = 0
    reason: str = ""
    fix: str = ""

    @property
    def ready(self) -> bool:
        """Whether an engine may load it."""
        return self.state is State.READY

    @property
    def present(self) -> bool:
        """Whether all its files are there, usable or not."""
        return self.path is not None


class WeightStore:
    """Checkpoints of a manifest, in folders.

    Args:
        folders: searched in order; none has to exist.
        hashes: memory of hashes; one within this process by default.
    """

    def __init__(
        self,
        folders: tuple[Path, ...],
        manifest: Manifest,
        *,
        policy: LicencePolicy | None = None,
        hashes: HashMemory | None = None,
    ) -> None:
        self.folders = folders
        self.manifest = manifest
        self.policy = policy or LicencePolicy()
        self.hashes = hashes or HashMemory()

    @classmethod
    def from_environment(cls, manifest: Path | None = None) -> WeightStore:
        """The store that `AIROTO_WEIGHTS` and `AIROTO_LICENSES` describe.

        A folder's own `manifest.toml` adds checkpoints of a studio's own.

        Raises:
            BadRequestError: a manifest is wrong.
        """
        listed = os.environ.get(VARIABLE, "").split(os.pathsep)
        folders = tuple(Path(each).expanduser() for each in listed if each.strip())
        folders = folders or (Path.home() / ".airoto" / "weights",)
        known = read_manifest(manifest or default_manifest())
        for own in (folder / OWN_MANIFEST for folder in folders):
            if own.is_file():
                known = known.with_more(read_manifest(own))
        return cls(
            folders,
            known,
            policy=LicencePolicy.from_environment(),
            hashes=HashMemory(default_memory()),
        )

    def status(self, name: str, progress: Callable[[int], None] | None = None) -> CheckpointStatus:
        """What can be said of a checkpoint. Reads whole files only when they have changed.

        Args:
            progress: called with the bytes of each piece that had to be hashed.

        Raises:
            EngineUnavailableError: no such checkpoint.
            BadRequestError: a lock file is damaged.
        """
        checkpoint = self.manifest.find(name)
        if not self.policy.allows(checkpoint):
            return CheckpointStatus(
                checkpoint,
                State.FORBIDDEN,
                checkpoint.forms[0],
                (),
                bytes=checkpoint.forms[0].bytes,
                reason=self.policy.refusal(checkpoint),
                fix=self.policy.remedy(checkpoint),
            )
        pins = read_pins(self.folders)
        best: CheckpointStatus | None = None
        for form, folder in self._places(checkpoint):
            found = self._in_folder(checkpoint, form, folder, pins, progress)
            if found.ready:
                return found
            if best is None or _TELLING.index(found.state) < _TELLING.index(best.state):
                best = found
        assert best is not None  # there is at least one form and one folder
        return best

    def statuses(self) -> Iterator[CheckpointStatus]:
        """All checkpoints of the manifest, in its order."""
        for name in self.manifest.checkpoints:
            yield self.status(name)

    def require(self, name: str) -> CheckpointStatus:
        """The status of a checkpoint that is ready.

        Raises:
            EngineUnavailableError: it is not; says why, and what to do.
        """
        found = self.status(name)
        if not found.ready:
            raise EngineUnavailableError(
                f"checkpoint {name!r} cannot be used: {found.reason}", hint=found.fix
            )
        return found

    def pinned(self, checkpoint: Checkpoint, file: WeightFile) -> str:
        """The sha256 that a file must have; empty where none is known yet."""
        if file.sha256:
            return file.sha256
        pin = read_pins(self.folders).get(pin_key(checkpoint.name, file.name))
        return pin.sha256 if pin else ""

    def record(self, pins: dict[str, Pin], path: Path | None = None) -> Path:
        """Write pins into the lock of the first folder that can be written, or to `path`.

        Raises:
            OutputError: there is no such folder, or it cannot be written.
        """
        target = path or self.writable_folder() / LOCK_NAME
        record_pins(target, pins)
        return target

    def writable_folder(self) -> Path:
        """The first folder that can be written, made if it is not there.

        Raises:
            OutputError: there is none.
        """
        refused: list[str] = []
        for folder in self.folders:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as exc:
                refused.append(f"{folder} ({exc.strerror})")
                continue
            if os.access(folder, os.W_OK):
                return folder
            refused.append(f"{folder} (read-only)")
        raise OutputError(
            f"no folder for weights can be written: {', '.join(refused)}",
            hint=f"add a folder of your own to {VARIABLE}; folders are separated by {os.pathsep!r}",
        )

    def _places(self, checkpoint: Checkpoint) -> Iterator[tuple[Form, Path]]:
        for form in checkpoint.forms:
            for folder in self.folders:
                own = folder / checkpoint.name
                flat = folder / form.files[0].name
                # A flat file is taken only where no folder of the checkpoint's own has it.
                if len(form.files) == 1 and flat.is_file() and not (own / flat.name).exists():
                    yield form, folder
                else:
                    yield form, own

    def _in_folder(
        self,
        checkpoint: Checkpoint,
        form: Form,
        folder: Path,
        pins: dict[str, Pin],
        progress: Callable[[int], None] | None,
    ) -> CheckpointStatus:
        files = tuple(
            self._file(checkpoint, file, folder / file.name, pins, progress) for file in form.files
        )
        state = _worst(files)
        there = all(file.state is not State.MISSING for file in files)
        main = next(each for each in files if each.file is form.main)
        return CheckpointStatus(
            checkpoint,
            state,
            form,
            files,
            path=(folder if form.entry == "." else folder / form.entry) if there else None,
            sha256=main.sha256 if state is State.READY else "",
            bytes=_on_disk(files) if state is State.READY else form.bytes,
            reason=_reason(self.folders, state, files),
            fix=_fix(checkpoint, state, files),
        )

    def _file(
        self,
        checkpoint: Checkpoint,
        file: WeightFile,
        path: Path,
        pins: dict[str, Pin],
        progress: Callable[[int], None] | None,
    ) -> FileStatus:
        if not path.is_file():
            return FileStatus(file, path, State.MISSING, reason=f"{file.name} is not there")
        pin = pins.get(pin_key(checkpoint.name, file.name))
        wanted = file.sha256 or (pin.sha256 if pin else "")
        try:
            size = path.stat().st_size
            if file.bytes and size != file.bytes:
                why = f"{path} has {size:,} bytes instead of {file.bytes:,}"
                return FileStatus(file, path, State.DAMAGED, reason=why)
            if not wanted:
                why = f"the hash of {path} is not known to the manifest and was never recorded"
                return FileStatus(file, path, State.UNPINNED, reason=why)
            sha256 = self.hashes.sha256(path, progress)
        except OSError as exc:
            why = f"{path} cannot be read ({exc.strerror})"
            return FileStatus(file, path, State.DAMAGED, reason=why)
        if sha256 != wanted:
            by = "the manifest" if file.sha256 else f"the lock ({LOCK_NAME})"
            why = f"{path} has sha256 {sha256}, but {by} says {wanted}"
            return FileStatus(file, path, State.DAMAGED, sha256, why)
        return FileStatus(file, path, State.READY, sha256)


def _worst(files: tuple[FileStatus, ...]) -> State:
    states = {file.state for file in files}
    if states == {State.MISSING}:
        return State.MISSING
    for state in (State.DAMAGED, State.MISSING, State.UNPINNED):
        if state in states:
            return State.INCOMPLETE if state is State.MISSING else state
    return State.READY


def _on_disk(files: tuple[FileStatus, ...]) -> int:
    return sum(file.path.stat().st_size for file in files)


def _reason(folders: tuple[Path, ...], state: State, files: tuple[FileStatus, ...]) -> str:
    if state is State.READY:
        return ""
    if state is State.MISSING:
        return "it is not installed; looked in " + ", ".join(str(each) for each in folders)
    return "; ".join(file.reason for file in files if file.reason)


def _fix(checkpoint: Checkpoint, state: State, files: tuple[FileStatus, ...]) -> str:
    if state is State.READY:
        return ""
    if state is State.UNPINNED:
        return f"airoto weights lock {checkpoint.name}"
    if state is State.DAMAGED:
        wrong = next(file.path for file in files if file.state is State.DAMAGED)
        return f"move {wrong} away, then: airoto weights fetch {checkpoint.name}"
    return f"airoto weights fetch {checkpoint.name}"
