"""What every segmenter must do."""

from __future__ import annotations

import numpy as np
import pytest

from airoto.errors import EngineError
from airoto_server.engines.registry import Role
from airoto_server.engines.roles import Candidate, Prompts, Segmenter

from .factories import Case, cases
from .scenes import disc, iou, moving_disc, texture

SEGMENTERS = cases(Role.SEGMENTER)


@pytest.fixture(params=SEGMENTERS, ids=[case.name for case in SEGMENTERS])
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


@pytest.fixture
def engine(case: Case) -> Segmenter:
    made = case.make()
    assert isinstance(made, Segmenter)
    return made


def points(*spots: tuple[float, float, bool]) -> Prompts:
    return Prompts(
        points=np.array([spot[:2] for spot in spots], np.float32),
        labels=np.array([spot[2] for spot in spots], np.bool_),
    )


def ask(engine: Segmenter, picture: np.ndarray, prompts: Prompts, seed: int = 3) -> list[Candidate]:
    return engine.segment(engine.embed(picture, seed=seed), prompts, seed=seed)


def assert_well_formed(found: list[Candidate], shape: tuple[int, int]) -> None:
    assert 1 <= len(found) <= 3
    scores = [candidate.score for candidate in found]
    assert scores == sorted(scores, reverse=True)
    for candidate in found:
        assert 0 <= candidate.score <= 1
        assert candidate.mask.shape == shape
        assert candidate.mask.dtype == np.float32
        assert candidate.mask.min() >= 0
        assert candidate.mask.max() <= 1


EVERY_KIND = {
    "point": points((40, 48, True)),
    "points": points((40, 48, True), (46, 50, True), (100, 20, False)),
    "box": Prompts(box=(20, 28, 61, 69)),
    "box beyond the picture": Prompts(box=(-30, -10, 400, 300)),
    "mask": Prompts(mask=disc((96, 128), (42, 46), 15)),
    "box and points": Prompts(
        points=np.float32([[40, 48], [22, 30]]),
        labels=np.array([True, False]),
        box=(20, 28, 61, 69),
    ),
    "everything": Prompts(
        points=np.float32([[40, 48]]),
        labels=np.array([True]),
        box=(20, 28, 61, 69),
        mask=disc((96, 128), (42, 46), 15),
    ),
    "empty mask": Prompts(mask=np.zeros((96, 128), np.float32)),
    "full mask": Prompts(mask=np.ones((96, 128), np.float32)),
}


@pytest.mark.parametrize("prompts", EVERY_KIND.values(), ids=EVERY_KIND.keys())
def test_every_kind_of_prompt_gets_sorted_candidates(engine: Segmenter, prompts: Prompts) -> None:
    picture = moving_disc(1)[0][0]
    assert_well_formed(ask(engine, picture, prompts), (96, 128))


@pytest.mark.parametrize("shape", [(8, 8), (1, 40), (40, 1), (1, 1), (3, 200)])
@pytest.mark.parametrize("kind", ["point", "box", "mask"])
def test_tiny_pictures_are_segmented(engine: Segmenter, shape: tuple[int, int], kind: str) -> None:
    middle = (shape[1] / 2, shape[0] / 2)
    prompts = {
        "point": points((*middle, True)),
        "box": Prompts(box=(0, 0, shape[1], shape[0])),
        "mask": Prompts(mask=np.ones(shape, np.float32)),
    }[kind]
    assert_well_formed(ask(engine, texture(shape, (0.5, 0.4, 0.3), 5), prompts), shape)


def test_a_flat_picture_is_segmented(engine: Segmenter) -> None:
    picture = np.full((48, 64, 3), 0.5, np.float32)
    assert_well_formed(ask(engine, picture, points((30, 20, True))), (48, 64))


def test_points_are_honoured_in_every_candidate(case: Case, engine: Segmenter) -> None:
    if not case.honours_points:
        pytest.skip("this engine does not promise it")
    random = np.random.default_rng(11)
    picture = moving_disc(1, shape=(133, 500), radius=50, start=(250, 66))[0][0]
    embedding = engine.embed(picture, seed=0)
    for _ in range(3):
        spots = random.uniform((0, 0), (500, 133), (8, 2))
        labels = random.random(8) < 0.5
        labels[0] = True
        prompts = Prompts(points=spots.astype(np.float32), labels=labels)
        for candidate in engine.segment(embedding, prompts, seed=0):
            columns, rows = np.floor(spots.astype(np.float32)).astype(int).T
            np.testing.assert_array_equal(candidate.mask[rows, columns] > 0.5, labels)


def test_two_runs_give_the_same_bits(engine: Segmenter) -> None:
    picture = moving_disc(1)[0][0]
    first, second = (ask(engine, picture, EVERY_KIND["points"], seed=9) for _ in range(2))
    assert [one.score for one in first] == [one.score for one in second]
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.mask, other.mask)


def test_an_embedding_serves_many_prompts_in_any_order(engine: Segmenter) -> None:
    picture = moving_disc(1)[0][0]
    shared = engine.embed(picture, seed=0)
    engine.segment(shared, EVERY_KIND["box"], seed=0)
    after = engine.segment(shared, EVERY_KIND["point"], seed=0)
    alone = ask(engine, picture, EVERY_KIND["point"], seed=0)
    for one, other in zip(after, alone, strict=True):
        np.testing.assert_array_equal(one.mask, other.mask)
    assert engine.embedding_bytes(shared) > 0


def test_inputs_are_not_changed_and_may_be_strided(engine: Segmenter) -> None:
    whole = moving_disc(1)[0][0]
    wide = np.zeros((96, 256, 3), np.float32)
    wide[:, ::2] = whole
    view = wide[:, ::2]
    mask = disc((96, 128), (42, 46), 15)
    kept = mask.copy()
    strided = ask(engine, view, Prompts(mask=mask))
    packed = ask(engine, whole.copy(), Prompts(mask=mask))
    np.testing.assert_array_equal(view, whole)
    np.testing.assert_array_equal(mask, kept)
    for one, other in zip(strided, packed, strict=True):
        np.testing.assert_array_equal(one.mask, other.mask)


def test_a_picture_with_nan_is_refused(engine: Segmenter) -> None:
    picture = moving_disc(1)[0][0]
    picture[3, 4, 1] = np.nan
    with pytest.raises(EngineError):
        engine.embed(picture, seed=0)


NOTHING_SAID = {
    "no prompt": Prompts(),
    "negative only": points((40, 48, False)),
    "outside": points((-5, 48, True)),
    "box outside": Prompts(box=(200, 10, 300, 60)),
    "box inside out": Prompts(box=(60, 60, 20, 20)),
    "mask of another size": Prompts(mask=np.zeros((10, 10), np.float32)),
}


@pytest.mark.parametrize("prompts", NOTHING_SAID.values(), ids=NOTHING_SAID.keys())
def test_prompts_that_say_nothing_are_refused(engine: Segmenter, prompts: Prompts) -> None:
    embedding = engine.embed(moving_disc(1)[0][0], seed=0)
    with pytest.raises(EngineError):
        engine.segment(embedding, prompts, seed=0)


@pytest.mark.parametrize("kind", ["point", "box", "mask"])
def test_a_distinct_object_is_found(case: Case, engine: Segmenter, kind: str) -> None:
    if not case.segments:
        pytest.skip("this engine does not look at the picture")
    pictures, masks = moving_disc(1)
    best = ask(engine, pictures[0], EVERY_KIND[kind])[0]
    assert iou(best.mask, masks[0]) > 0.9
    assert best.score > 0.5
