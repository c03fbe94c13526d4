"""Looking into a file before it is trusted: is it what it says, and is it only data.

A file whose hash the manifest knows needs no look. One that is about to be pinned on first
use is opened as the engine would open it, so that code in a pickle is met here.
"""

from __future__ import annotations

import json
from pathlib import Path

from airoto.errors import EngineUnavailableError
from airoto_server.engines.torch_checkpoint import read_state
from airoto_server.weights.manifest import Form, WeightFile


def inspect(checkpoint: str, form: Form, file: WeightFile, path: Path) -> None:
    """Refuse a file that is damaged or that could run code when it is loaded.

    Args:
        path: the file's bytes, under whatever name.

    Raises:
        EngineUnavailableError: what is wrong with it.
    """
    if file.name.endswith(".json"):
        _inspect_json(checkpoint, file, path)
    elif file.name != form.main.name:
        return
    elif form.format == "safetensors":
        _inspect_safetensors(checkpoint, file, path)
    elif form.format == "torch":
        read_state(checkpoint, path)


def _inspect_json(checkpoint: str, file: WeightFile, path: Path) -> None:
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except ValueError as exc:
        raise _refused(checkpoint, file, f"is no JSON ({exc})") from exc


def _inspect_safetensors(checkpoint: str, file: WeightFile, path: Path) -> None:
    import safetensors

    try:
        with safetensors.safe_open(path, framework="numpy") as tensors:
            names = list(tensors.keys())
    except (safetensors.SafetensorError, OSError) as exc:
        raise _refused(checkpoint, file, f"is damaged, or no safetensors file ({exc})") from exc
    if not names:
        raise _refused(checkpoint, file, "holds no tensors")


def _refused(checkpoint: str, file: WeightFile, why: str) -> EngineUnavailableError:
    return EngineUnavailableError(f"checkpoint {checkpoint!r} was refused: {file.name} {why}")
