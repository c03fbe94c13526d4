"""XMem's released form with seeded weights, and a tiny network of the same make."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

import torch

from airoto_server.engines import xmem
from airoto_server.engines.registry import LoadOptions
from airoto_server.engines.xmem_memory import Memory
from airoto_server.engines.xmem_network import XMemNetwork, XMemSize

from . import neural_checkpoints as neural

TABLE = Path(__file__).parent / "tables" / "xmem.txt"
TINY = XMemSize("xmem-test", base=8, key=8, value=32, hidden=8, decoder=32)


def released() -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors in the released `XMem.pth`, in their order."""
    rows = (line.split() for line in TABLE.read_text().splitlines() if line[0] != "#")
    return {
        name: () if shape == "scalar" else tuple(map(int, shape.split("x"))) for name, shape in rows
    }


@functools.cache
def network(size: XMemSize = TINY, seed: int = 0) -> XMemNetwork:
    """Our network, enlivened: residual sums stay in scale and memory is read softly."""
    made = XMemNetwork(size).eval()
    neural.enliven(made, seed, gain=1.0)
    with torch.no_grad():
        for name, tensor in made.named_parameters():
            if (
                name.endswith("bn3.weight")
                or ("layer" in name and name.endswith("bn2.weight"))
                or name.startswith("key_proj.")
            ):
                tensor *= 0.3
            elif name == "decoder.pred.weight":
                tensor *= 6.0
    return made


def write(path: Path, made: torch.nn.Module | None = None) -> Path:
    """`XMem.pth`: a plain state dict."""
    torch.save(neural.copies((made or network()).state_dict()), path)
    return path


@functools.cache
def tiny_xmem() -> xmem.XMemTracker:
    """A tracker with few channels, loaded from a file like any other."""
    with tempfile.TemporaryDirectory() as folder:
        options = LoadOptions(checkpoint=write(Path(folder) / "XMem.pth"))
        made = xmem.build(neural.facts("xmem-test"), options, TINY)
        made.memory = Memory(
            most_frames=4, kept_frames=2, prototypes=32, most_long_term=32, most_fixed=4
        )
        return made
