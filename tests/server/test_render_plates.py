"""Plates of every kind: with gaps, stills, movies, several views; as sequences or one file."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import OpenEXR
import OpenImageIO as oiio
import pytest

from airoto.errors import FrameMismatchError, FrameMissingError, RecipeError
from airoto_server.app.sample import SamplePaths

from .conftest import RunningServer
from .rendering import (
    Message,
    alpha_of,
    channels,
    drawn,
    drawn_recipe,
    files_in,
    hero,
    render,
    write_image,
)

SIZE = (64, 32)
BOX = {"x_min": 8, "y_min": 8, "x_max": 24, "y_max": 24}
# The matte of a null run shows which frame it was made from: its foreground is the plate.
QUICK: Message = {
    "segment": {"engine": "null"},
    "track": {"engine": "null"},
    "matte": {"engine": "none"},
}


def recipe_of(path: Path, output: Path, first: int, last: int, **plate: object) -> Message:
    return {
        "version": 1,
        "plate": {
            "path": str(path),
            "frames": {"first": first, "last": last},
            "format": {"width": SIZE[0], "height": SIZE[1]},
            **plate,
        },
        "objects": hero({"frame": first, "box": BOX}),
        **QUICK,
        "output": {"path": str(output), "foreground": True},
    }


def grey(value: float) -> np.ndarray:
    return np.full((SIZE[1], SIZE[0], 3), value, np.float32)


def seen(path: Path) -> float:
    """The plate's colour inside the matte, from the foreground layer."""
    found = channels(path)
    return float(np.median(found["R"][found["A"] > 0.5]))


# ---- gaps ----------------------------------------------------------------------------


@pytest.fixture
def gaps(tmp_path: Path) -> Path:
    """Frames 1, 2, 4, 6 of 1 to 6, each of its own grey."""
    for frame in (1, 2, 4, 6):
        write_image(tmp_path / f"plate/p.{frame:04d}.exr", grey(frame / 10))
    return tmp_path / "plate/p.%04d.exr"


def test_missing_frames_are_refused_by_number_before_any_work(
    gaps: Path, server: RunningServer, tmp_path: Path
) -> None:
    for policy in ("MISSING_FRAMES_ERROR", "MISSING_FRAMES_UNSPECIFIED"):
        recipe = recipe_of(gaps, tmp_path / "out/a.####.exr", 1, 6, missing_frames=policy)
        with pytest.raises(FrameMissingError, match="missing frames 3,5") as caught:
            render(server.link, recipe)
        assert caught.value.frame == 3
    assert not (tmp_path / "out").exists()


def test_held_frames_have_mattes_of_the_nearest_earlier_frame(
    gaps: Path, server: RunningServer, tmp_path: Path
) -> None:
    recipe = recipe_of(
        gaps, tmp_path / "out/a.####.exr", 1, 6, missing_frames="MISSING_FRAMES_HOLD"
    )
    outcome = render(server.link, recipe)
    assert outcome.done == [1, 2, 3, 4, 5, 6]
    assert any("3,5" in words for words in outcome.warnings)
    colours = [seen(Path(one["path"])) for one in outcome.frames.values()]
    assert colours == pytest.approx([0.1, 0.2, 0.2, 0.4, 0.4, 0.6], abs=0.01)


def test_skipped_frames_have_no_matte_and_are_tracked_across(
    gaps: Path, server: RunningServer, tmp_path: Path
) -> None:
    recipe = recipe_of(
        gaps, tmp_path / "out/a.####.exr", 1, 6, missing_frames="MISSING_FRAMES_SKIP"
    )
    outcome = render(server.link, recipe)
    assert outcome.skipped == [3, 5]
    assert outcome.done == [1, 2, 4, 6]
    assert outcome.summary["skipped"] == 2
    assert any("3,5" in words for words in outcome.warnings)
    assert files_in(tmp_path / "out") == [f"a.{frame:04d}.exr" for frame in (1, 2, 4, 6)]
    assert alpha_of(tmp_path / "out/a.0006.exr").any()
    recipe["objects"] = hero({"frame": 3, "box": BOX})
    with pytest.raises(RecipeError, match="3, which is missing and skipped"):
        render(server.link, recipe)


# ---- stills and movies ---------------------------------------------------------------


def test_a_still_gives_one_matte_into_one_file(
    clip: SamplePaths, server: RunningServer, tmp_path: Path
) -> None:
    still = str(clip.acescg).replace("####", "1003")
    recipe = drawn_recipe(
        clip, tmp_path / "matte.exr", plate={"path": still, "frames": {"first": 1, "last": 1}}
    )
    recipe["objects"] = hero(drawn(str(clip.alphas[0]).replace("####", "1003"), 1))
    outcome = render(server.link, recipe)
    assert outcome.done == [1]
    assert files_in(tmp_path) == ["matte.exr"]
    truth = channels(Path(str(clip.alphas[0]).replace("####", "1003")))["A"]
    assert np.abs(alpha_of(tmp_path / "matte.exr") - truth).mean() < 0.01


