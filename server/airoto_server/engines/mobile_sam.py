"""MobileSAM: clicks, boxes and rough masks to masks, with small weights.

Source: Zhang et al., Faster Segment Anything: Towards Lightweight SAM for Mobile Applications,
2023, arXiv 2306.14289. The image encoder is our own (`tiny_vit`), prompt encoder and mask
decoder are those of transformers' `SamModel`. A checkpoint is the released `mobile_sam.pt`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from airoto.errors import EngineUnavailableError
from airoto_server.engines.classic.checks import check_picture
from airoto_server.engines.classic.prompts import check_prompts
from airoto_server.engines.registry import EngineSpec, LoadOptions, Role
from airoto_server.engines.roles import Candidate, EngineFacts, Picture, Prompts
from airoto_server.engines.torch_checkpoint import read_state, require_match, weights_file
from airoto_server.engines.torch_engine import TorchEngine
from airoto_server.engines.torch_support import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    building,
    forward_pass,
    mask_tensor,
    normalise,
    package_version,
    picture_tensor,
    placement,
    resize,
    settle,
    tensor_bytes,
    to_mask,
)

if TYPE_CHECKING:
    import torch

_LOGIT = 10.0
_MATRIX = "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"
# Of what follows the image encoder, in this order.
_RENAMES: tuple[tuple[str, str], ...] = (
    (r"\.point_embeddings\.", ".point_embed."),
    (r"\.mask_downscaling\.0\.", ".mask_embed.conv1."),
    (r"\.mask_downscaling\.1\.", ".mask_embed.layer_norm1."),
    (r"\.mask_downscaling\.3\.", ".mask_embed.conv2."),
    (r"\.mask_downscaling\.4\.", ".mask_embed.layer_norm2."),
    (r"\.mask_downscaling\.6\.", ".mask_embed.conv3."),
    (r"\.output_upscaling\.0\.", ".upscale_conv1."),
    (r"\.output_upscaling\.1\.", ".upscale_layer_norm."),
    (r"\.output_upscaling\.3\.", ".upscale_conv2."),
    (r"\.norm_final_attn\.", ".layer_norm_final_attn."),
    (r"\.norm(\d)\.", r".layer_norm\1."),
    (r"(mlps\.\d|iou_prediction_head)\.layers\.0\.", r"\1.proj_in."),
    (r"(mlps\.\d|iou_prediction_head)\.layers\.1\.", r"\1.layers.0."),
    (r"(mlps\.\d|iou_prediction_head)\.layers\.2\.", r"\1.proj_out."),
)


@dataclass(frozen=True)
class Embedding:
    """A picture as the mask decoder sees it.

    Attributes:
        features: (1, C, h, w).
        size: height and width of the picture.
        seen: height and width that it has in the network's square, from the top-left corner.
    """

    features: torch.Tensor
    size: tuple[int, int]
    seen: tuple[int, int]


class MobileSamSegmenter(TorchEngine):
    """A segmenter with MobileSAM's networks; masks are probabilities.

    One click alone is ambiguous and gives three candidates. Anything more gives one.
    """

    def embed(self, picture: Picture, *, seed: int) -> Embedding:
        """Run the image encoder; no random numbers are drawn."""
        import torch

        check_picture(picture)
        height, width = picture.shape[:2]
        side = self._side
        scale = side / max(height, width)
        seen = (max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5)))
        pixels = resize(picture_tensor(picture, self._place), seen)
        pixels = normalise(pixels, IMAGENET_MEAN, IMAGENET_STD)
        pixels = torch.nn.functional.pad(pixels, (0, side - seen[1], 0, side - seen[0]))
        with forward_pass(self._place):
            features = self.model.vision_encoder(pixels)
        return Embedding(features, (height, width), seen)

    def embedding_bytes(self, embedding: Embedding) -> int:
        """Memory of the features, in bytes."""
        return tensor_bytes(embedding)

    def segment(self, embedding: Embedding, prompts: Prompts, *, seed: int) -> list[Candidate]:
        """Run the prompt encoder and mask decoder; best score first.

        Raises:
            EngineError: a box outside the picture, or nothing that says where the object is.
        """
        import torch

        check_prompts(prompts, embedding.size)
        ambiguous = len(prompts.points) == 1 and prompts.box is None and prompts.mask is None
        with forward_pass(self._place):
            answer = self.model(
                image_embeddings=embedding.features,
                input_points=self._placed(prompts.points, embedding)[None, None]
                if len(prompts.points)
                else None,
                input_labels=torch.from_numpy(prompts.labels.astype(np.int32))[None, None].to(
                    self._place.device
                )
                if len(prompts.points)
                else None,
                input_boxes=None
                if prompts.box is None
                else self._placed(np.asarray(prompts.box).reshape(2, 2), embedding).view(1, 1, 4),
                input_masks=self._rough_mask(prompts, embedding),
                multimask_output=ambiguous,
            )
            square = (self._side, self._side)
            logits = _stretched(answer.pred_masks[0].float(), square)
            logits = logits[..., : embedding.seen[0], : embedding.seen[1]]
            masks = torch.sigmoid(_stretched(logits, embedding.size))[0]
            scores = answer.iou_scores[0, 0].float().clamp(0, 1).cpu().numpy()
        order = np.argsort(-scores, kind="stable")
        return [Candidate(to_mask(masks[each]), float(scores[each])) for each in order]

    @property
    def _side(self) -> int:
        return int(self.model.prompt_encoder.input_image_size)

    def _placed(self, places: Any, embedding: Embedding) -> torch.Tensor:
        """Positions (N, 2) in the network's square, less the half that its encoder adds."""
        import torch

        (height, width), seen = embedding.size, embedding.seen
        scale = np.array([seen[1] / width, seen[0] / height], np.float32)
        placed = np.asarray(places, np.float32) * scale - np.float32(0.5)
        return torch.from_numpy(placed).to(self._place.device)

    def _rough_mask(self, prompts: Prompts, embedding: Embedding) -> torch.Tensor | None:
        """The earlier mask as logits (1, 1, h, w) at the size the prompt encoder takes."""
        import torch

        if prompts.mask is None:
            return None
        plane = resize(mask_tensor(prompts.mask, embedding.size, self._place), embedding.seen)
        beyond = (0, self._side - embedding.seen[1], 0, self._side - embedding.seen[0])
        small = resize(torch.nn.functional.pad(plane, beyond), (self._side // 4, self._side // 4))
        return torch.logit(small, eps=1e-6).clamp(-_LOGIT, _LOGIT)


def _stretched(planes: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    import torch

    return torch.nn.functional.interpolate(planes, size, mode="bilinear", align_corners=False)


def network(size: Any = None) -> Any:
    """SamModel with our encoder in the place of its own, weights yet to be loaded.

    Args:
        size: a `TinyVitSize`; None for the released one.
    """
    from transformers import SamConfig, SamModel

    from airoto_server.engines.tiny_vit import TinyVit, TinyVitSize

    size = size or TinyVitSize()
    # transformers makes an encoder of its own first: the smallest that it can.
    vision = {
        "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1, "mlp_dim": 16,
        "output_channels": size.neck, "image_size": size.side, "num_pos_feats": size.neck // 2,
    }  # fmt: skip
    prompt = {
        "image_size": size.side, "image_embedding_size": size.side // 16, "hidden_size": size.neck,
    }  # fmt: skip
    # The authors' decoder has torch's own epsilon in its norms, transformers' default is another:
    # with that, masks of random weights were off by 3e-5 and more, now by 6e-7.
    decoder = {
        "hidden_size": size.neck, "mlp_dim": size.neck * 8, "iou_head_hidden_dim": size.neck,
        "layer_norm_eps": 1e-5,
    }  # fmt: skip
    model = SamModel(
        SamConfig(vision_config=vision, prompt_encoder_config=prompt, mask_decoder_config=decoder)
    )
    model.vision_encoder = TinyVit(size)
    return model


def from_released(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The released file's tensors under our names; unknown ones keep theirs."""
    renamed: dict[str, torch.Tensor] = {}
    for name, tensor in state.items():
        if name == _MATRIX:
            renamed["shared_image_embedding.positional_embedding"] = tensor
            renamed["prompt_encoder.shared_embedding.positional_embedding"] = tensor
        elif name.startswith("image_encoder."):
            renamed[name.replace("image_encoder.", "vision_encoder.", 1)] = tensor
        else:
            for pattern, replacement in _RENAMES:
                name = re.sub(pattern, replacement, name)
            renamed[name] = tensor
    return renamed


def build(facts: EngineFacts, options: LoadOptions, size: Any = None) -> MobileSamSegmenter:
    """Load a segmenter.

    Args:
        size: a `TinyVitSize`; None for the released one.

    Raises:
        EngineUnavailableError: packages, device or a fitting checkpoint are missing.
    """
    place = placement(options)
    path = weights_file(facts.name, options.checkpoint)
    state = from_released(read_state(facts.name, path))
    try:
        with building():
            model = network(size)
    except ImportError as exc:
        raise EngineUnavailableError(
            f"engine {facts.name!r} needs the package transformers"
        ) from exc
    require_match(facts.name, path, state, model.state_dict())
    model.load_state_dict(state, strict=True)
    return MobileSamSegmenter(facts, settle(model, place), place)


_FACTS = EngineFacts(
    name="mobile-sam",
    version=f"2+transformers.{package_version('transformers')}",
    description="MobileSAM: prompts to masks, with small weights",
    licence="Apache-2.0",
    commercial_use=True,
    needs_weights=True,
    working_size=1024,
)

SPECS: tuple[EngineSpec, ...] = (
    EngineSpec(
        role=Role.SEGMENTER,
        facts=_FACTS,
        load=lambda options: build(_FACTS, options),
        rank=40,
        checkpoint="mobile-sam",
    ),
)
