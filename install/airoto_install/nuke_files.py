"""Steps that let Nuke find the plug-in, and that take it out again."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from airoto.errors import BadRequestError, OutputError
from airoto_client.nuke_setup.block import compiles, with_block, without_block
from airoto_install.files import MakeFolder, RemoveFile, WriteFile
from airoto_install.plan import Step

WHAT = "the block that leads Nuke to AIRoto"


def adding(folder: Path, plugin: Path) -> tuple[list[Step], list[str]]:
    """Steps that put the block into `folder/init.py`, and what is worth saying.

    Raises:
        BadRequestError: a damaged block.
        OutputError: it cannot be read.
    """
    path = folder / "init.py"
    before = _read(path)
    after = with_block(before, plugin, path)
    notes = []
    if before is not None and not compiles(before):
        notes.append(f"warning: Python cannot read {path}, so Nuke may stop before AIRoto's block")
    if before == after:
        return [], notes
    steps: list[Step] = [] if folder.is_dir() else [MakeFolder(folder)]
    return [*steps, WriteFile(path, after, WHAT, before)], notes


def removing(folders: Iterable[Path]) -> list[Step]:
    """Steps that take the block out of every `init.py` of these folders.

    Raises:
        BadRequestError: a damaged block.
        OutputError: one cannot be read.
    """
    steps: list[Step] = []
    for folder in folders:
        path = folder / "init.py"
        before = _read(path)
        if before is None:
            continue
        after = without_block(before, path)
        if after is None:
            steps.append(RemoveFile(path, "the file that AIRoto made"))
        elif after != before:
            steps.append(WriteFile(path, after, "the file without AIRoto's block", before))
    return steps


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        if path.is_symlink():
            raise BadRequestError(f"{path} is a link that leads nowhere", path=str(path)) from None
        return None
    except OSError as exc:
        raise OutputError(f"cannot read {path}: {exc.strerror}", path=str(path)) from exc
