"""The sizes of SAM 2 and SAM 2.1, as released by Meta, in the terms of transformers.

Source: Ravi et al., SAM 2: Segment Anything in Images and Videos, arXiv 2408.00714, and the
configurations published with the checkpoints.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import Sam2Config, Sam2VideoConfig


@dataclass(frozen=True)
class Sam2Size:
    """One architecture.

    Attributes:
        name: `sam2.1-tiny`.
        second: SAM 2.1, which has an embedding for occluded objects and the time of
            object pointers; SAM 2 has neither.
        width: channels of the first of four stages; each next has twice as many.
        heads: attention heads of the first stage; each next has twice as many.
        blocks: transformer blocks per stage.
        windows: side of the attention windows per stage.
        global_blocks: blocks that attend to the whole picture.
        background: side of the position embedding's background.
        image_size: side of the square that pictures are resized to, in pixels.
        decoder_width: channels of the prompt encoder and the decoder; memories have 64.
        decoder_mlp: inner channels of the decoder's and the memory's layers.
        memory_layers: layers of the memory attention.
    """

    name: str
    second: bool
    width: int
    heads: int
    blocks: tuple[int, int, int, int]
    windows: tuple[int, int, int, int]
    global_blocks: tuple[int, ...]
    background: int
    image_size: int = 1024
    decoder_width: int = 256
    decoder_mlp: int = 2048
    memory_layers: int = 4

    @property
    def widths(self) -> list[int]:
        """Channels per stage."""
        return [self.width << stage for stage in range(4)]


_HIERA = (
    Sam2Size("tiny", True, 96, 1, (1, 2, 7, 2), (8, 4, 14, 7), (5, 7, 9), 7),
    Sam2Size("small", True, 96, 1, (1, 2, 11, 2), (8, 4, 14, 7), (7, 10, 13), 7),
    Sam2Size("base-plus", True, 112, 2, (2, 3, 16, 3), (8, 4, 14, 7), (12, 16, 20), 14),
    Sam2Size("large", True, 144, 2, (2, 6, 36, 4), (8, 4, 16, 8), (23, 33, 43), 7),
)
SIZES: tuple[Sam2Size, ...] = tuple(
    replace(size, name=f"{family}-{size.name}", second=family == "sam2.1")
    for family in ("sam2", "sam2.1")
    for size in _HIERA
)


def image_config(size: Sam2Size) -> Sam2Config:
    """Configuration of `transformers.Sam2Model`: the part that pictures need."""
    from transformers import Sam2Config

    vision, prompt, decoder = _parts(size)
    return Sam2Config(
        vision_config=vision, prompt_encoder_config=prompt, mask_decoder_config=decoder
    )


def video_config(size: Sam2Size) -> Sam2VideoConfig:
    """Configuration of `transformers.Sam2VideoModel`: everything that a checkpoint holds."""
    from transformers import Sam2VideoConfig

    vision, prompt, decoder = _parts(size)
    return Sam2VideoConfig(
        vision_config=vision,
        prompt_encoder_config=prompt,
        mask_decoder_config=decoder,
        image_size=size.image_size,
        enable_occlusion_spatial_embedding=size.second,
        enable_temporal_pos_encoding_for_object_pointers=size.second,
        memory_attention_hidden_size=size.decoder_width,
        memory_attention_num_layers=size.memory_layers,
        memory_attention_feed_forward_hidden_size=size.decoder_mlp,
        memory_attention_rope_feat_sizes=[size.image_size // 16] * 2,
        memory_encoder_hidden_size=size.decoder_width,
        mask_downsampler_embed_dim=size.decoder_width,
        memory_fuser_embed_dim=size.decoder_width,
        memory_fuser_intermediate_dim=size.decoder_width * 4,
    )


def _parts(size: Sam2Size) -> tuple[dict[str, object], dict[str, object], dict[str, object]]:
    """Vision encoder, prompt encoder and mask decoder, as transformers' dictionaries."""
    backbone = {
        "model_type": "sam2_hiera_det_model",
        "hidden_size": size.width,
        "num_attention_heads": size.heads,
        "image_size": [size.image_size, size.image_size],
        "window_positional_embedding_background_size": [size.background, size.background],
        "blocks_per_stage": list(size.blocks),
        "embed_dim_per_stage": size.widths,
        "num_attention_heads_per_stage": [size.heads << stage for stage in range(4)],
        "window_size_per_stage": list(size.windows),
        "global_attention_blocks": list(size.global_blocks),
    }
    vision: dict[str, object] = {
        "model_type": "sam2_vision_model",
        "backbone_config": backbone,
        "backbone_channel_list": size.widths[::-1],
        "backbone_feature_sizes": [[size.image_size // stride] * 2 for stride in (4, 8, 16)],
        "fpn_hidden_size": size.decoder_width,
    }
    prompt: dict[str, object] = {
        "hidden_size": size.decoder_width,
        "image_size": size.image_size,
    }
    decoder: dict[str, object] = {
        "hidden_size": size.decoder_width,
        "mlp_dim": size.decoder_mlp,
        "iou_head_hidden_dim": size.decoder_width,
    }
    return vision, prompt, decoder
