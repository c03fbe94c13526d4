"""What every engine on torch is: facts, one network, and where it runs.

`model_bytes`, `to_device` and `close` are what residency asks of engines that hold memory.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airoto.errors import InternalError
from airoto_server.engines.roles import EngineFacts
from airoto_server.engines.torch_support import Placement, model_bytes

if TYPE_CHECKING:
    import torch


class TorchEngine:
    """One network on one device.

    Args:
        model: settled there (`torch_support.settle`).
    """

    def __init__(self, facts: EngineFacts, model: torch.nn.Module, place: Placement) -> None:
        self.facts = facts
        self._model: Any = model
        self._place = place

    @property
    def model(self) -> Any:
        """The network.

        Raises:
            InternalError: the engine was closed.
        """
        if self._model is None:
            raise InternalError(f"engine {self.facts.name!r} is used after it was unloaded")
        return self._model

    def device(self) -> str:
        """Where it runs."""
        return self._place.device

    def precision(self) -> str:
        """What it computes in."""
        return self._place.precision

    def model_bytes(self) -> int:
        """Memory of the weights, in bytes."""
        return model_bytes(self.model)

    def to_device(self, device: str) -> None:
        """Move the weights, to host memory (`cpu`) and back."""
        self._model = self.model.to(device)
        self._place = replace(self._place, device=device)

    def close(self) -> None:
        """Let go of the weights, whoever still holds the engine."""
        self._model = None
