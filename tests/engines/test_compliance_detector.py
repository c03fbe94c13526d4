"""What every detector must do."""

from __future__ import annotations

import numpy as np
import pytest

from airoto.errors import EngineError
from airoto_server.engines.registry import Role
from airoto_server.engines.roles import Detector

from .factories import cases
from .scenes import moving_disc

DETECTORS = cases(Role.DETECTOR)


@pytest.fixture(params=DETECTORS, ids=[case.name for case in DETECTORS])
def engine(request: pytest.FixtureRequest) -> Detector:
    made = request.param.make()
    assert isinstance(made, Detector)
    return made


def test_boxes_come_sorted_and_inside_the_picture(engine: Detector) -> None:
    picture = moving_disc(1)[0][0]
    found = engine.detect(picture, "a ball. a wall", box_threshold=0.01, text_threshold=0.01)
    scores = [detection.score for detection in found]
    assert scores == sorted(scores, reverse=True)
    for detection in found:
        left, top, right, bottom = detection.box
        assert 0 <= left < right <= 128
        assert 0 <= top < bottom <= 96
        assert 0 <= detection.score <= 1


def test_finding_nothing_is_no_error(engine: Detector) -> None:
    picture = moving_disc(1)[0][0]
    assert engine.detect(picture, "a ball", box_threshold=1.0, text_threshold=1.0) == []


def test_two_runs_find_the_same(engine: Detector) -> None:
    picture = moving_disc(1)[0][0]
    first, second = (
        engine.detect(picture, "a ball", box_threshold=0.01, text_threshold=0.01) for _ in range(2)
    )
    assert first == second


def test_a_picture_with_nan_is_refused(engine: Detector) -> None:
    picture = moving_disc(1)[0][0]
    picture[0, 0, 0] = np.nan
    with pytest.raises(EngineError):
        engine.detect(picture, "a ball", box_threshold=0.3, text_threshold=0.3)
