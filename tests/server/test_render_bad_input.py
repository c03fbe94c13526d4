"""What cannot be rendered: a clear message, nothing half-written, the server goes on."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from airoto.errors import (
    AIRotoError,
    ColourError,
    EngineUnavailableError,
    FrameMismatchError,
    FrameMissingError,
    FrameUnreadableError,
    OutOfSpaceError,
    OutputError,
    OutputExistsError,
    RecipeError,
)
from airoto_server.app.sample import SamplePaths

from .conftest import RunningServer
from .rendering import (
    drawn,
    drawn_recipe,
    files_in,
    hero,
    merged,
    render,
    small_disk,
    write_image,
)

NULL = {"track": {"engine": "null"}}


def copied(clip: SamplePaths, folder: Path) -> Path:
    """The plate's frames as links, to be damaged one by one."""
    folder.mkdir()
    for path in sorted(clip.acescg.parent.iterdir()):
        (folder / path.name).symlink_to(path)
    return folder / clip.acescg.name


@pytest.fixture(autouse=True)
def _alive_and_tidy(server: RunningServer) -> Iterator[None]:
    before = set(server.jobs())
    yield
    server.assert_alive()
    assert set(server.jobs()) <= before


# ---- recipes -------------------------------------------------------------------------

BOX = {"x_min": 10, "y_min": 10, "x_max": 20, "y_max": 20}
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"version": 2}, r"version: 2; allowed: 1; upgrade AIRoto"),
    ({"objects": []}, r"objects"),
    ({"objects": hero()}, r"objects\[0\]\.prompts"),
    (
        {"objects": hero({"frame": 1001, "points": [{"x": 5120, "y": 5}]})},
        r"objects\[0\]\.prompts\[0\]\.points\[0\]\.x: 5120",
    ),
    ({"objects": hero({"frame": 9, "box": BOX})}, r"objects\[0\]\.prompts\[0\]\.frame: 9"),
    ({"plate": {"frames": {"first": 5, "last": 4}}}, r"plate\.frames: 5 to 4"),
    ({"plate": {"format": {"width": 0}}}, r"plate\.format\.width: 0"),
    ({"plate": {"proxy_scale": 3}}, r"plate\.proxy_scale: 3"),
    ({"matte": {"feather": -1}}, r"matte\.feather: -1"),
    ({"processing": {"threads": 1000}}, r"processing\.threads: 1000"),
    ({"output": {"path": "/x/one.exr"}}, r"output\.path.*place for the frame number"),
    ({"output": {"path": "/x/a.####.jpg"}}, r"output\.path.*\.exr, \.png"),
]


@pytest.mark.parametrize(("change", "message"), WRONG, ids=[words for _, words in WRONG])
def test_a_wrong_recipe_is_refused_with_the_path_of_the_field(
    clip: SamplePaths, server: RunningServer, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    recipe = merged(drawn_recipe(clip, tmp_path / "out/a.####.exr"), change)
    with pytest.raises(RecipeError, match=message) as caught:
        render(server.link, recipe)
    assert caught.value.violations
    assert files_in(tmp_path) == []


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"track": {"engine": "cotracker"}}, EngineUnavailableError, "no tracker engine 'cotr"),
        ({"plate": {"colour": {"space": "KodakLog"}}}, ColourError, "KodakLog"),
        ({"plate": {"colour": {"config": "/nowhere/x.ocio"}}}, ColourError, "/nowhere/x.ocio"),
        ({"plate": {"colour": {"config_hash": "sha256:" + "0" * 64}}}, ColourError, "sha256:0000"),
        ({"plate": {"view": "left"}}, FrameMismatchError, "no views, but view 'left'"),
        ({"plate": {"layer": "beauty"}}, FrameMismatchError, "beauty"),
        ({"plate": {"path": "/nowhere/a.####.exr"}}, FrameMissingError, "/nowhere"),
        ({"plate": {"format": {"width": 200}}}, FrameMismatchError, "is 192x108.*200x108"),
    ],
)
def test_what_this_server_does_not_have_is_named(
    clip: SamplePaths,
    server: RunningServer,
    tmp_path: Path,
    change: dict[str, Any],
    kind: type[AIRotoError],
    message: str,
) -> None:
    recipe = merged(drawn_recipe(clip, tmp_path / "out/a.####.exr"), change)
    with pytest.raises(kind, match=message):
        render(server.link, recipe)
    assert files_in(tmp_path) == []


