"""Mattes in their folder: resuming, replacing, refusing."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from airoto.errors import OutOfSpaceError, OutputError, OutputExistsError, PathForbiddenError
from airoto.wire import messages as pb
from airoto_server.ops.geometry import Window
from airoto_server.ops.matte_file import Matte, ObjectMatte, read_provenance
from airoto_server.transport.decoder import Decoder
from airoto_server.transport.matte_writer import MatteWriter, OutputSettings
from airoto_server.transport.roots import Roots

REPLACE = pb.Overwrite.OVERWRITE_REPLACE
REFUSE = pb.Overwrite.OVERWRITE_REFUSE


@pytest.fixture(scope="module")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Decoder]:
    with Decoder(tmp_path_factory.mktemp("decoder"), children=1) as made:
        yield made


def writer(folder: Path, decoder: Decoder, name: str = "out/hero.%04d.exr", **more: Any) -> Any:
    settings = OutputSettings(str(folder / name), **more)
    return MatteWriter(settings, decoder, Roots((folder,)))


def matte(recipe_hash: str = "r1", result_key: str = "c1") -> Matte:
    alpha = np.linspace(0, 1, 80, dtype=np.float32).reshape(8, 10)
    provenance = {"recipe_hash": recipe_hash, "result_key": result_key}
    one = ObjectMatte("hero", alpha)
    return Matte(alpha, (one,), Window(0, 0, 10, 8), (10, 8), provenance=provenance)


def content(frame: int) -> str:
    return f"c{frame}"


def test_the_folder_is_made_and_everything_is_to_do(tmp_path: Path, decoder: Decoder) -> None:
    made = writer(tmp_path, decoder, "new/deep/hero.%04d.exr")
    plan = made.plan((3, 1, 2), "r1", content)
    assert (plan.kept, plan.todo) == ((), (1, 2, 3))
    path = made.write(1, matte())
    assert path == tmp_path / "new" / "deep" / "hero.0001.exr"
    assert read_provenance(path) == {"recipe_hash": "r1", "result_key": "c1"}
    assert [p.name for p in path.parent.iterdir()] == ["hero.0001.exr"]


def test_resuming_keeps_what_this_recipe_made_from_this_content(
    tmp_path: Path, decoder: Decoder
) -> None:
    made = writer(tmp_path, decoder)
    made.plan((1,), "r1", content)
    made.write(1, matte("r1", "c1"))
    made.write(2, matte("r1", "other content"))
    made.write(3, matte("other recipe", "c3"))
    before = made.path(1).stat().st_mtime_ns
    plan = made.plan(range(1, 5), "r1", content)
    assert (plan.kept, plan.todo) == ((1,), (2, 3, 4))
    assert made.path(1).stat().st_mtime_ns == before


def test_the_content_is_asked_for_only_where_it_matters(tmp_path: Path, decoder: Decoder) -> None:
    asked = []

    def result_key(frame: int) -> str:
        asked.append(frame)
        return content(frame)

    made = writer(tmp_path, decoder)
    made.plan((1,), "r1", content)
    made.write(1, matte("r1", "c1"))
    made.write(2, matte("other recipe", "c2"))
    made.plan((1, 2, 3), "r1", result_key)
    assert asked == [1]


@pytest.mark.parametrize("data", [b"", b"no matte at all", None])
def test_resuming_refuses_files_of_others(
    tmp_path: Path, decoder: Decoder, data: bytes | None, shared_data: Path
) -> None:
    made = writer(tmp_path, decoder)
    made.plan((1,), "r1", content)
    made.write(1, matte())
    foreign = shared_data / "exr" / "corner-cases" / "stripes.exr"
    made.path(2).write_bytes(foreign.read_bytes() if data is None else data)
    with pytest.raises(OutputExistsError, match="frames 2 were not made by AIRoto") as caught:
        made.plan((1, 2), "r1", content)
    assert caught.value.path == str(made.path(2))
    plan = writer(tmp_path, decoder, overwrite=REPLACE).plan((1, 2), "r1", content)
    assert plan.todo == (1, 2)


def test_refusing_refuses_any_file_that_is_there(tmp_path: Path, decoder: Decoder) -> None:
    made = writer(tmp_path, decoder, overwrite=REFUSE)
    assert made.plan((1, 2, 3), "r1", content).todo == (1, 2, 3)
    for frame in (2, 3):
        made.write(frame, matte())
    with pytest.raises(OutputExistsError, match="frames 2-3 are there already"):
        made.plan((1, 2, 3), "r1", content)
    assert made.plan((1,), "r1", content).todo == (1,)


def test_a_folder_in_place_of_a_file_is_in_the_way(tmp_path: Path, decoder: Decoder) -> None:
    (tmp_path / "out" / "hero.0001.exr").mkdir(parents=True)
    with pytest.raises(OutputExistsError, match=r"hero\.0001\.exr is a folder"):
        writer(tmp_path, decoder, overwrite=REPLACE).plan((1,), "r1", content)


def test_several_frames_need_a_frame_number(tmp_path: Path, decoder: Decoder) -> None:
    made = writer(tmp_path, decoder, "hero.exr")
    assert made.plan((7,), "r1", content).todo == (7,)
    with pytest.raises(OutputError, match="2 frames need a place for the frame number"):
        made.plan((7, 8), "r1", content)


def test_an_unknown_format_is_refused(tmp_path: Path, decoder: Decoder) -> None:
    with pytest.raises(OutputError, match=r"allowed: \.exr, \.png, \.tif"):
        writer(tmp_path, decoder, "hero.%04d.jpg")


def test_a_path_outside_the_roots_is_refused_and_nothing_made(
    tmp_path: Path, decoder: Decoder
) -> None:
    (tmp_path / "show").mkdir()
    made = writer(tmp_path / "show", decoder, "../other/hero.%04d.exr")
    for call in (lambda: made.plan((1,), "r1", content), lambda: made.write(1, matte())):
        with pytest.raises(PathForbiddenError):
            call()
    assert [p.name for p in tmp_path.iterdir()] == ["show"]


def test_a_folder_that_cannot_be_made_is_told_before_work_starts(
    tmp_path: Path, decoder: Decoder
) -> None:
    (tmp_path / "out").write_text("a file where the folder should be")
    with pytest.raises(OutputError) as caught:
        writer(tmp_path, decoder).plan((1,), "r1", content)
    assert str(tmp_path / "out") in caught.value.path


def test_a_folder_that_cannot_be_written_is_told_before_work_starts(
    mounted: Path, decoder: Decoder
) -> None:
    (mounted / "out").mkdir()
    subprocess.run(["mount", "-o", "remount,ro", str(mounted)], check=True)
    with pytest.raises(OutputError, match="Read-only file system") as caught:
        writer(mounted, decoder).plan((1,), "r1", content)
    assert caught.value.path == str(mounted / "out")


def test_a_disk_that_fills_up_is_told_with_the_frame(mounted: Path, decoder: Decoder) -> None:
    made = writer(mounted, decoder)
    made.plan((1, 2), "r1", content)
    made.write(1, matte())
    room = os.statvfs(mounted)
    (mounted / "others").write_bytes(bytes(room.f_bavail * room.f_frsize))
    with pytest.raises(OutOfSpaceError) as caught:
        made.write(2, matte())
    assert (caught.value.frame, caught.value.path) == (2, str(made.path(2)))
    assert [p.name for p in (mounted / "out").iterdir()] == ["hero.0001.exr"]
    assert read_provenance(made.path(1))


def test_what_a_killed_server_left_half_written_is_removed(
    tmp_path: Path, decoder: Decoder
) -> None:
    made = writer(tmp_path, decoder)
    made.plan((1,), "r1", content)
    old, new = (tmp_path / "out" / f".airoto-{name}.exr" for name in ("old", "new"))
    old.touch()
    new.touch()
    hours_ago = time.time() - 7200
    os.utime(old, (hours_ago, hours_ago))
    made.plan((1,), "r1", content)
    assert not old.exists()
    assert new.exists()  # another server may be writing it


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
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
