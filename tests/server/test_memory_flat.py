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
# Bytes of one frame as an engine sees it: 192x108, three float32.
PICTURE = 192 * 108 * 3 * 4


def test_a_shot_four_times_as_long_takes_no_more_memory_with_any_tracker(
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
        long = measure(clip, tmp_path / f"{name}-long", name, LONG)
        assert growth(short, long) < ALLOWED, (short, long)
        # Ten per cent of so small a shot's memory would hide much.
        assert long.server - short.server < (LONG - SHORT) * PICTURE, (short, long)
