"""The engines that the compliance suite runs, small enough for tests.

Engines without weights are found through the registry. An engine with weights joins by
adding a factory of a tiny, seeded configuration to `TINY`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from airoto_server.engines.registry import LoadOptions, Role, all_specs
from airoto_server.engines.roles import Engine

from . import grounding_checkpoints, mobile_sam_checkpoints, xmem_checkpoints
from . import neural_checkpoints as neural


@dataclass(frozen=True)
class Case:
    """One engine under test.

    Attributes:
        make: a new instance.
        honours_points: whether every candidate has every point on its side.
        segments: whether masks mean something (random weights do not), so that quality is
            tested too.
        keeps_keyframes: whether all keyframes of a pass are remembered, so that memory grows
            with their number (and with nothing else).
    """

    role: Role
    name: str
    make: Callable[[], Engine]
    honours_points: bool = True
    segments: bool = True
    keeps_keyframes: bool = False


# Tiny configurations of engines with weights: random, seeded, a second or less to make.
TINY: tuple[Case, ...] = (
    Case(
        Role.DETECTOR,
        "grounding-dino",
        grounding_checkpoints.tiny_detector,
        honours_points=False,
        segments=False,
    ),
    *(
        Case(role, name, make, honours_points=False, segments=False, keeps_keyframes=True)
        for role, name, make in (
            (Role.SEGMENTER, "sam2", neural.tiny_sam2_segmenter),
            (Role.TRACKER, "sam2", neural.tiny_sam2_tracker),
            (Role.TRACKER, "cutie", neural.forgetful_cutie),
            (Role.MATTER, "vitmatte", neural.tiny_vitmatte),
        )
    ),
    Case(
        Role.SEGMENTER,
        "mobile-sam",
        mobile_sam_checkpoints.tiny_mobile_sam,
        honours_points=False,
        segments=False,
    ),
    Case(Role.TRACKER, "xmem", xmem_checkpoints.tiny_xmem, honours_points=False, segments=False),
)


def cases(role: Role) -> list[Case]:
    """Every case of a role."""
    found = [
        Case(role, spec.facts.name, _loader(spec.load), segments=spec.facts.name != "null")
        for spec in all_specs()
        if spec.role is role and not spec.facts.needs_weights and not spec.parts
    ]
    return found + [case for case in TINY if case.role is role]


def _loader(load: Callable[[LoadOptions], Engine]) -> Callable[[], Engine]:
    return lambda: load(LoadOptions())
