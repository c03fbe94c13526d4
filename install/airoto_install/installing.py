"""The plan of an installation or an upgrade: looks, refuses, changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from airoto.errors import BadRequestError
from airoto_client.nuke_setup.places import find_nukes, user_folder, usual_roots
from airoto_install import nuke_files, services
from airoto_install.choosing import Draft, Wanted, client_only_of, own_version, recipe_of
from airoto_install.files import RemoveTree
from airoto_install.layout import Prefix, Record
from airoto_install.locking import missing_folders
from airoto_install.plan import Plan, Step
from airoto_install.switching import command_steps, record_steps, service_steps, switch_steps
from airoto_install.venvs import RunInVenv
from airoto_install.weights import check_allowed


def install(prefix: Prefix, wanted: Wanted, fresh: Sequence[Path]) -> Plan:
    """Install, upgrade, or add what is asked for to what is there.

    Args:
        fresh: folders that are not there, or were made for this installer's lock.

    Raises:
        AIRotoError: something does not allow it; nothing was changed.
    """
    prefix.check()
    old = prefix.record() or Record()
    client_only = client_only_of(old, wanted)
    if client_only and wanted.service:
        raise BadRequestError("a service needs the server, which --client-only leaves out")
    draft = Draft()
    for leftover in prefix.unfinished():
        draft.steps.append(RemoveTree(leftover, "what an interrupted installation left"))

    recipe = None
    own = own_version(prefix, wanted)
    if own is not None and own.facts["client_only"] == client_only:
        version = own.id
    else:
        recipe = recipe_of(wanted, client_only, draft)
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
    switched = prefix.active() != version
    draft.steps += record_steps(prefix, final)
    draft.steps += _weights(prefix.folder(version) / "venv", wanted, client_only)
    if switched:
        draft.steps += switch_steps(prefix, version)
    draft.steps += command_steps(prefix)
    draft.steps += blocks
    draft.steps += service_steps(prefix, wanted.home, service, switched)
    return Plan(
        tuple(draft.steps),
        tuple(draft.notes),
        done=(f"AIRoto {version} is installed; the command is {prefix.command}",),
    )


def _weights(venv: Path, wanted: Wanted, client_only: bool) -> list[Step]:
    bundle = wanted.bundle
    if bundle is None or not bundle.weights or client_only or not wanted.weights:
        return []
    check_allowed(bundle)
    return [
        RunInVenv(
            venv,
            ("-m", "airoto_client.cli", "weights", "import", str(bundle.root / "weights")),
            "bring in the bundle's weights, each by its hash",
        )
    ]


def _blocks(prefix: Prefix, wanted: Wanted, nuke: Sequence[str], draft: Draft) -> list[Step]:
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
