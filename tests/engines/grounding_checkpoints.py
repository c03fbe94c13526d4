"""Grounding DINO's released form with seeded weights: a folder with weights and tokenizer."""

from __future__ import annotations

import functools
import json
import re
import tempfile
from pathlib import Path
from typing import Any

import torch

from airoto_server.engines import grounding_dino
from airoto_server.engines.grounding_dino import GroundingDinoSize
from airoto_server.engines.registry import LoadOptions

from . import neural_checkpoints as neural

WORDS = ("a", "red", "car", "ball", "wall", "person", "dog", "##s", "photo")
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "?", *WORDS]
# The network knows its special tokens by number.
SPECIAL = {"[CLS]": 101, "[SEP]": 102, ".": 1012, "?": 1029}

TINY = GroundingDinoSize(
    "grounding-dino-test", 12, (1, 1, 2, 2), (1, 1, 1, 1), 4, 64,
    overrides=(
        ("d_model", 32), ("num_queries", 24), ("encoder_layers", 1), ("decoder_layers", 2),
        ("encoder_attention_heads", 4), ("decoder_attention_heads", 4), ("encoder_ffn_dim", 64),
        ("decoder_ffn_dim", 64), ("max_text_len", 32),
        ("text_config", {
            "model_type": "bert", "vocab_size": 1040, "hidden_size": 32, "num_hidden_layers": 1,
            "num_attention_heads": 4, "intermediate_size": 64, "max_position_embeddings": 64,
        }),
    ),
)  # fmt: skip


def write_tokenizer(folder: Path) -> Path:
    """A `tokenizer.json` of BERT's kind with a few words."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    numbers = {word: SPECIAL.get(word, place) for place, word in enumerate(VOCABULARY)}
    made = Tokenizer(models.WordPiece(numbers, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.BertProcessing(("[SEP]", 102), ("[CLS]", 101))
    made.enable_padding(length=20)  # as files may have it
    path = folder / "tokenizer.json"
    path.write_text(json.dumps(json.loads(made.to_str())))
    return path


@functools.cache
def model(size: GroundingDinoSize = TINY, seed: int = 0) -> Any:
    """transformers' network of that size, enlivened."""
    from transformers import GroundingDinoForObjectDetection

    made = GroundingDinoForObjectDetection(grounding_dino.configuration(size)).eval()
    neural.enliven(made, seed)
    with torch.no_grad():
        for name, tensor in made.named_parameters():
            if "bbox_embed.layers.2" in name or "sampling_offsets" in name:
                tensor *= 0.5
    return made


def write(folder: Path, network: Any = None) -> Path:
    """The folder as the hub has it."""
    folder.mkdir(parents=True, exist_ok=True)
    (network or model()).save_pretrained(folder)
    write_tokenizer(folder)
    return folder


def authors_names(state: neural.State) -> neural.State:
    """transformers' tensors as the authors' file has them, found through its own table."""
    chosen: neural.State = {}
    for name, tensor in state.items():
        for ours, theirs in AUTHORS:
            name = re.sub(ours, theirs, name)
        part = re.search(r"(attention\.[qkv]_proj|\.(query|key|value))\.(weight|bias)$", name)
        if part is not None and "bert." not in name and "swin.layernorm" not in name:
            name = re.sub(r"attention\.[qkv]_proj\.", "attn.qkv.", name)
            name = re.sub(r"\.(query|key|value)\.(weight|bias)$", r".in_proj_\2", name)
            chosen[name] = torch.cat([chosen[name], tensor]) if name in chosen else tensor
        elif "swin.layernorm" not in name:
            chosen[name] = tensor
    return chosen


