"""XMem: the released form, its memories by their definitions, its passes by what they promise."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from airoto.errors import EngineError, EngineUnavailableError
from airoto_server.engines import xmem
from airoto_server.engines.registry import LoadOptions
from airoto_server.engines.roles import Tracked
from airoto_server.engines.xmem_memory import (
    Elements,
    Memory,
    best,
    condense,
    most_used,
    new_frame,
    similarity,
)
from airoto_server.engines.xmem_network import XMemNetwork, XMemSize, logits_of, shares

from . import neural_checkpoints as neural
from . import xmem_checkpoints as checkpoints

HEIGHT, WIDTH = 72, 100
FIRST = neural.disc(HEIGHT, WIDTH, 30, 36, 18)
SECOND = neural.disc(HEIGHT, WIDTH, 75, 36, 15)


def picture(frame: int) -> neural.Array:
    return np.roll(neural.picture(HEIGHT, WIDTH), (frame, 2 * frame), (0, 1)).copy()


def track(frames: list[int], given: dict[int, dict[int, neural.Array]]) -> list[dict[int, Tracked]]:
    run = checkpoints.tiny_xmem().begin([1, 2], seed=0)
    answers = [run.step(frame, picture(frame), given.get(frame)) for frame in frames]
    run.close()
    return answers


# --- The released form -----------------------------------------------------------------


def test_the_network_has_the_released_files_tensors_and_no_others() -> None:
    with torch.device("meta"):
        ours = XMemNetwork(XMemSize()).state_dict()
    assert {name: tuple(tensor.shape) for name, tensor in ours.items()} == checkpoints.released()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("key_proj.d_proj.bias"), "missing: key_proj.d_proj.bias"),
        (lambda state: state.update(more=torch.zeros(1)), "unknown: more"),
        (
            lambda state: state.update({"decoder.pred.weight": torch.zeros(1, 3, 3, 3)}),
            "of another shape",
        ),
    ],
)
def test_another_file_is_refused(tmp_path: Path, change, message: str) -> None:  # type: ignore[no-untyped-def]
    state = neural.copies(checkpoints.network().state_dict())
    change(state)
    path = tmp_path / "XMem.pth"
    torch.save(state, path)
    with pytest.raises(EngineUnavailableError, match=message):
        xmem.build(neural.facts("xmem"), LoadOptions(checkpoint=path), checkpoints.TINY)


# --- Memories --------------------------------------------------------------------------


def elements(count: int, seed: int = 0, objects: tuple[int, ...] = (1,)) -> Elements:
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> torch.Tensor:
        return torch.rand(shape, generator=generator)

    there = torch.ones(count, dtype=torch.bool)
    return Elements(
        draw(4, count), 1 + draw(count), draw(4, count), draw(count), 1 + draw(count),
        {each: draw(3, count) for each in objects}, dict.fromkeys(objects, there),
    )  # fmt: skip


def test_similarity_is_the_papers_anisotropic_distance() -> None:
    memory, query = elements(5), elements(7, 1)
    assert query.selection is not None
    found = similarity(memory.key, memory.shrinkage, query.key, query.selection)
    for i in range(5):
        for j in range(7):
            apart = (query.selection[:, j] * (memory.key[:, i] - query.key[:, j]) ** 2).sum()
            expected = -memory.shrinkage[i] * apart / math.sqrt(4)
            assert found[i, j] == pytest.approx(float(expected), abs=1e-5)


def test_only_the_best_valid_elements_are_read() -> None:
    likeness = torch.tensor([[3.0], [2.0], [1.0], [0.0]])
    valid = torch.tensor([False, True, True, True])
    weights = best(likeness, valid, 2)[:, 0]
    assert weights[0] == 0
    assert weights[3] == 0
    assert weights.sum() == pytest.approx(1.0)
    assert weights[1] / weights[2] == pytest.approx(math.e, rel=1e-5)


def test_prototypes_are_the_most_used_and_read_from_all() -> None:
    memory = elements(12)
    made = condense(memory, 3)
    ranked = torch.argsort(memory.used / memory.age, descending=True)[:3]
    assert torch.equal(made.key, memory.key[:, ranked])
    assert memory.selection is not None
    likeness = similarity(
        memory.key, memory.shrinkage, memory.key[:, ranked], memory.selection[:, ranked]
    )
    weights = torch.softmax(likeness, 0)
    torch.testing.assert_close(made.values[1], memory.values[1] @ weights)
    torch.testing.assert_close(made.shrinkage, memory.shrinkage @ weights)
    assert made.selection is None
    assert not made.used.any()


def test_a_prototype_says_nothing_of_an_object_that_was_not_there() -> None:
    memory = elements(10, objects=(1, 2))
    late = torch.arange(10) >= 6
    memory = dataclasses.replace(memory, valid={**memory.valid, 2: late})
    made = condense(memory, 10)
    assert (made.values[2][:, ~made.valid[2]] == 0).all()
    assert made.values[2][:, made.valid[2]].any()
    assert int(made.valid[2].sum()) == 4


def test_the_least_used_are_dropped() -> None:
    memory = elements(9)
    left = most_used(memory, 5)
    use = memory.used / memory.age
    assert sorted((left.used / left.age).tolist()) == sorted(use.tolist())[4:]


def frame_of(number: int) -> Elements:
    generator = torch.Generator().manual_seed(number)
    draw = lambda *shape: torch.rand(shape, generator=generator)  # noqa: E731
    return new_frame(draw(1, 4, 3, 3), 1 + draw(1, 1, 3, 3), draw(1, 4, 3, 3), {1: draw(3, 3, 3)})


def test_memory_is_bounded_and_given_frames_stay() -> None:
    memory = Memory(most_frames=4, kept_frames=2, prototypes=5, most_long_term=12, top=6)
    first = frame_of(0)
    memory = memory.with_frame(first, fixed=True)
    for number in range(1, 40):
        query = frame_of(number)
        assert query.selection is not None
        shape = (1, 4, 3, 3)
        memory, _ = memory.read(query.key.view(shape), query.selection.view(shape), 1)
        memory = memory.with_frame(query, fixed=False)
        assert memory.working is not None
        assert len(memory.frames) <= 3
        assert memory.working.count == 9 * len(memory.frames)
        assert torch.equal(memory.working.key[:, :9], first.key)
        assert torch.equal(memory.working.key[:, -9:], query.key)
        assert memory.long_term is None or memory.long_term.count <= 12
    assert memory.long_term is not None


def test_shares_compete_for_pixels() -> None:
    made = shares(logits_of(torch.tensor([[[0.9, 0.0, 0.5]], [[0.9, 0.0, 0.0]]])))[:, 0]
    torch.testing.assert_close(made.sum(0), torch.ones(3))
    assert made[1, 0] == pytest.approx(float(made[2, 0]))
    assert made[0, 1] > 0.99
    assert made[1, 2] == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_shares_are_exact_where_objects_are_sure(count: int) -> None:
    """The authors' formula in double precision, of logits far beyond what a float can tell."""
    logits = 30 * torch.randn(count, 40, 50, generator=torch.Generator().manual_seed(4))
    sure = torch.sigmoid(logits.double())
    every = torch.cat([(1 - sure).prod(0, keepdim=True), sure]).clamp(1e-7, 1 - 1e-7)
    expected = (every / (1 - every)) / (every / (1 - every)).sum(0)
    torch.testing.assert_close(shares(logits).double(), expected, rtol=1e-5, atol=1e-7)
    whole = shares(logits_of(torch.tensor([[[0.0, 1.0]]])))
    assert whole[1, 0, 0] < 1e-6 < 0.999 < whole[1, 0, 1]


