"""Checkpoints in the released formats, with seeded weights, and tiny engines made of them.

No real weights can be had here. Weights as networks are first made give constant masks,
which agree with anything; these are drawn so that activations keep their scale from layer
to layer and masks vary (`assert_lively`).
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from airoto_server.engines import cutie, sam2_image, sam2_video, vitmatte
from airoto_server.engines.cutie import CutieSize
from airoto_server.engines.registry import LoadOptions
from airoto_server.engines.sam2_config import SIZES, Sam2Size, video_config
from airoto_server.engines.torch_support import Placement
from airoto_server.engines.vitmatte import VitMatteSize

from .tiny_engines import TINY_CUTIE, TINY_SAM2, TINY_VITMATTE, facts

# Tiny networks run fastest on one thread, whatever else the machine is doing.
torch.set_num_threads(1)

State = dict[str, torch.Tensor]
Array = npt.NDArray[np.float32]
# Standard deviation that the output of a network with seeded weights must exceed: agreement of
# two constants proves nothing.
LIVELY = 0.05


def large(*values: Any) -> Any:
    """A parameter of tests that is run with `AIROTO_TRUE_SIZES=1`: minutes and gigabytes."""
    wanted = os.environ.get("AIROTO_TRUE_SIZES") == "1"
    reason = "a large network: AIROTO_TRUE_SIZES=1 runs it"
    return pytest.param(*values, marks=pytest.mark.skipif(not wanted, reason=reason))


def sam2_size(name: str) -> Sam2Size:
    """A released size by its name."""
    return next(size for size in SIZES if size.name == name)


# --- Weights ---------------------------------------------------------------------------


def enliven(module: torch.nn.Module, seed: int, gain: float = 1.2) -> None:
    """Draw all weights from `seed`, in place, so that outputs depend on inputs.

    They ask for no gradients then: with them torch takes other attention kernels, whose
    rounding random networks amplify to more than the tolerance.
    """
    module.requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)

    def draw(tensor: torch.Tensor, mean: float, deviation: float) -> None:
        tensor.copy_(torch.randn(tensor.shape, generator=generator) * deviation + mean)

    with torch.no_grad():
        for name, tensor in module.named_parameters():
            if tensor.ndim >= 2:
                draw(tensor, 0.0, gain / max(tensor[0].numel(), 1) ** 0.5)
            else:
                draw(tensor, 1.0 if name.endswith("weight") else 0.0, 0.1)
        for name, tensor in module.named_buffers():
            if name.endswith("running_mean"):
                draw(tensor, 0.0, 0.1)
            elif name.endswith("running_var"):
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
            elif name.endswith("positional_embedding"):
                draw(tensor, 0.0, 1.0)


def copies(state: State) -> State:
    """The same tensors with memory of their own, as a file holds them."""
    return {name: tensor.detach().clone().contiguous() for name, tensor in state.items()}


# Of the last layer before the masks. As drawn, logits of base+ are -15 and less all over the
# picture, and those of large +13: masks that are nothing or everything.
_MASK_SCALE = {112: 0.1, 144: 0.1}


@functools.cache
def sam2_model(size: Sam2Size, seed: int = 0) -> Any:
    """transformers' video model of that size, enlivened."""
    from transformers import Sam2VideoModel

    model = Sam2VideoModel(video_config(size)).eval()
    enliven(model, seed)
    with torch.no_grad():
        # Both hold one matrix in real checkpoints.
        model.prompt_encoder.shared_embedding.positional_embedding.copy_(
            model.shared_image_embedding.positional_embedding
        )
        # Objects are there, mostly: their masks are blanked otherwise.
        model.mask_decoder.pred_obj_score_head.proj_out.bias += 2.0
        for head in model.mask_decoder.output_hypernetworks_mlps:
            head.proj_out.weight *= _MASK_SCALE.get(size.width, 1.0)
            head.proj_out.bias *= _MASK_SCALE.get(size.width, 1.0)
    return model


