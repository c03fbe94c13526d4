"""SAM 2 on a picture, against a plain forward pass of transformers' model."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from airoto.errors import EngineError
from airoto_server.engines import sam2_image
from airoto_server.engines.registry import LoadOptions
from airoto_server.engines.roles import Picture, Prompts, Segmenter
from airoto_server.engines.sam2_config import Sam2Size
from airoto_server.engines.torch_support import model_bytes

from . import neural_checkpoints as neural

HEIGHT, WIDTH = 90, 150
TOLERANCE = 1e-4


def clicks(*points: tuple[float, float], inside: tuple[bool, ...] = ()) -> Prompts:
    labels = np.array(inside or (True,) * len(points))
    return Prompts(np.array(points, np.float32).reshape(-1, 2), labels)


CLICK = clicks((40.0, 30.0))
PROMPTS = {
    "one click": CLICK,
    "clicks": clicks((40.0, 30.0), (80.5, 62.0), inside=(True, False)),
    "box": Prompts(box=(20.0, 15.0, 90.0, 70.0)),
    "box and click": Prompts(CLICK.points, CLICK.labels, (20.0, 15.0, 90.0, 70.0)),
    "mask": Prompts(mask=neural.disc(HEIGHT, WIDTH, 60, 45, 25)),
    "mask and click": Prompts(
        CLICK.points, CLICK.labels, mask=neural.disc(HEIGHT, WIDTH, 60, 45, 25)
    ),
}


@functools.cache
def package_model(size: Sam2Size) -> Any:
    from transformers import Sam2Model

    from airoto_server.engines.sam2_config import image_config

    model = Sam2Model(image_config(size)).eval()
    model.load_state_dict(neural.sam2_model(size).state_dict(), strict=False)
    return model


def reference(size: Sam2Size, picture: Picture, prompts: Prompts) -> list[neural.Array]:
    """Masks of the package's own model, run whole, with inputs made here by the book."""
    model = package_model(size)
    side = size.image_size
    mean = np.array([0.485, 0.456, 0.406], np.float32)
    deviation = np.array([0.229, 0.224, 0.225], np.float32)
    pixels = torch.from_numpy((picture - mean) / deviation).permute(2, 0, 1)[None]
    pixels = torch.nn.functional.interpolate(pixels, (side, side), mode="bilinear", antialias=True)
    scale = torch.tensor([side / picture.shape[1], side / picture.shape[0]])
    inputs: dict[str, torch.Tensor] = {}
    if len(prompts.points):
        # The model wants indices of pixels, whose centres are half a pixel on.
        inputs["input_points"] = (torch.from_numpy(prompts.points) * scale - 0.5)[None, None]
        inputs["input_labels"] = torch.from_numpy(prompts.labels).int()[None, None]
    if prompts.box is not None:
        corners = torch.tensor(prompts.box).view(2, 2) * scale - 0.5
        inputs["input_boxes"] = corners.view(1, 1, 4)
    if prompts.mask is not None:
        small = torch.nn.functional.interpolate(
            torch.from_numpy(prompts.mask)[None, None],
            (side // 4, side // 4),
            mode="bilinear",
            antialias=True,
        ).clamp(1e-6, 1 - 1e-6)
        inputs["input_masks"] = torch.log(small / (1 - small)).clamp(-10, 10)
    alone = len(prompts.points) == 1 and prompts.box is None and prompts.mask is None
    with torch.no_grad():
        answer = model(pixel_values=pixels, multimask_output=alone, **inputs)
    logits = torch.nn.functional.interpolate(
        answer.pred_masks[0], picture.shape[:2], mode="bilinear"
    )[0]
    order = torch.argsort(answer.iou_scores[0, 0], descending=True, stable=True)
    return [torch.sigmoid(logits[each]).numpy() for each in order]


def masks(engine: Segmenter, picture: Picture, prompts: Prompts) -> list[neural.Array]:
    embedding = engine.embed(picture, seed=0)
    return [each.mask for each in engine.segment(embedding, prompts, seed=0)]


def worst(found: list[neural.Array], expected: list[neural.Array]) -> float:
    assert len(found) == len(expected)
    return max(neural.disagreement(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("prompts", PROMPTS.values(), ids=PROMPTS.keys())
def test_masks_agree_with_the_package(prompts: Prompts) -> None:
    picture = neural.picture(HEIGHT, WIDTH)
    expected = reference(neural.TINY_SAM2, picture, prompts)
    neural.assert_lively(expected[0])
    assert worst(masks(neural.tiny_sam2_segmenter(), picture, prompts), expected) < TOLERANCE


MUTANTS: dict[str, Callable[[Picture, Prompts], tuple[Picture, Prompts]]] = {
    "BGR": lambda picture, p: (picture[..., ::-1], p),
    "wrong mean": lambda picture, p: (neural.wrong_mean(picture), p),
    "half a pixel in the picture": lambda picture, p: (neural.half_pixel(picture), p),
    "half a pixel in the points": lambda picture, p: (
        picture,
        Prompts(p.points + np.float32(0.5), p.labels),
    ),
    "points transposed": lambda picture, p: (picture, Prompts(p.points[:, ::-1], p.labels)),
    "labels turned": lambda picture, p: (picture, Prompts(p.points, ~p.labels)),
}


@pytest.mark.parametrize("mutate", MUTANTS.values(), ids=MUTANTS.keys())
def test_the_comparison_tells_wrong_inputs(
    mutate: Callable[[Picture, Prompts], tuple[Picture, Prompts]],
) -> None:
    picture, prompts = neural.picture(HEIGHT, WIDTH), PROMPTS["clicks"]
    expected = reference(neural.TINY_SAM2, picture, prompts)
    wrong = masks(neural.tiny_sam2_segmenter(), *mutate(picture, prompts))
    assert worst(wrong, expected) > 10 * TOLERANCE


def test_one_click_is_ambiguous_and_gives_three_candidates_best_first() -> None:
    engine = neural.tiny_sam2_segmenter()
    embedding = engine.embed(neural.picture(HEIGHT, WIDTH), seed=0)
    candidates = engine.segment(embedding, CLICK, seed=0)
    scores = [each.score for each in candidates]
    assert len(candidates) == 3
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == 3
    for name in ("clicks", "box", "box and click", "mask", "mask and click"):
        assert len(engine.segment(embedding, PROMPTS[name], seed=0)) == 1


def test_masks_are_probabilities_of_the_pictures_size() -> None:
    engine = neural.tiny_sam2_segmenter()
    for size in ((90, 150), (33, 47), (200, 64), (1, 1)):
        picture = neural.picture(*size)
        for mask in masks(engine, picture, clicks((0.5, 0.5))):
            assert mask.shape == size
            assert mask.dtype == np.float32
            assert mask.min() >= 0
            assert mask.max() <= 1


def test_further_clicks_and_objects_run_the_prompt_decoder_alone() -> None:
    engine = neural.tiny_sam2_segmenter()
    runs = []
    hook = engine.model.vision_encoder.register_forward_hook(lambda *_: runs.append(1))
    try:
        embedding = engine.embed(neural.picture(HEIGHT, WIDTH), seed=0)
        for prompts in PROMPTS.values():
            engine.segment(embedding, prompts, seed=0)
    finally:
        hook.remove()
    assert len(runs) == 1


def test_an_object_does_not_change_what_the_next_one_gets() -> None:
    engine = neural.tiny_sam2_segmenter()
    embedding = engine.embed(neural.picture(HEIGHT, WIDTH), seed=0)
    first = engine.segment(embedding, CLICK, seed=0)
    for prompts in PROMPTS.values():
        engine.segment(embedding, prompts, seed=1)
    again = engine.segment(embedding, CLICK, seed=2)
    assert all(np.array_equal(a.mask, b.mask) for a, b in zip(first, again, strict=True))


def test_the_size_of_an_embedding_is_that_of_its_three_maps() -> None:
    engine = neural.tiny_sam2_segmenter()
    embedding = engine.embed(neural.picture(HEIGHT, WIDTH), seed=0)
    width = neural.TINY_SAM2.decoder_width
    # Strides 4, 8 and 16 of 128 pixels; the finer ones have fewer channels.
    expected = 4 * (width // 8 * 32 * 32 + width // 4 * 16 * 16 + width * 8 * 8)
    assert engine.embedding_bytes(embedding) == expected


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        (clicks((150.5, 10.0)), r"\(150\.5, 10\) is outside the picture of 150×90"),
        (clicks((-1.0, 10.0)), "outside"),
        (clicks((float("nan"), 10.0)), "outside"),
        (Prompts(box=(10.0, 10.0, 10.0, 50.0)), "is empty"),
        (Prompts(box=(160.0, 10.0, 500.0, 50.0)), "is empty"),
        (Prompts(), "a point on the object, a box or a mask"),
        (clicks((10.0, 10.0), inside=(False,)), "a point on the object"),
        (Prompts(mask=np.zeros((3, 3), np.float32)), "does not fit"),
        (Prompts(np.zeros((2, 2), np.float32), np.ones(1, bool)), "do not go with"),
    ],
)
def test_prompts_that_make_no_sense_are_refused(prompts: Prompts, message: str) -> None:
    engine = neural.tiny_sam2_segmenter()
    embedding = engine.embed(neural.picture(HEIGHT, WIDTH), seed=0)
    with pytest.raises(EngineError, match=message):
        engine.segment(embedding, prompts, seed=0)


def test_a_box_beyond_the_picture_ends_at_its_edge() -> None:
    picture, engine = neural.picture(HEIGHT, WIDTH), neural.tiny_sam2_segmenter()
    beyond = masks(engine, picture, Prompts(box=(20.0, -30.0, 900.0, 70.0)))
    cut = masks(engine, picture, Prompts(box=(20.0, 0.0, 150.0, 70.0)))
    assert np.array_equal(beyond[0], cut[0])


def test_a_picture_without_three_channels_is_refused() -> None:
    with pytest.raises(EngineError, match="height, width, 3"):
        neural.tiny_sam2_segmenter().embed(np.zeros((8, 8), np.float32), seed=0)


def test_bfloat16_stays_near_float32(tmp_path: Path) -> None:
    path = neural.write_safetensors(tmp_path, neural.sam2_model(neural.TINY_SAM2))
    short = sam2_image.build(
        neural.TINY_SAM2,
        neural.facts("tiny"),
        LoadOptions(precision="bfloat16", checkpoint=path),
    )
    picture = neural.picture(HEIGHT, WIDTH)
    long_masks = masks(neural.tiny_sam2_segmenter(), picture, PROMPTS["clicks"])
    found = masks(short, picture, PROMPTS["clicks"])
    assert short.precision() == "bfloat16"
    assert 0 < np.abs(found[0] - long_masks[0]).mean() < 0.05


def test_every_size_is_listed_and_none_is_loaded_by_that() -> None:
    names = [spec.facts.name for spec in sam2_image.SPECS]
    assert names == [
        f"{family}-{size}"
        for family in ("sam2", "sam2.1")
        for size in ("tiny", "small", "base-plus", "large")
    ]
    assert all(spec.facts.needs_weights for spec in sam2_image.SPECS)


def test_a_networks_bytes_are_those_of_its_weights() -> None:
    layer = torch.nn.Linear(10, 3)
    twice = torch.nn.Sequential(layer, torch.nn.Linear(3, 10), layer)
    assert model_bytes(twice) == 4 * (33 + 40)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("sam2.1-tiny", "safetensors"),
        ("sam2.1-tiny", "meta"),
        *(
            neural.large(f"sam2{version}-{size}", kind)
            for size in ("small", "base-plus", "large")
            for version, kind in (("", "safetensors"), (".1", "meta"))
        ),
    ],
)
def test_the_true_sizes_agree_with_the_package(tmp_path: Path, name: str, kind: str) -> None:
    size = neural.sam2_size(name)
    model = neural.sam2_model(size)
    if kind == "meta":
        path = neural.write_meta_sam2(tmp_path / f"{name}.pt", model)
    else:
        path = neural.write_safetensors(tmp_path, model)
    spec = next(spec for spec in sam2_image.SPECS if spec.facts.name == size.name)
    engine = spec.load(LoadOptions(checkpoint=path))
    assert isinstance(engine, Segmenter)
    picture = neural.picture(HEIGHT, WIDTH)
    for prompts in (PROMPTS["one click"], PROMPTS["box and click"]):
        expected = reference(size, picture, prompts)
        neural.assert_lively(expected[0])
        assert worst(masks(engine, picture, prompts), expected) < TOLERANCE
