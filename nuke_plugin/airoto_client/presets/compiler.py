"""All presets along a path to one index, and the index to its file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airoto.errors import BadRequestError
from airoto.presets.index import FORMAT, Index, index_from, index_text, menu_of, read_data
from airoto.presets.model import Preset
from airoto.presets.names import Scope
from airoto.presets.resolve import chain, overruled
from airoto_client.files import atomic_file
from airoto_client.presets.folders import (
    FolderFound,
    Gathered,
    Known,
    Read,
    State,
    read_folder,
    read_folders,
)
from airoto_client.presets.reader import PresetError

# Seconds that a folder has to answer.
TIMEOUT = 5.0


@dataclass(frozen=True)
class Compiled:
    """An index, ready to be used or written.

    Attributes:
        data: the index as plain data.
        problems: files that are wrong, folders that are down; what was known of them is kept.
        warnings: values that do not count, because something farther from the node locked them.
    """

    data: Mapping[str, Any]
    index: Index
    problems: tuple[PresetError, ...]
    warnings: tuple[str, ...]


def compile_presets(
    folders: Sequence[str],
    *,
    before: Mapping[str, Any] | None = None,
    timeout: float = TIMEOUT,
    read: Read = read_folder,
) -> Compiled:
    """Read all folders.

    Args:
        before: the data of the last index of the same folders; files that did not change are
            taken from it, and so is what cannot be read now.
        timeout: seconds that the folders have to answer.
    """
    known = _known(before)
    gathered = Gathered()
    for folder in read_folders(folders, known, timeout=timeout, read=read):
        _gather(folder, known, gathered)
    by_scope = _first_of_each(gathered)
    warnings = _check_chains(by_scope, gathered)
    presets = sorted(by_scope.values(), key=lambda one: one.name)
    problems = tuple(one.message for one in gathered.problems)
    data = {
        "format": FORMAT,
        "menu": menu_of(presets),
        "folders": list(folders),
        "presets": [one.as_dict() for one in presets],
        "files": {path: list(stamp) for path, stamp in sorted(gathered.stamps.items())},
        "problems": list(problems),
    }
    index = Index({one.scope: one for one in presets}, problems)
    return Compiled(data, index, tuple(gathered.problems), tuple(warnings))


def last_data(path: str) -> dict[str, Any] | None:
    """The index that is there; None where there is none that can be read."""
    try:
        data = read_data(path)
        index_from(data, path)
    except BadRequestError:
        return None
    return data


def write_index(path: str, data: Mapping[str, Any]) -> bool:
    """Write the index where it differs from what is there; whether it did.

    Raises:
        OutputError: it cannot be written.
    """
    if last_data(path) == data:
        return False
    with atomic_file(Path(path)) as file:
        file.write(index_text(data).encode("utf-8"))
    return True


def _known(before: Mapping[str, Any] | None) -> dict[str, Known]:
    if before is None:
        return {}
    presets = [Preset.from_dict(one) for one in before["presets"]]
    stamps = before.get("files", {})
    nothing = (0, -1)
    return {one.file: Known(tuple(stamps.get(one.file, nothing)), one) for one in presets}


def _gather(folder: FolderFound, known: Mapping[str, Known], gathered: Gathered) -> None:
    below = {path: one for path, one in known.items() if path.startswith(f"{folder.path}{os.sep}")}
    if folder.state is not State.READ:
        why = f" ({folder.why})" if folder.why else ""
        if below:
            _keep(below, gathered)
            gathered.problems.append(
                PresetError(
                    f"{folder.path} is {folder.state.value}{why}; its {len(below)} presets are "
                    "kept as they were last read",
                    hint="compile with --fresh to forget them",
                    path=folder.path,
                )
            )
        elif folder.state is State.DOWN:
            gathered.problems.append(PresetError(f"{folder.path} is down{why}", path=folder.path))
        return
    for file in folder.files:
        if file.preset is not None:
            gathered.presets.append(file.preset)
            gathered.stamps[file.path] = file.stamp
        elif file.error is not None:
            gathered.problems.append(file.error)
            if file.path in below:  # wrong now, but it was right before
                gathered.presets.append(below[file.path].preset)


def _keep(below: Mapping[str, Known], gathered: Gathered) -> None:
    for path, one in below.items():
        gathered.presets.append(one.preset)
        if one.stamp[1] >= 0:
            gathered.stamps[path] = one.stamp


def _first_of_each(gathered: Gathered) -> dict[Scope, Preset]:
    found: dict[Scope, Preset] = {}
    for preset in gathered.presets:
        first = found.setdefault(preset.scope, preset)
        if first.file != preset.file:
            gathered.problems.append(
                PresetError(
                    f"{preset.file}: {preset.name} is in {first.file} already, which comes first",
                    hint="remove one of them, or give it another show, sequence or task",
                    path=preset.file,
                )
            )
    return found


def _check_chains(presets: Mapping[Scope, Preset], gathered: Gathered) -> list[str]:
    warnings: list[str] = []
    for preset in presets.values():
        try:
            found = chain(presets, preset.scope)
        except BadRequestError as exc:
            gathered.problems.append(
                PresetError(f"{preset.file}: inherits: {exc.message}", path=preset.file)
            )
            continue
        warnings += [
            f"{preset.file}: {one.key} does not count: {one.locked_by} locked it"
            for one in overruled(found)
            if one.preset == preset.name
        ]
    return warnings