@functools.cache
def cutie_model(size: CutieSize, seed: int = 0) -> Any:
    """rf-cutie's network of that size, enlivened."""
    model = cutie.network(cutie.configuration(size)).eval()
    enliven(model, seed)
    with torch.no_grad():
        # Residual networks add; smaller steps keep the sum in scale.
        for name, tensor in model.named_parameters():
            if re.search(r"layer\d\.\d+\.bn2\.weight|res2\.\d+\.bn2\.weight|bn3\.weight", name):
                tensor *= 0.3
    return model


@functools.cache
def vitmatte_model(size: VitMatteSize, seed: int = 0) -> Any:
    """transformers' matting model of that size, enlivened."""
    from transformers import VitMatteForImageMatting

    model = VitMatteForImageMatting(vitmatte.configuration(size)).eval()
    enliven(model, seed, gain=1.6)
    return model


# --- Released formats ------------------------------------------------------------------


def metas_names(state: State) -> State:
    """transformers' tensors of SAM 2 as Meta's files have them, written down name by name."""
    renamed: State = {}
    for name, tensor in state.items():
        if name == "prompt_encoder.point_embed.weight":
            for label in range(4):
                renamed[f"sam_prompt_encoder.point_embeddings.{label}.weight"] = tensor[
                    label : label + 1
                ]
        elif name == "prompt_encoder.shared_embedding.positional_embedding":
            continue
        else:
            renamed[_metas_name(name)] = tensor
    return renamed


def _metas_name(name: str) -> str:
    whole = {
        "no_memory_embedding": "no_mem_embed",
        "no_memory_positional_encoding": "no_mem_pos_enc",
        "memory_temporal_positional_encoding": "maskmem_tpos_enc",
        "no_object_pointer": "no_obj_ptr",
        "occlusion_spatial_embedding_parameter": "no_obj_embed_spatial",
        "shared_image_embedding.positional_embedding": (
            "sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"
        ),
    }
    if name in whole:
        return whole[name]
    for ours, theirs in (
        ("vision_encoder.backbone.", "image_encoder.trunk."),
        ("patch_embed.projection", "patch_embed.proj"),
        ("vision_encoder.neck.", "image_encoder.neck."),
        ("prompt_encoder.mask_embed.conv1", "sam_prompt_encoder.mask_downscaling.0"),
        ("prompt_encoder.mask_embed.layer_norm1", "sam_prompt_encoder.mask_downscaling.1"),
        ("prompt_encoder.mask_embed.conv2", "sam_prompt_encoder.mask_downscaling.3"),
        ("prompt_encoder.mask_embed.layer_norm2", "sam_prompt_encoder.mask_downscaling.4"),
        ("prompt_encoder.mask_embed.conv3", "sam_prompt_encoder.mask_downscaling.6"),
        ("mask_decoder.upscale_conv1", "mask_decoder.output_upscaling.0"),
        ("mask_decoder.upscale_layer_norm", "mask_decoder.output_upscaling.1"),
        ("mask_decoder.upscale_conv2", "mask_decoder.output_upscaling.3"),
        ("mask_downsampler.final_conv", "mask_downsampler.encoder.12"),
        ("memory_encoder.feature_projection", "memory_encoder.pix_feat_proj"),
        ("memory_encoder.projection", "memory_encoder.out_proj"),
        ("memory_encoder.memory_fuser", "memory_encoder.fuser"),
        ("object_pointer_proj", "obj_ptr_proj"),
        ("temporal_positional_encoding_projection_layer", "obj_ptr_tpos_proj"),
        ("depthwise_conv", "dwconv"),
        ("pointwise_conv", "pwconv"),
        ("o_proj", "out_proj"),
    ):  # fmt: skip
        name = name.replace(ours, theirs)
    name = re.sub(r"^(mask_decoder|prompt_encoder)\.", r"sam_\1.", name)
    name = re.sub(r"(neck\.convs\.\d)\.", r"\1.conv.", name)
    name = re.sub(
        r"mask_downsampler\.layers\.(\d)\.(conv|layer_norm)",
        lambda m: f"mask_downsampler.encoder.{int(m[1]) * 3 + (m[2] == 'layer_norm')}",
        name,
    )
    name = re.sub(r"layer_norm(_final_attn|\d?)\.", r"norm\1.", name)
    name = re.sub(r"\.scale$", ".gamma", name)
    last = 1 if ".mlp." in name else 2
    name = name.replace(".layers.0.weight", ".layers.1.weight") if _is_head(name) else name
    name = name.replace(".layers.0.bias", ".layers.1.bias") if _is_head(name) else name
    return name.replace(".proj_in.", ".layers.0.").replace(".proj_out.", f".layers.{last}.")