# --- Passes ----------------------------------------------------------------------------


def test_a_pass_is_what_it_was_when_it_agreed_with_the_authors_code() -> None:
    """Recorded when the full network agreed with the authors' own over 31 frames, two
    consolidations and more included; the tiny one has the same code."""
    answers = track(list(range(0, 60)), {0: {1: FIRST, 2: SECOND}})
    sums = [float(answers[frame][each].mask.mean()) for frame in (1, 12, 59) for each in (1, 2)]
    np.testing.assert_allclose(sums, RECORDED, rtol=2e-3)


RECORDED = [0.476554, 0.474664, 0.451376, 0.449946, 0.450821, 0.450575]


def test_masks_vary_and_compete() -> None:
    for answer in track([0, 1, 2, 7], {0: {1: FIRST, 2: SECOND}})[1:]:
        together = answer[1].mask + answer[2].mask
        assert together.max() <= 1 + 1e-5
        assert answer[1].mask.std() > 1e-3


def test_both_directions_are_one_algorithm() -> None:
    ahead = track([0, 1, 2, 3], {0: {1: FIRST}})
    run = checkpoints.tiny_xmem().begin([1, 2], seed=0)
    back = [
        run.step(-frame, picture(frame), {1: FIRST} if frame == 0 else None) for frame in range(4)
    ]
    for one, other in zip(ahead, back, strict=True):
        assert (one[1].mask == other[1].mask).all()


def test_an_object_that_comes_late_joins_and_the_first_stays() -> None:
    answers = track(list(range(8)), {0: {1: FIRST}, 3: {2: SECOND}})
    assert [sorted(answer) for answer in answers] == [[1]] * 3 + [[1, 2]] * 5
    assert (answers[3][2].mask == SECOND).all()
    assert answers[7][2].mask.any()


def test_a_keyframe_elsewhere_changes_what_follows() -> None:
    plain = track([0, 1, 2], {0: {1: FIRST}})
    run = checkpoints.tiny_xmem().begin([1, 2], seed=0)
    run.condition(9, picture(9), {1: SECOND})
    told = [
        run.step(frame, picture(frame), {1: FIRST} if frame == 0 else None) for frame in range(3)
    ]
    assert np.abs(told[2][1].mask - plain[2][1].mask).max() > 1e-3


def test_memory_stops_growing() -> None:
    run = checkpoints.tiny_xmem().begin([1], seed=0)
    sizes = []
    for frame in range(60):
        run.step(frame, picture(frame), {1: FIRST} if frame == 0 else None)
        sizes.append(run.memory_bytes())
    assert max(sizes[30:]) <= max(sizes[:30])
    run.close()
    assert run.memory_bytes() == 0


def test_a_step_that_fails_changes_nothing() -> None:
    run = checkpoints.tiny_xmem().begin([1, 2], seed=0)
    run.step(0, picture(0), {1: FIRST})
    with pytest.raises(EngineError):
        run.step(1, picture(1), {9: FIRST})
    with pytest.raises(EngineError):
        run.step(1, picture(1)[:10])
    with pytest.raises(EngineError):
        run.step(0, picture(0))
    plain = track([0, 1], {0: {1: FIRST}})
    assert (run.step(1, picture(1))[1].mask == plain[1][1].mask).all()
