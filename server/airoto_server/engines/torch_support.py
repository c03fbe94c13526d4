"""What every engine on torch shares: where it runs, in what precision, and what it weighs.

The device policy, in one place:
- Weights stay float32. `bfloat16` and `float16` mean autocast: matrix products and
  convolutions in the short type, sums and softmax in float32, as the models were trained.
- Attention is torch's scaled-dot-product attention wherever the carrying package offers it, and in
  ViTMatte, for which `vitdet_attention` brings it.
- Convolutions are channels-last in ViTMatte alone: measured on the CPU, it takes a seventh off
  there (1.36 to 1.17 s for a window of 512x512; with its picture in that layout too, another sixth:
  0.83 to 0.69 s for 416x416), and nothing off Cutie (1.22 to 1.19 s a frame) or SAM 2.1 (5.43 to
  5.46 s). On CUDA none of this was measured.
- Every pass runs in inference mode (`forward_pass`).
- Forward passes draw no random numbers, so seeds do not matter to these engines; building
  a network does, and leaves the process's generator as it was (`building`).
- The number of threads on the CPU is a setting of the whole process, which loading pins to
  that of `LoadOptions`, since results may depend on it in the last bit.
- `AIROTO_TORCH_COMPILE=1` compiles SAM 2's image encoder and ViTMatte: minutes at the first
  frame, and results that differ in the last digits; off unless asked for.

torch is imported inside the functions, so that this module is cheap to import.
"""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from airoto.errors import EngineError, EngineUnavailableError
from airoto_server.engines.registry import LoadOptions
from airoto_server.engines.roles import Mask, Picture

if TYPE_CHECKING:
    import torch

COMPILE_VARIABLE = "AIROTO_TORCH_COMPILE"
PRECISIONS = ("float32", "bfloat16", "float16")


@dataclass(frozen=True)
class Placement:
    """Where and in what precision a network computes: `cuda:0`, `bfloat16`."""

    device: str = "cpu"
    precision: str = "float32"


def placement(options: LoadOptions) -> Placement:
    """The place that `options` asks for, if this machine has it.

    Raises:
        EngineUnavailableError: no such device here, or it has not that precision.
    """
    import torch

    family = options.device.split(":")[0]
    if family not in ("cpu", "cuda", "mps"):
        raise EngineUnavailableError(
            f"device {options.device!r} is not known; allowed: cpu, cuda, cuda:N, mps"
        )
    if family == "cuda" and not _has_cuda(options.device):
        raise EngineUnavailableError(f"this machine has no device {options.device!r}")
    if family == "mps" and not torch.backends.mps.is_available():
        raise EngineUnavailableError("this machine has no device 'mps'")
    allowed = _precisions_of(family)
    if options.precision not in allowed:
        raise EngineUnavailableError(
            f"precision {options.precision!r} is not for device {options.device!r}; "
            f"allowed: {', '.join(allowed)}"
        )
    if options.threads:
        torch.set_num_threads(options.threads)
    return Placement(options.device, options.precision)


def _has_cuda(device: str) -> bool:
    import torch

    number = device.partition(":")[2] or "0"
    return (
        torch.cuda.is_available() and number.isdigit() and int(number) < torch.cuda.device_count()
    )


def _precisions_of(family: str) -> tuple[str, ...]:
    import torch

    if family == "cpu":
        return ("float32", "bfloat16")
    if family == "cuda" and not torch.cuda.is_bf16_supported():
        return ("float32", "float16")
    return PRECISIONS


@contextmanager
def forward_pass(place: Placement) -> Iterator[None]:
    """Inference mode, with autocast where the placement's precision is a short one."""
    import torch

    with torch.inference_mode():
        if place.precision == "float32":
            yield
            return
        dtype = getattr(torch, place.precision)
        with torch.autocast(place.device.split(":")[0], dtype=dtype):
            yield


@contextmanager
def building() -> Iterator[None]:
    """Around the making of a network: the process's random numbers are as before after it."""
    import torch

    state = torch.get_rng_state()
    try:
        yield
    finally:
        torch.set_rng_state(state)


def settle(module: torch.nn.Module, place: Placement) -> torch.nn.Module:
    """The network ready to run there: in evaluation mode, without gradients."""
    return module.eval().requires_grad_(False).to(place.device)


