"""What every matter must do."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

from airoto.errors import EngineError
from airoto_server.engines.registry import Role
from airoto_server.engines.roles import Matter

from .factories import Case, cases
from .scenes import Mask, Picture, soft_disc

MATTERS = cases(Role.MATTER)


@pytest.fixture(params=MATTERS, ids=[case.name for case in MATTERS])
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


@pytest.fixture
def engine(case: Case) -> Matter:
    made = case.make()
    assert isinstance(made, Matter)
    return made


def alpha_of(engine: Matter, picture: Picture, trimap: Mask | None, seed: int = 1) -> Mask:
    alpha = engine.matte(picture, trimap, seed=seed).alpha
    assert alpha.shape == picture.shape[:2]
    assert alpha.dtype == np.float32
    assert alpha.min() >= 0
    assert alpha.max() <= 1
    return alpha


def test_windows_have_room_beside_their_overlap(engine: Matter) -> None:
    assert engine.max_window > 2 * engine.overlap >= 0


def test_known_pixels_stay_exact(engine: Matter) -> None:
    picture, _, trimap = soft_disc()
    alpha = alpha_of(engine, picture, trimap)
    known = trimap != 0.5
    np.testing.assert_array_equal(alpha[known], trimap[known])


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_trimap_without_unknown_is_its_own_answer(engine: Matter, value: float) -> None:
    picture, _, _ = soft_disc()
    trimap = np.full(picture.shape[:2], value, np.float32)
    np.testing.assert_array_equal(alpha_of(engine, picture, trimap), trimap)


@pytest.mark.parametrize("missing", [0.0, 1.0])
def test_a_trimap_with_one_side_only_is_answered(engine: Matter, missing: float) -> None:
    picture, _, trimap = soft_disc()
    trimap[trimap == missing] = 0.5
    alpha = alpha_of(engine, picture, trimap)
    known = trimap != 0.5
    np.testing.assert_array_equal(alpha[known], trimap[known])


def test_a_trimap_with_nothing_known_is_answered_or_refused(engine: Matter) -> None:
    picture, _, trimap = soft_disc()
    trimap[:] = 0.5
    with contextlib.suppress(EngineError):
        alpha_of(engine, picture, trimap)


@pytest.mark.parametrize("shape", [(8, 8), (1, 40), (40, 1), (2, 2), (3, 200)])
def test_tiny_pictures_are_matted(engine: Matter, shape: tuple[int, int]) -> None:
    picture = np.random.default_rng(1).random((*shape, 3), np.float32)
    trimap = np.full(shape, 0.5, np.float32)
    trimap[0, 0], trimap[-1, -1] = 0, 1
    alpha = alpha_of(engine, picture, trimap)
    assert alpha[0, 0] == 0
    assert alpha[-1, -1] == 1


def test_a_flat_picture_is_matted(engine: Matter) -> None:
    _, _, trimap = soft_disc()
    alpha_of(engine, np.full((*trimap.shape, 3), 0.5, np.float32), trimap)


def test_two_runs_give_the_same_bits(engine: Matter) -> None:
    picture, _, trimap = soft_disc()
    first, second = (alpha_of(engine, picture, trimap) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_inputs_are_not_changed_and_may_be_strided(engine: Matter) -> None:
    picture, _, trimap = soft_disc()
    wide = np.zeros((picture.shape[0], 2 * picture.shape[1], 3), np.float32)
    wide[:, ::2] = picture
    wide_trimap = np.zeros(wide.shape[:2], np.float32)
    wide_trimap[:, ::2] = trimap
    alpha = alpha_of(engine, wide[:, ::2], wide_trimap[:, ::2])
    np.testing.assert_array_equal(wide[:, ::2], picture)
    np.testing.assert_array_equal(wide_trimap[:, ::2], trimap)
    np.testing.assert_array_equal(alpha, alpha_of(engine, picture, trimap))


def test_a_picture_with_nan_is_refused(engine: Matter) -> None:
    picture, _, trimap = soft_disc()
    picture[5, 5, 2] = np.nan
    with pytest.raises(EngineError):
        engine.matte(picture, trimap, seed=0)


def test_a_trimap_of_another_size_is_refused(engine: Matter) -> None:
    picture, _, trimap = soft_disc()
    if not engine.needs_trimap:
        pytest.skip("this engine takes no trimap")
    for wrong in (trimap[:20], None):
        with pytest.raises(EngineError):
            engine.matte(picture, wrong, seed=0)


def test_a_soft_edge_is_recovered(case: Case, engine: Matter) -> None:
    if not case.segments:
        pytest.skip("this engine does not look at the picture")
    picture, truth, trimap = soft_disc()
    alpha = alpha_of(engine, picture, trimap)
    unknown = trimap == 0.5
    assert np.abs(alpha - truth)[unknown].mean() < 0.05
