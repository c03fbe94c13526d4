"""One shot as ACEScg, as JPEG, as a proxy and with overscan: the same masks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from airoto.sequence import Pattern
from airoto_server.app.sample import SamplePaths, make_sample
from airoto_server.ops.score import boundary_distance

from .conftest import RunningServer
from .rendering import Message, channels, hero, merged, render, sample_recipe

# Mean distance of boundaries in full-resolution pixels.
ALLOWED = 2.0
WIDTH, HEIGHT = 480, 270
ENGINES: Message = {
    "segment": {"engine": "classic"},
    "track": {"engine": "classic-grabcut"},
    "matte": {"engine": "none"},
}


@pytest.fixture(scope="module")
def shot(tmp_path_factory: pytest.TempPathFactory) -> SamplePaths:
    """Large enough for two pixels to mean something."""
    return make_sample(tmp_path_factory.mktemp("shot"), frames=5, width=WIDTH, height=HEIGHT)


def representations(shot: SamplePaths) -> dict[str, Message]:
    """The `plate` of the recipe, changed to the other files."""
    margin_x, margin_y = (max(2, round(side / 60) * 2) for side in (WIDTH, HEIGHT))
    window = {
        "x_min": -margin_x,
        "y_min": -margin_y,
        "x_max": WIDTH + margin_x,
        "y_max": HEIGHT + margin_y,
    }
    return {
        "acescg": {},
        "jpeg": {"path": str(shot.srgb), "colour": {"space": "display"}},
        "half": {"path": str(shot.half), "proxy_scale": 0.5},
        "overscan": {"path": str(shot.overscan), "format": {"data_window": window}},
    }


def full_size(path: Path) -> npt.NDArray[np.bool_]:
    """A matte cut at one half, over the display window, in full-resolution pixels."""
    alpha = channels(path)["A"]
    if alpha.shape == (HEIGHT // 2, WIDTH // 2):
        alpha = cv2.resize(alpha, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
    if alpha.shape != (HEIGHT, WIDTH):
        top, left = (alpha.shape[0] - HEIGHT) // 2, (alpha.shape[1] - WIDTH) // 2
        alpha = alpha[top : top + HEIGHT, left : left + WIDTH]
    assert alpha.shape == (HEIGHT, WIDTH)
    return np.asarray(alpha >= 0.5)


def prompts(shot: SamplePaths, kind: str) -> list[Message]:
    """The clip's own click, or a box around the object."""
    if kind == "click":
        click: list[Message] = sample_recipe(shot, "a.####.exr")["objects"]
        return click
    truth = channels(Pattern.parse(str(shot.alphas[0])).path(shot.first, ""))["A"] > 0.5
    rows, columns = np.flatnonzero(truth.any(1)), np.flatnonzero(truth.any(0))
    corners = {"x_min": columns[0], "y_min": rows[0], "x_max": columns[-1], "y_max": rows[-1]}
    box = {name: float(value) for name, value in corners.items()}
    return hero({"frame": shot.first, "box": box})


@pytest.mark.parametrize("kind", ["click", "box"])
def test_masks_agree_within_two_pixels_on_the_prompted_frame_and_on_tracked_ones(
    shot: SamplePaths, server: RunningServer, tmp_path: Path, record_property: Any, kind: str
) -> None:
    masks: dict[str, list[npt.NDArray[np.bool_]]] = {}
    for name, plate in representations(shot).items():
        recipe = sample_recipe(shot, tmp_path / f"{name}.####.exr", **ENGINES)
        recipe = merged(recipe, {"plate": plate, "objects": prompts(shot, kind)})
        outcome = render(server.link, recipe)
        masks[name] = [full_size(Path(one["path"])) for one in outcome.frames.values()]
        assert len(masks[name]) == 5
        assert all(mask.any() and not mask.all() for mask in masks[name])
    for name in ("jpeg", "half", "overscan"):
        pairs = zip(masks["acescg"], masks[name], strict=True)
        distances = [boundary_distance(*pair) for pair in pairs]
        told = " ".join(f"{distance:.2f}" for distance in distances)
        record_property(f"boundary_distance_{name}", told)
        print(f"{kind}: {name} against acescg, px per frame: {told}")
        assert max(distances) <= ALLOWED, f"{name}: {told}"