def compiled(function: Any) -> Any:
    """`function` or module through `torch.compile` where the process asks for it."""
    if os.environ.get(COMPILE_VARIABLE, "") in ("", "0"):
        return function
    import torch

    return torch.compile(function)


def model_bytes(module: torch.nn.Module) -> int:
    """Memory of a network's parameters and buffers, in bytes, shared ones once."""
    return tensor_bytes([*module.parameters(), *module.buffers()])


def tensor_bytes(*holders: Any) -> int:
    """Memory, in bytes, of all tensors in nested dicts, sequences and dataclasses.

    Counts whole storages, each once: a small view keeps all of what it looks into alive.
    """
    import torch

    storages: dict[int, int] = {}
    waiting: list[Any] = list(holders)
    while waiting:
        holder = waiting.pop()
        if isinstance(holder, torch.Tensor):
            storage = holder.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
        elif isinstance(holder, Mapping):
            waiting.extend(holder.values())
        elif isinstance(holder, Sequence) and not isinstance(holder, (str, bytes)):
            waiting.extend(holder)
        elif is_dataclass(holder):
            waiting.extend(getattr(holder, each.name) for each in fields(holder))
    return sum(storages.values())


def move_tensors(holder: Any, device: str) -> None:
    """Move all tensors in nested dicts and lists to a device, in place; shared ones stay shared."""
    import torch

    moved: dict[int, torch.Tensor] = {}
    waiting: list[Any] = [holder]
    while waiting:
        each = waiting.pop()
        for place, value in list(each.items() if isinstance(each, dict) else enumerate(each)):
            if isinstance(value, torch.Tensor):
                # The old one is alive in `each` until its last holder is done, so ids are unique.
                each[place] = moved.setdefault(id(value), value.to(device))
            elif isinstance(value, (dict, list)):
                waiting.append(value)


def package_version(package: str) -> str:
    """Version of an installed package, `none` without; does not import it."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "none"


def picture_tensor(picture: Picture, place: Placement) -> torch.Tensor:
    """A picture (H, W, 3) as a tensor (1, 3, H, W) float32 on the device.

    Raises:
        EngineError: not three channels, without pixels, or with NaN or infinity.
    """
    import torch

    if picture.ndim != 3 or picture.shape[2] != 3 or 0 in picture.shape:
        raise EngineError(f"a picture has shape (height, width, 3), not {picture.shape}")
    if not np.isfinite(picture).all():
        raise EngineError("a picture has values that are not finite (NaN or infinity)")
    plane = torch.from_numpy(np.ascontiguousarray(picture, dtype=np.float32))
    return plane.permute(2, 0, 1)[None].to(place.device)


def mask_tensor(mask: Mask, size: tuple[int, int], place: Placement) -> torch.Tensor:
    """A mask (H, W) as a tensor (1, 1, H, W) float32 on the device.

    Raises:
        EngineError: the mask is not of `size` (height, width).
    """
    import torch

    if mask.shape != size:
        raise EngineError(f"a mask of {_size(mask.shape)} does not fit a picture of {_size(size)}")
    plane = torch.from_numpy(np.ascontiguousarray(mask, dtype=np.float32))
    return plane[None, None].to(place.device)


def resize(planes: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Planes (N, C, H, W) at `size` (height, width): bilinear, filtered when shrinking.

    Pixel centres are at .5 and corners stay in place (no half-pixel shift).
    """
    import torch

    if tuple(planes.shape[-2:]) == size:
        return planes
    return torch.nn.functional.interpolate(
        planes, size=size, mode="bilinear", align_corners=False, antialias=True
    )


def normalise(pixels: torch.Tensor, mean: Sequence[float], std: Sequence[float]) -> torch.Tensor:
    """(pixels - mean) / std per channel of (N, 3, H, W)."""
    return (pixels - pixels.new_tensor(mean)[:, None, None]) / pixels.new_tensor(std)[:, None, None]


def to_mask(plane: torch.Tensor) -> Mask:
    """A plane (H, W) of a device as numpy float32 of its own, limited to 0..1."""
    values: Mask = plane.float().cpu().numpy()
    return np.clip(values, 0.0, 1.0)


def _size(shape: tuple[int, ...]) -> str:
    return "×".join(str(side) for side in reversed(shape))


# Mean and standard deviation of ImageNet, RGB, 0..1: what these encoders were trained with.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
