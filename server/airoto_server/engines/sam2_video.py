"""SAM 2 and SAM 2.1 through time: keyframe masks to masks, with a memory of frames.

Source: Ravi et al., SAM 2: Segment Anything in Images and Videos, arXiv 2408.00714. The
network is transformers' `Sam2VideoModel`; the pass around it is `sam2_pass`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from airoto.errors import EngineUnavailableError
from airoto_server.engines.registry import EngineSpec, LoadOptions, Role
from airoto_server.engines.roles import EngineFacts
from airoto_server.engines.sam2_config import SIZES, Sam2Size, video_config
from airoto_server.engines.sam2_image import SPECS as SEGMENTERS
from airoto_server.engines.sam2_pass import Sam2Pass
from airoto_server.engines.torch_engine import TorchEngine
from airoto_server.engines.torch_support import (
    building,
    compiled,
    placement,
    settle,
)


class Sam2Tracker(TorchEngine):
    """A tracker with SAM 2's networks."""

    def begin(self, object_ids: Sequence[int], *, seed: int) -> Sam2Pass:
        """A new pass; no random numbers are drawn."""
        return Sam2Pass(self, self._place, object_ids)


def build(size: Sam2Size, facts: EngineFacts, options: LoadOptions) -> Sam2Tracker:
    """Load a tracker of that size.

    Raises:
        EngineUnavailableError: packages, device or a fitting checkpoint are missing.
    """
    place = placement(options)
    try:
        from transformers import Sam2VideoModel
    except ImportError as exc:
        raise EngineUnavailableError(
            f"engine {size.name!r} needs the package transformers"
        ) from exc
    from airoto_server.engines.sam2_checkpoint import load_state

    state = load_state(size, options.checkpoint)
    with building():
        model = Sam2VideoModel(video_config(size))
    model.load_state_dict(state, strict=True)
    settle(model, place)
    model.vision_encoder = compiled(model.vision_encoder)
    return Sam2Tracker(facts, model, place)


def _spec(size: Sam2Size, facts: EngineFacts, rank: int) -> EngineSpec:
    told = replace(
        facts, description=facts.description.partition(":")[0] + ": keyframe masks through time"
    )
    return EngineSpec(
        role=Role.TRACKER,
        facts=told,
        load=lambda options: build(size, told, options),
        rank=rank,
        checkpoint=size.name,
    )


SPECS: tuple[EngineSpec, ...] = tuple(
    _spec(size, segmenter.facts, 40 + place)
    for place, (size, segmenter) in enumerate(zip(SIZES, SEGMENTERS, strict=True))
)
