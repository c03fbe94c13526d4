"""The marked block in Nuke's start file: what is theirs stays, byte for byte."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airoto.errors import BadRequestError
from airoto_client.nuke_setup.block import find_block, with_block, without_block

WHERE = Path("init.py")
PLUGIN = Path("/opt/ai roto'\"\\/ä/current/nuke_plugin")
DOUBLE = Path(__file__).resolve().parents[1] / "host" / "nuke_double"

_pieces = st.sampled_from([b"x = 1", b"\n", b"\r\n", b"\r", b"# >>", b" ", b"\xff", b"\t", b"'''"])


@given(st.lists(_pieces, max_size=12).map(b"".join))
@example(b"")
@example(b"x = 1")
@example(b"x = 1\r\ny = 2")
@example(b"\xef\xbb\xbfx = 1\n")
def test_adding_and_taking_out_gives_the_same_bytes(data):
    made = with_block(data, PLUGIN, WHERE)
    assert made.startswith(data)
    assert without_block(made, WHERE) == data
    assert with_block(made, PLUGIN, WHERE) == made
    other = with_block(made, Path("/elsewhere"), WHERE)
    assert without_block(other, WHERE) == data


def test_a_file_that_was_not_there_goes_again_and_an_empty_one_stays():
    assert without_block(with_block(None, PLUGIN, WHERE), WHERE) is None
    assert without_block(with_block(b"", PLUGIN, WHERE), WHERE) == b""


def test_nuke_is_led_to_the_folder_and_a_missing_one_is_passed_over(tmp_path):
    folder = tmp_path / "plug-ins 'ä\" \\ x"
    folder.mkdir()
    for plugin, expected in ((folder, [str(folder)]), (tmp_path / "gone", [])):
        init = tmp_path / "init.py"
        init.write_bytes(with_block(b"# -*- coding: ascii -*-\n", plugin, init))
        script = (
            "import json, runpy, sys\n"
            f"sys.path.insert(0, {str(DOUBLE)!r})\n"
            "import nuke\n"
            "seen = []\n"
            "nuke.pluginAddPath = seen.append\n"
            f"runpy.run_path({str(init)!r})\n"
            "print(json.dumps(seen))\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True
        )
        assert json.loads(done.stdout.splitlines()[-1]) == expected
        block = find_block(init.read_bytes(), init)
        assert block is not None
        assert block.plugin == plugin


def _cut(made, old, new=b""):
    assert old in made
    return made.replace(old, new, 1)


DAMAGES = {
    "without its end": lambda made: _cut(made, b"# <<< AIRoto <<<\n"),
    "without its beginning": lambda made: made[made.index(b"try:") :],
    "twice": lambda made: made + made,
    "with a line inside": lambda made: _cut(made, b"try:\n", b"try:\n    import mine\n"),
    "with another path": lambda made: _cut(made, b"/opt", b"/bad"),
    "with another mark": lambda made: _cut(made, b">>> made by", b">>> kept by"),
    "with its end first": lambda made: b"# <<< AIRoto <<<\n" + _cut(made, b"# <<< AIRoto <<<\n"),
    "with other line breaks": lambda made: made.replace(b"\n", b"\r\n"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_block_is_refused(damage):
    made = DAMAGES[damage](with_block(b"x = 1\n", PLUGIN, WHERE))
    for work in (find_block, without_block):
        with pytest.raises(BadRequestError, match="is not as it was written"):
            work(made, WHERE)
    with pytest.raises(BadRequestError, match="is not as it was written"):
        with_block(made, PLUGIN, WHERE)


def test_an_installer_that_meets_a_damaged_block_changes_nothing(scratch):
    nuke = scratch.home / ".nuke"
    nuke.mkdir()
    (nuke / "init.py").write_bytes(with_block(b"", PLUGIN, WHERE).replace(b"try:", b"# try:"))
    before = scratch.tree()
    done = scratch.run("--nuke")
    assert done.returncode == 2
    assert str(nuke / "init.py") in done.stderr
    assert scratch.tree() == before


def test_an_uninstaller_that_meets_a_damaged_block_changes_nothing(scratch):
    scratch.must("--nuke")
    init = scratch.home / ".nuke" / "init.py"
    init.write_bytes(init.read_bytes().replace(b"try:", b"try:  # mine"))
    before = scratch.tree()
    done = scratch.run("uninstall")
    assert done.returncode == 2
    assert "by hand" in done.stderr
    assert scratch.tree() == before
