"""Colour: configs, spaces and views; the same picture from linear light and from its JPEG."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import PyOpenColorIO as ocio
import pytest

from airoto.errors import ColourError
from airoto_server.ops.colour import (
    Colour,
    ColourSettings,
    default_view_for,
    encode_display,
    spaces,
)

ACESCG = ColourSettings("ACEScg")

# A show's config with its own LUT, found relative to the config.
SHOW = """ocio_profile_version: 2
search_path: luts
roles: {default: raw, scene_linear: lin_show}
file_rules: [!<Rule> {name: Default, colorspace: raw}]
displays:
  sRGB monitor:
    - !<View> {name: Film, colorspace: film}
    - !<View> {name: Lost, colorspace: lost}
colorspaces:
  - !<ColorSpace> {name: raw, isdata: true}
  - !<ColorSpace> {name: lin_show, aliases: [plate]}
  - !<ColorSpace>
    name: film
    from_scene_reference: !<FileTransform> {src: film.cube, interpolation: linear}
  - !<ColorSpace>
    name: lost
    from_scene_reference: !<FileTransform> {src: lost.cube, interpolation: linear}
"""


def scene(width: int = 160, height: int = 90) -> np.ndarray:
    """Scene-linear colours like a plate's: gradients, texture, highlights up to 30."""
    rng = np.random.default_rng(11)
    coarse = rng.normal(-2.5, 1.2, (6, 10, 1)) + rng.normal(0, 0.6, (6, 10, 3))
    coarse = coarse.astype(np.float32)
    stops = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    stops += rng.normal(0, 0.15, (height, width, 1)).astype(np.float32)
    stops[20:26, 30:40] = 5.0
    return np.exp2(stops).astype(np.float32)


@pytest.fixture
def show(tmp_path: Path) -> Path:
    (tmp_path / "luts").mkdir()
    (tmp_path / "luts" / "film.cube").write_text(
        "LUT_1D_SIZE 2\n0.0 0.0 0.0\n0.5 0.5 0.5\n", encoding="ascii"
    )
    config = tmp_path / "config.ocio"
    config.write_text(SHOW, encoding="utf-8")
    return config


def exact(space: str, rgb: np.ndarray) -> np.ndarray:
    """OpenColorIO's own answer, nothing baked."""
    config = ocio.Config.CreateFromFile("ocio://studio-config-latest")
    display, view = default_view_for()
    transform = ocio.DisplayViewTransform(src=space, display=display, view=view)
    out = rgb.astype(np.float32).copy()
    processor = config.getProcessor(transform)
    processor.getOptimizedCPUProcessor(ocio.OPTIMIZATION_LOSSLESS).applyRGB(out)
    return np.clip(out, 0, 1)


def test_the_default_view_is_srgb_through_aces() -> None:
    display, view = default_view_for()
    assert "sRGB" in display
    assert "ACES" in view
    assert "SDR" in view


@pytest.mark.parametrize("space", ["ACEScg", "ACES2065-1", "Linear Rec.709 (sRGB)", "ARRI LogC4"])
def test_the_baked_view_agrees_with_the_exact_one(space: str) -> None:
    rgb = Colour(ColourSettings(space)).from_linear(scene())
    error = np.abs(Colour(ColourSettings(space)).to_display(rgb) - exact(space, rgb)) * 255
    assert error.mean() < 0.2
    assert np.quantile(error, 0.999) < 2


def test_greys_stay_grey_and_rise_with_light() -> None:
    grey = np.repeat(np.exp2(np.linspace(-10, 7.9, 400, dtype=np.float32))[None, :, None], 3, 2)
    shown = Colour(ACESCG).to_display(grey)[0]
    assert np.ptp(shown, axis=1).max() < 1 / 255
    assert (np.diff(shown[:, 1]) >= -1e-6).all()
    assert np.abs(shown - exact("ACEScg", grey)[0]).max() < 0.5 / 255


def test_an_aces_1_config_is_baked_closely_too() -> None:
    name = "ocio://cg-config-v1.0.0_aces-v1.3_ocio-v2.1"
    config = ocio.Config.CreateFromFile(name)
    display, view = default_view_for(name)
    rgb = scene()
    shown = rgb.copy()
    transform = ocio.DisplayViewTransform(src="ACEScg", display=display, view=view)
    config.getProcessor(transform).getDefaultCPUProcessor().applyRGB(shown)
    error = np.abs(Colour(ColourSettings("ACEScg", name)).to_display(rgb) - np.clip(shown, 0, 1))
    assert error.mean() * 255 < 0.5


def test_a_linear_plate_and_its_jpeg_give_the_same_picture() -> None:
    plate = scene().astype(np.float16)
    coded = np.rint(encode_display(plate, ACESCG) * 255).astype(np.uint8)
    _, jpeg = cv2.imencode(".jpg", coded[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
    decoded = np.ascontiguousarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR)[..., ::-1])
    from_jpeg = Colour(ColourSettings("display")).to_display(decoded.astype(np.float32) / 255)
    from_exr = Colour(ACESCG).to_display(plate)
    assert np.abs(from_jpeg - from_exr).mean() * 255 < 2