@pytest.mark.parametrize("first", [1, 1001])
def test_a_movie_is_frame_accurate(server: RunningServer, tmp_path: Path, first: int) -> None:
    count = 9
    with av.open(str(tmp_path / "plate.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(24))
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.gop_size, stream.max_b_frames = 5, 2
        for index in range(count):
            codes = np.full((SIZE[1], SIZE[0], 3), 20 + 25 * index, np.uint8)
            frame = av.VideoFrame.from_ndarray(codes, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 24)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    plate = tmp_path / "plate.mp4"
    probe = server.link.call(
        "ProbePlate", {"plate": {"path": str(plate), "movie_first_frame": first}}
    )
    assert probe["is_movie"]
    assert probe["frame_rate"] == 24
    assert probe["plate"]["frames"] == {"first": first, "last": first + count - 1}
    recipe = recipe_of(
        plate, tmp_path / "out/a.####.exr", first, first + count - 1, movie_first_frame=first
    )
    # From the middle of the movie, both ways.
    recipe["objects"] = hero({"frame": first + 4, "box": BOX})
    outcome = render(server.link, recipe)
    colours = [seen(Path(one["path"])) for one in outcome.frames.values()]
    assert colours == pytest.approx([(20 + 25 * n) / 255 for n in range(count)], abs=0.02)
    recipe["plate"]["frames"]["last"] += 1
    with pytest.raises(FrameMissingError, match=f"missing frames {first + count}"):
        render(server.link, recipe)


# ---- views ---------------------------------------------------------------------------


@pytest.fixture
def stereo(tmp_path: Path) -> Path:
    """Two frames of two views: left is dark, right is bright."""
    folder = tmp_path / "stereo"
    folder.mkdir()
    for frame in (1, 2):
        layers = {name: grey(0.2)[..., 0].astype(np.float16) for name in "RGB"}
        layers |= {f"right.{name}": grey(0.6)[..., 0].astype(np.float16) for name in "RGB"}
        header = {"type": OpenEXR.scanlineimage, "multiView": ["left", "right"]}
        OpenEXR.File(header, layers).write(str(folder / f"p.{frame:04d}.exr"))
    return folder / "p.####.exr"


def test_a_plate_of_several_views_is_refused_unless_one_is_named(
    stereo: Path, server: RunningServer, tmp_path: Path
) -> None:
    probe = server.link.call("ProbePlate", {"plate": {"path": str(stereo), "view": "left"}})
    assert probe["views"] == ["left", "right"]
    with pytest.raises(FrameMismatchError, match=r"left.*right"):
        render(server.link, recipe_of(stereo, tmp_path / "none/a.####.exr", 1, 2))
    with pytest.raises(FrameMismatchError, match=r"centre.*left.*right"):
        render(server.link, recipe_of(stereo, tmp_path / "none/a.####.exr", 1, 2, view="centre"))
    assert not list(tmp_path.glob("none/*"))
    for view, value in (("left", 0.2), ("right", 0.6)):
        output = tmp_path / "out/a_%V.####.exr"
        outcome = render(server.link, recipe_of(stereo, output, 1, 2, view=view))
        for one in outcome.frames.values():
            assert f"a_{view}." in one["path"]
            assert seen(Path(one["path"])) == pytest.approx(value, abs=0.01)


# ---- geometry ------------------------------------------------------------------------


def test_mattes_have_the_windows_and_the_aspect_of_the_plate(
    clip: SamplePaths, server: RunningServer, tmp_path: Path
) -> None:
    probe = server.link.call("ProbePlate", {"plate": {"path": str(clip.overscan)}})
    window = probe["plate"]["format"]["data_window"]
    assert window["x_min"] < 0 < 192 < window["x_max"]
    plate = {
        "path": str(clip.overscan),
        "format": {"data_window": window, "pixel_aspect": 2.0},
    }
    recipe = drawn_recipe(clip, tmp_path / "a.####.exr", plate=plate, track={"engine": "null"})
    render(server.link, recipe, frames={"first": 1001, "last": 1001})
    image = oiio.ImageInput.open(str(tmp_path / "a.1001.exr"))
    spec = image.spec()
    image.close()
    assert (spec.x, spec.y) == (window["x_min"], window["y_min"])
    assert (spec.x + spec.width, spec.y + spec.height) == (window["x_max"], window["y_max"])
    assert (spec.full_width, spec.full_height) == (192, 108)
    assert spec.get_float_attribute("PixelAspectRatio") == 2.0
