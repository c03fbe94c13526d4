"""Memory does not grow with the shot; `tests/benchmarks/memory_flat.py` does 60 and 600 frames."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from airoto_server.app.sample import SamplePaths

from ..benchmarks.memory_flat import ALLOWED, growth, measure
from .conftest import RunningServer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

SHORT, LONG = 30, 120
# Without a tracker's work frames are quick, and many of them show what the service keeps of each:
# ten per cent is less than one picture a frame then.
LONG_OF_NULL = 360


def test_a_longer_shot_takes_no_more_memory_with_any_tracker(
    clip: SamplePaths, server: RunningServer, tmp_path: Path
) -> None:
    trackers = [
        engine["name"]
        for engine in server.link.call("GetServerInfo", {})["engines"]
        if engine["role"] == "ENGINE_ROLE_TRACKER" and engine.get("available")
    ]
    assert "null" in trackers
    assert "classic-grabcut" in trackers
    for name in trackers:
        short = measure(clip, tmp_path / f"{name}-short", name, SHORT)
        frames = LONG_OF_NULL if name == "null" else LONG
        long = measure(clip, tmp_path / f"{name}-long", name, frames)
        assert growth(short, long) < ALLOWED, (short, long)
