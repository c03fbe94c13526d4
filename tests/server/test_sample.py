"""The sample clip: exact, whole, the same every time, and left alone when it is there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from airoto.errors import BadRequestError, OutputError
from airoto.wire import recipe as recipes
from airoto_server.app.sample import SamplePaths, frame, make_sample
from airoto_server.ops.colour import Colour, ColourSettings
from airoto_server.ops.geometry import Window
from airoto_server.ops.imagefile import probe, read_frame, read_mask

SMALL = {"frames": 4, "width": 192, "height": 108}


def at(pattern: Path, number: int) -> Path:
    return Path(str(pattern).replace("####", f"{number:04d}"))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> SamplePaths:
    return make_sample(tmp_path_factory.mktemp("sample"), objects=2, **SMALL)


# ---- what is rendered ----------------------------------------------------------------


@pytest.fixture(scope="module")
def layers() -> frame.Layers:
    return frame.render(frame.build(192, 108, 6, 4, 2, 0), 9)


def test_the_plate_is_foreground_over_background_by_the_alphas(layers: frame.Layers) -> None:
    hero, ball = (alpha[..., None].astype(np.float64) for alpha in layers.alphas)
    comp = layers.foreground + (1 - hero - ball) * layers.background.astype(np.float64)
    assert np.abs(comp - layers.plate()).max() < 1e-5


def test_alpha_is_whole_where_the_object_is_solid_and_zero_outside(layers: frame.Layers) -> None:
    hero = layers.alphas[0]
    assert hero.min() == 0
    assert hero.max() == 1
    assert (hero == 1).mean() > 0.03
    assert (hero == 0).mean() > 0.6
    solid = cv2.erode((hero > 0.02).astype(np.uint8), np.ones((25, 25))) > 0
    assert solid.sum() > 100
    assert (hero[solid] == 1).all()


def test_there_is_no_foreground_without_alpha(layers: frame.Layers) -> None:
    nothing = np.sum(layers.alphas, axis=0) == 0
    assert np.abs(layers.foreground[nothing]).max() == 0


def test_objects_never_cover_more_than_everything(layers: frame.Layers) -> None:
    assert np.sum(layers.alphas, axis=0).max() <= 1 + 1e-6


def test_strands_and_motion_blur_make_many_partial_alphas(layers: frame.Layers) -> None:
    hero = layers.alphas[0]
    partial = (hero > 0) & (hero < 1)
    assert partial.sum() > 0.25 * (hero == 1).sum()
    assert len(np.unique(hero[partial])) > 30


def test_one_sees_through_between_the_strands() -> None:
    """Background that the hero's silhouette encloses: between plumes, between legs."""
    hero = frame.render(frame.build(480, 270, 8, 6, 1, 0), 0).alphas[0]
    clear = (hero < 0.5).astype(np.uint8)
    pieces, _, stats, _ = cv2.connectedComponentsWithStats(clear, connectivity=4)
    enclosed = [stats[i, cv2.CC_STAT_AREA] for i in range(1, pieces)]
    enclosed.remove(max(enclosed))
    assert sum(area >= 4 for area in enclosed) >= 1


def test_the_hero_moves_and_the_background_pans(clip: SamplePaths) -> None:
    def centre(number: int) -> np.ndarray:
        mask = read_mask(at(clip.alphas[0], number)).mask
        rows, columns = np.mgrid[: mask.shape[0], : mask.shape[1]]
        return np.array([(columns * mask).sum(), (rows * mask).sum()]) / mask.sum()

    assert np.linalg.norm(centre(1004) - centre(1001)) > 0.5
    first, last = (
        cv2.imread(str(at(clip.srgb, n)), cv2.IMREAD_GRAYSCALE)[20:60, 120:].astype(np.float32)
        for n in (1001, 1004)
    )
    (shift, _), response = cv2.phaseCorrelate(
        first, last, cv2.createHanningWindow((72, 40), cv2.CV_32F)
    )
    assert shift < -0.2
    assert response > 0.1


@pytest.mark.parametrize("index", [0, 8, 11, 20, 30, 35, 45, 150])
def test_nothing_leaves_the_frame(index: int) -> None:
    world = _world()
    for alpha in frame.render(world, index).alphas:
        inside = alpha[4:-4, 6:-6]
        for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1]):
            assert edge.max() == 0


_worlds: list[frame.World] = []


def _world() -> frame.World:
    if not _worlds:
        _worlds.append(frame.build(192, 108, 6, 4, 2, 0))
    return _worlds[0]


# ---- files -----------------------------------------------------------------------------


