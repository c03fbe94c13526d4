"""What is asked for, and what is chosen for it: server or client, Python, device."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from airoto.errors import BadRequestError
from airoto_install.building import Recipe
from airoto_install.bundles import Bundle, this_platform
from airoto_install.devices import PIPS_BUILD, find_device, torch_index
from airoto_install.layout import Prefix, Record, Version
from airoto_install.plan import Step
from airoto_install.pythons import CLIENT_PYTHONS, SERVER_PYTHONS, find_python
from airoto_install.trees import Tree


@dataclass(frozen=True)
class Wanted:
    """What was asked for.

    Attributes:
        nuke: folders whose `init.py` shall lead to the plug-in.
        service: None leaves it as it is.
        client_only: None leaves it as it is (a new installation has the server).
        bundle: where everything comes from, checked; None for a tree and pip.
        weights: whether the bundle's are brought in.
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
    weights: bool = True


@dataclass
class Draft:
    """A plan that is being made."""

    steps: list[Step] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def client_only_of(old: Record, wanted: Wanted) -> bool:
    """Whether the server is left out: as asked for, as the bundle is, or as it was.

    Raises:
        BadRequestError: the bundle cannot give what is asked for.
    """
    bundled = wanted.bundle.client_only if wanted.bundle is not None else False
    if bundled and wanted.client_only is False:
        raise BadRequestError("this bundle holds the client alone")
    if wanted.client_only is not None:
        return wanted.client_only
    return bundled or old.client_only


def own_version(prefix: Prefix, wanted: Wanted) -> Version | None:
    """The version whose own installer this is, if it is one of this prefix."""
    root = wanted.tree.root
    if root.parent != Path(os.path.realpath(prefix.versions)):
        return None
    return prefix.complete(root.name)


def recipe_of(wanted: Wanted, client_only: bool, draft: Draft) -> Recipe:
    """What a version will be made of; says in the draft what was found.

    Raises:
        BadRequestError: the bundle is for another Python or platform; the tree is not whole.
        EngineUnavailableError: no Python fits; torch has no builds for this machine.
    """
    wanted.tree.check()
    pythons: Sequence[tuple[int, int]] = CLIENT_PYTHONS if client_only else SERVER_PYTHONS
    if wanted.bundle is not None:
        if wanted.bundle.platform != this_platform():
            raise BadRequestError(
                f"{wanted.bundle.root} is for {wanted.bundle.platform}, and this is "
                f"{this_platform()}",
                hint="make one with: airoto bundle DIR --platform, or on such a machine",
            )
        pythons = [version for version in pythons if version in wanted.bundle.pythons]
        if not pythons:
            raise BadRequestError(
                f"{wanted.bundle.root} has packages for Python "
                f"{', '.join('{}.{}'.format(*one) for one in wanted.bundle.pythons)} alone, which "
                "what is asked for does not run on",
                hint="make one with: airoto bundle DIR --python 3.11",
            )
    python = find_python(pythons, wanted.python)
    device = "cpu"
    if not client_only:
        found = find_device(wanted.device)
        device = found.name
        draft.notes.append(f"device: {device} ({found.why})")
    index = PIPS_BUILD
    if not client_only and wanted.bundle is None:
        index = torch_index(wanted.torch_index, device)
    offline = wanted.bundle is not None
    extra = "" if client_only else "server"
    return Recipe(wanted.tree, python, extra, device, offline, index)
