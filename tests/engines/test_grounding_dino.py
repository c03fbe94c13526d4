"""Grounding DINO against a plain forward pass of transformers' model and its own reading."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from airoto.errors import BadRequestError, EngineError, EngineUnavailableError
from airoto_server.engines import grounding_dino
from airoto_server.engines.grounding_checkpoint import from_authors
from airoto_server.engines.grounding_dino import network_size
from airoto_server.engines.registry import LoadOptions
from airoto_server.engines.roles import Detection, Picture
from airoto_server.weights.manifest import default_manifest, read_manifest

from . import grounding_checkpoints as checkpoints
from . import neural_checkpoints as neural

HEIGHT, WIDTH = 96, 150
TEXT = "red car. person. balls"
# [CLS] red car . person . ball ##s . [SEP], written down by hand.
NUMBERS = [101, 8, 9, 1012, 12, 1012, 10, 14, 1012, 102]
TOLERANCE = 1e-3  # of a pixel, and of a score


def reference(
    picture: Picture, threshold: float, change: Callable[[torch.Tensor], torch.Tensor]
) -> list[tuple[float, str, Any]]:
    """Score, words and box by the package's own post-processing; inputs made here."""
    from transformers import GroundingDinoProcessor

    pixels = torch.from_numpy(picture.transpose(2, 0, 1).copy())[None]
    pixels = torch.nn.functional.interpolate(
        pixels, size=(800, 1250), mode="bilinear", align_corners=False, antialias=True
    )
    mean = torch.tensor([123.675, 116.280, 103.530])[:, None, None] / 255
    deviation = torch.tensor([58.395, 57.120, 57.375])[:, None, None] / 255
    ids = torch.tensor([NUMBERS])
    with torch.no_grad():
        answer = checkpoints.model()(
            pixel_values=change((pixels - mean) / deviation),
            input_ids=ids,
            token_type_ids=torch.zeros_like(ids),
            attention_mask=torch.ones_like(ids),
        )
    (found,) = GroundingDinoProcessor.post_process_grounded_object_detection(
        SimpleNamespace(batch_decode=lambda rows: rows),
        answer,
        ids,
        threshold=threshold,
        text_threshold=threshold,
        target_sizes=[(HEIGHT, WIDTH)],
    )
    return sorted(
        zip(found["scores"].tolist(), found["text_labels"], found["boxes"].numpy(), strict=True),
        key=lambda one: -one[0],
    )


def agree(ours: list[Detection], theirs: list[tuple[float, str, Any]]) -> bool:
    """Whether they find the same boxes with the same scores."""
    if len(ours) != len(theirs):
        return False
    limits = np.array([WIDTH, HEIGHT, WIDTH, HEIGHT])
    return all(
        abs(one.score - score) < TOLERANCE
        and np.abs(np.array(one.box) - np.clip(box, 0, limits)).max() < TOLERANCE * 10
        for one, (score, _, box) in zip(ours, theirs, strict=True)
    )


@pytest.fixture(scope="module")
def picture() -> Picture:
    return neural.picture(HEIGHT, WIDTH)


@pytest.fixture(scope="module")
def found(picture: Picture) -> list[Detection]:
    return checkpoints.tiny_detector().detect(picture, TEXT, box_threshold=0.9, text_threshold=0.9)


def test_boxes_and_scores_agree_with_the_package(picture: Picture, found: list[Detection]) -> None:
    assert 3 <= len(found) <= 23
    assert len({one.phrase for one in found}) > 1
    assert agree(found, reference(picture, 0.9, lambda pixels: pixels))


