"""Grounding DINO: phrases to boxes.

Source: Liu et al., Grounding DINO: Marrying DINO with Grounded Pre-Training for Open-Set
Object Detection, ECCV 2024, arXiv 2303.05499. The network is transformers'
`GroundingDinoForObjectDetection`; a checkpoint is the folder that the authors released for
it, whose `tokenizer.json` is part of the weights, or the authors' own file
(`groundingdino_swint_ogc.pth`) with a tokenizer beside it. Preparing pictures and reading
answers is done here, since the package's processor needs torchvision.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from airoto.errors import BadRequestError, EngineUnavailableError
from airoto.phrases import split_phrases
from airoto_server.engines.classic.checks import check_picture
from airoto_server.engines.grounding_checkpoint import from_authors
from airoto_server.engines.grounding_text import Caption, read_tokenizer
from airoto_server.engines.registry import EngineSpec, LoadOptions, Role
from airoto_server.engines.roles import Detection, EngineFacts, Picture
from airoto_server.engines.torch_checkpoint import read_state, require_match, weights_file
from airoto_server.engines.torch_support import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Placement,
    building,
    forward_pass,
    normalise,
    package_version,
    picture_tensor,
    placement,
    resize,
    settle,
)

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import GroundingDinoConfig, GroundingDinoForObjectDetection

# The network sees pictures of this short side, but no longer than the long one, in pixels.
_SHORT_SIDE, _LONG_SIDE = 800, 1333


@dataclass(frozen=True)
class GroundingDinoSize:
    """One architecture.

    Attributes:
        name: `grounding-dino-tiny`.
        width, heads, blocks, window, image_size: of the Swin transformer; heads and blocks
            by stage, the window's side in patches, the side of the training pictures.
        overrides: what is not as released, in transformers' terms.
    """

    name: str
    width: int
    heads: tuple[int, int, int, int]
    blocks: tuple[int, int, int, int]
    window: int
    image_size: int
    overrides: tuple[tuple[str, Any], ...] = ()


TINY = GroundingDinoSize("grounding-dino-tiny", 96, (3, 6, 12, 24), (2, 2, 6, 2), 7, 224)
BASE = GroundingDinoSize("grounding-dino-base", 128, (4, 8, 16, 32), (2, 2, 18, 2), 12, 384)


def configuration(size: GroundingDinoSize) -> GroundingDinoConfig:
    """The architecture in transformers' terms."""
    from transformers import GroundingDinoConfig, SwinConfig

    backbone = SwinConfig(
        embed_dim=size.width,
        num_heads=list(size.heads),
        depths=list(size.blocks),
        window_size=size.window,
        image_size=size.image_size,
        out_indices=[2, 3, 4],
    )
    return GroundingDinoConfig(backbone_config=backbone, **dict(size.overrides))


