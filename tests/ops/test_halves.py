"""What half floats are, told by their bits."""

from __future__ import annotations

import numpy as np

from airoto_server.ops.halves import are_finite


def test_every_half_float_is_told_as_its_value_says() -> None:
    for half in np.arange(1 << 16, dtype=np.uint16).view(np.float16):
        alone = np.array([half])
        among = np.array([[0.5, half], [-2.0, 0.0]], np.float16)
        assert are_finite(alone) == are_finite(among) == bool(np.isfinite(half))
    assert are_finite(np.zeros((0, 3), np.float16))
    assert not are_finite(np.array([[1, np.nan, 2, 3]], np.float16)[:, ::-1])
