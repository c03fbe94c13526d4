"""Whether an engine can run here, and if not, what would change that."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from airoto.errors import AIRotoError
from airoto_server.engines.registry import EngineSpec


@dataclass(frozen=True)
class Availability:
    """Whether an engine can run here.

    Attributes:
        reason: what is missing, or empty.
        weights_present: whether its files are there, usable or not.
        fix: the command or setting that would change it, or empty.
        weights_sha256: of the checkpoint that would be loaded, for provenance; or empty.
    """

    available: bool
    reason: str = ""
    weights_present: bool = False
    fix: str = ""
    weights_sha256: str = ""


class CheckpointLike(Protocol):
    """What residency wants to know of a checkpoint."""

    @property
    def ready(self) -> bool: ...
    @property
    def present(self) -> bool: ...
    @property
    def path(self) -> Path | None: ...
    @property
    def sha256(self) -> str: ...
    @property
    def bytes(self) -> int: ...
    @property
    def reason(self) -> str: ...
    @property
    def fix(self) -> str: ...


class Checkpoints(Protocol):
    """Where checkpoints come from; `airoto_server.weights.store.WeightStore` is one."""

    def status(self, name: str, /) -> CheckpointLike:
        """What can be said of a checkpoint.

        Raises:
            AIRotoError: nothing can.
        """
        ...


def availability(spec: EngineSpec, checkpoints: Checkpoints | None) -> Availability:
    """Whether `spec` can run with these checkpoints."""
    if not spec.facts.needs_weights:
        return Availability(True)
    if checkpoints is None:
        return Availability(
            False, f"it needs the weights {spec.checkpoint!r}, and no folder for weights is set up"
        )
    try:
        status = checkpoints.status(spec.checkpoint)
    except AIRotoError as exc:
        return Availability(False, exc.message, fix=exc.hint)
    if status.ready:
        return Availability(True, weights_present=True, weights_sha256=status.sha256)
    return Availability(
        False,
        f"checkpoint {spec.checkpoint!r}: {status.reason}",
        weights_present=status.present,
        fix=status.fix,
    )