class GroundingDinoDetector:
    """A detector with Grounding DINO's network."""

    def __init__(
        self,
        facts: EngineFacts,
        model: GroundingDinoForObjectDetection,
        tokenizer: Tokenizer,
        place: Placement,
    ) -> None:
        self.facts = facts
        self.model = model
        self._tokenizer = tokenizer
        self._place = place

    def device(self) -> str:
        """Where it runs."""
        return self._place.device

    def precision(self) -> str:
        """What it computes in."""
        return self._place.precision

    def detect(
        self, picture: Picture, text: str, *, box_threshold: float, text_threshold: float
    ) -> list[Detection]:
        """Boxes for the phrases of `text`, best first; they may overlap.

        A box's score is that of its best word. It answers to the phrase that this word is
        of; of that phrase's words those from `text_threshold` on count, and a box without
        any is dropped. No random numbers are drawn.

        Raises:
            BadRequestError: a text without words, or longer than the network reads.
            EngineError: the picture is empty, or not finite.
        """
        caption = Caption.of(split_phrases(text), self._tokenizer)
        limit = self.model.config.max_text_len
        if len(caption.ids) > limit:
            raise BadRequestError(
                f"the text has {len(caption.ids)} tokens; engine {self.facts.name!r} reads {limit}",
                hint="look for fewer phrases at a time",
            )
        check_picture(picture)
        scores, boxes = self._run(picture, caption)
        found = []
        for row, box in zip(
            scores, _corners(boxes, picture.shape[1], picture.shape[0]), strict=True
        ):
            answer = caption.answer(row, text_threshold)
            if answer is None or answer.score < box_threshold:
                continue
            x_min, y_min, x_max, y_max = (float(side) for side in box)
            if x_min < x_max and y_min < y_max:
                box_in_pixels = (x_min, y_min, x_max, y_max)
                found.append(Detection(box_in_pixels, answer.score, answer.phrase, answer.words))
        # Ties are broken by place, so that order does not depend on the network's queries.
        return sorted(found, key=lambda one: (-one.score, one.box))

    def _run(
        self, picture: Picture, caption: Caption
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Scores (queries, tokens), 0 to 1, and boxes (queries, 4): cx, cy, w, h, 0 to 1."""
        import torch

        size = network_size(picture.shape[1], picture.shape[0])
        pixels = resize(picture_tensor(picture, self._place), size)
        pixels = normalise(pixels, IMAGENET_MEAN, IMAGENET_STD)
        ids = torch.tensor([caption.ids], device=self._place.device)
        with forward_pass(self._place):
            answer = self.model(
                pixel_values=pixels,
                pixel_mask=torch.ones((1, *size), dtype=torch.long, device=self._place.device),
                input_ids=ids,
                token_type_ids=torch.zeros_like(ids),
                attention_mask=torch.ones_like(ids),
            )
        scores = answer.logits[0, :, : len(caption.ids)].float().sigmoid()
        return scores.cpu().numpy(), answer.pred_boxes[0].float().cpu().numpy()


def network_size(width: int, height: int) -> tuple[int, int]:
    """Height and width of the picture that the network sees: the short side 800, or less
    where the long one would pass 1333."""
    short, long = min(width, height), max(width, height)
    scale = min(_SHORT_SIDE / short, _LONG_SIDE / long)
    return max(1, round(height * scale)), max(1, round(width * scale))


def _corners(boxes: npt.NDArray[np.float32], width: int, height: int) -> npt.NDArray[np.float64]:
    """Normalised centre and size to corners in pixels, inside the picture."""
    centre, half = boxes[:, :2].astype(np.float64), boxes[:, 2:].astype(np.float64) / 2
    size = np.array([width, height], np.float64)
    corners = np.concatenate([(centre - half) * size, (centre + half) * size], axis=1)
    inside: npt.NDArray[np.float64] = np.clip(corners, 0.0, np.tile(size, 2))
    return inside


def build(
    size: GroundingDinoSize, facts: EngineFacts, options: LoadOptions
) -> GroundingDinoDetector:
    """Load a detector of that size.

    Raises:
        EngineUnavailableError: packages, device or a fitting checkpoint are missing.
    """
    place = placement(options)
    try:
        from transformers import GroundingDinoForObjectDetection
    except ImportError as exc:
        raise EngineUnavailableError(
            f"engine {facts.name!r} needs the package transformers"
        ) from exc

    path = weights_file(facts.name, options.checkpoint)
    folder = path.parent
    tokenizer = read_tokenizer(facts.name, path)
    with building():
        if path.suffix == ".safetensors":
            model = _load(GroundingDinoForObjectDetection, size, facts.name, folder)
        else:
            model = _load_authors(GroundingDinoForObjectDetection, size, facts.name, path)
    vocabulary = model.config.text_config.vocab_size
    if tokenizer.get_vocab_size() > vocabulary:
        raise EngineUnavailableError(
            f"the tokenizer of engine {facts.name!r} is not that of its weights: "
            f"{tokenizer.get_vocab_size()} tokens instead of {vocabulary}",
            path=str(folder),
        )
    settle(model, place)
    return GroundingDinoDetector(facts, model, tokenizer, place)


def _load_authors(kind: Any, size: GroundingDinoSize, name: str, path: Path) -> Any:
    """The network from the authors' own file, every tensor in its place."""
    model = kind(configuration(size))
    expected = model.state_dict()
    state = from_authors(read_state(name, path), expected)
    require_match(name, path, state, expected)
    model.load_state_dict(state, strict=True)
    return model


def _load(kind: Any, size: GroundingDinoSize, name: str, folder: Path) -> Any:
    """The network from its folder, every tensor in its place; nothing reaches for a hub."""
    import safetensors
    import torch
    from transformers.utils import logging

    was = logging.get_verbosity()
    logging.set_verbosity_error()  # what it would say is our error below
    logging.disable_progress_bar()
    try:
        model, told = kind.from_pretrained(
            folder,
            config=configuration(size),
            dtype=torch.float32,
            local_files_only=True,
            use_safetensors=True,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    except (OSError, ValueError, KeyError, RuntimeError, safetensors.SafetensorError) as exc:
        raise EngineUnavailableError(
            f"the checkpoint of engine {name!r} cannot be read, it is damaged or truncated: "
            f"{folder} ({str(exc).splitlines()[0] if str(exc) else type(exc).__name__})",
            path=str(folder),
        ) from exc
    finally:
        logging.set_verbosity(was)
    faults = [
        f"{what}: {', '.join(sorted(map(str, told[key]))[:3])}"
        for what, key in (
            ("missing", "missing_keys"),
            ("unknown", "unexpected_keys"),
            ("of another shape", "mismatched_keys"),
        )
        if told[key]
    ]
    if faults:
        raise EngineUnavailableError(
            f"the checkpoint does not fit engine {name!r}: {'; '.join(faults)}", path=str(folder)
        )
    return model


def _spec(size: GroundingDinoSize, letter: str, rank: int) -> EngineSpec:
    facts = EngineFacts(
        name=size.name,
        version=f"1+transformers.{package_version('transformers')}",
        description=f"Grounding DINO Swin-{letter}: phrases to boxes",
        licence="Apache-2.0",
        commercial_use=True,
        needs_weights=True,
        working_size=_LONG_SIDE,
    )
    return EngineSpec(
        role=Role.DETECTOR,
        facts=facts,
        load=lambda options: build(size, facts, options),
        rank=rank,
        checkpoint=size.name,
    )


SPECS: tuple[EngineSpec, ...] = (_spec(TINY, "T", 60), _spec(BASE, "B", 61))