def test_frames_outside_the_plate_and_phrases_without_a_detector_are_refused(
    clip: SamplePaths, server: RunningServer, tmp_path: Path
) -> None:
    recipe = drawn_recipe(clip, tmp_path / "out/a.####.exr", **NULL)
    with pytest.raises(RecipeError, match=r"frames: 1..2 reaches outside the plate \(1001..1008\)"):
        render(server.link, recipe, frames={"first": 1, "last": 2})
    recipe["objects"] = hero({"frame": 1001, "text": "a cat"})
    with pytest.raises(EngineUnavailableError, match="detector"):
        render(server.link, recipe)
    assert files_in(tmp_path) == []


def test_relative_paths_are_refused_for_they_would_be_looked_for_in_the_servers_folder(
    clip: SamplePaths, server: RunningServer, tmp_path: Path
) -> None:
    recipe = drawn_recipe(clip, "mattes/a.####.exr", **NULL)
    recipe["plate"]["path"] = "plate/p.####.exr"
    recipe["plate"]["colour"]["config"] = "config.ocio"
    recipe["objects"] = hero(drawn("../mask.png", 1001))
    with pytest.raises(RecipeError, match="an absolute path") as caught:
        render(server.link, recipe)
    assert [one.path for one in caught.value.violations] == [
        "plate.path",
        "plate.colour.config",
        "objects[0].prompts[0].mask.path",
        "output.path",
    ]
    for method in ("Segment", "Matte"):
        with pytest.raises(RecipeError, match=r'plate\.path: "plate/p\.####\.exr"'):
            server.link.call(method, {"recipe": recipe, "frame": 1001})
    with pytest.raises(RecipeError, match=r"plate\.path: "):
        server.link.call("ProbePlate", {"plate": {"path": "plate/p.####.exr"}})


# ---- frames --------------------------------------------------------------------------


