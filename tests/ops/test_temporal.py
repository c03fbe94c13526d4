"""Flicker against neighbours in time."""

from __future__ import annotations

import numpy as np
import pytest

from airoto_server.ops.temporal import without_flicker


@pytest.mark.parametrize(
    ("before", "now", "after", "expected"),
    [
        (0.0, 1.0, 0.0, 0.0),
        (1.0, 0.2, 0.95, 0.975),
        (0.0, 0.5, 1.0, 0.5),
        (0.5, 0.55, 0.5, 0.55),
        (0.0, 1.0, 1.0, 1.0),
    ],
)
def test_only_what_differs_from_two_that_agree_is_changed(
    before: float, now: float, after: float, expected: float
) -> None:
    planes = [np.full((2, 3), value, np.float32) for value in (before, now, after)]
    made = without_flicker(*planes)
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, expected, atol=1e-6)