@pytest.mark.parametrize(
    "change",
    [lambda p: p.flip(1), lambda p: p.flip(3), lambda p: p * 0.5, lambda p: p + 0.3],
    ids=["BGR", "mirrored", "another deviation", "another mean"],
)
def test_a_wrong_input_would_be_seen(
    picture: Picture, found: list[Detection], change: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    assert not agree(found, reference(picture, 0.9, change))


def test_words_are_those_whose_tokens_pass_the_threshold(
    picture: Picture, found: list[Detection]
) -> None:
    of_number = {8: "red", 9: "car", 12: "person", 10: "balls", 14: "balls"}
    rows = reference(picture, 0.9, lambda pixels: pixels)
    for one, (_, numbers, _) in zip(found, rows, strict=True):
        passing = {of_number.get(int(number)) for number in numbers}
        expected = [word for word in one.phrase.split() if word in passing]
        assert one.words == " ".join(expected)


def test_the_text_threshold_drops_boxes_without_a_word(picture: Picture) -> None:
    detector = checkpoints.tiny_detector()
    loose = detector.detect(picture, TEXT, box_threshold=0.1, text_threshold=0.1)
    strict = detector.detect(picture, TEXT, box_threshold=0.1, text_threshold=0.9)
    assert len(strict) < len(loose)
    assert all(one.score >= 0.9 for one in strict)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no word"),
        ("...", "no word"),
        ("car . !!", "no word"),
        ("猫", "knows no word"),
        ("red car " * 20, "tokens"),
    ],
)
def test_a_text_that_cannot_be_read_is_refused(picture: Picture, text: str, message: str) -> None:
    with pytest.raises(BadRequestError, match=message):
        checkpoints.tiny_detector().detect(picture, text, box_threshold=0.3, text_threshold=0.3)


@pytest.mark.parametrize("shape", [(0, 4, 3), (4, 4), (4, 4, 4)])
def test_a_picture_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(EngineError):
        checkpoints.tiny_detector().detect(
            np.zeros(shape, np.float32), "car", box_threshold=0.3, text_threshold=0.3
        )


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1920, 1080), (750, 1333)),
        ((640, 480), (800, 1067)),
        ((480, 640), (1067, 800)),
        ((500, 500), (800, 800)),
        ((10000, 10), (1, 1333)),
    ],
)
def test_the_network_sees_the_size_it_was_trained_with(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert network_size(*size) == expected


def load(folder: Path) -> Any:
    return grounding_dino.build(
        checkpoints.TINY, neural.facts(checkpoints.TINY.name), LoadOptions(checkpoint=folder)
    )


def cut(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])


