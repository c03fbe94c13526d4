"""MobileSAM's engine against a plain forward pass, and what that comparison tells.

The pass prepares its inputs by the authors' book: the longest side fitted, colours normalised,
zeros beyond; points scaled with the picture; masks enlarged to the square, cut, and enlarged to the
picture. The network itself is checked by its definition in `test_mobile_sam`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate, pad

from airoto_server.engines.roles import Picture, Prompts

from . import mobile_sam_checkpoints as checkpoints
from . import neural_checkpoints as neural

HEIGHT, WIDTH, SIDE = 60, 100, 128
SEEN = (77, 128)
TOLERANCE = 1e-4


def clicks(*points: tuple[float, float], inside: tuple[bool, ...] = ()) -> Prompts:
    labels = np.array(inside or (True,) * len(points))
    return Prompts(np.array(points, np.float32).reshape(-1, 2), labels)


PROMPTS = {
    "one click": clicks((40.0, 30.0)),
    "clicks": clicks((40.0, 30.0), (80.5, 22.0), inside=(True, False)),
    "box": Prompts(box=(20.0, 15.0, 90.0, 50.0)),
    "mask": Prompts(mask=neural.disc(HEIGHT, WIDTH, 60, 35, 20)),
}


def fitted(plane: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    return interpolate(plane, size, mode="bilinear", antialias=True)


@torch.no_grad()
def plain(picture: Picture, prompts: Prompts) -> neural.Array:
    """The best mask of the network run whole."""
    model = checkpoints.network()
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    deviation = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    pixels = fitted(torch.from_numpy(picture).permute(2, 0, 1)[None], SEEN)
    pixels = pad((pixels - mean) / deviation, (0, SIDE - SEEN[1], 0, SIDE - SEEN[0]))
    scale = torch.tensor([SEEN[1] / WIDTH, SEEN[0] / HEIGHT])
    inputs: dict[str, torch.Tensor] = {}
    if len(prompts.points):
        # The model wants indices of pixels, whose centres are half a pixel on.
        inputs["input_points"] = (torch.from_numpy(prompts.points) * scale - 0.5)[None, None]
        inputs["input_labels"] = torch.from_numpy(prompts.labels).int()[None, None]
    if prompts.box is not None:
        corners = torch.tensor(prompts.box).view(2, 2) * scale - 0.5
        inputs["input_boxes"] = corners.view(1, 1, 4)
    if prompts.mask is not None:
        plane = pad(
            fitted(torch.from_numpy(prompts.mask)[None, None], SEEN),
            (0, SIDE - SEEN[1], 0, SIDE - SEEN[0]),
        )
        plane = fitted(plane, (SIDE // 4, SIDE // 4)).clamp(1e-6, 1 - 1e-6)
        inputs["input_masks"] = torch.log(plane / (1 - plane)).clamp(-10, 10)
    alone = len(prompts.points) == 1
    features = model.vision_encoder(pixels)
    answer = model(image_embeddings=features, multimask_output=alone, **inputs)
    logits = interpolate(answer.pred_masks[0], (SIDE, SIDE), mode="bilinear")
    logits = interpolate(logits[..., : SEEN[0], : SEEN[1]], (HEIGHT, WIDTH), mode="bilinear")[0]
    best: neural.Array = torch.sigmoid(logits[answer.iou_scores[0, 0].argmax()]).numpy()
    return best


def ours(picture: Picture, prompts: Prompts) -> neural.Array:
    engine = checkpoints.tiny_mobile_sam()
    return engine.segment(engine.embed(picture, seed=0), prompts, seed=0)[0].mask


@pytest.mark.parametrize("prompts", PROMPTS.values(), ids=PROMPTS.keys())
def test_masks_agree_with_a_plain_pass(prompts: Prompts) -> None:
    picture = neural.picture(HEIGHT, WIDTH)
    expected = plain(picture, prompts)
    neural.assert_lively(expected)
    assert neural.disagreement(ours(picture, prompts), expected) < TOLERANCE


MUTANTS: dict[str, Callable[[Picture, Prompts], tuple[Picture, Prompts]]] = {
    "BGR": lambda picture, p: (picture[..., ::-1], p),
    "wrong mean": lambda picture, p: (neural.wrong_mean(picture), p),
    "half a pixel in the picture": lambda picture, p: (neural.half_pixel(picture), p),
    "half a pixel in the points": lambda picture, p: (
        picture,
        Prompts(p.points + np.float32(0.5), p.labels),
    ),
    "points transposed": lambda picture, p: (
        picture,
        Prompts(np.minimum(p.points[:, ::-1], np.float32(HEIGHT)), p.labels),
    ),
    "labels turned": lambda picture, p: (picture, Prompts(p.points, ~p.labels)),
}


@pytest.mark.parametrize("mutate", MUTANTS.values(), ids=MUTANTS.keys())
def test_the_comparison_tells_wrong_inputs(
    mutate: Callable[[Picture, Prompts], tuple[Picture, Prompts]],
) -> None:
    picture, prompts = neural.picture(HEIGHT, WIDTH), PROMPTS["clicks"]
    expected = plain(picture, prompts)
    wrong = ours(*mutate(picture, prompts))
    assert neural.disagreement(wrong, expected) > 10 * TOLERANCE


def test_the_decoders_norms_are_the_authors() -> None:
    """With transformers' default the decoder's masks are off by 3e-5 and more."""
    transformer = checkpoints.network().mask_decoder.transformer
    epsilons = {one.eps for one in transformer.modules() if isinstance(one, torch.nn.LayerNorm)}
    assert epsilons == {1e-5}
