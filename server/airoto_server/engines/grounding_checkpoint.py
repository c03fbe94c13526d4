"""The authors' own files of Grounding DINO as transformers' tensors.

The two networks are the same; names differ, and what the authors hold as one matrix for queries,
keys and values transformers holds as three. Source of the names: the authors' modules
(`tests/engines/tables/grounding_dino.txt`), Apache-2.0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_VISION = "model.backbone.conv_encoder.model."
_ENCODER = r"^transformer\.encoder\.layers\.(\d+)\."
_TEXT = r"^transformer\.encoder\.text_layers\.(\d+)\."
_FUSION = r"^transformer\.encoder\.fusion_layers\.(\d+)\."
_DECODER = r"^transformer\.decoder\.layers\.(\d+)\."
_RENAMES: tuple[tuple[str, str], ...] = (
    # Of a layer of the encoder, its three parts.
    (_ENCODER + r"norm1\.", r"model.encoder.layers.\1.deformable_layer.self_attn_layer_norm."),
    (_ENCODER + r"norm2\.", r"model.encoder.layers.\1.deformable_layer.final_layer_norm."),
    (_ENCODER + r"linear(\d)\.", r"model.encoder.layers.\1.deformable_layer.fc\2."),
    (_ENCODER, r"model.encoder.layers.\1.deformable_layer."),
    (_TEXT + r"norm1\.", r"model.encoder.layers.\1.text_enhancer_layer.layer_norm_before."),
    (_TEXT + r"norm2\.", r"model.encoder.layers.\1.text_enhancer_layer.layer_norm_after."),
    (_TEXT + r"linear(\d)\.", r"model.encoder.layers.\1.text_enhancer_layer.fc\2."),
    (_TEXT, r"model.encoder.layers.\1.text_enhancer_layer."),
    (_FUSION + r"gamma_v$", r"model.encoder.layers.\1.fusion_layer.vision_param"),
    (_FUSION + r"gamma_l$", r"model.encoder.layers.\1.fusion_layer.text_param"),
    (_FUSION + r"layer_norm_v\.", r"model.encoder.layers.\1.fusion_layer.layer_norm_vision."),
    (_FUSION + r"layer_norm_l\.", r"model.encoder.layers.\1.fusion_layer.layer_norm_text."),
    (_FUSION + r"attn\.(|values_|out_)v_", r"model.encoder.layers.\1.fusion_layer.attn.\2vision_"),
    (_FUSION + r"attn\.(|values_|out_)l_", r"model.encoder.layers.\1.fusion_layer.attn.\2text_"),
    # Of a layer of the decoder.
    (_DECODER + r"cross_attn\.", r"model.decoder.layers.\1.encoder_attn."),
    (_DECODER + r"norm1\.", r"model.decoder.layers.\1.encoder_attn_layer_norm."),
    (_DECODER + r"ca_text\.", r"model.decoder.layers.\1.encoder_attn_text."),
    (_DECODER + r"catext_norm\.", r"model.decoder.layers.\1.encoder_attn_text_layer_norm."),
    (_DECODER + r"norm2\.", r"model.decoder.layers.\1.self_attn_layer_norm."),
    (_DECODER + r"norm3\.", r"model.decoder.layers.\1.final_layer_norm."),
    (_DECODER + r"linear(\d)\.", r"model.decoder.layers.\1.fc\2."),
    (r"^transformer\.decoder\.norm\.", "model.decoder.layer_norm."),
    (r"^transformer\.decoder\.ref_point_head\.", "model.decoder.reference_points_head."),
    (r"^transformer\.tgt_embed\.", "model.query_position_embeddings."),
    (r"^transformer\.enc_out_bbox_embed\.", "model.encoder_output_bbox_embed."),
    (r"^transformer\.", "model."),
    (r"^bert\.", "model.text_backbone."),
    (r"^feat_map\.", "model.text_projection."),
    (r"^input_proj\.", "model.input_proj_vision."),
    # The Swin transformer.
    (
        r"^backbone\.0\.patch_embed\.proj\.",
        _VISION + "swin.embeddings.patch_embeddings.projection.",
    ),
    (r"^backbone\.0\.patch_embed\.norm\.", _VISION + "swin.embeddings.norm."),
    (r"^backbone\.0\.norm1\.", _VISION + "hidden_states_norms.stage2."),
    (r"^backbone\.0\.norm2\.", _VISION + "hidden_states_norms.stage3."),
    (r"^backbone\.0\.norm3\.", _VISION + "hidden_states_norms.stage4."),
    (r"^backbone\.0\.layers\.", _VISION + "swin.encoder.layers."),
    (r"(blocks\.\d+\.)norm1\.", r"\1layernorm_before."),
    (r"(blocks\.\d+\.)norm2\.", r"\1layernorm_after."),
    (
        r"\.attn\.relative_position_bias_table$",
        ".attention.relative_position_bias.relative_position_bias_table",
    ),
    (r"(blocks\.\d+\.)attn\.proj\.", r"\1attention.o_proj."),
)
# What no answer depends on: numbers that follow from the architecture, BERT's head for whole
# sentences, and what only training used.
_UNUSED = re.compile(
    r"\.relative_position_index$|\.attn_mask$|^bert\.pooler\.|^bert\.embeddings\.position_ids$"
    r"|^label_enc\.weight$"
)
_STACKED = (
    (re.compile(r"(blocks\.\d+\.)attn\.qkv\."), r"\1attention.{}_proj.", ("q", "k", "v")),
    (re.compile(r"\.in_proj_(weight|bias)$"), r".{}.\1", ("query", "key", "value")),
)
# transformers has this norm and never uses it here.
_NEVER_USED = "swin.layernorm."


def from_authors(
    state: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """The authors' tensors under the names of transformers; unknown ones keep theirs.

    Args:
        expected: the network's own, of which only what is never used is taken.
    """
    renamed = {name: tensor for name, tensor in expected.items() if _NEVER_USED in name}
    for name, tensor in state.items():
        name = _plain(name)
        if _UNUSED.search(name):
            continue
        for pattern, replacement, parts in _STACKED:
            if pattern.search(name):
                for part, piece in zip(parts, tensor.chunk(3), strict=True):
                    found = pattern.sub(replacement.format(part), name)
                    renamed[_renamed(found)] = piece.clone()
                break
        else:
            renamed[_renamed(name)] = tensor
    return renamed


def _plain(name: str) -> str:
    """Without what distributed training puts before every name."""
    return name.removeprefix("module.")


def _renamed(name: str) -> str:
    for pattern, replacement in _RENAMES:
        name = re.sub(pattern, replacement, name)
    return name
