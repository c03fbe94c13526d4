"""Objects that leave the frame, come back, appear late, and several at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from airoto_server.ops.score import iou

from .conftest import RunningServer
from .rendering import Message, channels, drawn, render, write_image

WIDTH, HEIGHT, RADIUS = 160, 90, 14
# Where the runner's centre is on frames 1 to 12: out to the right, and back.
PATH = [60, 80, 100, 120, 140, 160, 185, 185, 185, 160, 140, 120]
GONE = [frame for frame, x in enumerate(PATH, start=1) if x - RADIUS >= WIDTH]
Truth = npt.NDArray[np.bool_]


def disc(x: float, y: float) -> Truth:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    return np.asarray((columns - x) ** 2 + (rows - y) ** 2 < RADIUS**2)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A green textured ground, a red disc that runs out of it, a blue one that stays."""
    folder = tmp_path_factory.mktemp("runner")
    random = np.random.default_rng(5)
    ground = random.uniform(0.1, 0.35, (HEIGHT, WIDTH, 1)) * np.array([0.5, 1.0, 0.4])
    grain = random.uniform(0.8, 1.2, (HEIGHT, WIDTH * 2, 1))
    for frame, x in enumerate(PATH, start=1):
        picture = ground.copy()
        skin = grain[:, WIDTH - x + 60 : 2 * WIDTH - x + 60]
        for shape, colour in ((disc(x, 45), (0.8, 0.1, 0.1)), (disc(30, 45), (0.1, 0.2, 0.8))):
            picture[shape] = (skin * np.array(colour))[shape]
        write_image(folder / f"plate.{frame:04d}.png", np.clip(picture, 0, 1))
    for name, x in (("runner", PATH[0]), ("stays", 30)):
        write_image(folder / f"{name}.png", disc(x, 45)[..., None].astype(float), "Y")
    write_image(folder / "late.png", disc(PATH[-1], 45)[..., None].astype(float), "Y")
    return folder


def recipe_of(made: Path, output: Path, *objects: Message) -> Message:
    return {
        "version": 1,
        "plate": {
            "path": str(made / "plate.####.png"),
            "frames": {"first": 1, "last": len(PATH)},
            "format": {"width": WIDTH, "height": HEIGHT},
        },
        "objects": [
            {"id": number, **one, "group": "g"} for number, one in enumerate(objects, start=1)
        ],
        "track": {"engine": "classic-grabcut"},
        "matte": {"engine": "none"},
        "output": {"path": str(output)},
    }


def test_an_object_that_leaves_has_empty_mattes_and_tracking_goes_on(
    made: Path, server: RunningServer, tmp_path: Path
) -> None:
    runner = {"name": "runner", "prompts": [drawn(made / "runner.png", 1)]}
    stays = {"name": "stays", "prompts": [drawn(made / "stays.png", 1)]}
    outcome = render(server.link, recipe_of(made, tmp_path / "a.####.exr", runner, stays))
    assert outcome.done == list(range(1, len(PATH) + 1)), "every frame has its own matte"
    assert GONE == [7, 8, 9]
    for frame, x in enumerate(PATH, start=1):
        found = channels(Path(outcome.frames[frame]["path"]))
        first, second = (found[f"matte_{name}.A"] >= 0.5 for name in ("runner", "stays"))
        assert iou(second, disc(30, 45)) > 0.85, frame
        told = {one["object_id"]: one for one in outcome.frames[frame]["objects"]}
        if frame in GONE:
            assert not found["matte_runner.A"].any(), frame
            assert not told[1].get("area")
            assert told[1].get("confidence", 0) < 0.5 < told[2]["confidence"]
        elif frame < GONE[0]:
            assert iou(first, disc(x, 45)) > 0.7, frame


def test_an_object_that_is_back_is_found_from_a_keyframe_at_the_end(
    made: Path, server: RunningServer, tmp_path: Path
) -> None:
    ends = [drawn(made / "runner.png", 1), drawn(made / "late.png", len(PATH))]
    runner = {"name": "runner", "prompts": ends}
    outcome = render(server.link, recipe_of(made, tmp_path / "a.####.exr", runner))
    for frame, x in enumerate(PATH, start=1):
        union = channels(Path(outcome.frames[frame]["path"]))["A"] >= 0.5
        if frame in GONE:
            assert not union.any(), frame
        else:
            assert iou(union, disc(x, 45)) > 0.7, frame


@pytest.mark.parametrize(
    ("direction", "empty"),
    [("DIRECTION_FORWARD", range(1, 12)), ("DIRECTION_BACKWARD", range(0))],
)
def test_before_its_first_keyframe_an_object_is_tracked_backward_or_not_at_all(
    made: Path, server: RunningServer, tmp_path: Path, direction: str, empty: range
) -> None:
    late = {"name": "late", "prompts": [drawn(made / "late.png", 12)]}
    recipe = recipe_of(made, tmp_path / "a.####.exr", late)
    recipe["track"]["direction"] = direction
    outcome = render(server.link, recipe)
    assert len(outcome.done) == 12
    for frame in (10, 11):
        union = channels(Path(outcome.frames[frame]["path"]))["A"]
        assert union.any() == (frame not in empty)


def test_mattes_of_objects_that_compete_never_exceed_one_together(
    made: Path, server: RunningServer, tmp_path: Path
) -> None:
    both = [{"name": name, "prompts": [drawn(made / "runner.png", 1)]} for name in ("one", "two")]
    outcome = render(server.link, recipe_of(made, tmp_path / "a.####.exr", *both))
    for told in outcome.frames.values():
        found = channels(Path(told["path"]))
        total = found["matte_one.A"] + found["matte_two.A"]
        assert total.max() <= 1.001
        np.testing.assert_allclose(np.minimum(total, 1), found["A"], atol=1e-3)
