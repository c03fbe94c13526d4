"""Writing matte files and reading them back."""

from __future__ import annotations

import resource
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest
from PIL import Image

from airoto.errors import AIRotoError, FrameUnreadableError, OutOfSpaceError, OutputError
from airoto_server.ops.geometry import Window
from airoto_server.ops.imagefile import read_frame, read_mask
from airoto_server.ops.matte_file import (
    Compression,
    Matte,
    ObjectMatte,
    inspect,
    read_matte,
    read_provenance,
    write_matte,
)

PROVENANCE = {"recipe_hash": "ab" * 32, "engines": [{"name": "classic", "version": "1"}]}
SIZE = (40, 30)


def plane(seed: int, size: tuple[int, int] = SIZE) -> Any:
    """Noise with runs of exact 0 and 1."""
    alpha = np.random.default_rng(seed).random((size[1], size[0]))
    alpha[:3], alpha[3:6] = 0, 1
    return alpha.astype(np.float32)


def matte(**changes: Any) -> Matte:
    fields: dict[str, Any] = {
        "union": plane(0),
        "objects": (ObjectMatte("hero", plane(1)), ObjectMatte("Bike_2", plane(2))),
        "window": Window.sized(*SIZE),
        "display": SIZE,
        "provenance": PROVENANCE,
    }
    return Matte(**{**fields, **changes})


def layers(path: Path) -> dict[str, Any]:
    part = OpenEXR.File(str(path), separate_channels=True).parts[0]
    return {name: channel.pixels for name, channel in part.channels.items()}


# ---- what is in the file -----------------------------------------------------------


@pytest.mark.parametrize("compression", Compression)
def test_each_object_has_a_layer_and_the_union_is_the_alpha(
    tmp_path: Path, compression: Compression
) -> None:
    path = tmp_path / "hero.1001.exr"
    made = matte()
    write_matte(path, made, compression=compression)
    found = layers(path)
    assert set(found) == {"A", "matte_hero.A", "matte_Bike_2.A"}
    for name, alpha in {
        "A": made.union,
        "matte_hero.A": made.objects[0].alpha,
        "matte_Bike_2.A": made.objects[1].alpha,
    }.items():
        assert found[name].dtype == np.float16
        np.testing.assert_array_equal(found[name], alpha.astype(np.float16))
        assert (found[name][:3] == 0).all()
        assert (found[name][3:6] == 1).all()
    header = OpenEXR.File(str(path)).header()
    assert (
        header["compression"]
        .name.lower()
        .startswith("no" if compression is Compression.NONE else compression.value)
    )


def test_extra_layers_are_written_where_given(tmp_path: Path) -> None:
    path = tmp_path / "a.exr"
    trimap = np.where(plane(3) > 0.5, 0.5, 0).astype(np.float32)
    hero = ObjectMatte("hero", plane(1), trimap=trimap, confidence=0.75)
    foreground = np.random.default_rng(4).random((SIZE[1], SIZE[0], 3)).astype(np.float32) * 1e6
    write_matte(path, matte(objects=(hero,), foreground=foreground))
    found = layers(path)
    assert set(found) == {*"RGBA", "matte_hero.A", "trimap_hero.A", "confidence_hero.A"}
    np.testing.assert_array_equal(found["trimap_hero.A"], trimap)
    assert (found["confidence_hero.A"] == 0.75).all()
    expected = np.minimum(foreground, 65504).astype(np.float16)
    np.testing.assert_array_equal(np.stack([found[c] for c in "RGB"], axis=2), expected)


@pytest.mark.parametrize(
    "window", [Window(-5, -3, 35, 27), Window(10, 20, 50, 50), Window.sized(*SIZE)]
)
def test_windows_and_pixel_aspect_are_kept(tmp_path: Path, window: Window) -> None:
    path = tmp_path / "a.exr"
    write_matte(path, matte(window=window, display=(64, 48), pixel_aspect=2.0))
    frame = read_frame(path)
    assert (frame.window, frame.display, frame.pixel_aspect) == (window, (64, 48), 2.0)
    read = read_matte(path)
    assert (read.window, read.display, read.pixel_aspect) == (window, (64, 48), 2.0)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".tiff"])
