"""SAM 2, Cutie and ViTMatte through a real server: chosen, chained, told of, and hard to harm."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest
import torch

from airoto.errors import BadRequestError, EngineError, EngineUnavailableError, RecipeError
from airoto_server.app.sample import SamplePaths
from airoto_server.engines.registry import VARIABLE, all_specs

from ..engines import neural_checkpoints as neural
from .conftest import RunningServer, StartServer
from .neural_server import environment, weights
from .rendering import Message, alpha_of, drawn, render, sample_recipe, write_image

__all__ = ["weights"]  # a fixture

CHAIN = {"segmenter": "sam2.1-test", "tracker": "cutie-test", "matter": "vitmatte-test"}


@pytest.fixture(scope="module")
def neural_server(start_server: StartServer, weights: Path) -> RunningServer:
    """A server whose `auto` are the tiny networks."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(weights).items():
            patch.setenv(name, value)
        return start_server("--threads", 1)


def header(path: Path) -> Message:
    """What the file says of its origin."""
    image = oiio.ImageInput.open(str(path))
    try:
        return json.loads(image.spec().get_string_attribute("airoto/provenance"))["airoto"]
    finally:
        image.close()


def clicked(clip: SamplePaths, output: Path, **changes: object) -> Message:
    """The sample's own click; the whole chain, each engine as `auto` means it."""
    return sample_recipe(clip, output / "a.####.exr", **changes)


def test_info_tells_which_engines_are_meant_where_and_in_what_precision(
    neural_server: RunningServer,
) -> None:
    engines = neural_server.link.call("GetServerInfo", {})["engines"]
    meant = {one["role"]: one for one in engines if one.get("is_default")}
    for role, name in CHAIN.items():
        one = meant[f"ENGINE_ROLE_{role.upper()}"]
        assert one["name"] == name
        assert one["needs_weights"]
        assert one["weights_present"]
        assert (one["device"], one["precision"]) == ("cpu", "float32")
        assert len(one["weights_sha256"]) == 64


@pytest.mark.parametrize("memory", ["MEMORY_MODE_SEGMENT", "MEMORY_MODE_SHOT"])
@pytest.mark.parametrize("tracker", ["cutie-test", "sam2.1-test"])
def test_objects_that_begin_late_are_tracked_in_both_memory_modes(
    neural_server: RunningServer, clip: SamplePaths, tmp_path: Path, tracker: str, memory: str
) -> None:
    first, last = clip.first, clip.first + 4
    alpha = str(clip.alphas[0].parent / "alpha.{:04d}.exr")
    objects = [
        {"id": 1, "name": "early", "prompts": [drawn(alpha.format(first), first)]},
        {
            "id": 2,
            "name": "late",
            "prompts": [
                drawn(alpha.format(first + 2), first + 2),
                drawn(alpha.format(last), last),
            ],
        },
    ]
    track = {"engine": tracker, "memory_mode": memory}
    recipe = clicked(clip, tmp_path, objects=objects, track=track, matte={"engine": "none"})
    recipe["plate"]["frames"]["last"] = last
    outcome = render(neural_server.link, recipe)
    assert outcome.done == list(range(first, last + 1))
    seen = [{one["object_id"] for one in outcome.frames[f]["objects"]} for f in outcome.done]
    assert all(1 in ids for ids in seen)
    assert all(2 in ids for ids in seen[2:])


def test_an_engine_is_unloaded_for_another_where_memory_is_short(
    start_server: StartServer, weights: Path, clip: SamplePaths, tmp_path: Path
) -> None:
    # SAM 2's segmenter has 4 MB, its tracker 7, ViTMatte 2, Cutie 23.
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(weights).items():
            patch.setenv(name, value)
        small = start_server("--threads", 1, "--memory-limit", 11)
    frames = {"first": clip.first, "last": clip.first + 1}
    with pytest.raises(
        EngineError, match=r"no room for tracker cutie-test \(24 MB\).* of 11 MB free: "
    ):
        render(small.link, clicked(clip, tmp_path), frames=frames)
    track = {"engine": "sam2.1-test"}
    outcome = render(small.link, clicked(clip, tmp_path, track=track), frames=frames)
    assert len(outcome.done) == 2
    small.assert_alive()


def test_a_click_on_the_command_line_goes_through_all_three_and_every_file_says_so(
    neural_server: RunningServer, clip: SamplePaths, tmp_path: Path
) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "airoto_client.cli", "roto", str(clip.acescg)),
            *("--server", neural_server.local.target),
            *("--colour", "ACEScg", "--point", f"{clip.first}:96,54"),
            *("--frames", f"{clip.first}-{clip.first + 3}", "--out", str(tmp_path / "m.####.exr")),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    made = sorted(tmp_path.glob("m.*.exr"))
    assert len(made) == 4
    assert np.std([alpha_of(path) for path in made]) > 0.05
    for path in made:
        said = {one["role"]: one for one in header(path)["engines"]}
        for role, name in CHAIN.items():
            assert said[role]["name"] == name
            assert (said[role]["device"], said[role]["precision"]) == ("cpu", "float32")
            assert len(said[role]["weights_sha256"]) == 64


