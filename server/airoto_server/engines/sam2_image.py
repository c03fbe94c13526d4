"""SAM 2 and SAM 2.1 on one picture: clicks, boxes and rough masks to masks with scores.

Source: Ravi et al., SAM 2: Segment Anything in Images and Videos, arXiv 2408.00714. The
network is transformers' `Sam2Model`; preparing pictures and prompts is done here, since the
package's processor needs torchvision. The image encoder runs in `embed` alone; every click
and every further object runs only the prompt encoder and mask decoder.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from airoto.errors import EngineError, EngineUnavailableError
from airoto_server.engines.registry import EngineSpec, LoadOptions, Role
from airoto_server.engines.roles import Candidate, EngineFacts, Picture, Prompts
from airoto_server.engines.sam2_config import SIZES, Sam2Size, image_config
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
    resize,
    settle,
    tensor_bytes,
    to_mask,
)

if TYPE_CHECKING:
    import torch
    from transformers import Sam2Model

# Labels of the prompt encoder: a box is two points of its own kinds.
_OUTSIDE, _INSIDE, _FIRST_CORNER, _SECOND_CORNER = 0, 1, 2, 3
# A rough mask becomes logits; the network was trained with those of masks between -10 and 10.
_LOGIT = 10.0


@dataclass(frozen=True)
class Sam2Embedding:
    """A picture as the mask decoder sees it.

    Attributes:
        features: three maps (1, C, h, w): strides 4, 8 and 16 of the network's square.
        size: height and width of the picture.
    """

    features: tuple[torch.Tensor, ...]
    size: tuple[int, int]


def prepare(picture: Picture, side: int, place: Placement) -> torch.Tensor:
    """A picture as SAM 2's encoders want it: (1, 3, side, side), normalised RGB.

    The picture is resized to the square whatever its aspect, as in training.
    """
    pixels = resize(picture_tensor(picture, place), (side, side))
    return normalise(pixels, IMAGENET_MEAN, IMAGENET_STD)


class Sam2Segmenter(TorchEngine):
    """A segmenter with SAM 2's networks; masks are probabilities.

    One click alone is ambiguous (a button, the shirt, the person) and gives three
    candidates. Anything more gives one.
    """

    def __init__(self, facts: EngineFacts, model: Sam2Model, place: Placement) -> None:
        super().__init__(facts, model, place)
        self._side: int = model.prompt_encoder.input_image_size

    def embed(self, picture: Picture, *, seed: int) -> Sam2Embedding:
        """Run the image encoder; no random numbers are drawn."""
        pixels = prepare(picture, self._side, self._place)
        with forward_pass(self._place):
            features = self.model.get_image_embeddings(pixels)
        return Sam2Embedding(tuple(features), (picture.shape[0], picture.shape[1]))

    def embedding_bytes(self, embedding: Sam2Embedding) -> int:
        """Memory of the three maps, in bytes."""
        return tensor_bytes(embedding)

    def segment(self, embedding: Sam2Embedding, prompts: Prompts, *, seed: int) -> list[Candidate]:
        """Run the prompt encoder and mask decoder; best score first.

        Raises:
            EngineError: a prompt outside the picture, or nothing that says where the
                object is.
        """
        import torch

        prompts = _checked(prompts, embedding.size)
        points, labels = self._points(prompts, embedding.size)
        ambiguous = len(prompts.points) == 1 and prompts.box is None and prompts.mask is None
        with forward_pass(self._place):
            answer = self.model(
                image_embeddings=list(embedding.features),
                input_points=points,
                input_labels=labels,
                input_masks=self._rough_mask(prompts, embedding.size),
                multimask_output=ambiguous,
            )
            logits = torch.nn.functional.interpolate(
                answer.pred_masks[0].float(),
                size=embedding.size,
                mode="bilinear",
                align_corners=False,
            )[0]
            masks = torch.sigmoid(logits)
            scores = answer.iou_scores[0, 0].float().clamp(0, 1).cpu().numpy()
        order = np.argsort(-scores, kind="stable")
        return [Candidate(to_mask(masks[each]), float(scores[each])) for each in order]

    def _points(
        self, prompts: Prompts, size: tuple[int, int]
    ) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """Points (1, 1, N, 2) in pixels of the network's square, and their labels."""
        import torch

        where = [(float(x), float(y)) for x, y in prompts.points]
        labels = [_INSIDE if inside else _OUTSIDE for inside in prompts.labels]
        if prompts.box is not None:
            where = [prompts.box[:2], prompts.box[2:], *where]
            labels = [_FIRST_CORNER, _SECOND_CORNER, *labels]
        if not where:
            return None, None
        scale = np.array([self._side / size[1], self._side / size[0]], np.float32)
        # The prompt encoder counts from pixel centres and adds the half itself.
        places = np.asarray(where, np.float32) * scale - np.float32(0.5)
        points = torch.from_numpy(places)[None, None].to(self._place.device)
        return points, torch.tensor([[labels]], dtype=torch.int32, device=self._place.device)

    def _rough_mask(self, prompts: Prompts, size: tuple[int, int]) -> torch.Tensor | None:
        """The earlier mask as logits (1, 1, h, w) at the size the prompt encoder takes."""
        import torch

        if prompts.mask is None:
            return None
        small = resize(
            mask_tensor(prompts.mask, size, self._place),
            tuple(self.model.prompt_encoder.mask_input_size),
        )
        return torch.logit(small, eps=1e-6).clamp(-_LOGIT, _LOGIT)


