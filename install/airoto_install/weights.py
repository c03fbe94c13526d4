"""Weights in bundles, through `airoto weights`, which knows hashes and licences."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from airoto.errors import BadRequestError, EngineForbiddenError, EngineUnavailableError
from airoto.licences import Licences, remedy
from airoto_install.bundles import Bundle
from airoto_install.files import said
from airoto_install.licences import LIST
from airoto_install.plan import Tell


def gather(names: Sequence[str], folder: Path, tell: Tell) -> None:
    """Copy these checkpoints into `folder/NAME`; those that are not here are fetched.

    Every file's hash is looked at again where it lies now.

    Raises:
        EngineUnavailableError: one is unknown, may not be used, or cannot be had.
        OutputError: the folder cannot be written.
    """
    with said("cannot make", folder):
        folder.mkdir()
    for name in names:
        tell(f"weights {name}")
        there = _weights(["path", name, "--json"], None)
        if there.returncode == 0:
            source = Path(json.loads(there.stdout)["path"])
            whole = source if source.is_dir() else source.parent
            with said("cannot copy weights to", folder):
                if whole.name == name:
                    shutil.copytree(whole, folder / name)
                else:
                    (folder / name).mkdir()
                    shutil.copy2(source, folder / name)
        else:
            _must(_weights(["fetch", name], folder), f"fetching the weights {name}")
    _must(_weights(["lock", *names], folder), "recording hashes")
    _must(_weights(["verify", *names], folder), "checking the weights")


def described(names: Sequence[str]) -> list[dict[str, Any]]:
    """Licence, address and citation of these checkpoints."""
    said_ = _must(_weights(["list", "--json"], None), "listing weights")
    keys = ("name", "title", "licence", "licence_url", "licence_note", "commercial_use", "citation")
    return [{key: one[key] for key in keys} for one in json.loads(said_) if one["name"] in names]


def check_allowed(bundle: Bundle) -> None:
    """Refuse a bundle with weights that this installation does not allow.

    Raises:
        EngineForbiddenError: says which, and what would allow them.
        BadRequestError: the bundle does not say what their licences are.
    """
    path = bundle.root / "licences" / LIST
    try:
        told = {one["name"]: one for one in json.loads(path.read_text("utf-8"))["weights"]}
        licences = {name: str(told[name]["licence"]) for name in bundle.weights}
        commercial = {name: bool(told[name]["commercial_use"]) for name in bundle.weights}
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise BadRequestError(
            f"{path} does not tell the licences of the bundle's weights", path=str(path)
        ) from exc
    allowed = Licences.from_environment()
    for name, spdx in licences.items():
        if not allowed.permits(spdx, commercial_use=commercial[name]):
            raise EngineForbiddenError(
                f"the bundle's weights {name}: their licence {spdx} does not allow commercial use, "
                "and this installation allows none such",
                hint=f"{remedy(spdx)} and for this installer; or leave the bundle's weights out "
                "with --no-weights",
            )


def _weights(arguments: list[str], folder: Path | None) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ)
    if folder is not None:
        environment["AIROTO_WEIGHTS"] = str(folder)
    return subprocess.run(
        [sys.executable, "-m", "airoto_client.cli", "weights", *arguments],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def _must(done: subprocess.CompletedProcess[str], what: str) -> str:
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
        hint = ""
        if "No module named" in done.stderr or "needs the server" in done.stderr:
            hint = "bundles with weights are made by an installation with the server: airoto bundle"
        raise EngineUnavailableError(
            f"{what} failed: " + " ".join(line.strip() for line in lines[-4:]), hint=hint
        )
    return done.stdout
