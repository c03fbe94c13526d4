"""Attention with decomposed relative positions, as torch's scaled-dot-product attention.

The carrying package multiplies queries and keys out, and adds `rel_h[query, row of key] +
rel_w[query, column of key]` to every pair: memory grows with the square of the pixels, three times
over. The same sum is one dot product of longer vectors: queries with both tables' answers behind
them, keys with ones at their row and their column. So torch's fused kernels do it, which never hold
all pairs. Source of the positions: Li et al., MViTv2, CVPR 2022, arXiv 2112.01526.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import pad, scaled_dot_product_attention
from transformers.models.vitdet.modeling_vitdet import VitDetAttention, get_rel_pos


class FusedVitDetAttention(torch.nn.Module):
    """The package's attention with the same weights under the same names.

    Args:
        packaged: as transformers made it, with relative positions; its parameters are shared.
    """

    def __init__(self, packaged: VitDetAttention) -> None:
        super().__init__()
        self.heads: int = packaged.num_heads
        self.scale: float = packaged.scale
        self.qkv, self.proj = packaged.qkv, packaged.proj
        self.rel_pos_h, self.rel_pos_w = packaged.rel_pos_h, packaged.rel_pos_w

    def forward(self, hidden_state: torch.Tensor, output_attentions: bool = False) -> Any:
        """Patches (N, H, W, C) to a tuple of one tensor of the same shape.

        Raises:
            ValueError: the attention map is asked for, which is never made.
        """
        if output_attentions:
            raise ValueError("fused attention has no map of attention to give")
        count, height, width, _ = hidden_state.shape
        qkv = self.qkv(hidden_state).reshape(count, height * width, 3, self.heads, -1)
        queries, keys, values = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        channels = queries.shape[-1]
        placed = queries.reshape(count, self.heads, height, width, channels)
        by_row = get_rel_pos(height, height, self.rel_pos_h)
        by_column = get_rel_pos(width, width, self.rel_pos_w)
        along = torch.cat(
            [
                queries * self.scale,
                torch.einsum("nahwc,hkc->nahwk", placed, by_row).flatten(2, 3),
                torch.einsum("nahwc,wkc->nahwk", placed, by_column).flatten(2, 3),
            ],
            dim=-1,
        )
        place = torch.cat(
            [
                torch.eye(height, dtype=keys.dtype, device=keys.device).repeat_interleave(width, 0),
                torch.eye(width, dtype=keys.dtype, device=keys.device).repeat(height, 1),
            ],
            dim=-1,
        )
        keys = torch.cat([keys, place.expand(count, self.heads, -1, -1)], dim=-1)
        # The kernels want one length of all three.
        values = pad(values, (0, height + width))
        read = scaled_dot_product_attention(along, keys, values, scale=1.0)[..., :channels]
        read = read.transpose(1, 2).reshape(count, height, width, -1)
        return (self.proj(read),)


def fuse_attention(model: torch.nn.Module) -> int:
    """Put fused attention in the place of the package's, wherever it is; how many there were."""
    found = [
        (module, name, child)
        for module in model.modules()
        for name, child in module.named_children()
        if isinstance(child, VitDetAttention) and child.use_relative_position_embeddings
    ]
    for module, name, child in found:
        setattr(module, name, FusedVitDetAttention(child))
    return len(found)
