"""Licences of what a bundle holds: texts out of wheels, and a list of names."""

from __future__ import annotations

import email
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from airoto_install.files import said

LIST = "licences.json"
_WORDS = ("licen", "copying", "notice", "authors")
_CLASSIFIER = "License :: OSI Approved :: "


def gather(wheels: Path, folder: Path, checkpoints: Sequence[str]) -> None:
    """Write `licences.json` and every licence text.

    Args:
        wheels: folder of wheels.
        folder: where to write.
        checkpoints: names of the weights that are in the bundle.

    Raises:
        OutputError: it cannot be written.
    """
    with said("cannot write to", folder):
        folder.mkdir()
        found = [_of_wheel(wheel, folder) for wheel in sorted(wheels.glob("*.whl"))]
        document: dict[str, object] = {"packages": found}
        if checkpoints:
            from airoto_install.weights import described

            document["weights"] = described(checkpoints)
        (folder / LIST).write_text(json.dumps(document, indent=2) + "\n", "utf-8")


def _of_wheel(wheel: Path, folder: Path) -> dict[str, object]:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        tops = [name for name in names if name.count("/") == 1]
        metadata = next(name for name in tops if name.endswith(".dist-info/METADATA"))
        head = email.message_from_bytes(archive.read(metadata))
        info = PurePosixPath(metadata).parent
        texts = []
        for name in names:
            path = PurePosixPath(name)
            inside = str(info) in name and any(word in path.name.lower() for word in _WORDS)
            if not inside or name.endswith("/"):
                continue
            # Names from archives: the parts below dist-info, none of which leads elsewhere.
            parts = [part for part in path.parts[1:] if part not in ("..", "/")]
            target = folder / f"{head['Name']}-{head['Version']}" / "_".join(parts)
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(archive.read(name))
            texts.append(target.relative_to(folder).as_posix())
    classifiers = [text[len(_CLASSIFIER):] for text in head.get_all("Classifier", [])
                   if text.startswith(_CLASSIFIER)]  # fmt: skip
    short = (head["License"] or "").strip().splitlines()
    licence = head["License-Expression"] or ", ".join(classifiers) or (short[0] if short else "")
    return {
        "name": head["Name"],
        "version": head["Version"],
        "file": wheel.name,
        "licence": licence or "not stated",
        "homepage": head["Home-page"] or "",
        "texts": sorted(texts),
    }
