"""MobileSAM's released form with seeded weights, and a tiny network of the same make."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

import torch

from airoto_server.engines import mobile_sam
from airoto_server.engines.registry import LoadOptions
from airoto_server.engines.tiny_vit import TinyVitSize

from . import neural_checkpoints as neural

TABLE = Path(__file__).parent / "tables" / "mobile_sam.txt"
TINY = TinyVitSize(128, (8, 16, 16, 32), (1, 1, 1, 1), (1, 2, 2, 4), (7, 7, 4, 7), 10, 128)


def released() -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors in the released `mobile_sam.pt`, in their order."""
    rows = (line.split() for line in TABLE.read_text().splitlines() if line[0] != "#")
    return {
        name: () if shape == "scalar" else tuple(map(int, shape.split("x"))) for name, shape in rows
    }


def as_released(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Our tensors under the names of the released file, found through its own table."""
    names = {name: torch.empty(0) for name in released()}
    ours = {
        next(iter(mobile_sam.from_released({name: tensor}))): name for name, tensor in names.items()
    }
    return {ours[name]: tensor for name, tensor in state.items() if name in ours}


@functools.cache
def network(size: TinyVitSize = TINY, seed: int = 0) -> Any:
    """Our network, enlivened."""
    made = mobile_sam.network(size).eval()
    neural.enliven(made, seed, gain=1.0)
    with torch.no_grad():
        made.prompt_encoder.shared_embedding.positional_embedding.copy_(
            made.shared_image_embedding.positional_embedding
        )
    return made


def write(path: Path) -> Path:
    """`mobile_sam.pt`: a plain state dict."""
    torch.save(neural.copies(as_released(network().state_dict())), path)
    return path


@functools.cache
def tiny_mobile_sam() -> mobile_sam.MobileSamSegmenter:
    """A segmenter with few channels, loaded from a file like any other."""
    with tempfile.TemporaryDirectory() as folder:
        options = LoadOptions(checkpoint=write(Path(folder) / "mobile_sam.pt"))
        return mobile_sam.build(neural.facts("mobile-sam-test"), options, TINY)
