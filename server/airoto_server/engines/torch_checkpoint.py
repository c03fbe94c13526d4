"""Checkpoint files: safetensors and torch's own, read without running what is in them."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airoto.errors import EngineUnavailableError

if TYPE_CHECKING:
    import torch

    State = dict[str, torch.Tensor]

TORCH_SUFFIXES = (".pt", ".pth", ".bin")
# Under these keys checkpoints hold their weights, beside a trainer's own things.
_WRAPPERS = ("model", "state_dict")


def weights_file(engine: str, checkpoint: Path | None) -> Path:
    """The file with the weights: the checkpoint itself, or the one in its folder.

    Raises:
        EngineUnavailableError: none given, none there, or several without `model.safetensors`.
    """
    if checkpoint is None:
        raise EngineUnavailableError(
            f"engine {engine!r} needs a checkpoint", hint="airoto weights fetch " + engine
        )
    if not checkpoint.exists():
        raise EngineUnavailableError(
            f"the checkpoint of engine {engine!r} is not there: {checkpoint}", path=str(checkpoint)
        )
    if checkpoint.is_file():
        return checkpoint
    usual = checkpoint / "model.safetensors"
    if usual.is_file():
        return usual
    found = sorted(
        path
        for path in checkpoint.iterdir()
        if path.suffix == ".safetensors" or path.suffix in TORCH_SUFFIXES
    )
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise EngineUnavailableError(
            f"the checkpoint folder of engine {engine!r} must hold model.safetensors or one "
            f"weights file; found: {names}",
            path=str(checkpoint),
        )
    return found[0]


def normalisation(engine: str, weights: Path) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Mean and standard deviation per channel that the checkpoint's own processor file asks for.

    `preprocessor_config.json` is part of a checkpoint as the hub has it, hashed like its
    weights; None where there is none beside `weights`.

    Raises:
        EngineUnavailableError: it cannot be read, or holds no three numbers for each.
    """
    path = weights.with_name("preprocessor_config.json")
    if weights.suffix != ".safetensors" or not path.is_file():
        return None
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        mean, deviation = (tuple(map(float, said[name])) for name in ("image_mean", "image_std"))
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise EngineUnavailableError(
            f"the processor file of engine {engine!r} says no normalisation: {path} ({exc})",
            path=str(path),
        ) from exc
    if len(mean) != 3 or len(deviation) != 3 or not all(each > 0 for each in deviation):
        raise EngineUnavailableError(
            f"the processor file of engine {engine!r} holds no three means and deviations: {path}",
            path=str(path),
        )
    return mean, deviation


def read_state(engine: str, path: Path) -> State:
    """All tensors of a checkpoint by their names, on the CPU.

    `.safetensors`, or anything `torch.save` wrote: a plain state dict, or one under
    `model` or `state_dict`. Nothing that could run code is read.

    Raises:
        EngineUnavailableError: damaged, truncated, with code in it, or no state dict.
    """
    if path.suffix == ".safetensors":
        return _read_safetensors(engine, path)
    return _tensors_of(engine, path, _read_pickle(engine, path))


def _read_safetensors(engine: str, path: Path) -> State:
    import safetensors.torch

    try:
        return safetensors.torch.load_file(path)
    except (safetensors.SafetensorError, OSError, ValueError) as exc:
        raise EngineUnavailableError(
            f"the checkpoint of engine {engine!r} cannot be read, it is damaged or truncated: "
            f"{path} ({exc})",
            path=str(path),
        ) from exc


def _read_pickle(engine: str, path: Path) -> Any:
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as exc:
        # torch says so both of code in the pickle and of bytes that are no pickle.
        raise EngineUnavailableError(
            f"the checkpoint of engine {engine!r} was refused: {path} is damaged, or holds "
            "objects that could run code (only tensors are allowed)",
            path=str(path),
        ) from exc
    except (RuntimeError, OSError, EOFError, ValueError, KeyError) as exc:
        raise EngineUnavailableError(
            f"the checkpoint of engine {engine!r} cannot be read, it is damaged or truncated: "
            f"{path} ({str(exc).splitlines()[0] if str(exc) else type(exc).__name__})",
            path=str(path),
        ) from exc


def _tensors_of(engine: str, path: Path, content: Any) -> State:
    import torch

    for key in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
            break
    if (
        not isinstance(content, Mapping)
        or not content
        or not all(isinstance(value, torch.Tensor) for value in content.values())
    ):
        raise EngineUnavailableError(
            f"the checkpoint of engine {engine!r} holds no network's weights: {path}",
            path=str(path),
        )
    return dict(content)


def require_match(
    engine: str, path: Path, state: State, expected: Mapping[str, torch.Tensor]
) -> None:
    """Make sure that `state` has exactly the tensors of `expected`, in their shapes.

    Raises:
        EngineUnavailableError: names the first few that are missing, unknown or misshapen.
    """
    faults = _faults("missing", sorted(expected.keys() - state.keys()))
    faults += _faults("unknown", sorted(state.keys() - expected.keys()))
    faults += _faults(
        "of another shape",
        (
            f"{name} {tuple(state[name].shape)} instead of {tuple(expected[name].shape)}"
            for name in sorted(expected.keys() & state.keys())
            if state[name].shape != expected[name].shape
        ),
    )
    if faults:
        raise EngineUnavailableError(
            f"the checkpoint does not fit engine {engine!r}: {'; '.join(faults)}",
            path=str(path),
        )


def _faults(what: str, names: Iterable[str]) -> list[str]:
    listed = list(names)
    if not listed:
        return []
    more = f" and {len(listed) - 3} more" if len(listed) > 3 else ""
    return [f"{what}: {', '.join(listed[:3])}{more}"]
