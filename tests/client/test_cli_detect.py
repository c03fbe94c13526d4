"""`airoto detect`, and `airoto roto --text`: as processes, against a toy server."""

from __future__ import annotations

import pytest

from airoto.errors import BadRequestError
from airoto.wire import recipe as recipes
from airoto_client.cli.prompts import Flag, Search, split_search

FLAGS = ("--object", "hero", "--point", "1001:5,6")


def test_what_is_found_is_told_as_boxes_that_roto_takes(cli, toy, plate) -> None:
    ran = cli.run("detect", plate, "--text", "person", "--frame", 1002, "--server", toy.target)
    assert (ran.code, ran.out) == (0, "person_1: 1002:10,20,30.5,60 (score 0.900)\n")
    assert toy.journal()[-1] == "detect 'person' on 1002"
    ran = cli.run("detect", plate, "--text", "person", "--json", "--server", toy.target)
    assert ran.of("found") == [
        {
            "event": "found",
            "frame": 1001,
            "id": 1,
            "name": "person_1",
            "phrase": "person",
            "words": "person",
            "score": 0.9,
            "box": [10.0, 20.0, 30.5, 60.0],
        }
    ]


def test_finding_nothing_is_a_warning(cli, toy, plate) -> None:
    ran = cli.run("detect", plate, "--text", "unicorn", "--server", toy.target)
    assert (ran.code, ran.out) == (0, "")
    assert "nothing was found for 'unicorn'" in ran.err


@pytest.mark.parametrize("text", ["", " . ", "car . ?!"])
def test_a_text_without_words_is_refused(cli, toy, plate, text: str) -> None:
    ran = cli.run("detect", plate, "--text", text, "--server", toy.target)
    assert ran.code == 2
    assert "no word" in ran.err
    ran = cli.run("roto", plate, f"--text={text}", "--out", "m.####.exr", "--server", toy.target)
    assert ran.code == 2


def test_text_before_any_object_becomes_the_recipes_search(cli, toy, plate) -> None:
    saved = cli.folder / "shot.airoto.json"
    options = ("--out", "m.####.exr", "--save-recipe", saved, "--server", toy.target)
    text = ("--text", "person . dog", "--box-threshold", 0.5, "--engine-detect", "null")
    ran = cli.run("roto", plate, *text, *FLAGS, "--text", "1002:a hat", *options)
    assert ran.code == 0, ran.err
    made = recipes.read(saved)
    assert (made.detect.text, made.detect.frame) == ("person . dog", 1001)
    assert (made.detect.box_threshold, made.detect.engine) == (0.5, "null")
    (hero,) = made.objects
    assert [(one.frame, one.text) for one in hero.prompts] == [(1001, ""), (1002, "a hat")]


def test_a_named_matter_needs_no_prompt(cli, toy, plate) -> None:
    saved = cli.folder / "shot.airoto.json"
    options = ("--out", "m.####.exr", "--save-recipe", saved, "--server", toy.target)
    assert cli.run("roto", plate, "--engine-matte", "modnet", *options).code == 0
    (subject,) = recipes.read(saved).objects
    assert (subject.name, len(subject.prompts)) == ("subject", 0)
    ran = cli.run("roto", plate, *options)
    assert ran.code == 2
    assert "no prompt" in ran.err


def test_a_search_has_one_frame() -> None:
    flags = [Flag("--text", "1002:dog"), Flag("--text", "1002:cat")]
    assert split_search(flags) == (Search("dog . cat", 1002), [])
    with pytest.raises(BadRequestError, match="one frame"):
        split_search([*flags, Flag("--text", "cow")])
