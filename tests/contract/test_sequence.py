"""Frame patterns: what is read, which file belongs to which frame, what lies on disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airoto.errors import BadRequestError, FrameMissingError
from airoto.sequence import Pattern, compress_frames


@pytest.mark.parametrize(
    ("text", "frame", "expected"),
    [
        ("plate.%04d.exr", 7, "plate.0007.exr"),
        ("plate.%04d.exr", -5, "plate.-005.exr"),
        ("plate.%04d.exr", 12345, "plate.12345.exr"),
        ("plate.%d.exr", -5, "plate.-5.exr"),
        ("plate.####.exr", 7, "plate.0007.exr"),
        ("plate.#.exr", 7, "plate.0007.exr"),
        ("plate.##.exr", 7, "plate.07.exr"),
        ("plate.@@@.exr", 7, "plate.007.exr"),
        ("plate.@.exr", 7, "plate.7.exr"),
        ("plate.1001-1100#.exr", 1001, "plate.1001.exr"),
        ("plate.1001-1100####.exr", 7, "plate.0007.exr"),
        ("plate####", 7, "plate0007"),
        ("####.exr", 7, "0007.exr"),
        ("v2#.exr", 7, "v20007.exr"),
        ("plate.####_left.exr", 7, "plate.0007_left.exr"),
        ("/jobs/#42/sh 010/plate [beauty] (1).%04d.exr", 7, None),
        ("100%_plate.%04d.exr", 7, "100%_plate.0007.exr"),
        ("100%done/plate.%04d.exr", 7, "100%done/plate.0007.exr"),
        ("me@home.####.exr", 7, "me@home.0007.exr"),
        ("$HOME {x} ~*?.####.exr", 7, "$HOME {x} ~*?.0007.exr"),
        ("ñandú_картина.####.exr", 7, "ñandú_картина.0007.exr"),
        ("C:\\jobs\\plate.####.exr", 7, "C:/jobs/plate.0007.exr"),
        ("still.exr", 7, "still.exr"),
        ("me@home.exr", 7, "me@home.exr"),
        ("plate.0001.exr", 7, "plate.0001.exr"),
        ("clip #2.mov", 7, "clip #2.mov"),
    ],
)
def test_the_file_of_a_frame(text: str, frame: int, expected: str | None) -> None:
    expected = expected or "/jobs/#42/sh 010/plate [beauty] (1).0007.exr"
    assert Pattern.parse(text).path(frame).as_posix() == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "names no file"),
        ("plates/", "names no file"),
        ("plates/..", "names no file"),
        ("%04d/plate.exr", "file name only"),
        ("plate.%04d.%04d.exr", "more than one place"),
        ("a#b#.exr", "more than one place"),
        ("100%d.%04d.exr", "more than one place"),
        ("plate.%4d.exr", "%04d, #### or @@@@"),
        ("plate.%04i.exr", "%04d, #### or @@@@"),
        ("plate.%0999999999999d.exr", "%04d, #### or @@@@"),
        ("plate.%013d.exr", "at most 12 digits"),
        ("clip.%04d.mov", "one file"),
        ("plates\\plate.%04d.exr", "backslash"),
        ("plate\n.%04d.exr", "control character"),
        ("plate\0.exr", "control character"),
        ("plate.1-99999999#.exr", "more than 1000000 frames"),
        ("plate.1-10x0#.exr", "no frame range"),
    ],
)
def test_what_cannot_be_understood_is_refused_with_its_text(text: str, why: str) -> None:
    with pytest.raises(BadRequestError, match=why) as caught:
        Pattern.parse(text)
    assert repr(text) in caught.value.message


@pytest.mark.parametrize(
    ("text", "frames"),
    [
        ("plate.1001-1005#.exr", "1001-1005"),
        ("plate.-5--3@@@@.exr", "-5--3"),
        ("plate.-2-2#.exr", "-2-2"),
        ("plate_-2-2#.exr", "-2-2"),
        ("plate-2-4#.exr", "2-4"),
        ("plate.5-1#.exr", "1-5"),
        ("plate.1-7x2#.exr", "1,3,5,7"),
        ("plate.1,3,8-9#.exr", "1,3,8-9"),
        ("plate.1001#.exr", "1001"),
        ("plate1001-1003####.exr", "1001-1003"),
        ("plate.####.exr", ""),
        ("v2#.exr", ""),
        ("plate.exr", ""),
    ],
)
def test_frames_that_a_pattern_names_itself(text: str, frames: str) -> None:
    assert compress_frames(Pattern.parse(text).declared_frames) == frames


def test_an_endless_text_is_refused_and_shortened() -> None:
    with pytest.raises(BadRequestError, match="more than 4096 characters") as caught:
        Pattern.parse("1," * 100_000 + "#")
    assert len(caught.value.message) < 200


def test_what_kind_of_plate_it_is() -> None:
    clip, still = Pattern.parse("a/Clip.MOV"), Pattern.parse("a/still.EXR")
    sequence = Pattern.parse("a/plate.%04d.exr")
    assert (clip.is_movie, still.is_movie, sequence.is_movie) == (True, False, False)
    assert (clip.has_token, still.has_token, sequence.has_token) == (False, False, True)
    assert (clip.extension, still.extension, sequence.extension) == (".mov", ".exr", ".exr")
    assert Pattern.parse("plate_%03d").extension == ""


def test_views_are_written_in_full_or_by_their_first_letter() -> None:
    pattern = Pattern.parse("%V/plate_%v.%04d.exr")
    assert pattern.has_view_token
    assert pattern.path(7, "left") == Path("left/plate_l.0007.exr")
    with pytest.raises(BadRequestError, match="a view must be named"):
        pattern.path(7)


@pytest.mark.parametrize("view", ["../up", "a\\b", "..", "a\nb"])
def test_a_view_cannot_lead_out_of_its_folder(view: str) -> None:
    with pytest.raises(BadRequestError, match="no name of a view"):
        Pattern.parse("%V/plate.%04d.exr").path(7, view)


def test_a_relative_pattern_counts_from_its_base(tmp_path: Path) -> None:
    made = Pattern.parse("../in/plate.1-3#.exr").resolved(tmp_path)
    assert made.path(2) == tmp_path / "../in/plate.0002.exr"
    assert Pattern.parse(made.text) == made
    assert made.resolved(Path("/elsewhere")) == made
    windows = Pattern.parse("D:/plates/a.%04d.exr")
    assert windows.resolved(tmp_path) == windows


def test_a_base_with_signs_of_its_own_stays_as_it_is() -> None:
    made = Pattern.parse("plate.####.exr").resolved(Path("/jobs/#7 100% @home"))
    assert made.path(1).as_posix() == "/jobs/#7 100% @home/plate.0001.exr"
    assert Pattern.parse(made.text) == made


def test_a_base_that_would_be_read_as_a_token_is_refused() -> None:
    with pytest.raises(BadRequestError, match="cannot hold"):
        Pattern.parse("plate.####.exr").resolved(Path("/jobs/%V"))


def test_frames_on_disk_are_those_of_this_sequence_alone(tmp_path: Path) -> None:
    right = [
        "plate.0001.exr",
        "plate.0003.exr",
        "plate.-012.exr",
        "plate.0000.exr",
        "plate.10000.exr",
    ]
    wrong = [
        "plate.001.exr",
        "plate.00004.exr",
        "plate.-0012.exr",
        "plate.-000.exr",
        "plate.0005.exr.tmp",
        ".plate.0006.exr.tmp",
        "plate.0007.EXR",
        "plate.0008.jpg",
        "xplate.0009.exr",
        "plate.0010x.exr",
        "plate.٠٠١١.exr",
    ]
    for name in right + wrong:
        (tmp_path / name).touch()
    (tmp_path / "plate.0012.exr").mkdir()
    (tmp_path / "plate.0013.exr").symlink_to(tmp_path / "nowhere")
    (tmp_path / "plate.0014.exr").symlink_to(tmp_path / "plate.0001.exr")
    pattern = Pattern.parse("plate.%04d.exr").resolved(tmp_path)
    assert pattern.frames_on_disk() == [-12, 0, 1, 3, 14, 10000]


def test_frames_on_disk_are_found_by_view_and_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "left").mkdir()
    (tmp_path / "left" / "l.0001.exr").touch()
    (tmp_path / "a.0002.exr").touch()
    assert Pattern.parse("%V/%v.#.exr").resolved(tmp_path).frames_on_disk("left") == [1]
    monkeypatch.chdir(tmp_path)
    assert Pattern.parse("a.#.exr").frames_on_disk() == [2]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FrameMissingError, match="nowhere") as caught:
        Pattern.parse("nowhere/plate.####.exr").resolved(tmp_path).frames_on_disk()
    assert caught.value.path == f"{tmp_path}/nowhere/"


def test_a_still_has_no_frames_on_disk(tmp_path: Path) -> None:
    assert Pattern.parse(str(tmp_path / "still.exr")).frames_on_disk() == []


# Every sign a file name may have, except those that a pattern gives a meaning to.
NAMES = st.text(
    st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="/\\#@%0123456789"),
    min_size=1,
    max_size=12,
)
TOKENS = st.sampled_from([("%04d", 4), ("####", 4), ("#", 4), ("%d", 1), ("%07d", 7), ("##", 2)])


@given(NAMES, TOKENS, st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6))
def test_no_two_frames_share_a_file(
    name: str, token: tuple[str, int], one: int, other: int
) -> None:
    pattern = Pattern.parse(f"{name}.{token[0]}.exr")
    assert pattern.padding == token[1]
    assert (pattern.path(one) == pattern.path(other)) == (one == other)


@given(names=NAMES, token=TOKENS, frames=st.sets(st.integers(-12000, 12000), max_size=6))
def test_frames_written_are_found_again(
    tmp_path_factory: pytest.TempPathFactory,
    names: str,
    token: tuple[str, int],
    frames: set[int],
) -> None:
    folder = tmp_path_factory.mktemp("sequence")
    pattern = Pattern.parse(f"{names}_{token[0]}.exr").resolved(folder)
    for frame in frames:
        pattern.path(frame).touch()
    assert len(os.listdir(folder)) == len(frames)  # noqa: PTH208 (names alone are counted)
    assert pattern.frames_on_disk() == sorted(frames)


@given(st.text(max_size=40))
def test_any_text_is_a_pattern_or_refused(text: str) -> None:
    try:
        pattern = Pattern.parse(text)
    except BadRequestError:
        return
    assert str(pattern) == text
    assert Pattern.parse(str(pattern)) == pattern


@given(st.text("#@%04dvV-1,x. a/", max_size=20))
def test_any_mixture_of_tokens_is_a_pattern_or_refused(text: str) -> None:
    try:
        pattern = Pattern.parse(text)
    except BadRequestError:
        return
    assert pattern.path(1001, "left").name


@pytest.mark.parametrize(
    ("frames", "text"),
    [
        ([1, 2, 3, 7], "1-3,7"),
        ([], ""),
        ([5], "5"),
        ([7, 3, 2, 2, 1], "1-3,7"),
        ([-5, -4, -3, 0, 1], "-5--3,0-1"),
    ],
)
def test_frames_are_written_as_runs(frames: list[int], text: str) -> None:
    assert compress_frames(frames) == text


@given(st.sets(st.integers(1, 300)))
def test_runs_name_the_same_frames(frames: set[int]) -> None:
    text = compress_frames(frames)
    if frames:
        assert Pattern.parse(f"p.{text}#.exr").declared_frames == tuple(sorted(frames))
    else:
        assert text == ""
