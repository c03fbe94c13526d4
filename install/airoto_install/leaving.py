"""Plans that go back or take out: rollback, prune, uninstall. They look and refuse, no more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from airoto.errors import BadRequestError
from airoto_install import nuke_files, services
from airoto_install.choosing import Draft
from airoto_install.files import RemoveFile, RemoveIfEmpty, RemoveTree
from airoto_install.layout import Prefix, Record
from airoto_install.plan import Plan
from airoto_install.switching import record_steps, service_steps, switch_steps


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
    steps = record_steps(prefix, replace(record, history=history, client_only=client_only))
    steps += switch_steps(prefix, target)
    steps += service_steps(prefix, home, record.service and not client_only, switched=True)
    return Plan(tuple(steps), done=(f"version {target} is in use",))


def prune(prefix: Prefix) -> Plan:
    """Remove every version but the one in use and the one before."""
    prefix.check()
    record = _installed(prefix)
    there = [found.id for found in prefix.all_versions()]
    now = prefix.active()
    before = [name for name in record.history if name != now and name in there]
    kept = {now, *before[-1:]}
    draft = Draft([RemoveTree(prefix.folder(name), "a version") for name in there
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


def _installed(prefix: Prefix) -> Record:
    record = prefix.record()
    if record is None or prefix.active() is None:
        raise BadRequestError(f"there is no AIRoto in {prefix.root}")
    return record
