"""Segment and Matte: one frame at a time, masks handed from one to the other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from airoto.errors import (
    AIRotoError,
    BadRequestError,
    EngineUnavailableError,
    HandleUnknownError,
    RecipeError,
)
from airoto.sequence import Pattern
from airoto_server.app.sample import SamplePaths

from .conftest import RunningServer
from .rendering import Message, channels, drawn_recipe, merged, render, sample_recipe, write_image


def plane(server: RunningServer, handle: str, folder: Path) -> np.ndarray:
    """What is behind a handle, by way of an EXR."""
    path = folder / f"{handle[:16]}.exr"
    server.link.download(handle, path, encoding="exr", release=False)
    found = list(channels(path).values())
    return found[0] if len(found) == 1 else np.stack(found, axis=-1)


@pytest.fixture
def recipe(clip: SamplePaths) -> Message:
    return sample_recipe(clip, "a.####.exr")


@pytest.fixture(scope="module")
def alpha(clip: SamplePaths) -> Path:
    return Pattern.parse(str(clip.alphas[0])).path(1001, "")


def test_a_click_has_up_to_three_candidates_with_scores_bounds_and_areas(
    server: RunningServer, recipe: Message, tmp_path: Path
) -> None:
    answers = [server.link.call("Segment", {"recipe": recipe, "frame": 1001}) for _ in range(2)]
    masks = []
    for answer in answers:
        (found,) = answer["objects"]
        assert found["object_id"] == 1
        candidates = found["candidates"]
        assert 1 <= len(candidates) <= 3
        scores = [one["score"] for one in candidates]
        assert scores == sorted(scores, reverse=True)
        for one in candidates:
            mask = plane(server, one["mask_handle"], tmp_path)
            assert mask.shape == (108, 192)
            assert int((mask > 0.5).sum()) == int(one["area"])
            rows, columns = np.flatnonzero((mask > 0.5).any(1)), np.flatnonzero((mask > 0.5).any(0))
            bounds = {name: one["bounds"].get(name, 0) for name in ("x_min", "y_min")}
            assert bounds == {"x_min": columns[0], "y_min": rows[0]}
            assert one["bounds"]["x_max"] == columns[-1] + 1
            assert one["bounds"]["y_max"] == rows[-1] + 1
        masks.append(plane(server, candidates[0]["mask_handle"], tmp_path))
    np.testing.assert_array_equal(*masks)


def test_a_render_takes_the_candidate_that_its_prompt_asks_for(
    server: RunningServer, recipe: Message, tmp_path: Path
) -> None:
    answer = server.link.call("Segment", {"recipe": recipe, "frame": 1001})
    candidates = answer["objects"][0]["candidates"]
    for number, one in enumerate(candidates, start=1):
        wanted = merged(
            recipe,
            {
                "track": {"engine": "null"},  # which leaves the mask as it was chosen
                "matte": {"engine": "none"},
                "output": {"path": str(tmp_path / f"{number}.####.exr")},
            },
        )
        wanted["objects"][0]["prompts"][0]["candidate"] = number
        render(server.link, wanted, frames={"first": 1001, "last": 1001})
        made = channels(tmp_path / f"{number}.1001.exr")["A"]
        # A tracked mask is rounded to 1/65535 on its way.
        np.testing.assert_allclose(made, plane(server, one["mask_handle"], tmp_path), atol=1e-3)


def test_a_segmented_mask_is_matted_by_its_handle_and_a_trimap_by_its_file(
    server: RunningServer, recipe: Message, alpha: Path, tmp_path: Path
) -> None:
    found = server.link.call("Segment", {"recipe": recipe, "frame": 1001})
    handle = found["objects"][0]["candidates"][0]["mask_handle"]
    request = {"recipe": recipe, "frame": 1001, "foreground": True}
    by_handle = server.link.call("Matte", {**request, "mask_handle": handle})
    trimap = plane(server, by_handle["trimap_handle"], tmp_path)
    made = plane(server, by_handle["alpha_handle"], tmp_path)
    assert set(np.unique(trimap)) == {0, 0.5, 1}
    assert (made[trimap == 1] == 1).all()
    assert (made[trimap == 0] == 0).all()
    assert plane(server, by_handle["foreground_handle"], tmp_path).shape == (108, 192, 3)
    again = server.link.call("Matte", {**request, "trimap_handle": by_handle["trimap_handle"]})
    np.testing.assert_array_equal(plane(server, again["alpha_handle"], tmp_path), made)
    path = write_image(tmp_path / "trimap.png", trimap[..., None], "Y")
    by_file = server.link.call("Matte", {**request, "trimap": {"path": str(path)}})
    np.testing.assert_array_equal(plane(server, by_file["alpha_handle"], tmp_path), made)
    truth = server.link.call("Matte", {**request, "mask": {"path": str(alpha)}})
    assert (
        np.abs(plane(server, truth["alpha_handle"], tmp_path) - channels(alpha)["A"]).mean() < 0.02
    )


def test_a_render_takes_a_painted_trimap_as_it_is(
    server: RunningServer, recipe: Message, alpha: Path, tmp_path: Path
) -> None:
    trimap = np.full((108, 192), 0.5, np.float32)
    truth = channels(alpha)["A"]
    trimap[truth > 0.99], trimap[truth < 0.01] = 1, 0
    trimap[:20] = 0.5  # as nobody's rules would make it
    path = write_image(tmp_path / "trimap.png", trimap[..., None], "Y")
    output = {"path": str(tmp_path / "a.####.exr"), "trimap": True}
    wanted = merged(recipe, {"output": output, "track": {"engine": "none"}})
    mask = {"path": str(path), "kind": "DRAWN_MASK_KIND_TRIMAP"}
    wanted["objects"][0]["prompts"] = [{"frame": 1001, "mask": mask}]
    render(server.link, wanted, frames={"first": 1001, "last": 1001})
    made = channels(tmp_path / "a.1001.exr")
    name = wanted["objects"][0]["name"]
    np.testing.assert_array_equal(made[f"trimap_{name}.A"], trimap)
    request = {"recipe": wanted, "frame": 1001, "trimap": {"path": str(path)}}
    single = server.link.call("Matte", request)
    np.testing.assert_array_equal(plane(server, single["alpha_handle"], tmp_path), made["A"])


@pytest.mark.parametrize(
    ("change", "guide", "kind", "message"),
    [
        ({}, {}, BadRequestError, "guide: nothing given"),
        ({}, {"mask_handle": "nonsense"}, (HandleUnknownError, BadRequestError), "nonsense"),
        ({}, {"mask": {}}, BadRequestError, "neither a path nor an image"),
        ({}, {"trimap": {"path": ""}}, BadRequestError, "neither a path nor an image"),
        ({}, {"mask": {"path": "a.png"}}, BadRequestError, '"a.png"; allowed: an absolute path'),
        (
            {"matte": {"engine": "none"}},
            {"trimap": {"path": "ALPHA"}},
            EngineUnavailableError,
            "trimap",
        ),
        (
            {"matte": {"engine": "modnet-9"}},
            {"mask": {"path": "ALPHA"}},
            EngineUnavailableError,
            "modnet-9",
        ),
    ],
)
def test_a_matte_that_cannot_be_made_says_why(
    server: RunningServer,
    recipe: Message,
    alpha: Path,
    change: Message,
    guide: Message,
    kind: type[AIRotoError],
    message: str,
) -> None:
    for one in guide.values():
        if isinstance(one, dict) and one.get("path") == "ALPHA":
            one["path"] = str(alpha)
    with pytest.raises(kind, match=message):
        server.link.call("Matte", {"recipe": merged(recipe, change), "frame": 1001, **guide})
    server.assert_alive()


def test_a_plane_of_another_size_is_no_guide(
    server: RunningServer, recipe: Message, clip: SamplePaths
) -> None:
    pixels = np.zeros((10, 20), np.float16)
    header = {"width": 20, "height": 10, "channels": 1, "pixel_type": "PIXEL_TYPE_HALF"}
    handle = server.link.upload_plane(pixels.tobytes(), header)["handle"]
    with pytest.raises(
        BadRequestError, match=r"mask_handle: the plane is 20x10; allowed: .*192x108"
    ):
        server.link.call("Matte", {"recipe": recipe, "frame": 1001, "mask_handle": handle})
    file = server.link.upload_file(clip.recipe)["handle"]
    with pytest.raises(HandleUnknownError, match=r"is a file \(sample.airoto.json\), not a plane"):
        server.link.call("Matte", {"recipe": recipe, "frame": 1001, "mask_handle": file})


def test_frames_without_a_prompt_or_outside_the_plate_are_refused(
    clip: SamplePaths, server: RunningServer
) -> None:
    recipe = drawn_recipe(clip, "a.####.exr")
    with pytest.raises(RecipeError, match="no object has a prompt on frame 1002"):
        server.link.call("Segment", {"recipe": recipe, "frame": 1002})
    for method in ("Segment", "Matte"):
        with pytest.raises(RecipeError, match=r"frame 1 lies outside the plate \(1001..1008\)"):
            server.link.call(method, {"recipe": recipe, "frame": 1})
