"""The classic tracker: flow, camera, appearance and a smooth cut; no learned weights.

Each frame, several kinds of evidence about every object are added up as log-odds, objects
compete, and a boundary is found that is short and follows edges. Which kinds there are, and
what each is worth: `docs/classic-tracker.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from airoto_server.engines.registry import EngineSpec, LoadOptions, Role
from airoto_server.engines.roles import EngineFacts, Mask, Picture, TrackRun
from airoto_server.ops.parallel import limit_libraries

if TYPE_CHECKING:
    from airoto_server.engines.edge_model import EdgeModel


class ClassicTracker:
    """The tracker role on the CPU."""

    facts = EngineFacts(
        name="classic",
        version="5",
        description="flow, camera motion, boosted trees and a smooth cut on the CPU; no weights",
        licence="Apache-2.0",
        working_size=854,
    )

    def device(self) -> str:
        """Always `cpu`."""
        return "cpu"

    def precision(self) -> str:
        """Always `float32`."""
        return "float32"

    def begin(self, object_ids: Sequence[int], *, seed: int) -> TrackRun:
        """A new pass for these objects."""
        from airoto_server.engines.classic.track_run import ClassicRun
        from airoto_server.engines.classic.track_settings import Settings

        return ClassicRun(object_ids, settings=Settings(), seed=seed)


def _load(options: LoadOptions) -> ClassicTracker:
    limit_libraries()
    return ClassicTracker()


def edges(picture: Picture, mask: Mask) -> EdgeModel | None:
    """What decides a mask's boundary on the plate; see `classic.refining`."""
    from airoto_server.engines.classic.refining import edge_model

    return edge_model(picture, mask)


SPECS = (EngineSpec(Role.TRACKER, ClassicTracker.facts, _load, rank=1, edges=edges),)
