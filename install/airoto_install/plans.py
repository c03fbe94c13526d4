"""What a verb changes: looks, refuses, and makes the plan."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from airoto.errors import BadRequestError
from airoto_client.nuke_setup.places import find_nukes, user_folder, usual_roots
from airoto_install import nuke_files, services
from airoto_install.building import Recipe
from airoto_install.bundles import Bundle
from airoto_install.devices import find_device
from airoto_install.files import (
    Link,
    MakeFolder,
    RemoveFile,
    RemoveIfEmpty,
    RemoveTree,
    WriteFile,
)
from airoto_install.layout import Prefix, Record, Version
from airoto_install.locking import missing_folders
from airoto_install.plan import Plan, Step
from airoto_install.trees import Tree
from airoto_install.venvs import CLIENT_PYTHONS, SERVER_PYTHONS, RunInVenv, find_python


@dataclass(frozen=True)
class Wanted:
    """What was asked for.

    Attributes:
        nuke: folders whose `init.py` shall lead to the plug-in.
        service: None leaves it as it is.
        client_only: None leaves it as it is (a new installation has the server).
        bundle: where everything comes from, checked; None for a tree and pip.
    """

    tree: Tree
    home: Path
    nuke: tuple[Path, ...] = ()
    service: bool | None = None
    client_only: bool | None = None
    device: str = "auto"
    python: str = ""
    torch_index: str = ""
    bundle: Bundle | None = None


@dataclass
class _Draft:
    steps: list[Step] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def install(prefix: Prefix, wanted: Wanted, fresh: Sequence[Path]) -> Plan:
    """Install, upgrade, or add what is asked for to what is there.

    Args:
        fresh: folders that are not there, or were made for this installer's lock.

    Raises:
        AIRotoError: something does not allow it; nothing was changed.
    """
    prefix.check()
    old = prefix.record() or Record()
    client_only = _client_only(old, wanted)
    if client_only and wanted.service:
        raise BadRequestError("a service needs the server, which --client-only leaves out")
    draft = _Draft()
    for leftover in prefix.unfinished():
        draft.steps.append(RemoveTree(leftover, "what an interrupted installation left"))

    recipe = None
    own = _own_version(prefix, wanted)
    if own is not None and own.facts["client_only"] == client_only:
        version = own.id
    else:
        recipe = _recipe(wanted, client_only, draft)
        version = recipe.id
    nuke = tuple(dict.fromkeys([*old.nuke, *(str(folder) for folder in wanted.nuke)]))
    blocks = _blocks(prefix, wanted, nuke, draft)
    service = not client_only and (old.service if wanted.service is None else wanted.service)
    final = Record(
        history=old.history if prefix.active() == version else (*old.history, version),
        nuke=nuke,
        made=_made(old, (*fresh, *_missing(wanted.home, nuke, service))),
        service=service,
        client_only=client_only,
    )
    if recipe is not None and prefix.complete(version) is None:
        draft.steps.append(recipe.build(prefix.folder(version)))
    elif recipe is not None:
        draft.notes.append(f"version {version} is there already")
    if wanted.bundle is not None and wanted.bundle.weights and not client_only:
        weights = str(wanted.bundle.root / "weights")
        draft.steps.append(
            RunInVenv(
                prefix.folder(version) / "venv",
                ("-m", "airoto_client.cli", "weights", "import", weights),
                "bring in the bundle's weights, each by its hash",
            )
        )
    switched = prefix.active() != version
    draft.steps += _record(prefix, final)
    if switched:
        draft.steps += _switch(prefix, version)
    draft.steps += _command(prefix)
    draft.steps += blocks
    draft.steps += _service(prefix, wanted.home, service, switched)
    return Plan(
        tuple(draft.steps),
        tuple(draft.notes),
        done=(f"AIRoto {version} is installed; the command is {prefix.command}",),
    )


def rollback(prefix: Prefix, home: Path, version: str = "") -> Plan:
    """Back to the version before, or to a named one.

    Raises:
        BadRequestError: there is none.
    """
    prefix.check()
    record = _installed(prefix)
    now = prefix.active()
    there = {found.id: found for found in prefix.all_versions()}
    if version and version not in there:
        raise BadRequestError(f"there is no version {version!r}; there are: {', '.join(there)}")
    before = [name for name in record.history if name != now and name in there]
    target = version or (before[-1] if before else "")
    if not target:
        raise BadRequestError("there is no version before this one to go back to")
    if target == now:
        return Plan(notes=(f"version {target} is in use already",))
    history = record.history
    if target in history:
        history = history[: len(history) - history[::-1].index(target)]
    else:
        history = (*history, target)
    client_only = bool(there[target].facts["client_only"])
    steps = _record(prefix, replace(record, history=history, client_only=client_only))
    steps += _switch(prefix, target)
    steps += _service(prefix, home, record.service and not client_only, switched=True)
    return Plan(tuple(steps), done=(f"version {target} is in use",))


def prune(prefix: Prefix) -> Plan:
    """Remove every version but the one in use and the one before."""
    prefix.check()
    record = _installed(prefix)
    there = [found.id for found in prefix.all_versions()]
    now = prefix.active()
    before = [name for name in record.history if name != now and name in there]
    kept = {now, *before[-1:]}
    draft = _Draft([RemoveTree(prefix.folder(name), "a version") for name in there
                    if name not in kept])  # fmt: skip
    draft.steps += [RemoveTree(path, "what an interrupted installation left")
                    for path in prefix.unfinished()]  # fmt: skip
    return Plan(tuple(draft.steps), done=(f"kept: {', '.join(sorted(filter(None, kept)))}",))


def uninstall(prefix: Prefix, home: Path) -> Plan:
    """Take everything of ours out, and nothing else.

    Raises:
        BadRequestError: a block that was changed by hand; nothing was changed.
    """
    prefix.check()
    record = prefix.record()
    if record is None and not prefix.versions.is_dir():
        return Plan(notes=(f"there is no AIRoto in {prefix.root}",))
    record = record or Record()
    steps = services.removing(home)
    steps += nuke_files.removing([Path(folder) for folder in record.nuke])
    if prefix.command.is_symlink():
        steps.append(RemoveFile(prefix.command, "the command"))
    steps.append(RemoveFile(prefix.current, "the link to the version in use"))
    ours = [prefix.folder(found.id) for found in prefix.all_versions()] + prefix.unfinished()
    steps += [RemoveTree(path, "a version") for path in ours]
    steps += [RemoveIfEmpty(path) for path in (prefix.versions, prefix.command.parent)
              if path.is_dir()]  # fmt: skip
    steps.append(RemoveFile(prefix.record_file, "the record"))
    return Plan(
        tuple(steps),
        done=(
            "AIRoto is gone; weights (AIROTO_WEIGHTS, or ~/.airoto/weights), results kept in your "
            "cache folder, presets and mattes are yours and stay",
        ),
        last=tuple(RemoveIfEmpty(Path(folder)) for folder in sorted(record.made, key=len)[::-1]),
    )


def _client_only(old: Record, wanted: Wanted) -> bool:
    bundled = wanted.bundle.client_only if wanted.bundle is not None else False
    if bundled and wanted.client_only is False:
        raise BadRequestError("this bundle holds the client alone")
    if wanted.client_only is not None:
        return wanted.client_only
    return bundled or old.client_only


def _own_version(prefix: Prefix, wanted: Wanted) -> Version | None:
    """The version whose own installer this is, if it is one of this prefix."""
    root = wanted.tree.root
    if root.parent != Path(os.path.realpath(prefix.versions)):
        return None
    return prefix.complete(root.name)


def _recipe(wanted: Wanted, client_only: bool, draft: _Draft) -> Recipe:
    wanted.tree.check()
    pythons: Sequence[tuple[int, int]] = CLIENT_PYTHONS if client_only else SERVER_PYTHONS
    if wanted.bundle is not None:
        pythons = [version for version in pythons if version in wanted.bundle.pythons]
        if not pythons:
            raise BadRequestError(
                f"{wanted.bundle.root} has no packages for a Python that the server runs on",
                hint="make one with: airoto bundle DIR --python 3.11",
            )
    python = find_python(pythons, wanted.python)
    device = "cpu"
    if not client_only:
        found = find_device(wanted.device)
        device = found.name
        draft.notes.append(f"device: {device} ({found.why})")
    torch_index = "" if client_only or wanted.bundle is not None else wanted.torch_index
    offline = wanted.bundle is not None
    extra = "" if client_only else "server"
    return Recipe(wanted.tree, python, extra, device, offline, torch_index)


def _blocks(prefix: Prefix, wanted: Wanted, nuke: Sequence[str], draft: _Draft) -> list[Step]:
    nukes = find_nukes(usual_roots(wanted.home))
    names = ", ".join(f"{one.name} ({one.folder})" for one in nukes)
    draft.notes.append(f"Nuke: {names}" if names else "Nuke: none found in the usual places")
    old = [one.name for one in nukes if not one.is_supported]
    if old:
        draft.notes.append(f"warning: the plug-in needs Nuke 14 or newer: not {', '.join(old)}")
    if not nuke:
        draft.notes.append(
            f"Nuke is not told of AIRoto (--nuke does, in {user_folder(wanted.home)})"
        )
    steps: list[Step] = []
    for folder in nuke:
        more, notes = nuke_files.adding(Path(folder), prefix.current / "nuke_plugin")
        steps += more
        draft.notes += notes
    return steps


def _missing(home: Path, nuke: Sequence[str], service: bool) -> list[Path]:
    """Folders that the installation will make."""
    places = [Path(folder) for folder in nuke]
    if service:
        places += services.folders(home)
    return [folder for place in places for folder in missing_folders(place)]


def _made(old: Record, more: Sequence[Path]) -> tuple[str, ...]:
    """Folders that are ours to remove: they were not there before."""
    return tuple(dict.fromkeys([*old.made, *(str(folder) for folder in more)]))


def _record(prefix: Prefix, record: Record) -> list[Step]:
    """The record is written before what it tells of, so that an uninstall finds all of it."""
    data = record.text().encode()
    before = prefix.record_file.read_bytes() if prefix.record_file.exists() else None
    return [] if data == before else [WriteFile(prefix.record_file, data, "the record", before)]


def _switch(prefix: Prefix, version: str) -> list[Step]:
    return [Link(prefix.current, f"versions/{version}", "use this version")]


def _command(prefix: Prefix) -> list[Step]:
    if os.name == "nt" or prefix.command.is_symlink():
        return []
    folder = [] if prefix.command.parent.is_dir() else [MakeFolder(prefix.command.parent)]
    return [*folder, Link(prefix.command, "../current/venv/bin/airoto", "the command, for PATH")]


def _service(prefix: Prefix, home: Path, wanted: bool, switched: bool) -> list[Step]:
    return services.adding(prefix, home, restart=switched) if wanted else services.removing(home)


def _installed(prefix: Prefix) -> Record:
    record = prefix.record()
    if record is None or prefix.active() is None:
        raise BadRequestError(f"there is no AIRoto in {prefix.root}")
    return record
