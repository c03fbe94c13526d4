"""What a render delivers: formats, compressions, layers, by path or by handle, previews."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import av
import numpy as np
import OpenImageIO as oiio
import pytest

from airoto.errors import HandleUnknownError, OutputExistsError
from airoto.sequence import Pattern
from airoto_server.app.sample import SamplePaths

from .conftest import RunningServer, StartServer
from .rendering import (
    Outcome,
    alpha_of,
    channels,
    digests,
    drawn_recipe,
    files_in,
    render,
)

TWO = {"first": 1001, "last": 1002}
NULL = {"engine": "null"}


def header(path: Path) -> oiio.ImageSpec:
    image = oiio.ImageInput.open(str(path))
    assert image is not None
    try:
        return image.spec()
    finally:
        image.close()


@pytest.mark.parametrize("name", ["RLE", "ZIPS", "DWAA", "PIZ", "NONE"])
def test_every_compression_is_written_and_holds_the_same_alpha(
    clip: SamplePaths, server: RunningServer, tmp_path: Path, name: str
) -> None:
    output = {"compression": f"COMPRESSION_{name}"}
    recipe = drawn_recipe(clip, tmp_path / "a.####.exr", track=NULL, output=output)
    outcome = render(server.link, recipe, frames=TWO)
    path = Path(outcome.frames[1001]["path"])
    spec = header(path)
    assert spec.format == oiio.TypeHalf
    assert spec.get_string_attribute("compression").split(":")[0] == name.lower()
    truth = channels(Pattern.parse(str(clip.alphas[0])).path(1001, ""))["A"]
    np.testing.assert_allclose(alpha_of(path), truth, atol=2e-3)
    blob = json.loads(spec.get_string_attribute("airoto/provenance"))["airoto"]
    assert blob["recipe_hash"] == outcome.plan["recipe_hash"]
    assert [use["role"] for use in blob["engines"]] == ["segmenter", "tracker"]


@pytest.mark.parametrize("extension", ["png", "tif"])
def test_png_and_tiff_hold_the_union_in_16_bits(
    clip: SamplePaths, server: RunningServer, tmp_path: Path, extension: str
) -> None:
    recipe = drawn_recipe(clip, tmp_path / f"a.####.{extension}", track=NULL)
    outcome = render(server.link, recipe, frames=TWO)
    assert files_in(tmp_path) == [f"a.1001.{extension}", f"a.1002.{extension}"]
    path = Path(outcome.frames[1001]["path"])
    spec = header(path)
    assert (spec.format, spec.nchannels) == (oiio.TypeUInt16, 1)
    truth = channels(Pattern.parse(str(clip.alphas[0])).path(1001, ""))["A"]
    np.testing.assert_allclose(alpha_of(path), truth, atol=1e-4)
    assert render(server.link, recipe, frames=TWO).kept == [1001, 1002]


def test_layers_are_there_when_asked_for_and_only_then(
    clip: SamplePaths, server: RunningServer, tmp_path: Path
) -> None:
    matted = {"track": NULL, "matte": {"engine": "classic"}}
    plain = drawn_recipe(clip, tmp_path / "a.####.exr", **matted)
    asked = {"trimap": True, "foreground": True, "confidence": True}
    rich = drawn_recipe(clip, tmp_path / "b.####.exr", output=asked, **matted)
    for recipe in (plain, rich):
        render(server.link, recipe, frames=TWO)
    assert set(channels(tmp_path / "a.1002.exr")) == {"A", "matte_hero.A"}
    found = channels(tmp_path / "b.1002.exr")
    layers = {"matte_hero.A", "trimap_hero.A", "confidence_hero.A"}
    assert set(found) == {"R", "G", "B", "A"} | layers
    np.testing.assert_array_equal(found["A"], alpha_of(tmp_path / "a.1002.exr"))
    np.testing.assert_array_equal(found["A"], found["matte_hero.A"])
    assert set(np.unique(found["trimap_hero.A"])) == {0, 0.5, 1}
    assert (found["A"][found["trimap_hero.A"] == 1] == 1).all()
    assert (found["A"][found["trimap_hero.A"] == 0] == 0).all()
    assert np.ptp(found["confidence_hero.A"]) == 0
    # Where the object covers all of a pixel its colour is the plate's.
    plate = channels(Pattern.parse(str(clip.acescg)).path(1002, ""))
    inside = found["A"] == 1
    assert inside.any()
    for name in "RGB":
        np.testing.assert_allclose(found[name][inside], plate[name][inside], rtol=0.05, atol=0.02)


# ---- by handle -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def remote(start_server: StartServer, tmp_path_factory: pytest.TempPathFactory) -> RunningServer:
    """A server that sees nothing of ours."""
    return start_server("--threads", 1, "--root", tmp_path_factory.mktemp("elsewhere"))


@pytest.mark.parametrize("extension", ["exr", "png"])
def test_uploaded_frames_and_fetched_mattes_have_the_bytes_of_those_written_in_place(
    clip: SamplePaths,
    server: RunningServer,
    remote: RunningServer,
    tmp_path: Path,
    extension: str,
) -> None:
    recipe = drawn_recipe(clip, tmp_path / f"a.####.{extension}")
    mask = Path(recipe["objects"][0]["prompts"][0]["mask"]["path"])
    # The drawn mask goes inside the recipe; what it is made from is part of the recipe.
    recipe["objects"][0]["prompts"][0]["mask"] = {"image": inline(mask)}
    frames = {"first": clip.first, "last": clip.first + 3}
    render(server.link, recipe, frames=frames, delivery="DELIVERY_WRITE")
    wanted = digests(tmp_path)
    assert len(wanted) == 4
    plate = Pattern.parse(str(clip.acescg))
    uploads = [
        {"frame": frame, "handle": remote.link.upload_file(plate.path(frame, ""))["handle"]}
        for frame in range(clip.first, clip.last + 1)
    ]
    outcome = render(
        remote.link, recipe, frames=frames, uploads=uploads, delivery="DELIVERY_HANDLES"
    )
    fetched = fetch(remote, outcome, tmp_path / "fetched", extension)
    assert fetched == wanted
    assert remote.jobs() == []
    handle = outcome.frames[clip.first]["handle"]
    with pytest.raises(HandleUnknownError):
        remote.link.download(handle, tmp_path / "again")


def inline(path: Path) -> str:
    """A file's bytes as JSON has them."""
    return base64.b64encode(path.read_bytes()).decode()


