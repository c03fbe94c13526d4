"""XMem: keyframe masks through long videos, with three memories.

Source: Cheng and Schwing, XMem: Long-Term Video Object Segmentation with an Atkinson-Shiffrin
Memory Model, ECCV 2022, arXiv 2207.07115. No package carries it: network (`xmem_network`),
memories (`xmem_memory`) and pass (`xmem_pass`) are our own, and load the released `XMem.pth`,
a plain state dict.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airoto.errors import EngineUnavailableError
from airoto_server.engines.registry import EngineSpec, LoadOptions, Role
from airoto_server.engines.roles import EngineFacts, TrackRun
from airoto_server.engines.torch_checkpoint import read_state, require_match, weights_file
from airoto_server.engines.torch_engine import TorchEngine
from airoto_server.engines.torch_support import building, placement, settle


class XMemTracker(TorchEngine):
    """A tracker with XMem's network; masks are probabilities that compete for pixels."""

    memory: Any = None  # a `Memory` with limits of its own, for tests

    def begin(self, object_ids: Sequence[int], *, seed: int) -> TrackRun:
        """A new pass; no random numbers are drawn."""
        from airoto_server.engines.xmem_memory import Memory
        from airoto_server.engines.xmem_pass import XMemPass

        return XMemPass(self, self._place, object_ids, self.memory or Memory())


def build(facts: EngineFacts, options: LoadOptions, size: object = None) -> XMemTracker:
    """Load a tracker.

    Args:
        size: an `XMemSize`; None for the released one.

    Raises:
        EngineUnavailableError: torch, the device or a fitting checkpoint are missing.
    """
    place = placement(options)
    try:
        from airoto_server.engines.xmem_network import XMemNetwork, XMemSize
    except ImportError as exc:
        raise EngineUnavailableError(f"engine {facts.name!r} needs the package torch") from exc
    path = weights_file(facts.name, options.checkpoint)
    state = read_state(facts.name, path)
    with building():
        network = XMemNetwork(size if isinstance(size, XMemSize) else XMemSize())
    require_match(facts.name, path, state, network.state_dict())
    network.load_state_dict(state, strict=True)
    return XMemTracker(facts, settle(network, place), place)


_FACTS = EngineFacts(
    name="xmem",
    version="2",
    description="XMem: keyframe masks through long videos",
    licence="MIT",
    commercial_use=True,
    needs_weights=True,
    # Short side 480, as in its evaluation, of a 16:9 picture.
    working_size=854,
)

SPECS: tuple[EngineSpec, ...] = (
    EngineSpec(
        role=Role.TRACKER,
        facts=_FACTS,
        load=lambda options: build(_FACTS, options),
        rank=55,
        checkpoint="xmem",
    ),
)
