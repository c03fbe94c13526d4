"""MobileSAM: the released form, the encoder by its definition, what prompts change."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from airoto.errors import EngineUnavailableError
from airoto_server.engines import mobile_sam
from airoto_server.engines.registry import LoadOptions
from airoto_server.engines.roles import Prompts
from airoto_server.engines.tiny_vit import TinyVit, TinyVitSize

from . import mobile_sam_checkpoints as checkpoints
from . import neural_checkpoints as neural


def clicks(*places: tuple[float, float, bool]) -> Prompts:
    points = np.array([place[:2] for place in places], np.float32).reshape(-1, 2)
    return Prompts(points, np.array([place[2] for place in places], np.bool_))


def test_the_released_files_tensors_and_no_others_have_a_place() -> None:
    with torch.device("meta"):
        ours = mobile_sam.network().state_dict()
    theirs = {
        name: torch.empty(shape, device="meta") for name, shape in checkpoints.released().items()
    }
    renamed = mobile_sam.from_released(theirs)
    assert {name: one.shape for name, one in renamed.items()} == {
        name: one.shape for name, one in ours.items()
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("image_encoder.head.bias"), "missing: vision_encoder.head.bias"),
        (lambda state: state.update(more=torch.zeros(1)), "unknown: more"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, change, message: str) -> None:  # type: ignore[no-untyped-def]
    state = torch.load(checkpoints.write(tmp_path / "mobile_sam.pt"))
    change(state)
    torch.save(state, tmp_path / "mobile_sam.pt")
    with pytest.raises(EngineUnavailableError, match=message):
        mobile_sam.build(
            neural.facts("mobile-sam"),
            LoadOptions(checkpoint=tmp_path / "mobile_sam.pt"),
            checkpoints.TINY,
        )


def test_biases_of_attention_are_numbered_as_pairs_of_pixels_come_to_them() -> None:
    """The released numbering: a distance gets the next number when it is first met."""
    seen: dict[tuple[int, int], int] = {}
    window = 5
    places = [(row, column) for row in range(window) for column in range(window)]
    expected = [
        [seen.setdefault((abs(a - c), abs(b - d)), len(seen)) for c, d in places] for a, b in places
    ]
    size = TinyVitSize(64, (8, 8, 8, 8), (1, 1, 1, 1), (1, 1, 1, 1), (5, 5, 5, 5), 2, 16)
    assert TinyVit(size).layers[1].blocks[0].attn.distance.tolist() == expected


def test_windows_do_not_see_each_other() -> None:
    block = TinyVit(checkpoints.TINY).layers[1].blocks[0].eval()
    neural.enliven(block, 3)
    plane = torch.randn(1, 16, 16, 16, generator=torch.Generator().manual_seed(1))
    other = plane.clone()
    other[:, ::2, 0, 0] += 1
    changed = (block._in_windows(plane) - block._in_windows(other)).abs().amax(1)[0] > 1e-6
    assert changed[:7, :7].any()
    changed[:7, :7] = False
    assert not changed.any()


def test_one_click_is_ambiguous_and_more_is_not() -> None:
    engine = checkpoints.tiny_mobile_sam()
    embedding = engine.embed(neural.picture(60, 100), seed=0)
    assert len(engine.segment(embedding, clicks((40, 30, True)), seed=0)) == 3
    assert len(engine.segment(embedding, clicks((40, 30, True), (5, 5, False)), seed=0)) == 1
    assert len(engine.segment(embedding, Prompts(box=(10, 10, 60, 50)), seed=0)) == 1


@pytest.mark.parametrize(
    "other",
    [
        clicks((80, 20, True)),
        clicks((40, 30, True), (80, 50, False)),
        Prompts(box=(10, 10, 60, 50)),
        Prompts(mask=neural.disc(60, 100, 40, 30, 15)),
    ],
    ids=["elsewhere", "negative", "box", "mask"],
)
def test_prompts_change_the_answer(other: Prompts) -> None:
    engine = checkpoints.tiny_mobile_sam()
    embedding = engine.embed(neural.picture(60, 100), seed=0)
    first, second = (
        engine.segment(embedding, each, seed=0)[0].mask for each in (clicks((40, 30, True)), other)
    )
    assert first.shape == (60, 100)
    assert np.abs(first - second).max() > 1e-3


def test_the_pictures_aspect_is_kept() -> None:
    embedding = checkpoints.tiny_mobile_sam().embed(neural.picture(60, 100), seed=0)
    assert embedding.seen == (77, 128)