# From the end of the network to its parts, as the authors' modules are nested.
AUTHORS = (
    (r"^model\.backbone\.conv_encoder\.model\.swin\.encoder\.layers", "backbone.0.layers"),
    (
        r"^model\.backbone\.conv_encoder\.model\.swin\.embeddings\.patch_embeddings\.projection",
        "backbone.0.patch_embed.proj",
    ),
    (
        r"^model\.backbone\.conv_encoder\.model\.swin\.embeddings\.norm",
        "backbone.0.patch_embed.norm",
    ),
    (r"^model\.backbone\.conv_encoder\.model\.hidden_states_norms\.stage2", "backbone.0.norm1"),
    (r"^model\.backbone\.conv_encoder\.model\.hidden_states_norms\.stage3", "backbone.0.norm2"),
    (r"^model\.backbone\.conv_encoder\.model\.hidden_states_norms\.stage4", "backbone.0.norm3"),
    ("layernorm_before", "norm1"),
    ("layernorm_after", "norm2"),
    (r"attention\.relative_position_bias\.", "attn."),
    (r"attention\.o_proj", "attn.proj"),
    (r"^model\.text_backbone\.", "bert."),
    (r"^model\.text_projection\.", "feat_map."),
    (r"^model\.input_proj_vision\.", "input_proj."),
    (r"^model\.", "transformer."),
    (r"layers\.(\d+)\.text_enhancer_layer\.layer_norm_before", r"text_layers.\1.norm1"),
    (r"layers\.(\d+)\.text_enhancer_layer\.layer_norm_after", r"text_layers.\1.norm2"),
    (r"layers\.(\d+)\.text_enhancer_layer\.fc", r"text_layers.\1.linear"),
    (r"layers\.(\d+)\.text_enhancer_layer", r"text_layers.\1"),
    (r"layers\.(\d+)\.fusion_layer\.vision_param", r"fusion_layers.\1.gamma_v"),
    (r"layers\.(\d+)\.fusion_layer\.text_param", r"fusion_layers.\1.gamma_l"),
    (r"layers\.(\d+)\.fusion_layer\.layer_norm_vision", r"fusion_layers.\1.layer_norm_v"),
    (r"layers\.(\d+)\.fusion_layer\.layer_norm_text", r"fusion_layers.\1.layer_norm_l"),
    (r"layers\.(\d+)\.fusion_layer\.attn\.(.*)vision_proj", r"fusion_layers.\1.attn.\2v_proj"),
    (r"layers\.(\d+)\.fusion_layer\.attn\.(.*)text_proj", r"fusion_layers.\1.attn.\2l_proj"),
    (r"layers\.(\d+)\.deformable_layer\.self_attn_layer_norm", r"layers.\1.norm1"),
    (r"layers\.(\d+)\.deformable_layer\.final_layer_norm", r"layers.\1.norm2"),
    (r"layers\.(\d+)\.deformable_layer\.fc", r"layers.\1.linear"),
    (r"layers\.(\d+)\.deformable_layer", r"layers.\1"),
    (r"decoder\.layers\.(\d+)\.encoder_attn_text_layer_norm", r"decoder.layers.\1.catext_norm"),
    (r"decoder\.layers\.(\d+)\.encoder_attn_text", r"decoder.layers.\1.ca_text"),
    (r"decoder\.layers\.(\d+)\.encoder_attn_layer_norm", r"decoder.layers.\1.norm1"),
    (r"decoder\.layers\.(\d+)\.encoder_attn", r"decoder.layers.\1.cross_attn"),
    (r"decoder\.layers\.(\d+)\.self_attn_layer_norm", r"decoder.layers.\1.norm2"),
    (r"decoder\.layers\.(\d+)\.final_layer_norm", r"decoder.layers.\1.norm3"),
    (r"decoder\.layers\.(\d+)\.fc", r"decoder.layers.\1.linear"),
    (r"decoder\.layer_norm", "decoder.norm"),
    (r"reference_points_head", "ref_point_head"),
    (r"query_position_embeddings", "tgt_embed"),
    (r"encoder_output_bbox_embed", "enc_out_bbox_embed"),
)


def released(swin: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes in the authors' file for Swin-T (`t`) or Swin-B (`b`)."""
    table = Path(__file__).parent / "tables" / f"grounding_dino_swin_{swin}.txt"
    rows = (line.split() for line in table.read_text().splitlines() if line[0] != "#")
    return {name: tuple(map(int, shape.split("x"))) for name, shape in rows}


def write_authors(folder: Path) -> Path:
    """The authors' `.pth` with all that it has beside weights, and a tokenizer beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    state = authors_names(model().state_dict())
    state |= {
        "label_enc.weight": torch.zeros(3, 32),
        "bert.embeddings.position_ids": torch.arange(64)[None],
        "bert.pooler.dense.weight": torch.zeros(32, 32),
        "backbone.0.layers.0.blocks.0.attn.relative_position_index": torch.zeros(16, 16),
    }
    path = folder / "groundingdino_swint_ogc.pth"
    torch.save({"model": {f"module.{n}": t for n, t in neural.copies(state).items()}}, path)
    write_tokenizer(folder)
    return path


@functools.cache
def tiny_detector() -> grounding_dino.GroundingDinoDetector:
    """A detector with few channels, loaded from a folder like any other."""
    with tempfile.TemporaryDirectory() as folder:
        options = LoadOptions(checkpoint=write(Path(folder)))
        return grounding_dino.build(TINY, neural.facts(TINY.name), options)
