"""What Matte Anything adds: foreground that can be seen through is unknown."""

from __future__ import annotations

import numpy as np
import pytest

from airoto.errors import InternalError
from airoto_server.engines import matte_anything
from airoto_server.engines.matte_anything import widened
from airoto_server.engines.registry import LoadOptions
from airoto_server.engines.roles import Trimap


@pytest.fixture
def trimap() -> Trimap:
    made = np.zeros((20, 30), np.float32)
    made[4:16, 4:26] = 0.5
    made[6:14, 6:24] = 1
    return made


def test_foreground_inside_a_box_is_unknown_and_nothing_else_changes(trimap: Trimap) -> None:
    made = widened(trimap, [(10.4, 0, 15.2, 10)])
    assert (made[6:10, 10:16] == 0.5).all()
    changed = made != trimap
    assert changed[6:10, 10:16].all()
    assert changed.sum() == 4 * 6


@pytest.mark.parametrize("boxes", [[], [(-9.0, -9.0, 3.0, 3.0)], [(40.0, 0.0, 90.0, 9.0)]])
def test_boxes_elsewhere_change_nothing(
    trimap: Trimap, boxes: list[tuple[float, float, float, float]]
) -> None:
    made = widened(trimap, boxes)
    assert (made == trimap).all()
    assert made is not trimap


def test_some_foreground_stays_where_boxes_hold_all_of_it(trimap: Trimap) -> None:
    made = widened(trimap, [(0, 0, 30, 20)])
    assert 0 < (made == 1).sum() < 0.4 * (trimap == 1).sum()
    assert (made[9:11, 12:18] == 1).all()
    assert (made[trimap == 0] == 0).all()


def test_it_is_composed_and_never_loaded_itself() -> None:
    (spec,) = matte_anything.SPECS
    assert {role.value for role in spec.parts} == {"segmenter", "detector", "matter"}
    with pytest.raises(InternalError):
        spec.load(LoadOptions())
