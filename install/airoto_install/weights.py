"""Weights for a bundle, through `airoto weights`, which knows hashes and licences."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from airoto.errors import EngineUnavailableError
from airoto_install.files import said
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
        raise EngineUnavailableError(
            f"{what} failed: " + " ".join(line.strip() for line in lines[-4:]),
            hint="bundles with weights are made by an installation with the server: airoto bundle",
        )
    return done.stdout
