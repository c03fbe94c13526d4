"""Grounding DINO's released form with seeded weights: a folder with weights and tokenizer."""

from __future__ import annotations

import functools
import json
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


@functools.cache
def tiny_detector() -> grounding_dino.GroundingDinoDetector:
    """A detector with few channels, loaded from a folder like any other."""
    with tempfile.TemporaryDirectory() as folder:
        options = LoadOptions(checkpoint=write(Path(folder)))
        return grounding_dino.build(TINY, neural.facts(TINY.name), options)
