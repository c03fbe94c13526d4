"""A server that was given roots reads and writes nothing outside them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from airoto.errors import PathForbiddenError
from airoto.sequence import Pattern
from airoto_server.app.sample import SamplePaths

from .conftest import RunningServer, StartServer
from .rendering import Message, drawn, drawn_recipe, files_in, hero, merged, render

Change = Callable[[Path, Path], Message]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, clip: SamplePaths) -> Path:
    """`inside`, the root, with a plate; `outside`, the same beside it, and links to it."""
    base = tmp_path_factory.mktemp("roots")
    for name in ("inside", "outside"):
        (base / name / "out").mkdir(parents=True)
        for path in clip.acescg.parent.iterdir():
            (base / name / path.name).write_bytes(path.read_bytes())
        alpha = Pattern.parse(str(clip.alphas[0])).path(1001, "")
        (base / name / "mask.exr").write_bytes(alpha.read_bytes())
        (base / name / "config.ocio").write_text("ocio_profile_version: 2\n")
    (base / "inside/linked").symlink_to(base / "outside")
    (base / "inside/linked.exr").symlink_to(base / "outside/mask.exr")
    (base / "inside/links").mkdir()
    for path in (base / "outside").glob("plate.*.exr"):
        (base / "inside/links" / path.name).symlink_to(path)
    return base


@pytest.fixture(scope="module")
def rooted(start_server: StartServer, place: Path) -> RunningServer:
    return start_server("--threads", 1, "--root", place / "inside")


def recipe_in(place: Path, clip: SamplePaths) -> Message:
    """One that stays inside."""
    inside = place / "inside"
    recipe = drawn_recipe(clip, inside / "out/a.####.exr", track={"engine": "null"})
    recipe["plate"]["path"] = str(inside / "plate.####.exr")
    recipe["objects"] = hero(drawn(inside / "mask.exr", 1001))
    return recipe


def test_inside_the_roots_it_works(place: Path, clip: SamplePaths, rooted: RunningServer) -> None:
    outcome = render(rooted.link, recipe_in(place, clip), frames={"first": 1001, "last": 1002})
    assert outcome.done == [1001, 1002]
    roots = rooted.link.call("GetServerInfo", {})["roots"]
    assert roots == [str((place / "inside").resolve())]


WAYS_OUT = ["{outside}", "{inside}/../outside", "{inside}/linked", "{inside}/out/../linked"]


@pytest.mark.parametrize("way", [*WAYS_OUT, "{inside}/links"])
def test_a_plate_outside_is_refused(
    place: Path, clip: SamplePaths, rooted: RunningServer, way: str
) -> None:
    folder = way.format(inside=place / "inside", outside=place / "outside")
    plate = {"path": f"{folder}/plate.####.exr"}
    refused(rooted, place, merged(recipe_in(place, clip), {"plate": plate}))
    for pattern in ("plate.####.exr", "plate.1001.exr"):
        with pytest.raises(PathForbiddenError):
            rooted.link.call("ProbePlate", {"plate": {"path": f"{folder}/{pattern}"}})


@pytest.mark.parametrize("way", WAYS_OUT)
def test_an_output_outside_is_refused(
    place: Path, clip: SamplePaths, rooted: RunningServer, way: str
) -> None:
    folder = way.format(inside=place / "inside", outside=place / "outside")
    for name in ("out/a.####.exr", "new/a.####.exr", "a.####.png"):
        output = {"path": f"{folder}/{name}"}
        refused(rooted, place, merged(recipe_in(place, clip), {"output": output}))


@pytest.mark.parametrize("way", [*(f"{way}/mask.exr" for way in WAYS_OUT), "{inside}/linked.exr"])
def test_a_drawn_mask_outside_is_refused(
    place: Path, clip: SamplePaths, rooted: RunningServer, way: str
) -> None:
    path = way.format(inside=place / "inside", outside=place / "outside")
    objects = hero(drawn(path, 1001))
    refused(rooted, place, merged(recipe_in(place, clip), {"objects": objects}))


@pytest.mark.parametrize("way", WAYS_OUT)
def test_a_colour_config_outside_is_refused(
    place: Path, clip: SamplePaths, rooted: RunningServer, way: str
) -> None:
    folder = way.format(inside=place / "inside", outside=place / "outside")
    colour = {"config": f"{folder}/config.ocio"}
    refused(rooted, place, merged(recipe_in(place, clip), {"plate": {"colour": colour}}))


@pytest.mark.parametrize("way", WAYS_OUT)
def test_whether_a_file_outside_is_there_is_not_told(
    place: Path, rooted: RunningServer, way: str
) -> None:
    folder = way.format(inside=place / "inside", outside=place / "outside")
    answers = [
        rooted.link.call("ProvePath", {"path": f"{folder}/{name}", "offset": "0", "length": 9})
        for name in ("mask.exr", "nothing.exr")
    ]
    for answer in answers:
        assert not answer.get("visible")
        assert not answer.get("sha256")
        assert "may not be read" in answer["reason"]


def test_a_link_in_the_output_folder_is_replaced_and_not_written_through(
    place: Path, clip: SamplePaths, rooted: RunningServer
) -> None:
    target = place / "outside/precious.exr"
    target.write_text("precious")
    link = place / "inside/out/b.1001.exr"
    link.symlink_to(target)
    output = {
        "path": str(place / "inside/out/b.####.exr"),
        "overwrite": "OVERWRITE_REPLACE",
    }
    recipe = merged(recipe_in(place, clip), {"output": output})
    render(rooted.link, recipe, frames={"first": 1001, "last": 1001})
    assert target.read_text() == "precious"
    assert link.is_file()
    assert not link.is_symlink()


def refused(rooted: RunningServer, place: Path, recipe: Message) -> None:
    """Rendering says what is allowed, and writes nothing anywhere."""
    before = files_in(place)
    with pytest.raises(PathForbiddenError, match=r"may not be (read|written); allowed: /.*inside"):
        render(rooted.link, recipe)
    assert files_in(place) == before
    assert sorted(p.name for p in (place / "outside").iterdir() if p.is_dir()) == ["out"]
    rooted.assert_alive()
