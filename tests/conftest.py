"""Fixtures that every area shares."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Machines differ and are shared: no test fails for being slow.
settings.register_profile("airoto", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("airoto")

# Servers of the tests keep no results, or a test of equal results would compare one with itself.
# Tests of the cache name a folder.
os.environ["AIROTO_CACHE"] = "off"

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """A folder of real clips and damaged files that is not part of the project."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the folder of real clips (../shared/data) is not here")
    return SHARED_DATA
