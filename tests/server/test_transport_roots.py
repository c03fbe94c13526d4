"""Paths inside and outside the roots."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airoto.errors import PathForbiddenError
from airoto_server.transport.roots import Roots


@pytest.fixture
def show(tmp_path: Path) -> Path:
    """A root with a link in it that leads out."""
    (tmp_path / "show").mkdir()
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "a.exr").touch()
    (tmp_path / "show" / "out").symlink_to(tmp_path / "secret")
    (tmp_path / "show" / "a.exr").symlink_to(tmp_path / "secret" / "a.exr")
    return tmp_path / "show"


def test_paths_inside_are_allowed_whether_there_or_not(show: Path) -> None:
    roots = Roots((show,))
    for name in ("b.exr", "new/b.exr", "new/../b.exr", "."):
        assert roots.check_read(show / name).is_relative_to(show)
    assert roots.check_write(show / "new" / "b.exr") == show / "new" / "b.exr"


@pytest.mark.parametrize(
    "name", ["../secret/a.exr", "out/a.exr", "a.exr", "new/../../secret/a.exr", "/etc/passwd"]
)
def test_paths_that_lead_outside_are_refused_for_reading(show: Path, name: str) -> None:
    with pytest.raises(PathForbiddenError) as caught:
        Roots((show,)).check_read(show / name)
    assert caught.value.path == str(show / name)
    assert f"allowed: {show}" in caught.value.message


@pytest.mark.parametrize("name", ["../b.exr", "out/b.exr", "new/../../b.exr", "/etc/b.exr"])
def test_paths_that_lead_outside_are_refused_for_writing(show: Path, name: str) -> None:
    with pytest.raises(PathForbiddenError):
        Roots((show,)).check_write(show / name)


def test_a_link_in_place_of_the_file_is_replaced_not_followed(show: Path) -> None:
    assert Roots((show,)).check_write(show / "a.exr") == show / "a.exr"


def test_a_folder_of_a_similar_name_is_outside(show: Path) -> None:
    with pytest.raises(PathForbiddenError):
        Roots((show,)).check_read(show.parent / "show2" / "a.exr")


def test_without_roots_everything_is_allowed(show: Path) -> None:
    assert Roots().check_read(show / "out" / "a.exr") == show.parent / "secret" / "a.exr"
    assert Roots().check_write(show / "out" / "b.exr") == show.parent / "secret" / "b.exr"


def test_a_root_may_itself_be_a_link(show: Path) -> None:
    link = show.parent / "link"
    link.symlink_to(show)
    assert Roots((link,)).check_read(link / "b.exr") == show / "b.exr"
    assert Roots((link,)).check_read(show / "b.exr") == show / "b.exr"


def test_paths_that_cannot_be_are_refused(show: Path) -> None:
    for path in ("a\0b", f"{show}/..", ""):
        with pytest.raises(PathForbiddenError):
            Roots((show,)).check_write(path)
    with pytest.raises(PathForbiddenError, match="no usable path"):
        Roots().check_read("a\0b")


@given(st.lists(st.sampled_from(["..", ".", "a", "b", "show", ""]), max_size=8))
def test_no_way_of_dots_leads_out(parts: list[str]) -> None:
    root = Path("/nowhere/show")
    path = "/".join(["/nowhere/show", *parts])
    try:
        found = Roots((root,)).check_read(path)
    except PathForbiddenError:
        return
    assert found.is_relative_to(root)
    assert ".." not in found.parts
