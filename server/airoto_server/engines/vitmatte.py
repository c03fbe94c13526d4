"""ViTMatte: a picture and its trimap to alpha, with a plain vision transformer.

Source: Yao et al., ViTMatte: Boosting Image Matting with Pre-trained Plain Vision
Transformers, Information Fusion 2024, arXiv 2305.15272. The network is transformers'
`VitMatteForImageMatting`; checkpoints are its `model.safetensors`, or the authors' own
`ViTMatte_S_Com.pth` and its like.

Attention over a whole frame grows with the square of its pixels, so the caller feeds
windows. They are of the size of the training crops, for which the position embeddings need
no interpolation. Attention is torch's fused one (`vitdet_attention`), which the package has not
for this network. Convolutions run channels-last, which took a seventh off a window here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from airoto.errors import EngineError, EngineUnavailableError
from airoto_server.engines.registry import EngineSpec, LoadOptions, Role
from airoto_server.engines.roles import EngineFacts, MatteResult, Picture, Trimap
from airoto_server.engines.torch_checkpoint import (
    normalisation,
    read_state,
    require_match,
    weights_file,
)
from airoto_server.engines.torch_engine import TorchEngine
from airoto_server.engines.torch_support import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Placement,
    building,
    compiled,
    forward_pass,
    mask_tensor,
    normalise,
    package_version,
    picture_tensor,
    placement,
    settle,
    to_mask,
)

if TYPE_CHECKING:
    import torch
    from transformers import VitMatteConfig

# Mean and deviation of colours (RGB, 0..1) where the checkpoint says none: those of the
# authors' training configuration (`pixel_mean`, `pixel_std` of their detectron2 models, which
# are ImageNet's). The hub's checkpoints bring a processor file, and what it says is done: it
# says 0.5 and 0.5 for the same weights. Which of the two is nearer to the truth can only be
# seen with real weights (`tests/weights`).
AUTHORS_STATISTICS = (IMAGENET_MEAN, IMAGENET_STD)
# Sides of the network's input are multiples of this.
_DIVISOR = 32


@dataclass(frozen=True)
class VitMatteSize:
    """One architecture.

    Attributes:
        name: `vitmatte-small`.
        width: channels of the transformer.
        heads: attention heads.
        layers: blocks of the transformer; every third attends to the whole window.
        crop: side of the training crops in pixels.
        fusion: channels of the decoder's fusion blocks.
    """

    name: str
    width: int
    heads: int
    layers: int = 12
    crop: int = 512
    fusion: tuple[int, int, int, int] = (256, 128, 64, 32)


SMALL = VitMatteSize("vitmatte-small", 384, 6)
BASE = VitMatteSize("vitmatte-base", 768, 12)


def configuration(size: VitMatteSize) -> VitMatteConfig:
    """The architecture in transformers' terms."""
    from transformers import VitDetConfig, VitMatteConfig

    whole = [block for block in range(size.layers) if block % 3 == 2]
    backbone = VitDetConfig(
        num_channels=4,
        hidden_size=size.width,
        num_attention_heads=size.heads,
        num_hidden_layers=size.layers,
        image_size=size.crop,
        pretrain_image_size=224,
        patch_size=16,
        use_absolute_position_embeddings=True,
        use_relative_position_embeddings=True,
        window_size=14,
        window_block_indices=[block for block in range(size.layers) if block not in whole],
        residual_block_indices=whole,
        out_features=[f"stage{size.layers}"],
    )
    # The model adds a list to it, so a list it must be.
    return VitMatteConfig(
        backbone_config=backbone, hidden_size=size.width, fusion_hidden_sizes=list(size.fusion)
    )


