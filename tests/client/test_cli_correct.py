"""`airoto correct`: prompts on more frames and approved frames, written into the recipe file."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from airoto_client.cli import main


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    document = {
        "version": 1,
        "plate": {
            "path": "plate.%04d.exr",
            "frames": {"first": 1, "last": 20},
            "format": {"width": 100, "height": 50},
        },
        "objects": [
            {"id": 1, "name": "hero", "prompts": [{"frame": 1, "points": [{"x": 5, "y": 5}]}]}
        ],
        "output": {"path": "out/a.%04d.exr"},
    }
    path = tmp_path / "shot.airoto.json"
    path.write_text(json.dumps(document))
    return path


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_prompts_join_in_the_order_of_frames_and_replace_those_of_their_frame(
    recipe: Path,
) -> None:
    assert main(["correct", str(recipe), "--point", "9:50,20", "--point", "4:40,20"]) == 0
    assert main(["correct", str(recipe), "--object", "hero", "--box", "4:10,10,30,30"]) == 0
    prompts = read(recipe)["objects"][0]["prompts"]
    assert [one["frame"] for one in prompts] == [1, 4, 9]
    assert "points" not in prompts[1]
    assert main(["correct", str(recipe), "--remove", "4,9"]) == 0
    assert [one["frame"] for one in read(recipe)["objects"][0]["prompts"]] == [1]


def test_frames_are_approved_by_what_lies_there(recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    for frame in (3, 4, 5):
        (tmp_path / f"out/a.{frame:04d}.exr").write_bytes(b"%d" % frame)
    assert main(["correct", str(recipe), "--lock", "3-5"]) == 0
    assert main(["correct", str(recipe), "--unlock", "4"]) == 0
    assert read(recipe)["locked"] == [
        {"frame": frame, "sha256": f"sha256:{hashlib.sha256(b'%d' % frame).hexdigest()}"}
        for frame in (3, 5)
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--lock", "7"), "no matte that could be approved"),
        (("--unlock", "7"), "no approval on 7"),
        (("--remove", "7-9"), "no prompt on 7-9"),
        (("--lock", "9-7"), "allowed: 1001"),
        (("--object", "bag", "--point", "3:1,1"), "no object 'bag'"),
        (("--point", "30:1,1"), "objects[0].prompts[1].frame"),
    ],
)
def test_what_makes_no_sense_leaves_the_recipe_as_it_is(
    recipe: Path, arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = recipe.read_bytes()
    assert main(["correct", str(recipe), *arguments]) == 2
    assert words in capsys.readouterr().err
    assert recipe.read_bytes() == before
