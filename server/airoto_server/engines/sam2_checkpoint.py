"""Reading SAM 2's checkpoints, in both formats in which they are released.

- transformers: `model.safetensors`, named as `Sam2VideoModel` names its tensors.
- Meta: `sam2.1_hiera_tiny.pt`, `{"model": state}`. Its names are changed to those of
  transformers; four point embeddings become the rows of one, and the matrix of the
  position encoding is held twice, so that 471 tensors become 469.

A checkpoint holds the whole model. The segmenter takes its part out of it, after the whole
was found to be what it should be.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from airoto.errors import EngineUnavailableError
from airoto_server.engines.sam2_config import SIZES, Sam2Size, video_config
from airoto_server.engines.torch_checkpoint import read_state, require_match, weights_file

if TYPE_CHECKING:
    import torch

_POINTS = "sam_prompt_encoder.point_embeddings.{}.weight"
_MATRIX = "sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"

# Applied in this order to each of Meta's names.
_RENAMES: tuple[tuple[str, str], ...] = (
    (r"^no_mem_embed$", "no_memory_embedding"),
    (r"^no_mem_pos_enc$", "no_memory_positional_encoding"),
    (r"^maskmem_tpos_enc$", "memory_temporal_positional_encoding"),
    (r"^no_obj_ptr$", "no_object_pointer"),
    (r"^no_obj_embed_spatial$", "occlusion_spatial_embedding_parameter"),
    (r"^obj_ptr_proj\.", "object_pointer_proj."),
    (r"^obj_ptr_tpos_proj\.", "temporal_positional_encoding_projection_layer."),
    (r"^image_encoder\.trunk\.", "vision_encoder.backbone."),
    (r"^image_encoder\.neck\.convs\.(\d+)\.conv\.", r"vision_encoder.neck.convs.\1."),
    (r"\.patch_embed\.proj\.", ".patch_embed.projection."),
    (r"^sam_prompt_encoder\.mask_downscaling\.0\.", "prompt_encoder.mask_embed.conv1."),
    (r"^sam_prompt_encoder\.mask_downscaling\.1\.", "prompt_encoder.mask_embed.layer_norm1."),
    (r"^sam_prompt_encoder\.mask_downscaling\.3\.", "prompt_encoder.mask_embed.conv2."),
    (r"^sam_prompt_encoder\.mask_downscaling\.4\.", "prompt_encoder.mask_embed.layer_norm2."),
    (r"^sam_prompt_encoder\.mask_downscaling\.6\.", "prompt_encoder.mask_embed.conv3."),
    (r"^sam_prompt_encoder\.", "prompt_encoder."),
    (r"^sam_mask_decoder\.output_upscaling\.0\.", "mask_decoder.upscale_conv1."),
    (r"^sam_mask_decoder\.output_upscaling\.1\.", "mask_decoder.upscale_layer_norm."),
    (r"^sam_mask_decoder\.output_upscaling\.3\.", "mask_decoder.upscale_conv2."),
    (r"^sam_mask_decoder\.", "mask_decoder."),
    (r"^memory_encoder\.pix_feat_proj\.", "memory_encoder.feature_projection."),
    (r"^memory_encoder\.out_proj\.", "memory_encoder.projection."),
    (r"^memory_encoder\.fuser\.", "memory_encoder.memory_fuser."),
    (r"\.gamma$", ".scale"),
    (r"\.dwconv\.", ".depthwise_conv."),
    (r"\.pwconv(\d)\.", r".pointwise_conv\1."),
    (r"\.out_proj\.", ".o_proj."),
    (r"\.norm_final_attn\.", ".layer_norm_final_attn."),
    (r"\.norm(\d?)\.", r".layer_norm\1."),
)
# The mask downsampler is a list of convolution, norm, activation, four times, and a last
# convolution at 12.
_DOWNSAMPLER = re.compile(r"^memory_encoder\.mask_downsampler\.encoder\.(\d+)\.")
# Perceptrons: Meta numbers the layers; transformers names the first and the last, and
# numbers what is between from 0. Those of transformer blocks have two, the others three.
_TWO_LAYERS = re.compile(r"^(.*\.mlp)\.layers\.([01])\.")
_THREE_LAYERS = re.compile(
    r"^(object_pointer_proj|mask_decoder\.(?:output_hypernetworks_mlps\.\d|iou_prediction_head"
    r"|pred_obj_score_head))\.layers\.([012])\."
)


def is_metas(state: dict[str, torch.Tensor]) -> bool:
    """Whether these are Meta's names."""
    return any(name.startswith("image_encoder.trunk.") for name in state)


def from_metas(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Meta's tensors under the names of transformers; unknown ones keep theirs."""
    import torch

    source = dict(state)
    renamed: dict[str, torch.Tensor] = {}
    points = [_POINTS.format(label) for label in range(4)]
    if all(name in source for name in points):
        # Rows: outside, inside, first and second corner of a box.
        renamed["prompt_encoder.point_embed.weight"] = torch.cat([source.pop(n) for n in points])
    if _MATRIX in source:
        matrix = source.pop(_MATRIX)
        renamed["shared_image_embedding.positional_embedding"] = matrix
        renamed["prompt_encoder.shared_embedding.positional_embedding"] = matrix
    for name, tensor in source.items():
        renamed[_rename(name)] = tensor
    return renamed


def _rename(name: str) -> str:
    found = _DOWNSAMPLER.match(name)
    if found:
        layer, part = divmod(int(found[1]), 3)
        place = "final_conv" if layer == 4 else f"layers.{layer}.{('conv', 'layer_norm')[part]}"
        return f"memory_encoder.mask_downsampler.{place}.{name[found.end() :]}"
    for pattern, replacement in _RENAMES:
        name = re.sub(pattern, replacement, name)
    name = _TWO_LAYERS.sub(lambda m: f"{m[1]}.{('proj_in', 'proj_out')[int(m[2])]}.", name)
    return _THREE_LAYERS.sub(
        lambda m: f"{m[1]}.{('proj_in', 'layers.0', 'proj_out')[int(m[2])]}.", name
    )


def recognise(state: dict[str, torch.Tensor]) -> str:
    """Which SAM 2 these tensors (named as transformers does) are of; empty if of none."""
    embedding = state.get("vision_encoder.backbone.pos_embed_window")
    if embedding is None:
        return ""
    blocks = {
        found[1]
        for found in (re.match(r"vision_encoder\.backbone\.blocks\.(\d+)\.", n) for n in state)
        if found
    }
    second = "occlusion_spatial_embedding_parameter" in state
    for size in SIZES:
        if (second, embedding.shape[1], len(blocks)) == (size.second, size.width, sum(size.blocks)):
            return size.name
    return ""


def load_state(size: Sam2Size, checkpoint: Path | None) -> dict[str, torch.Tensor]:
    """All tensors of that size's checkpoint, named as `Sam2VideoModel` names them.

    Raises:
        EngineUnavailableError: not there, unreadable, of another architecture, or not
            complete.
    """
    import torch
    from transformers import Sam2VideoModel

    path = weights_file(size.name, checkpoint)
    state = read_state(size.name, path)
    if is_metas(state):
        state = from_metas(state)
    found = recognise(state)
    if found and found != size.name and size in SIZES:
        raise EngineUnavailableError(
            f"the checkpoint for engine {size.name!r} is one of {found!r}: {path}", path=str(path)
        )
    with torch.device("meta"):
        expected = Sam2VideoModel(video_config(size)).state_dict()
    require_match(size.name, path, state, expected)
    return state