class VitMatteMatter(TorchEngine):
    """A matter with ViTMatte's network."""

    needs_trimap = True
    max_window = 512
    # Three patches of context on each side; a wider one costs more than the bar allows
    # (`tests/benchmarks/vitmatte_windows.py`).
    overlap = 48

    def __init__(
        self,
        facts: EngineFacts,
        model: torch.nn.Module,
        place: Placement,
        statistics: tuple[Sequence[float], Sequence[float]] = AUTHORS_STATISTICS,
    ) -> None:
        super().__init__(facts, model, place)
        self._statistics = statistics

    def matte(self, picture: Picture, trimap: Trimap | None, *, seed: int) -> MatteResult:
        """Alpha of one window; no random numbers are drawn.

        A window without unknown pixels is answered by its trimap.

        Raises:
            EngineError: no trimap, or one of another size than the picture.
        """
        if trimap is None:
            raise EngineError(f"engine {self.facts.name!r} needs a trimap")
        if trimap.shape != picture.shape[:2]:
            raise EngineError(
                f"the trimap has shape {trimap.shape}, its picture {picture.shape[:2]}"
            )
        unknown = (trimap > 0) & (trimap < 1)
        known = (trimap >= 1).astype(np.float32)
        if not unknown.any():
            return MatteResult(known)
        alpha = self._alpha(picture, np.where(unknown, np.float32(0.5), known))
        return MatteResult(np.where(unknown, alpha, known))

    def _alpha(self, picture: Picture, trimap: Trimap) -> Trimap:
        import torch

        height, width = trimap.shape
        colour = normalise(picture_tensor(picture, self._place), *self._statistics)
        pixels = torch.cat([colour, mask_tensor(trimap, (height, width), self._place)], dim=1)
        beyond = (0, -width % _DIVISOR, 0, -height % _DIVISOR)
        pixels = torch.nn.functional.pad(pixels, beyond)
        # As the convolutions' answers are: the decoder joins it to them at full size, and joining
        # two layouts takes four times as long.
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        with forward_pass(self._place):
            alphas = self.model(pixels).alphas
        return to_mask(alphas[0, 0, :height, :width])


_RENAMES: tuple[tuple[str, str], ...] = (
    (r"^backbone\.pos_embed$", "backbone.embeddings.position_embeddings"),
    (r"^backbone\.patch_embed\.proj\.", "backbone.embeddings.projection."),
    (r"^backbone\.blocks\.", "backbone.encoder.layer."),
    (r"\.attn\.", ".attention."),
    (r"\.fusion_blks\.", ".fusion_blocks."),
    (r"\.bn\.", ".batch_norm."),
)


def from_authors(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The authors' tensors (detectron2) under the names of transformers."""
    renamed: dict[str, torch.Tensor] = {}
    for name, tensor in state.items():
        for pattern, replacement in _RENAMES:
            name = re.sub(pattern, replacement, name)
        renamed[name] = tensor
    return renamed


def recognise(state: Mapping[str, Any]) -> str:
    """Which ViTMatte these weights (transformers' names) are of, empty if of none."""
    positions = state.get("backbone.embeddings.position_embeddings")
    if positions is None or "decoder.matting_head.matting_convs.0.weight" not in state:
        return ""
    return {SMALL.width: SMALL.name, BASE.width: BASE.name}.get(positions.shape[-1], "")


def build(size: VitMatteSize, facts: EngineFacts, options: LoadOptions) -> VitMatteMatter:
    """Load a matter of that size.

    Raises:
        EngineUnavailableError: packages, device or a fitting checkpoint are missing.
    """
    place = placement(options)
    try:
        import torch
        from transformers import VitMatteForImageMatting

        from airoto_server.engines.vitdet_attention import fuse_attention
    except ImportError as exc:
        raise EngineUnavailableError(
            f"engine {facts.name!r} needs the package transformers"
        ) from exc

    path = weights_file(facts.name, options.checkpoint)
    state = read_state(facts.name, path)
    if any(name.startswith("backbone.blocks.") for name in state):
        state = from_authors(state)
    found = recognise(state)
    if found and found != size.name and size in (SMALL, BASE):
        raise EngineUnavailableError(
            f"the checkpoint for engine {facts.name!r} is one of {found!r}: {path}", path=str(path)
        )
    with building():
        model = VitMatteForImageMatting(configuration(size))
    require_match(facts.name, path, state, model.state_dict())
    model.load_state_dict(state, strict=True)
    fuse_attention(model)
    model.to(memory_format=torch.channels_last)
    statistics = normalisation(facts.name, path) or AUTHORS_STATISTICS
    return VitMatteMatter(facts, compiled(settle(model, place)), place, statistics)


def _spec(size: VitMatteSize, data: str, rank: int) -> EngineSpec:
    """One architecture trained on one data set; Composition-1k is the one without suffix."""
    name = size.name if data == "composition-1k" else f"{size.name}-{data}"
    facts = EngineFacts(
        name=name,
        version=f"4+transformers.{package_version('transformers')}",
        description=f"ViTMatte {size.name.partition('-')[2]}, trained on {data}",
        licence="Apache-2.0",
        commercial_use=True,
        needs_weights=True,
        working_size=0,
    )
    return EngineSpec(
        role=Role.MATTER,
        facts=facts,
        load=lambda options: build(size, facts, options),
        rank=rank,
        checkpoint=f"{size.name}-{data}",
    )


SPECS: tuple[EngineSpec, ...] = (
    _spec(SMALL, "distinctions-646", 58),
    _spec(BASE, "distinctions-646", 59),
    _spec(SMALL, "composition-1k", 60),
    _spec(BASE, "composition-1k", 61),
)
