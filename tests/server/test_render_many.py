"""Thousands of small results: none lost, repeated or crossed.

`AIROTO_MANY=10000` renders so many; without it, a few hundred.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from airoto_server.app.sample import SamplePaths

from .conftest import RunningServer
from .rendering import Message, channels, sample_recipe, write_image

MANY = int(os.environ.get("AIROTO_MANY", "200"))
WIDTH, HEIGHT = 64, 36


def place(frame: int) -> tuple[int, int, int, int]:
    """A box of its own for each of 10,000 frames."""
    left, top = frame % 40, frame // 40 % 25
    size = 2 + frame // 1000
    return left, top, left + size + 1, top + size


def test_every_frame_comes_once_with_its_own_result(
    clip: SamplePaths, server: RunningServer, tmp_path: Path
) -> None:
    source = write_image(tmp_path / "grey.exr", np.full((HEIGHT, WIDTH, 3), 0.2))
    (tmp_path / "plate").mkdir()
    prompts: list[Message] = []
    for frame in range(1, MANY + 1):
        os.link(source, tmp_path / f"plate/p.{frame:05d}.exr")
        x_min, y_min, x_max, y_max = map(float, place(frame))
        box = {"x_min": x_min, "y_min": y_min, "x_max": x_max, "y_max": y_max}
        prompts.append({"frame": frame, "box": box})
    recipe = sample_recipe(
        clip,
        tmp_path / "out/a.#####.exr",
        objects=[{"id": 1, "name": "hero", "prompts": prompts}],
        segment={"engine": "null"},
        track={"engine": "none"},
        matte={"engine": "none"},
        processing={"working_size": WIDTH},
    )
    recipe["plate"] = {
        "path": str(tmp_path / "plate/p.#####.exr"),
        "frames": {"first": 1, "last": MANY},
        "format": {"width": WIDTH, "height": HEIGHT},
    }
    told = [
        answer["frame"]["frame"]
        for answer in server.link.stream("Render", {"recipe": recipe}, timeout=3600)
        if "frame" in answer
    ]
    assert told == list(range(1, MANY + 1))
    assert len(list((tmp_path / "out").iterdir())) == MANY
    for frame in told:
        left, top, right, bottom = place(frame)
        wanted = np.zeros((HEIGHT, WIDTH), np.float32)
        wanted[top:bottom, left:right] = 1
        alpha = channels(tmp_path / f"out/a.{frame:05d}.exr")["A"]
        np.testing.assert_array_equal(alpha, wanted, err_msg=str(frame))