def test_every_space_of_the_config_can_be_a_plate() -> None:
    extremes = np.array(
        [[[np.nan, np.inf, -np.inf], [1e30, -1e30, 0.0], [np.inf] * 3, [0.2, -0.3, 0.4]]],
        np.float32,
    )
    for space in spaces():
        colour = Colour(ColourSettings(space))
        shown = colour.to_display(extremes)
        assert np.isfinite(shown).all(), space
        assert shown.min() >= 0, space
        assert shown.max() <= 1, space
        assert (shown[0, 2] > 0.9).all(), f"infinitely bright {space} is not white"
        assert np.isfinite(colour.to_linear(extremes)).all(), space


@pytest.mark.parametrize("space", ["ARRI LogC3 (EI800)", "S-Log3 S-Gamut3.Cine", "V-Log V-Gamut"])
def test_camera_log_and_acescg_of_one_scene_look_the_same(space: str) -> None:
    log = Colour(ColourSettings(space)).from_linear(scene())
    difference = Colour(ColourSettings(space)).to_display(log) - Colour(ACESCG).to_display(scene())
    assert np.abs(difference).mean() * 255 < 0.2


@pytest.mark.parametrize(
    "space", ["ACEScg", "ARRI LogC4", "sRGB Encoded Rec.709 (sRGB)", "display"]
)
def test_from_linear_undoes_to_linear(space: str) -> None:
    colour = Colour(ColourSettings(space))
    rgb = np.random.default_rng(2).random((20, 30, 3)).astype(np.float32)
    assert np.abs(colour.from_linear(colour.to_linear(rgb)) - rgb).max() < 1e-3


def test_names_aliases_and_roles_mean_the_same_whatever_their_case() -> None:
    rgb = scene(16, 9)
    shown = [
        Colour(ColourSettings(name)).to_display(rgb)
        for name in ("ACEScg", "acescg", "lin_ap1", "scene_linear")
    ]
    for other in shown[1:]:
        assert np.array_equal(other, shown[0])


def test_a_display_plate_passes_unchanged_without_a_config() -> None:
    rgb = np.random.default_rng(1).random((9, 16, 3)).astype(np.float32)
    colour = Colour(ColourSettings("display", config="/does/not/exist.ocio"))
    assert np.array_equal(colour.to_display(rgb), rgb)
    assert colour.config_hash == ""
    assert colour.to_display(np.full((1, 1, 3), 1.7, np.float32)).max() == 1


def test_exposure_is_in_stops_of_light() -> None:
    rgb = scene()
    for space in ("ACEScg", "ARRI LogC4"):
        plate = Colour(ColourSettings(space)).from_linear(rgb)
        brighter = Colour(ColourSettings(space, exposure=1.5)).to_display(plate)
        expected = Colour(ACESCG).to_display(rgb * np.float32(2**1.5))
        assert np.abs(brighter - expected).max() * 255 < 1
    grey = np.full((1, 1, 3), 0.5, np.float32)
    display = Colour(ColourSettings("display", exposure=1.0))
    linear = Colour(ColourSettings("display")).to_linear(grey)
    assert np.allclose(display.to_display(grey), display.from_linear(linear * 2), atol=1e-5)


def test_half_and_single_floats_look_the_same() -> None:
    """Of halves the part of the chain that takes channels alone is a table."""
    every = np.random.default_rng(5).integers(0, 1 << 16, (64, 96, 3), np.uint16)
    anything = every.view(np.float16)  # NaN and infinity among it
    numbers = np.where(np.isfinite(anything), anything, np.float16(0.18))
    for space in ("ACEScg", "ACES2065-1", "ARRI LogC4", "sRGB Encoded Rec.709 (sRGB)"):
        colour = Colour(ColourSettings(space))
        for rgb in (scene().astype(np.float16), numbers, anything):
            difference = colour.to_display(rgb) - colour.to_display(rgb.astype(np.float32))
            assert np.abs(difference).max() < 5e-4
            assert np.abs(difference).mean() < 5e-6


def test_threads_do_not_change_a_pixel_and_the_input_stays() -> None:
    rgb = scene(200, 333)
    before = rgb.copy()
    one = Colour(ACESCG).to_display(rgb, threads=1)
    assert np.array_equal(one, Colour(ACESCG).to_display(rgb, threads=4))
    assert np.array_equal(rgb, before)