def test_png_and_tiff_hold_the_union_over_the_display_window(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    made = matte(window=Window(-5, 10, 35, 40), display=(50, 40))
    write_matte(path, made)
    expected = np.zeros((40, 50), np.float32)
    expected[10:40, 0:35] = made.union[:, 5:]
    codes = np.asarray(Image.open(path))
    assert codes.dtype.itemsize >= 2
    np.testing.assert_array_equal(codes, np.rint(expected * np.float32(65535)))
    np.testing.assert_allclose(read_mask(path).mask, expected, atol=1 / 65535)


@pytest.mark.parametrize("suffix", [".exr", ".png", ".tif"])
def test_the_file_says_how_it_was_made(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    write_matte(path, matte(provenance={**PROVENANCE, "note": "Füße", "choices": {"a": "1"}}))
    assert read_provenance(path) == {**PROVENANCE, "note": "Füße", "choices": {"a": "1"}}


def test_the_recipe_hash_is_an_attribute_of_its_own(tmp_path: Path) -> None:
    write_matte(tmp_path / "a.exr", matte())
    header = OpenEXR.File(str(tmp_path / "a.exr")).header()
    assert header["airoto/recipe_hash"] == PROVENANCE["recipe_hash"]


@pytest.mark.parametrize("suffix", [".exr", ".png", ".tif"])
def test_files_of_others_have_no_provenance(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    if suffix == ".exr":
        OpenEXR.File({"comments": "{}"}, {"A": plane(0)}).write(str(path))
    else:
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(path, description='{"other": {}}')
    assert read_provenance(path) is None
    with pytest.raises(FrameUnreadableError, match="no matte of AIRoto's"):
        read_matte(path)


def test_a_matte_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "a.exr"
    made = matte()
    write_matte(path, made)
    assert set(inspect(path).objects) == {"hero", "Bike_2"}
    read = read_matte(path)
    np.testing.assert_allclose(read.union, made.union, atol=2**-11)
    alphas = {one.name: one.alpha for one in read.objects}
    np.testing.assert_allclose(alphas["hero"], made.objects[0].alpha, atol=2**-11)
    assert read.provenance == PROVENANCE


def test_one_matte_gives_the_same_bytes_each_time(tmp_path: Path) -> None:
    suffixes = (".exr", ".png", ".tif")
    for suffix in suffixes:
        write_matte(tmp_path / f"a{suffix}", matte())
    time.sleep(1.1)  # file formats date their files by the second
    for suffix in suffixes:
        write_matte(tmp_path / f"b{suffix}", matte())
        first, second = (tmp_path / f"{name}{suffix}" for name in "ab")
        assert first.read_bytes() == second.read_bytes()


# ---- what is refused ---------------------------------------------------------------


def test_bad_planes_and_names_are_refused_before_writing(tmp_path: Path) -> None:
    path = tmp_path / "a.exr"
    broken = plane(0)
    broken[1, 1] = np.nan
    for made in (
        matte(union=broken),
        matte(union=plane(0, (8, 8))),
        matte(objects=(ObjectMatte("a.b", plane(0)),)),
        matte(objects=(ObjectMatte("a", plane(0)), ObjectMatte("A", plane(1)))),
    ):
        with pytest.raises(ValueError, match=r"NaN|cover|no name|one name"):
            write_matte(path, made)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"allowed: \.exr, \.png"):
        write_matte(tmp_path / "a.jpg", matte())
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "none" / "a.exr"
    with pytest.raises(OutputError, match="No such file") as caught:
        write_matte(path, matte())
    assert caught.value.path == str(path)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.exr"
    write_matte(path, matte())
    before = path.read_bytes()
    (tmp_path / "b.exr").mkdir()
    with pytest.raises(OutputError):
        write_matte(tmp_path / "b.exr", matte())
    with pytest.raises(ValueError, match="cover"):
        write_matte(path, matte(union=plane(0, (8, 8))))
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.exr", "b.exr"]


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system of 64 KiB."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a small file system cannot be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("suffix", [".exr", ".png", ".tif"])
@pytest.mark.parametrize(("free", "side"), [(65536, 400), (0, 8), (4096, 60)])
def test_a_full_disk_is_told_and_leaves_nothing(
    tiny_disk: Path, suffix: str, free: int, side: int
) -> None:
    (tiny_disk / "others").write_bytes(bytes(65536 - free))
    alpha = plane(0, (side, side))
    size = (side, side)
    with pytest.raises(OutOfSpaceError) as caught:
        write_matte(
            tiny_disk / f"a{suffix}",
            Matte(alpha, (ObjectMatte("a", alpha),), Window.sized(*size), size),
        )
    assert caught.value.path == str(tiny_disk / f"a{suffix}")
    assert [p.name for p in tiny_disk.iterdir()] == ["others"]


def test_a_file_size_limit_is_told(tmp_path: Path) -> None:
    """What the system says where no small disk can be mounted."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2048, hard))
    try:
        with pytest.raises(AIRotoError, match=r"a\.exr"):
            write_matte(tmp_path / "a.exr", matte(), compression=Compression.NONE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert list(tmp_path.iterdir()) == []