def _checked(prompts: Prompts, size: tuple[int, int]) -> Prompts:
    """The prompts, a box cut to what of it is in the picture."""
    height, width = size
    if prompts.points.shape != (len(prompts.labels), 2):
        raise EngineError(
            f"points of shape {prompts.points.shape} do not go with {len(prompts.labels)} labels"
        )
    for x, y in prompts.points.tolist():
        if not (0 <= x <= width and 0 <= y <= height):
            raise EngineError(
                f"a prompt at ({x:g}, {y:g}) is outside the picture of {width}×{height}"
            )
    if prompts.box is not None:
        left, top, right, bottom = prompts.box
        inside = (max(left, 0.0), max(top, 0.0), min(right, width), min(bottom, height))
        if not (inside[0] < inside[2] and inside[1] < inside[3]):
            raise EngineError(f"the box {prompts.box} is empty in the picture of {width}×{height}")
        prompts = replace(prompts, box=inside)
    if prompts.box is None and prompts.mask is None and not prompts.labels.any():
        raise EngineError("a point on the object, a box or a mask is needed")
    return prompts


def build(size: Sam2Size, facts: EngineFacts, options: LoadOptions) -> Sam2Segmenter:
    """Load a segmenter of that size.

    Raises:
        EngineUnavailableError: packages, device or a fitting checkpoint are missing.
    """
    place = placement(options)
    try:
        from transformers import Sam2Model
    except ImportError as exc:
        raise EngineUnavailableError(
            f"engine {size.name!r} needs the package transformers"
        ) from exc
    from airoto_server.engines.sam2_checkpoint import load_state

    state = load_state(size, options.checkpoint)
    with building():
        model = Sam2Model(image_config(size))
    # The rest of the checkpoint, found complete, is for video.
    model.load_state_dict({name: state[name] for name in model.state_dict()}, strict=True)
    settle(model, place)
    model.vision_encoder = compiled(model.vision_encoder)
    return Sam2Segmenter(facts, model, place)


def _facts(size: Sam2Size) -> EngineFacts:
    family, _, variant = size.name.partition("-")
    return EngineFacts(
        name=size.name,
        version=f"1+transformers.{package_version('transformers')}",
        description=f"{family.upper().replace('SAM', 'SAM ')} {variant}: clicks, boxes and "
        "masks to masks",
        licence="Apache-2.0",
        commercial_use=True,
        needs_weights=True,
        working_size=size.image_size,
    )


def _spec(size: Sam2Size, rank: int) -> EngineSpec:
    facts = _facts(size)
    return EngineSpec(
        role=Role.SEGMENTER,
        facts=facts,
        load=lambda options: build(size, facts, options),
        rank=rank,
        checkpoint=size.name,
    )


# Larger is better, and 2.1 better than 2.
SPECS: tuple[EngineSpec, ...] = tuple(_spec(size, 40 + place) for place, size in enumerate(SIZES))