def spoil(path: Path, how: str) -> None:
    data = path.read_bytes()
    path.unlink()
    if how == "truncated":
        path.write_bytes(data[: len(data) // 2])
    elif how == "no image":
        path.write_text("not an image")
    elif how == "empty":
        path.touch()
    elif how == "a folder":
        path.mkdir()
    elif how == "another size":
        write_image(path, np.zeros((54, 96, 3), np.float32))
    elif how == "a link into the void":
        path.symlink_to(path.parent / "void")


@pytest.mark.parametrize(
    ("how", "kind", "message"),
    [
        ("missing", FrameMissingError, "missing frames 1005"),
        ("a link into the void", FrameMissingError, "1005"),
        ("truncated", FrameUnreadableError, r"plate\.1005\.exr"),
        ("no image", FrameUnreadableError, r"plate\.1005\.exr"),
        ("empty", FrameUnreadableError, r"plate\.1005\.exr"),
        ("a folder", (FrameUnreadableError, FrameMissingError), "1005"),
        ("another size", FrameMismatchError, r"plate\.1005\.exr is 96x54, the plate's format is"),
    ],
)
def test_a_bad_frame_in_the_middle_is_named_and_what_was_finished_stays_whole(
    clip: SamplePaths,
    server: RunningServer,
    tmp_path: Path,
    how: str,
    kind: Any,
    message: str,
) -> None:
    plate = copied(clip, tmp_path / "plate")
    spoil(plate.parent / "plate.1005.exr", how)
    recipe = drawn_recipe(clip, tmp_path / "out/a.####.exr", **NULL)
    recipe["plate"]["path"] = str(plate)
    recipe["track"]["direction"] = "DIRECTION_FORWARD"
    with pytest.raises(kind, match=message) as caught:
        render(server.link, recipe)
    assert caught.value.frame == 1005
    left = files_in(tmp_path / "out") if (tmp_path / "out").exists() else []
    assert set(left) <= {f"a.{frame}.exr" for frame in range(1001, 1005)}
    # Put right, the same recipe goes on from there.
    bad = plate.parent / "plate.1005.exr"
    if bad.is_dir():
        bad.rmdir()
    else:
        bad.unlink(missing_ok=True)
    bad.symlink_to(clip.acescg.parent / bad.name)
    outcome = render(server.link, recipe)
    assert [f"a.{frame}.exr" for frame in outcome.kept] == left
    assert len(outcome.done) == 8 - len(left)


@pytest.mark.parametrize(
    ("name", "content", "kind", "message"),
    [
        ("mask.png", None, FrameMissingError, "mask.png"),
        ("mask.png", b"no image", FrameUnreadableError, "mask.png"),
        ("mask.exr", np.ones((20, 20, 1), np.float32), FrameMismatchError, "is 20x20 .*192x108"),
    ],
)
def test_a_bad_drawn_mask_is_named(
    clip: SamplePaths,
    server: RunningServer,
    tmp_path: Path,
    name: str,
    content: Any,
    kind: type[AIRotoError],
    message: str,
) -> None:
    if isinstance(content, bytes):
        (tmp_path / name).write_bytes(content)
    elif content is not None:
        write_image(tmp_path / name, content, "A")
    recipe = drawn_recipe(clip, tmp_path / "out/a.####.exr")
    recipe["objects"] = hero(drawn(tmp_path / name, 1001))
    with pytest.raises(kind, match=message):
        render(server.link, recipe)
    assert not list(tmp_path.glob("out/*"))


# ---- output --------------------------------------------------------------------------


def test_files_that_airoto_did_not_make_are_not_overwritten(
    clip: SamplePaths, server: RunningServer, tmp_path: Path
) -> None:
    (tmp_path / "a.1003.exr").write_text("mine")
    write_image(tmp_path / "a.1004.exr", np.zeros((4, 4, 3), np.float32))
    (tmp_path / "b.1002.exr").mkdir()
    before = files_in(tmp_path)
    for name, message in (("a", "1003-1004 were not made by AIRoto"), ("b", "is a folder")):
        with pytest.raises(OutputExistsError, match=message):
            render(server.link, drawn_recipe(clip, tmp_path / f"{name}.####.exr", **NULL))
    assert files_in(tmp_path) == before
    assert (tmp_path / "a.1003.exr").read_text() == "mine"
    replacing = {"output": {"overwrite": "OVERWRITE_REPLACE"}}
    outcome = render(
        server.link, drawn_recipe(clip, tmp_path / "a.####.exr", **merged(NULL, replacing))
    )
    assert len(outcome.done) == 8


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A disk of 128 KiB."""
    with small_disk(tmp_path / "disk", "128k") as folder:
        yield folder


def test_a_full_disk_is_told_and_leaves_whole_frames_alone(
    clip: SamplePaths, server: RunningServer, mounted: Path
) -> None:
    layers = {"compression": "COMPRESSION_NONE", "trimap": True}
    recipe = drawn_recipe(clip, mounted / "a.####.exr", **merged(NULL, {"output": layers}))
    with pytest.raises(OutOfSpaceError, match=r"no space left to write .*a\.100\d\.exr") as caught:
        render(server.link, recipe)
    assert caught.value.frame is not None
    # Two files are written side by side: the one behind may still have found room.
    finished = [frame for frame in range(1001, 1009) if (mounted / f"a.{frame}.exr").exists()]
    assert files_in(mounted) == [f"a.{frame}.exr" for frame in finished]
    assert caught.value.frame not in finished
    assert len(finished) >= 1
    subprocess.run(["mount", "-o", "remount,size=8m", str(mounted)], check=True)
    outcome = render(server.link, recipe)
    assert outcome.kept == finished
    assert len(outcome.done) == 8 - len(finished)


def test_a_read_only_folder_is_told_before_any_work(
    clip: SamplePaths, server: RunningServer, mounted: Path
) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(mounted)], check=True)
    for folder in (mounted, mounted / "new"):
        with pytest.raises(OutputError, match=r"cannot be written: Read-only file system"):
            render(server.link, drawn_recipe(clip, folder / "a.####.exr", **NULL))


def test_a_file_in_the_place_of_the_output_folder_is_told(
    clip: SamplePaths, server: RunningServer, tmp_path: Path
) -> None:
    (tmp_path / "out").write_text("a file")
    for name in ("out/a.####.exr", "out/deeper/a.####.exr"):
        with pytest.raises(OutputError, match=r"out.*cannot be written"):
            render(server.link, drawn_recipe(clip, tmp_path / name, **NULL))
    assert (tmp_path / "out").read_text() == "a file"