def test_a_real_clip_is_rendered_with_two_objects(
    neural_server: RunningServer, shared_data: Path, tmp_path: Path
) -> None:
    frames = shared_data / "davis16/frames/bmx-trees"
    recipe = {
        "version": 1,
        "plate": {
            "path": str(frames / "%05d.jpg"),
            "frames": {"first": 0, "last": 3},
            "format": {"width": 854, "height": 480, "pixel_aspect": 1},
        },
        "objects": [
            {"id": 1, "name": "bike", "prompts": [{"frame": 0, "points": [{"x": 400, "y": 300}]}]},
            {"id": 2, "name": "rider", "prompts": [{"frame": 2, "points": [{"x": 420, "y": 200}]}]},
        ],
        "output": {"path": str(tmp_path / "m.####.exr")},
    }
    outcome = render(neural_server.link, recipe)
    assert len(outcome.done) == 4
    assert np.std([alpha_of(path) for path in sorted(tmp_path.glob("*.exr"))]) > 0.05


@pytest.mark.parametrize(
    ("trimap", "missing"), [(0.5, "foreground"), (0.0, "foreground"), (1.0, "unknown")]
)
def test_a_trimap_without_foreground_or_unknown_is_refused(
    neural_server: RunningServer, clip: SamplePaths, tmp_path: Path, trimap: float, missing: str
) -> None:
    pixels = np.full((108, 192, 1), trimap, np.float32)
    path = write_image(tmp_path / "trimap.png", pixels, "Y")
    request = {"recipe": clicked(clip, tmp_path), "frame": clip.first}
    with pytest.raises(BadRequestError, match=f"the trimap has no {missing} pixel"):
        neural_server.link.call("Matte", {**request, "trimap": {"path": str(path)}})
    neural_server.assert_alive()


def test_a_prompt_outside_the_data_window_is_refused_with_its_place(
    neural_server: RunningServer, clip: SamplePaths, tmp_path: Path
) -> None:
    points = [{"x": 96, "y": 54}, {"x": 5120, "y": 54}]
    objects = [{"id": 1, "name": "hero", "prompts": [{"frame": clip.first, "points": points}]}]
    recipe = clicked(clip, tmp_path, objects=objects)
    with pytest.raises(RecipeError, match=r"objects\[0\]\.prompts\[0\]\.points\[1\].*5120"):
        neural_server.link.call("Segment", {"recipe": recipe, "frame": clip.first})
    neural_server.assert_alive()


class Bomb:
    """Runs code when unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (os.abort, ())  # type: ignore[return-value]


def test_checkpoints_that_are_broken_are_one_clear_error_each(
    start_server: StartServer, clip: SamplePaths, tmp_path: Path
) -> None:
    """Their hashes are as listed: it is what is in them that is wrong."""
    folder = tmp_path / "weights"
    neural.write_weights(folder)
    truncated, evil, other = (folder / f"{name}.pt" for name in ("short", "evil", "other"))
    truncated.write_bytes((folder / "sam2_tiny.pt").read_bytes()[:50_000])
    torch.save({"model": Bomb()}, evil)
    other.write_bytes((folder / "sam2_tiny.pt").read_bytes())
    files = {"sam2.1-test": truncated, "cutie-test": evil, "vitmatte-test": other}
    neural.list_weights(folder, files)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(folder).items():
            patch.setenv(name, value)
        server = start_server("--threads", 1)
    first = clip.first
    mask = drawn(str(clip.alphas[0].parent / f"alpha.{first:04d}.exr"), first)
    drawn_only = [{"id": 1, "name": "hero", "prompts": [mask]}]
    recipe = clicked(clip, tmp_path / "out", segment={"engine": "null"}, objects=drawn_only)
    with pytest.raises(EngineUnavailableError, match=r"sam2\.1-test.*damaged or truncated"):
        server.link.call("Segment", {"recipe": clicked(clip, tmp_path), "frame": first})
    with pytest.raises(EngineUnavailableError, match=r"cutie-test.*could run code"):
        render(server.link, recipe)
    with pytest.raises(EngineUnavailableError, match=r"does not fit engine 'vitmatte-test'"):
        render(server.link, {**recipe, "track": {"engine": "null"}})
    server.assert_alive()
    assert not list((tmp_path / "out").glob("*.exr"))


def test_engines_of_an_installation_that_cannot_be_had_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(VARIABLE, "studio_engines_that_are_not_there")
    with pytest.raises(EngineUnavailableError, match="studio_engines_that_are_not_there"):
        all_specs()