def change_state(folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    from safetensors.torch import load_file, save_file

    path = folder / "model.safetensors"
    state = load_file(path)
    change(state)
    save_file(state, path)


def misshape(state: dict[str, torch.Tensor]) -> None:
    name = next(name for name in state if name.endswith("level_embed"))
    state[name] = state[name][:, :16].contiguous()


DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "cut": (cut, "damaged or truncated"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "must hold"),
    "no tokenizer": (lambda folder: (folder / "tokenizer.json").unlink(), "no tokenizer"),
    "tokenizer cut": (
        lambda folder: (folder / "tokenizer.json").write_text("{"),  # type: ignore[dict-item, return-value]
        "tokenizer .* cannot be read",
    ),
    "tensor missing": (
        lambda folder: change_state(folder, lambda s: s.pop(next(iter(s)))),  # type: ignore[arg-type, return-value]
        "missing",
    ),
    "tensor too many": (
        lambda folder: change_state(folder, lambda s: s.update(more=torch.zeros(1))),
        "unknown: more",
    ),
    "tensor misshapen": (lambda folder: change_state(folder, misshape), "of another shape"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_refused(tmp_path: Path, damage: str) -> None:
    folder = checkpoints.write(tmp_path)
    change, message = DAMAGES[damage]
    change(folder)
    with pytest.raises(EngineUnavailableError, match=message):
        load(folder)


def test_what_the_folder_says_of_its_architecture_does_not_count(tmp_path: Path) -> None:
    folder = checkpoints.write(tmp_path)
    (folder / "config.json").write_text(json.dumps({"model_type": "grounding-dino", "d_model": 8}))
    assert load(folder).model.config.d_model == 32


@pytest.mark.parametrize("size", [grounding_dino.TINY, grounding_dino.BASE])
def test_the_released_files_have_room_for_exactly_these_tensors(
    size: grounding_dino.GroundingDinoSize,
) -> None:
    from transformers import GroundingDinoForObjectDetection

    with torch.device("meta"):
        network = GroundingDinoForObjectDetection(grounding_dino.configuration(size))
    checkpoint = read_manifest(default_manifest()).checkpoints[size.name]
    (file,) = (one for one in checkpoint.forms[0].files if one.name == "model.safetensors")
    tensors = sum(4 * one.numel() for one in network.parameters())
    indices = 8 * sum(size.blocks) * size.window**4  # of positions, which older files hold
    # The rest is the file's own table: name, type, shape and place of some thousand tensors.
    assert 100_000 < file.bytes - tensors - indices < 180_000


def test_tensors_that_only_older_files_hold_are_no_fault(tmp_path: Path) -> None:
    folder = checkpoints.write(tmp_path)
    name = "model.backbone.conv_encoder.model.encoder.layers.0.blocks.0.attention.self"
    index = torch.zeros(16, 16, dtype=torch.int64)
    change_state(folder, lambda s: s.update({f"{name}.relative_position_index": index}))
    assert load(folder).facts.name == checkpoints.TINY.name


@pytest.mark.parametrize(
    ("swin", "size"), [("t", grounding_dino.TINY), ("b", grounding_dino.BASE)], ids=["T", "B"]
)
def test_every_tensor_of_the_authors_file_has_a_place(
    swin: str, size: grounding_dino.GroundingDinoSize
) -> None:
    from transformers import GroundingDinoForObjectDetection

    with torch.device("meta"):
        configuration = grounding_dino.configuration(size)
        expected = GroundingDinoForObjectDetection(configuration).state_dict()
        theirs = {name: torch.empty(shape) for name, shape in checkpoints.released(swin).items()}
    found = from_authors(theirs, expected)
    assert {name: tuple(each.shape) for name, each in found.items()} == {
        name: tuple(each.shape) for name, each in expected.items()
    }
    written = checkpoints.authors_names(expected)
    # What else is in the file follows from the architecture, or is never used.
    more = {name for name in theirs if "relative_position_index" in name or "pooler" in name}
    assert written.keys() == theirs.keys() - more
    assert all(written[name].shape == theirs[name].shape for name in written)


def test_the_authors_file_gives_the_same_boxes(
    tmp_path: Path, picture: Picture, found: list[Detection]
) -> None:
    path = checkpoints.write_authors(tmp_path)
    for checkpoint in (path, tmp_path):
        options = LoadOptions(checkpoint=checkpoint)
        engine = grounding_dino.build(checkpoints.TINY, neural.facts("tiny"), options)
        assert engine.detect(picture, TEXT, box_threshold=0.9, text_threshold=0.9) == found
    assert not path.with_name("groundingdino_swint_ogc.tokenizer.json").exists()
    (tmp_path / "tokenizer.json").rename(tmp_path / "groundingdino_swint_ogc.tokenizer.json")
    grounding_dino.build(checkpoints.TINY, neural.facts("tiny"), LoadOptions(checkpoint=path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("module.feat_map.bias"), "missing: model.text_projection.bias"),
        (lambda s: s.update(more=torch.zeros(1)), "unknown: more"),
        (lambda s: s.update({"module.feat_map.bias": torch.zeros(3)}), "of another shape"),
    ],
)
def test_an_authors_file_that_does_not_fit_is_refused(
    tmp_path: Path, change: Callable[[dict[str, torch.Tensor]], Any], message: str
) -> None:
    path = checkpoints.write_authors(tmp_path)
    content = torch.load(path, weights_only=True)
    change(content["model"])
    torch.save(content, path)
    with pytest.raises(EngineUnavailableError, match=message):
        grounding_dino.build(checkpoints.TINY, neural.facts("tiny"), LoadOptions(checkpoint=path))