@pytest.mark.parametrize("space", ["ACEScg", "ARRI LogC4", "display"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_a_part_converts_to_the_bits_of_the_whole(space: str, dtype: type) -> None:
    """Matters are given parts of a picture where there is one, and convert where there is none."""
    rgb = (scene(301, 333) - 0.05).astype(dtype)
    colour = Colour(ColourSettings(space))
    whole = colour.to_display(rgb)
    for top, left, high, wide in (
        (0, 0, 1, 1),
        (3, 5, 131, 7),
        (150, 1, 151, 332),
        (9, 90, 2, 243),
    ):
        part = (slice(top, top + high), slice(left, left + wide))
        assert np.array_equal(colour.to_display(rgb[part]), whole[part])


def test_pixels_that_are_not_rgb_are_refused() -> None:
    with pytest.raises(ValueError, match="expected"):
        Colour(ACESCG).to_display(np.zeros((4, 4, 4), np.float32))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (ColourSettings("logc4"), ["'logc4'", "ARRI LogC4"]),
        (ColourSettings("ACESgc"), ["'ACESgc'", "nearest", "ACEScg"]),
        (ColourSettings(""), ["empty"]),
        (ColourSettings("ACEScg", display="Cinema"), ["'Cinema'", "sRGB - Display"]),
        (ColourSettings("ACEScg", view="Filmic"), ["'Filmic'", "Un-tone-mapped"]),
        (ColourSettings("ACEScg", config="ocio://nope"), ["ocio://nope", "studio-config"]),
        (ColourSettings("ACEScg", config="/no/such.ocio"), ["/no/such.ocio", "No such file"]),
        (ColourSettings("ACEScg", config_hash="sha256:00"), ["has changed", "sha256:00"]),
    ],
)
def test_what_cannot_be_used_is_named(settings: ColourSettings, words: list[str]) -> None:
    with pytest.raises(ColourError) as caught:
        Colour(settings)
    for word in words:
        assert word in caught.value.message


def test_a_broken_config_is_refused_with_its_path(tmp_path: Path) -> None:
    config = tmp_path / "broken.ocio"
    config.write_text("hello: [", encoding="utf-8")
    with pytest.raises(ColourError, match=r"not a usable OCIO config") as caught:
        Colour(ColourSettings("ACEScg", str(config)))
    assert caught.value.path == str(config)


def test_a_folder_is_no_config(tmp_path: Path) -> None:
    with pytest.raises(ColourError, match="cannot be read"):
        Colour(ColourSettings("ACEScg", str(tmp_path)))


def test_a_shows_own_config_finds_its_luts_beside_it(show: Path) -> None:
    colour = Colour(ColourSettings("plate", str(show)))
    assert np.allclose(colour.to_display(np.full((1, 1, 3), 0.8, np.float32)), 0.4, atol=1e-3)
    assert spaces(str(show)) == ["raw", "lin_show", "film", "lost"]
    assert default_view_for(str(show)) == ("sRGB monitor", "Film")


def test_a_lost_lut_is_named_before_any_frame(show: Path) -> None:
    with pytest.raises(ColourError, match=r"lost\.cube"):
        Colour(ColourSettings("lin_show", str(show), view="Lost"))


def test_a_config_without_srgb_display_asks_for_one(show: Path) -> None:
    show.write_text(SHOW.replace("sRGB monitor", "Projector"), encoding="utf-8")
    with pytest.raises(ColourError, match="no sRGB display; it has Projector"):
        Colour(ColourSettings("lin_show", str(show)))
    Colour(ColourSettings("lin_show", str(show), display="projector"))


def test_a_changed_lut_changes_the_hash_and_the_picture(show: Path) -> None:
    settings = ColourSettings("lin_show", str(show))
    grey = np.full((1, 1, 3), 0.8, np.float32)
    before = Colour(settings)
    lut = show.parent / "luts" / "film.cube"
    lut.write_text("LUT_1D_SIZE 2\n0.0 0.0 0.0\n0.25 0.25 0.25\n", encoding="ascii")
    after = Colour(settings)
    assert before.config_hash != after.config_hash
    assert np.allclose(after.to_display(grey), 0.2, atol=1e-3)
    with pytest.raises(ColourError, match="has changed"):
        Colour(ColourSettings("lin_show", str(show), before.config_hash))


def test_a_moved_config_keeps_its_hash(show: Path, tmp_path: Path) -> None:
    here = Colour(ColourSettings("lin_show", str(show))).config_hash
    (tmp_path / "elsewhere" / "luts").mkdir(parents=True)
    moved = tmp_path / "elsewhere" / "config.ocio"
    moved.write_bytes(show.read_bytes())
    (moved.parent / "luts" / "film.cube").write_bytes(
        (show.parent / "luts" / "film.cube").read_bytes()
    )
    assert Colour(ColourSettings("lin_show", str(moved))).config_hash == here


def test_hashes_agree_between_processes_and_ocio_is_not_consulted(show: Path) -> None:
    code = (
        "from airoto_server.ops.colour import Colour, ColourSettings as S\n"
        f"print(Colour(S('ACEScg')).config_hash, Colour(S('plate', {str(show)!r})).config_hash)"
    )
    other = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "OCIO": str(show)},
    ).stdout.split()
    assert other[0] == Colour(ACESCG).config_hash
    assert other[1] == Colour(ColourSettings("plate", str(show))).config_hash
    assert all(value.startswith("sha256:") for value in other)


def test_the_description_names_space_view_and_config() -> None:
    words = Colour(ColourSettings("lin_ap1", exposure=-0.5)).describe()
    for word in ("ACEScg", "sRGB - Display", "ACES 2.0", "-0.5", "studio-config", ocio.__version__):
        assert word in words
    assert "display-referred sRGB" in Colour(ColourSettings("display")).describe()
