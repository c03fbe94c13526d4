"""TOML files to the index: what is wrong is told by key, what is down is kept, nothing hangs."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from airoto.presets.index import read_index
from airoto.presets.names import Scope
from airoto_client.presets.compiler import compile_presets, last_data, write_index
from airoto_client.presets.folders import FolderFound, Known, read_folder
from airoto_client.presets.reader import PresetError, parse

SHOW = 'format = 1\nshow = "SHOWX"\nversion = 3\n[matte]\ngrow = 1\n'


def put(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def test_a_file_says_what_its_keys_say() -> None:
    made = parse(
        'format = 1\nshow = "SHOWX"\ntask = "hair hero"\nversion = 3\ninherits = "hair"\n'
        'lock = ["matte.trimap", "output.compression"]\n'
        '[matte]\ngrow = 1\ntrimap.mode = "Fixed"\n'
        '[output]\ncompression = "DWAA"\n'
        '[policy]\nengines = ["sam2*"]\ncommercial_only = true\nplates = ["/shows/x"]\n'
        '[menu]\nnodes = ["AIMatte"]\n',
        "f.toml",
    )
    assert made.scope == Scope("SHOWX", "", "hair hero")
    assert made.values == {
        "matte.grow": 1.0,
        "matte.trimap.mode": "fixed",
        "output.compression": "dwaa",
    }
    assert made.locks == (
        "matte.trimap.mode", "matte.trimap.narrow", "matte.trimap.wide", "output.compression",
    )  # fmt: skip
    assert made.rule is not None
    assert (made.rule.preset, made.rule.engines) == ("SHOWX:hair hero", ("sam2*",))
    assert made.plates == ("/shows/x",)
    assert made.menu is not None
    assert made.menu.nodes == ("AIMatte",)


@pytest.mark.parametrize(
    ("text", "path", "words"),
    [
        ("", "format", "1"),
        ("format = 2\nshiny = 1", "format", "upgrade AIRoto"),
        ("format = true", "format", "1"),
        ("format = 1", "version", "from 1"),
        ("format = 1\nversion = 0", "version", "from 1"),
        ('format = 1\nversion = 1\nsequence = "a"', "sequence", "beside a show"),
        ('format = 1\nversion = 1\nshow = "studio"', "show", "letters"),
        ('format = 1\nversion = 1\nshow = "a b"', "show", "letters"),
        ('format = 1\nversion = 1\ntask = ""', "task", "letters"),
        ('format = 1\nversion = 1\ninherits = "x"', "inherits", "with a task"),
        ("format = 1\nversion = 1\nlokc = []", "lokc", "lock"),
        ('format = 1\nversion = 1\nlock = ["mat"]', "lock[0]", "matte"),
        ("format = 1\nversion = 1\nlock = 3", "lock", "a list"),
        ("format = 1\nversion = 1\nmatte = 3", "matte", "a table"),
        ("format = 1\nversion = 1\n[matte]\nfeathr = 1", "matte.feathr", "matte.feather"),
        ("format = 1\nversion = 1\n[matte]\nfeather = -1", "matte.feather", "0 to 256"),
        ("format = 1\nversion = 1\n[matte]\nfeather = nan", "matte.feather", "0 to 256"),
        ("format = 1\nversion = 1\n[matte.trimap]\nnarrow = 9\nwide = 2", "matte.trimap.wide", "9"),
        ('format = 1\nversion = 1\n[track]\ndirection = "up"', "track.direction", "forward"),
        ("format = 1\nversion = 1\n[policy]\nengines = []", "policy.engines", "one or more"),
        ('format = 1\nversion = 1\n[policy]\nplates = ["x"]', "policy.plates[0]", "absolute"),
        ('format = 1\nversion = 1\n[policy]\nengines = ["A B"]', "policy.engines[0]", "lower"),
        ('format = 1\nversion = 1\n[menu]\nnodes = ["Blur"]', "menu.nodes[0]", "AIRoto"),
        ("format = 1\nversion = 1\n[menu]\nicon = 1", "menu.icon", "label"),
    ],
)
def test_what_is_wrong_is_told_by_file_key_found_and_allowed(
    text: str, path: str, words: str
) -> None:
    with pytest.raises(PresetError) as caught:
        parse(text, "/p/f.toml")
    assert caught.value.path == "/p/f.toml"
    (one,) = [one for one in caught.value.violations if one.path == path]
    assert words in one.allowed
    assert "/p/f.toml" in caught.value.message


def test_all_wrong_keys_are_told_at_once() -> None:
    with pytest.raises(PresetError) as caught:
        parse('format = 1\nversion = "a"\nx = 1\n[matte]\ngrow = "b"', "f")
    assert {one.path for one in caught.value.violations} == {"version", "x", "matte.grow"}


def test_broken_toml_is_told_with_its_place() -> None:
    with pytest.raises(PresetError, match=r"f: this is no TOML.*line 2"):
        parse("format = 1\n[matte\n", "f")


def test_files_of_a_folder_and_below_are_compiled_and_written_once(tmp_path: Path) -> None:
    put(tmp_path / "p/studio.toml", "format = 1\nversion = 1")
    put(tmp_path / "p/SHOWX/show.toml", SHOW)
    put(tmp_path / "p/.hidden.toml", "broken")
    put(tmp_path / "p/notes.txt", "broken")
    made = compile_presets([str(tmp_path / "p")])
    assert not made.problems
    index = str(tmp_path / "deep/index.json")
    assert write_index(index, made.data)
    assert not write_index(index, made.data)
    assert read_index(index) == made.index
    assert made.index.resolve("SHOWX").values["matte.grow"].value == 1.0
    again = compile_presets([str(tmp_path / "p")], before=last_data(index))
    assert again.data == made.data


def test_a_changed_file_is_read_again_and_a_removed_one_forgotten(tmp_path: Path) -> None:
    show = Path(put(tmp_path / "show.toml", SHOW))
    put(tmp_path / "studio.toml", "format = 1\nversion = 1")
    before = compile_presets([str(tmp_path)]).data
    show.write_text(SHOW.replace("grow = 1", "grow = 2.5"))
    changed = compile_presets([str(tmp_path)], before=before)
    assert changed.index.resolve("SHOWX").values["matte.grow"].value == 2.5
    show.unlink()
    assert list(compile_presets([str(tmp_path)], before=changed.data).index.presets) == [Scope()]


def test_a_file_that_is_wrong_now_keeps_what_it_said_and_is_told(tmp_path: Path) -> None:
    show = Path(put(tmp_path / "show.toml", SHOW))
    before = compile_presets([str(tmp_path)]).data
    show.write_text(SHOW + "feather = 'much'")
    for _ in range(2):
        made = compile_presets([str(tmp_path)], before=before)
        assert made.index.resolve("SHOWX").version == 3
        assert "matte.feather" in made.problems[0].message
        before = made.data
    show.write_text(SHOW)
    assert not compile_presets([str(tmp_path)], before=before).problems


def test_a_show_that_is_gone_is_kept_and_told_and_fresh_forgets_it(tmp_path: Path) -> None:
    put(tmp_path / "x/show.toml", SHOW)
    before = compile_presets([str(tmp_path / "x")]).data
    (tmp_path / "x").rename(tmp_path / "y")
    for _ in range(2):
        made = compile_presets([str(tmp_path / "x")], before=before)
        assert "not there; its 1 presets are kept" in made.problems[0].message
        assert made.index.resolve("SHOWX").version == 3
        before = made.data
    assert not compile_presets([str(tmp_path / "x")]).index.presets


def test_a_folder_that_hangs_does_not_stop_the_others(tmp_path: Path) -> None:
    put(tmp_path / "hangs/show.toml", SHOW)
    put(tmp_path / "works/studio.toml", "format = 1\nversion = 1")
    folders = [str(tmp_path / "hangs"), str(tmp_path / "works")]
    before = compile_presets(folders).data
    forever = threading.Event()

    def read(path: str, known: Mapping[str, Known]) -> FolderFound:
        if path.endswith("hangs"):
            forever.wait(60)
        return read_folder(path, known)

    try:
        made = compile_presets(folders, before=before, timeout=0.2, read=read)
    finally:
        forever.set()
    assert "hangs is down (no answer within 0.2 seconds); its 1 presets" in made.problems[0].message
    assert set(made.index.presets) == {Scope(), Scope("SHOWX")}
    assert made.data["presets"] == before["presets"]


def test_a_pipe_in_a_folder_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    put(tmp_path / "show.toml", SHOW)
    made = compile_presets([str(tmp_path)])
    assert "pipe.toml is no file" in made.problems[0].message
    assert list(made.index.presets) == [Scope("SHOWX")]


def test_of_two_files_for_one_show_the_first_on_the_path_counts_and_the_other_is_told(
    tmp_path: Path,
) -> None:
    first = put(tmp_path / "a/show.toml", SHOW)
    second = put(tmp_path / "b/other.toml", SHOW.replace("version = 3", "version = 9"))
    made = compile_presets([str(tmp_path / "a"), str(tmp_path / "b"), str(tmp_path)])
    assert made.index.resolve("SHOWX").version == 3
    assert [second in one.message and first in one.message for one in made.problems] == [True] * 2


def test_a_task_that_inherits_what_is_not_there_is_told(tmp_path: Path) -> None:
    put(tmp_path / "a.toml", 'format = 1\nversion = 1\ntask = "hair"\ninherits = "fur"')
    (one,) = compile_presets([str(tmp_path)]).problems
    assert "a.toml: inherits: there is no preset for the task 'fur'" in one.message