def test_every_frame_has_every_representation(clip: SamplePaths) -> None:
    patterns = (clip.acescg, clip.srgb, clip.half, clip.overscan, *clip.alphas)
    assert len(clip.alphas) == 2
    for number in range(1001, 1005):
        for pattern in patterns:
            assert at(pattern, number).is_file()
    assert clip.rendered == 4
    assert (clip.first, clip.last) == (1001, 1004)
    assert "CC0" in clip.readme.read_text()
    assert not [p for p in clip.folder.rglob("*") if ".tmp" in p.name]


def test_files_are_half_float_and_have_the_windows_they_should(clip: SamplePaths) -> None:
    plate = probe(at(clip.acescg, 1001))
    assert (plate.display, plate.data_window) == ((192, 108), Window(0, 0, 192, 108))
    assert plate.bit_type == "half"
    half = probe(at(clip.half, 1001))
    assert (half.display, half.data_window) == ((96, 54), Window(0, 0, 96, 54))
    over = probe(at(clip.overscan, 1001))
    assert over.display == (192, 108)
    assert over.data_window == Window(-6, -4, 198, 112)
    assert probe(at(clip.alphas[0], 1001)).channels == ("A",)


def test_overscan_is_the_same_picture_with_real_pixels_around(clip: SamplePaths) -> None:
    plate = read_frame(at(clip.acescg, 1002)).pixels
    over = read_frame(at(clip.overscan, 1002)).pixels
    assert np.array_equal(over[4:-4, 6:-6], plate)
    for border in (over[:4], over[-4:], over[:, :6], over[:, -6:]):
        assert border.astype(np.float32).std() > 1e-3
        assert border.max() > 0.01


def test_the_proxy_is_the_plate_averaged(clip: SamplePaths) -> None:
    plate = read_frame(at(clip.acescg, 1002)).pixels.astype(np.float32)
    proxy = read_frame(at(clip.half, 1002)).pixels.astype(np.float32)
    mean = plate.reshape(54, 2, 96, 2, 3).mean((1, 3))
    assert np.abs(proxy - mean).max() < 2e-3 * max(1.0, float(mean.max()))


def test_the_jpeg_is_the_exr_through_the_named_view(clip: SamplePaths) -> None:
    plate = read_frame(at(clip.acescg, 1003)).pixels
    named = ColourSettings(
        space="ACEScg", display="sRGB - Display", view="ACES 2.0 - SDR 100 nits (Rec.709)"
    )
    shown = Colour(named).to_display(plate)
    jpeg = read_frame(at(clip.srgb, 1003)).pixels
    assert np.abs(jpeg - shown).mean() < 0.01
    assert np.abs(jpeg - shown).max() < 0.12


def test_written_alpha_and_plate_belong_together(clip: SamplePaths) -> None:
    """Far outside the objects the plate is the background; inside, there is none of it."""
    layers = frame.render(_world(), 2)
    alpha = read_mask(at(clip.alphas[0], 1003)).mask
    assert np.abs(alpha - layers.alphas[0][4:-4, 6:-6]).max() < 1e-3
    plate = read_frame(at(clip.acescg, 1003)).pixels.astype(np.float32)
    assert np.abs(plate - layers.plate()[4:-4, 6:-6]).max() < 5e-3 * float(plate.max())


def test_the_recipe_is_valid_and_clicks_on_the_objects(clip: SamplePaths) -> None:
    recipe = recipes.read(clip.recipe)
    assert recipes.check(recipe) == []
    assert [o.name for o in recipe.objects] == ["hero", "ball"]
    assert recipe.plate.path == "plate_acescg/plate.####.exr"
    assert (recipe.plate.frames.first, recipe.plate.frames.last) == (1001, 1004)
    assert recipe.plate.colour.space == "ACEScg"
    assert recipe.output.path == "mattes/hero.####.exr"
    for item, pattern in zip(recipe.objects, clip.alphas, strict=True):
        (prompt,) = item.prompts
        alpha = read_mask(at(pattern, prompt.frame)).mask
        for point in prompt.points:
            assert alpha[int(point.y), int(point.x)] > 0.7


# ---- again and again ---------------------------------------------------------------------


def test_the_same_parameters_give_the_same_bits(tmp_path: Path) -> None:
    kinds = {"frames": 2, "width": 160, "height": 90}
    make_sample(tmp_path / "a", threads=1, **kinds)
    make_sample(tmp_path / "b", threads=4, **kinds)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    make_sample(tmp_path / "c", seed=1, **kinds)
    assert contents(tmp_path / "a") != contents(tmp_path / "c")


