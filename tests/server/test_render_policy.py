"""What a preset forbids is refused by the server, with the preset's name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airoto.errors import EngineForbiddenError
from airoto_server.app.sample import SamplePaths
from airoto_server.ops.matte_file import read_provenance

from .conftest import RunningServer
from .rendering import Message, drawn_recipe, render, sample_recipe

HASH = "sha256:" + "7" * 64


def pinned(recipe: Message, **rule: Any) -> Message:
    rule = {"preset": "SHOWX", **rule}
    return {
        **recipe,
        "preset": {"name": "SHOWX:hair hero", "version": 3, "hash": HASH, "policy": [rule]},
    }


@pytest.mark.parametrize(
    ("role", "rule", "words"),
    [
        ("segment", {"engines": ["sam2.1-*"]}, "SHOWX forbids the engine 'classic'.*sam2.1-"),
        ("track", {"engines": ["sam2.1-*"]}, "SHOWX forbids the engine 'classic'"),
        ("matte", {"licences": ["Apache-2.0"]}, "SHOWX forbids the licence MIT of 'classic'"),
    ],
)
@pytest.mark.parametrize("named", ["classic", "auto"])
def test_a_forbidden_engine_is_refused_before_any_work(
    server: RunningServer, clip: SamplePaths, tmp_path: Path,
    role: str, rule: Message, words: str, named: str,
) -> None:  # fmt: skip
    null = {name: {"engine": "null"} for name in ("segment", "track", "matte")}
    recipe = sample_recipe(clip, tmp_path / "m.####.exr", **{**null, role: {"engine": named}})
    with pytest.raises(EngineForbiddenError, match=words) as caught:
        render(server.link, pinned(recipe, **rule))
    assert caught.value.violations[0].path == f"{role}.engine"
    assert not list(tmp_path.iterdir())


def test_every_call_obeys(server: RunningServer, clip: SamplePaths, tmp_path: Path) -> None:
    recipe = pinned(sample_recipe(clip, tmp_path / "m.####.exr"), engines=["sam2.1-*"])
    for method, request in (
        ("Segment", {"recipe": recipe, "frame": clip.first}),
        ("Matte", {"recipe": recipe, "frame": clip.first, "mask": {"path": str(clip.alphas[0])}}),
        ("Detect", {"recipe": {**recipe, "detect": {"text": "ball", "frame": clip.first,
                                                    "engine": "grounding-dino-tiny"}}}),
    ):  # fmt: skip
        with pytest.raises(EngineForbiddenError, match="SHOWX"):
            server.link.call(method, request, timeout=60)


def test_auto_takes_what_is_allowed_and_the_header_names_the_preset(
    server: RunningServer, clip: SamplePaths, tmp_path: Path
) -> None:
    recipe = drawn_recipe(clip, tmp_path / "m.####.exr", track={"engine": "auto"})
    allowed = pinned(recipe, engines=["classic-grabcut"], commercial_only=True)
    outcome = render(server.link, allowed, frames={"first": clip.first, "last": clip.first + 1})
    made = read_provenance(Path(outcome.frames[clip.first]["path"])) or {}
    assert [one["name"] for one in made["engines"] if one["role"] == "tracker"] == [
        "classic-grabcut"
    ]
    assert made["choices"]["preset"] == f"SHOWX:hair hero, version 3, {HASH}"
