"""XMem's pass against a plain loop written from the paper, and what that comparison tells.

The loop keeps every remembered frame in one list and compares pixels by the definition, in double
precision; it is short enough that nothing is condensed (`test_xmem` has the memories by their
definitions).
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate, pad

from airoto_server.engines.roles import Picture

from . import neural_checkpoints as neural
from . import xmem_checkpoints as checkpoints

# Worked on at 128 x 160, which needs no resizing and no padding.
HEIGHT, WIDTH = 128, 160
FRAMES = 8
TOLERANCE = 1e-4
FIRST = neural.disc(HEIGHT, WIDTH, 50, 64, 30)
SECOND = neural.disc(HEIGHT, WIDTH, 115, 60, 24)
TOP = 30


def frames() -> list[Picture]:
    return [neural.picture(HEIGHT, WIDTH, shift=4 * each) for each in range(FRAMES)]


def competing(planes: torch.Tensor) -> torch.Tensor:
    """Probabilities (N, H, W) that share pixels with each other and the background."""
    background = torch.prod(1 - planes, 0, keepdim=True)
    odds = torch.cat([background, planes]).clamp(1e-7, 1 - 1e-7)
    odds = odds / (1 - odds)
    return (odds / odds.sum(0))[1:]


def read(
    memory: list[tuple[torch.Tensor, ...]], key: torch.Tensor, selection: torch.Tensor
) -> torch.Tensor:
    """Values (N, C, h, w) that a frame's pixels find in all remembered frames."""
    keys, shrinkage, values = (torch.cat(each, -1) for each in zip(*memory, strict=True))
    query, chosen = key.flatten(2)[0], selection.flatten(2)[0]
    apart = (chosen[:, None] * (keys[:, :, None] - query[:, None]) ** 2).sum(0)
    likeness = -shrinkage[0][:, None] * apart / keys.shape[0] ** 0.5
    best, places = likeness.topk(TOP, dim=0)
    weights = torch.zeros_like(likeness).scatter_(0, places, best.softmax(0))
    return (values @ weights).unflatten(-1, key.shape[-2:])


@torch.no_grad()
def plain(pictures: list[Picture], masks: list[neural.Array], every: int = 5) -> list[neural.Array]:
    """Masks (N, H, W) of every frame."""
    network = copy.deepcopy(checkpoints.network()).double()
    mean = torch.tensor([0.485, 0.456, 0.406]).double()[:, None, None]
    deviation = torch.tensor([0.229, 0.224, 0.225]).double()[:, None, None]
    memory: list[tuple[torch.Tensor, ...]] = []
    hidden = mean.new_zeros(len(masks), checkpoints.TINY.hidden, HEIGHT // 16, WIDTH // 16)
    answers = []
    for number, picture in enumerate(pictures):
        image = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None]
        image = (image - mean) / deviation
        features = network.key_encoder(image)
        key, shrinkage, selection = network.key_proj(features[0])
        remembered = number % every == 0
        if number == 0:
            shares = competing(torch.from_numpy(np.stack(masks)).double())
        else:
            logits, after = network.decoder(features, read(memory, key, selection), hidden)
            shares = competing(torch.sigmoid(logits[:, 0]))
            hidden = hidden if remembered else after
        if remembered:
            values, hidden = network.value_encoder(image, features[0], shares[:, None], hidden)
            memory.append((key.flatten(2)[0], shrinkage.flatten(2)[0], values.flatten(2)))
        answers.append(shares.float().numpy())
    return answers


def ours(pictures: list[Picture], masks: list[neural.Array]) -> list[neural.Array]:
    names = list(range(1, len(masks) + 1))
    run = checkpoints.tiny_xmem().begin(names, seed=0)
    given = dict(zip(names, masks, strict=True))
    found = [run.step(n, each, None if n else given) for n, each in enumerate(pictures)]
    return [np.stack([frame[name].mask for name in names]) for frame in found]


@pytest.mark.parametrize("masks", [[FIRST], [FIRST, SECOND]], ids=["one object", "two objects"])
def test_masks_agree_with_the_papers_loop(masks: list[neural.Array]) -> None:
    expected, found = plain(frames(), masks), ours(frames(), masks)
    neural.assert_lively(expected[-1])
    for number in range(1, FRAMES):
        assert neural.disagreement(found[number], expected[number]) < TOLERANCE, number


def test_a_picture_of_another_size_is_resized_and_padded_by_the_book() -> None:
    small = [each[:90, :110].copy() for each in frames()[:3]]
    mask = FIRST[:90, :110].copy()
    # The short side becomes 128, the long one 156, four columns short of a multiple of 16.
    fitted = []
    for plane in (*small, np.repeat(mask[..., None], 3, 2)):
        one = torch.from_numpy(plane).permute(2, 0, 1)[None]
        one = interpolate(one, (128, 156), mode="bilinear", antialias=True)
        fitted.append(one)
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    beyond = [(pad(one - mean, (2, 2)) + mean)[0].permute(1, 2, 0).numpy() for one in fitted[:3]]
    whole = plain(beyond, [pad(fitted[3][0, 0], (2, 2)).numpy()])
    for number, found in enumerate(ours(small, [mask])[1:], start=1):
        expected = torch.from_numpy(whole[number][:, :, 2:-2])[None]
        expected = interpolate(expected, (90, 110), mode="bilinear", antialias=True)[0].numpy()
        assert neural.disagreement(found, expected) < TOLERANCE


MUTANTS: dict[str, Callable[[list[Picture]], list[Picture]]] = {
    "BGR": lambda p: [each[..., ::-1] for each in p],
    "wrong mean": lambda p: [neural.wrong_mean(each) for each in p],
    "half a pixel": lambda p: [neural.half_pixel(each) for each in p],
    "one frame late": lambda p: [p[0], *p[:-1]],
}


@pytest.mark.parametrize("mutate", MUTANTS.values(), ids=MUTANTS.keys())
def test_the_comparison_tells_wrong_pictures(
    mutate: Callable[[list[Picture]], list[Picture]],
) -> None:
    expected, wrong = plain(frames(), [FIRST]), ours(mutate(frames()), [FIRST])
    assert neural.disagreement(wrong[-1], expected[-1]) > 10 * TOLERANCE


def test_the_comparison_tells_a_frame_remembered_too_early() -> None:
    expected, wrong = plain(frames(), [FIRST]), plain(frames(), [FIRST], every=4)
    assert neural.disagreement(wrong[-1], expected[-1]) > 10 * TOLERANCE


def test_the_comparison_tells_a_mask_half_a_pixel_off() -> None:
    expected = plain(frames(), [FIRST])
    wrong = ours(frames(), [neural.disc(HEIGHT, WIDTH, 50.5, 64, 30)])
    assert neural.disagreement(wrong[-1], expected[-1]) > 10 * TOLERANCE
