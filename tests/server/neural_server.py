"""A real server with tiny neural engines, whose `auto` they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..engines import neural_checkpoints as neural

TINY_ENGINES = Path(__file__).parents[1] / "engines"


def environment(weights: Path) -> dict[str, str]:
    """What a server has to be started with, and what is to be unset is empty."""
    return {
        "AIROTO_WEIGHTS": str(weights),
        "AIROTO_ENGINES": "tiny_engines",
        "PYTHONPATH": str(TINY_ENGINES),
        "XDG_CACHE_HOME": str(weights / "cache"),
    }


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of tiny checkpoints in the released formats, for AIROTO_WEIGHTS."""
    return neural.write_weights(tmp_path_factory.mktemp("weights"))