def _is_head(name: str) -> bool:
    heads = ("hypernetworks_mlps", "iou_prediction_head", "pred_obj_score_head", "obj_ptr_proj")
    return any(head in name for head in heads)


def detectron_names(state: State) -> State:
    """transformers' tensors of ViTMatte as the authors' files have them."""
    renamed: State = {}
    for name, tensor in state.items():
        for ours, theirs in (
            ("backbone.embeddings.position_embeddings", "backbone.pos_embed"),
            ("backbone.embeddings.projection", "backbone.patch_embed.proj"),
            ("backbone.encoder.layer.", "backbone.blocks."),
            (".attention.", ".attn."),
            ("fusion_blocks", "fusion_blks"),
            ("batch_norm", "bn"),
        ):
            name = name.replace(ours, theirs)
        renamed[name] = tensor
    return renamed


def write_safetensors(folder: Path, model: torch.nn.Module) -> Path:
    """A folder as the hub has it: `model.safetensors`."""
    import safetensors.torch

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.safetensors"
    safetensors.torch.save_file(copies(model.state_dict()), path)
    return path


def write_meta_sam2(path: Path, model: torch.nn.Module) -> Path:
    """Meta's `.pt`: `{"model": state}`."""
    torch.save({"model": copies(metas_names(model.state_dict()))}, path)
    return path


def write_cutie(path: Path, model: torch.nn.Module) -> Path:
    """Cutie's `.pth`: a plain state dict."""
    torch.save(copies(model.state_dict()), path)
    return path


def write_author_vitmatte(path: Path, model: torch.nn.Module) -> Path:
    """The authors' `.pth`: a plain state dict with detectron2's names."""
    torch.save(copies(detectron_names(model.state_dict())), path)
    return path


def write_weights(folder: Path) -> Path:
    """A folder for AIROTO_WEIGHTS with the checkpoints of `tiny_engines` and their manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        TINY_SAM2.name: write_meta_sam2(folder / "sam2_tiny.pt", sam2_model(TINY_SAM2)),
        TINY_CUTIE.name: write_cutie(folder / "cutie_tiny.pth", cutie_model(TINY_CUTIE)),
        TINY_VITMATTE.name: write_author_vitmatte(
            folder / "vitmatte_tiny.pth", vitmatte_model(TINY_VITMATTE)
        ),
    }
    return list_weights(folder, files)


def list_weights(folder: Path, files: Mapping[str, Path]) -> Path:
    """The manifest of a folder with these files, whatever is in them; the folder."""
    rows = ["schema = 1"]
    for name, path in files.items():
        content = path.read_bytes()
        rows += [
            "[[checkpoint]]",
            f'name = "{name}"',
            f'title = "{name}, seeded weights"',
            'licence = "Apache-2.0"',
            'licence_url = "https://www.apache.org/licenses/LICENSE-2.0"',
            "commercial_use = true",
            'homepage = "https://example.org"',
            'citation = "none"',
            "[[checkpoint.form]]",
            'format = "torch"',
            f'entry = "{path.name}"',
            'sources = ["https://example.org/"]',
            f'files = [{{ name = "{path.name}", bytes = {len(content)}, '
            f'sha256 = "{hashlib.sha256(content).hexdigest()}" }}]',
        ]
    (folder / "manifest.toml").write_text("\n".join(rows), encoding="utf-8")
    return folder


# --- Tiny engines ----------------------------------------------------------------------


@functools.cache
def tiny_sam2_segmenter() -> sam2_image.Sam2Segmenter:
    """SAM 2.1 at 128 pixels, loaded from a checkpoint file like any other."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_safetensors(Path(folder), sam2_model(TINY_SAM2))
        return sam2_image.build(TINY_SAM2, facts("sam2-test"), LoadOptions(checkpoint=path))


