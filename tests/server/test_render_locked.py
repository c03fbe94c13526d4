"""Approved frames stay as they are and are keyframes; frames worth a look are named."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from airoto.errors import RecipeError
from airoto_server.app.sample import SamplePaths

from .conftest import RunningServer
from .rendering import Message, channels, digests, hero, merged, render, sample_recipe, write_image


def box(frame: int, left: float, top: float = 20.0) -> Message:
    corners = {"x_min": left, "y_min": top, "x_max": left + 60, "y_max": top + 50}
    return {"frame": frame, "box": corners}


def quick(clip: SamplePaths, folder: Path, *prompts: Message, **changes: object) -> Message:
    null = {name: {"engine": "null"} for name in ("segment", "track")}
    objects = hero(*(prompts or (box(clip.first, 30),)))
    base = {"objects": objects, "matte": {"engine": "none"}, **null}
    return sample_recipe(clip, folder / "a.####.exr", **merged(base, changes))


def sha256(path: Path) -> str:
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def test_an_approved_frame_is_never_written_and_its_mask_leads_its_neighbours(
    clip: SamplePaths, server: RunningServer, tmp_path: Path
) -> None:
    first = clip.first
    recipe = quick(clip, tmp_path)
    render(server.link, recipe)
    # Somebody paints on a frame, approves it, and asks for everything anew.
    approved = tmp_path / f"a.{first + 4}.exr"
    alpha = np.zeros((108, 192, 1), np.float32)
    alpha[60:100, 100:160] = 1
    write_image(approved, alpha, "A")
    stat = approved.stat()
    recipe["locked"] = [{"frame": first + 4, "sha256": sha256(approved)}]
    recipe["output"]["overwrite"] = "OVERWRITE_REPLACE"
    outcome = render(server.link, recipe)
    assert outcome.kept == [first + 4]
    assert len(outcome.done) == 7
    now = approved.stat()
    assert (now.st_ino, now.st_mtime_ns, now.st_size) == (
        stat.st_ino,
        stat.st_mtime_ns,
        stat.st_size,
    )
    told = outcome.frames[first + 4]["objects"][0]
    assert (told["confidence"], told["area"]) == (1.0, 2400.0)
    # The null tracker keeps what it is given: after the approved frame its mask goes on.
    after = channels(tmp_path / f"a.{first + 6}.exr")["A"]
    assert np.abs(after - alpha[..., 0]).mean() < 0.02
    before = channels(tmp_path / f"a.{first + 2}.exr")["A"]
    assert before[30, 40] == pytest.approx(before[80, 120], abs=0.01)
    assert 0.4 < before[80, 120] < 0.6


def test_an_approved_file_elsewhere_is_copied_as_it_is(
    clip: SamplePaths, server: RunningServer, tmp_path: Path
) -> None:
    first = clip.first
    render(server.link, quick(clip, tmp_path / "old"))
    source = tmp_path / "old" / f"a.{first + 2}.exr"
    recipe = quick(clip, tmp_path / "new", locked=[{"frame": first + 2, "path": str(source)}])
    recipe["objects"][0]["prompts"] = []  # the approved frame says where the object is
    render(server.link, recipe)
    new = digests(tmp_path / "new")
    assert new[source.name] == digests(tmp_path / "old")[source.name]
    # Another approved file makes other frames.
    other = tmp_path / "old" / f"a.{first + 3}.exr"
    image = channels(other)["A"]
    write_image(source, np.roll(image, 30, axis=1)[..., None], "A")
    outcome = render(server.link, recipe)
    assert len(outcome.done) == 7


@pytest.mark.parametrize(
    ("lock", "field", "words"),
    [
        ({"frame": 1003}, "locked[0].frame", "not there"),
        ({"frame": 1003, "path": "/nowhere/a.exr"}, "locked[0].path", "not there"),
        ({"frame": 1003, "path": "relative.exr"}, "locked[0].path", "absolute"),
        ({"frame": 1003, "path": "/nowhere/a.png"}, "locked[0].path", "format"),
        ({"frame": 999}, "locked[0].frame", "the plate's frames"),
        (
            {"frame": 1001, "sha256": "sha256:" + "0" * 64},
            "locked[0].sha256",
            "lock the frame again",
        ),
    ],
)
def test_what_cannot_be_locked_is_refused_by_field(
    clip: SamplePaths,
    server: RunningServer,
    tmp_path: Path,
    lock: Message,
    field: str,
    words: str,
) -> None:
    frames = {"first": clip.first, "last": clip.first}
    render(server.link, quick(clip, tmp_path), frames=frames)
    with pytest.raises(RecipeError) as caught:
        render(server.link, quick(clip, tmp_path, locked=[lock]))
    (violation,) = caught.value.violations
    assert violation.path == field
    assert words in str(violation)


def test_every_object_needs_its_layer_in_an_approved_file(
    clip: SamplePaths, server: RunningServer, tmp_path: Path
) -> None:
    recipe = quick(clip, tmp_path)
    render(server.link, recipe)
    recipe["objects"].append({"id": 2, "name": "bag", "prompts": [box(clip.first, 100)]})
    recipe["locked"] = [{"frame": clip.first + 1}]
    with pytest.raises(RecipeError, match=r"locked\[0\].frame: .*no layer matte_bag"):
        render(server.link, recipe)


def test_frames_worth_a_look_are_named_with_every_render(
    clip: SamplePaths, server: RunningServer, tmp_path: Path
) -> None:
    first = clip.first
    small = {"x_min": 30.0, "y_min": 20.0, "x_max": 45.0, "y_max": 35.0}
    recipe = quick(
        clip, tmp_path, box(first, 30), {"frame": first + 3, "box": small}, box(first + 4, 30)
    )
    recipe["track"]["direction"] = "DIRECTION_FORWARD"
    for _ in range(2):  # made, and kept
        outcome = render(server.link, recipe)
        found = {one["frame"]: one for one in outcome.review}
        assert found[first + 3]["reason"] == "REVIEW_REASON_AREA_JUMP"
        assert found[first + 3]["message"].startswith("hero: area shrinks")
        assert found[first + 3]["object_id"] == 1
        weights = [one["weight"] for one in outcome.review]
        assert weights == sorted(weights, reverse=True)
