"""Real checkpoints, for whoever has them: `AIROTO_WEIGHTS`, and `../shared/data` for the truth.

`AIROTO_TEST_DEVICE` is where they run (`cpu`).
"""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from airoto_server.engines.registry import LoadOptions, Role, find
from airoto_server.engines.roles import Engine
from airoto_server.weights.store import VARIABLE, WeightStore

Real = Callable[[Role, str], Engine]


@pytest.fixture(scope="session")
def real() -> Real:
    """Loads an engine from its real checkpoint; the test is skipped where there is none."""

    def load(role: Role, name: str) -> Engine:
        if not os.environ.get(VARIABLE):
            pytest.skip(f"{VARIABLE} names no folder of real checkpoints")
        spec = find(role, name)
        status = WeightStore.from_environment().status(spec.checkpoint)
        if not status.ready:
            pytest.skip(f"no real checkpoint {spec.checkpoint!r}: {status.reason}")
        device = os.environ.get("AIROTO_TEST_DEVICE", "cpu")
        return spec.load(LoadOptions(device, checkpoint=status.path))

    return load