def fetch(server: RunningServer, outcome: Outcome, folder: Path, extension: str) -> dict[str, str]:
    folder.mkdir()
    for frame, one in outcome.frames.items():
        assert not one.get("path")
        server.link.download(one["handle"], folder / f"a.{frame:04d}.{extension}")
    return digests(folder)


# ---- running again -------------------------------------------------------------------


def test_another_recipe_or_another_plate_makes_frames_again(
    clip: SamplePaths, server: RunningServer, tmp_path: Path
) -> None:
    folder = tmp_path / "plate"
    folder.mkdir()
    for path in clip.acescg.parent.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    plate = {"path": str(folder / "plate.####.exr")}
    recipe = drawn_recipe(clip, tmp_path / "out/a.####.exr", track=NULL, plate=plate)
    assert len(render(server.link, recipe).done) == 8
    assert len(render(server.link, recipe).kept) == 8
    # A frame of the plate changes: its own matte and all that were tracked over it are out of date.
    (folder / "plate.1003.exr").write_bytes((folder / "plate.1004.exr").read_bytes())
    assert render(server.link, recipe).done == [1003, 1004, 1005, 1006, 1007, 1008]
    # A matte is lost.
    (tmp_path / "out/a.1006.exr").unlink()
    assert render(server.link, recipe).done == [1006]
    changed = {**recipe, "matte": {"engine": "none", "feather": 1.0}}
    assert len(render(server.link, changed, frames=TWO).done) == 2
    assert render(server.link, recipe).done == [1001, 1002]
    refusing = {**recipe, "output": {**recipe["output"], "overwrite": "OVERWRITE_REFUSE"}}
    with pytest.raises(OutputExistsError, match="1001-1008 are there already"):
        render(server.link, refusing)


def test_a_part_of_the_frames_is_the_same_as_in_the_whole(
    clip: SamplePaths, server: RunningServer, tmp_path: Path
) -> None:
    keys = (clip.first, clip.last)
    recipe = drawn_recipe(clip, tmp_path / "a.####.exr", keys=keys)
    render(server.link, recipe)
    whole = digests(tmp_path)
    for path in tmp_path.iterdir():
        path.unlink()
    outcome = render(server.link, recipe, frames={"first": 1004, "last": 1006})
    assert outcome.done == [1004, 1005, 1006]
    assert digests(tmp_path) == {f"a.{n}.exr": whole[f"a.{n}.exr"] for n in outcome.done}


# ---- previews ------------------------------------------------------------------------


def test_a_preview_is_a_sheet_and_a_movie_of_every_frame(
    clip: SamplePaths, server: RunningServer, tmp_path: Path
) -> None:
    recipe = drawn_recipe(clip, tmp_path / "a.####.exr", track=NULL)
    outcome = render(server.link, recipe, preview=True)
    assert set(outcome.previews) == {"contact_sheet", "overlay"}
    for kind, one in outcome.previews.items():
        server.link.download(one["handle"], tmp_path / kind)
    with av.open(str(tmp_path / "overlay")) as movie:
        assert sum(1 for _ in movie.decode(video=0)) == 8
    assert channels_of_png(tmp_path / "contact_sheet") == 3
    # Also of frames that were kept.
    again = render(server.link, recipe, preview=True)
    assert len(again.kept) == 8
    assert set(again.previews) == set(outcome.previews)


def channels_of_png(path: Path) -> int:
    named = path.with_suffix(".png")
    path.rename(named)
    return int(header(named).nchannels)