@functools.cache
def tiny_sam2_tracker() -> sam2_video.Sam2Tracker:
    """SAM 2.1's tracker at 128 pixels."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_safetensors(Path(folder), sam2_model(TINY_SAM2))
        return sam2_video.build(TINY_SAM2, facts("sam2-test"), LoadOptions(checkpoint=path))


@functools.cache
def tiny_cutie() -> cutie.CutieTracker:
    """Cutie with few channels."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_cutie(Path(folder) / "cutie.pth", cutie_model(TINY_CUTIE))
        return cutie.build(TINY_CUTIE, facts("cutie-test"), LoadOptions(checkpoint=path))


def forgetful_cutie() -> cutie.CutieTracker:
    """The same with a long-term memory that is full after thirty frames, not two thousand."""
    engine = tiny_cutie()
    config = cutie.configuration(TINY_CUTIE)
    config.mem_every = 1
    config.long_term.max_num_tokens, config.long_term.buffer_tokens = 300, 100
    return cutie.CutieTracker(engine.facts, engine.model, config, Placement())


@functools.cache
def tiny_vitmatte() -> vitmatte.VitMatteMatter:
    """ViTMatte with three blocks."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_safetensors(Path(folder), vitmatte_model(TINY_VITMATTE))
        return vitmatte.build(TINY_VITMATTE, facts("vitmatte-test"), LoadOptions(checkpoint=path))


# --- Pictures and comparing ------------------------------------------------------------


def picture(height: int, width: int, seed: int = 0, shift: int = 0) -> Array:
    """A seeded picture of soft and hard shapes, moved `shift` pixels to the right."""
    rng = np.random.default_rng(seed)
    coarse = (
        rng.random((height // 32 + 1, width // 32 + 1, 3))
        .repeat(32, 0)
        .repeat(32, 1)[:height, :width]
    )
    y, x = np.mgrid[:height, :width].astype(np.float32)
    waves = np.stack([np.sin(x / 7 + y / 11), np.cos(x / 5), np.sin(y / 9)], -1)
    return np.roll(0.8 * coarse + 0.1 * waves + 0.1, shift, 1).clip(0, 1).astype(np.float32)


def disc(height: int, width: int, x: float, y: float, radius: float) -> Array:
    """A mask with one round object and a soft edge."""
    rows, columns = np.mgrid[:height, :width] + 0.5
    return np.clip(radius - np.hypot(columns - x, rows - y) + 0.5, 0, 1).astype(np.float32)


def half_pixel(image: Array) -> Array:
    """The picture moved half a pixel to the right."""
    return (0.5 * (image + np.roll(image, 1, 1))).astype(np.float32)


def wrong_mean(image: Array) -> Array:
    """A picture that, normalised rightly, is this one normalised with 0.5 and 0.5."""
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    return ((image - 0.5) / 0.5 * deviation + mean).astype(np.float32)


def disagreement(found: Array, reference: Array) -> float:
    """Largest difference over the largest value of the reference."""
    assert found.shape == reference.shape
    return float(np.abs(found - reference).max() / np.abs(reference).max())


def assert_lively(values: Array) -> None:
    """Make sure a reference varies, so that agreement with it means something."""
    deviation = float(values.std())
    assert deviation > LIVELY, (
        f"the reference hardly varies (standard deviation {deviation:.4f}, more than {LIVELY} is "
        f"wanted; {values.min():.3g} to {values.max():.3g}): scale its seeded weights"
    )