def test_a_finished_clip_is_left_alone_and_a_lost_frame_is_made_again(tmp_path: Path) -> None:
    kinds = {"frames": 3, "width": 128, "height": 72}
    first = make_sample(tmp_path, **kinds)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}
    data = contents(tmp_path)
    assert make_sample(tmp_path, **kinds).rendered == 0
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()} == before

    at(first.alphas[0], 1002).unlink()
    at(first.srgb, 1003).write_bytes(b"short")
    assert make_sample(tmp_path, **kinds).rendered == 2
    assert contents(tmp_path) == data


def test_a_shorter_clip_removes_the_frames_beyond_it_and_nothing_else(tmp_path: Path) -> None:
    kinds = {"width": 128, "height": 72}
    make_sample(tmp_path, frames=3, objects=1, **kinds)
    mine = tmp_path / "plate_acescg" / "mine.1003.exr"
    mine.write_bytes(b"mine")
    clip = make_sample(tmp_path, frames=2, **kinds)
    assert clip.rendered == 0
    assert sorted(p.name for p in mine.parent.iterdir()) == [
        "mine.1003.exr",
        "plate.1001.exr",
        "plate.1002.exr",
    ]
    assert recipes.read(clip.recipe).plate.frames.last == 1002
    assert make_sample(tmp_path, frames=3, **kinds).rendered == 1


def test_other_parameters_make_all_of_it_again(tmp_path: Path) -> None:
    make_sample(tmp_path, frames=2, width=128, height=72, first=1)
    clip = make_sample(tmp_path, frames=2, width=160, height=90, first=11)
    assert clip.rendered == 2
    assert sorted(p.name for p in (tmp_path / "alpha").iterdir()) == [
        "alpha.0011.exr",
        "alpha.0012.exr",
    ]
    assert probe(at(clip.acescg, 12)).display == (160, 90)


@pytest.mark.parametrize("marker", ["", "{", "[]", '{"parameters": {}, "sizes": 3}', "null"])
def test_a_marker_that_is_none_makes_all_of_it_again(tmp_path: Path, marker: str) -> None:
    (tmp_path / ".airoto-sample.json").write_text(marker)
    assert make_sample(tmp_path, frames=1, width=128, height=72).rendered == 1


def test_a_marker_cannot_have_other_files_removed(tmp_path: Path) -> None:
    folder = tmp_path / "sample"
    make_sample(folder, frames=1, width=128, height=72)
    precious = tmp_path / "precious.1001.exr"
    precious.write_bytes(b"precious")
    marker = folder / ".airoto-sample.json"
    told = json.loads(marker.read_text())
    told["parameters"]["seed"] = 5
    told["sizes"]["../precious.1001.exr"] = 8
    marker.write_text(json.dumps(told))
    make_sample(folder, frames=1, width=128, height=72)
    assert precious.read_bytes() == b"precious"


def test_progress_counts_up_to_all_frames(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    kinds = {"frames": 3, "width": 128, "height": 72}
    make_sample(tmp_path, on_progress=lambda done, total: told.append((done, total)), **kinds)
    assert told == [(1, 3), (2, 3), (3, 3)]
    make_sample(tmp_path, on_progress=lambda done, total: told.append((done, total)), **kinds)
    assert told[3:] == [(3, 3)]


# ---- refusals -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"frames": 0}, "frames is 0"),
        ({"width": 191}, "191x108.*even"),
        ({"width": 64, "height": 36}, "96x54"),
        ({"width": 108, "height": 192}, "1.33 to 3 times"),
        ({"width": 150, "height": 108, "objects": 2}, "1.60 to 3 times"),
        ({"objects": 3}, "objects is 3"),
        ({"first": -1}, "first frame is -1"),
    ],
)
def test_parameters_out_of_range_are_refused_by_name(
    tmp_path: Path, wrong: dict[str, int], said: str
) -> None:
    with pytest.raises(BadRequestError, match=said):
        make_sample(tmp_path / "x", **(SMALL | wrong))
    assert not (tmp_path / "x").exists()


def test_a_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("in the way")
    with pytest.raises(OutputError, match=str(path)):
        make_sample(path, frames=1, width=128, height=72)
    assert path.read_text() == "in the way"


_FULL_DISK = """
import resource, signal, sys
from airoto.errors import OutputError
from airoto_server.app.sample import make_sample

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))
try:
    make_sample(sys.argv[1], frames=1, width=128, height=72)
except OutputError as error:
    print(error.message)
"""


def test_a_full_disk_is_told_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", _FULL_DISK, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "plate.1001.exr cannot be written: " in run.stdout
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []
