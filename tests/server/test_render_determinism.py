"""One recipe, the same bits: run after run, on any number of threads, in any process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from airoto_server.app.sample import SamplePaths

from .conftest import RunningServer, StartServer
from .rendering import Message, digests, drawn_recipe, render, sample_recipe

# Every run goes to the same path, which is part of the recipe and so of the files' headers.
LAYERS = {"trimap": True, "foreground": True, "confidence": True}


def a_click_and_the_default_engines(clip: SamplePaths, folder: Path) -> Message:
    return sample_recipe(clip, folder / "a.####.exr", output=LAYERS)


def keyframes_at_both_ends(clip: SamplePaths, folder: Path) -> Message:
    keys = (clip.first, clip.first + 3)
    return drawn_recipe(clip, folder / "a.####.exr", keys=keys, matte={"engine": "auto"})


@pytest.mark.parametrize("make", [a_click_and_the_default_engines, keyframes_at_both_ends])
def test_files_are_the_same_on_1_2_and_4_threads_made_again_and_by_another_process(
    clip: SamplePaths,
    server: RunningServer,
    start_server: StartServer,
    tmp_path: Path,
    make: Callable[[SamplePaths, Path], Message],
) -> None:
    recipe = make(clip, tmp_path)
    recipe["output"]["overwrite"] = "OVERWRITE_REPLACE"
    frames = {"first": clip.first, "last": clip.first + 3}
    other = start_server("--threads", 1)
    found = []
    for process, threads in ((server, 1), (server, 2), (server, 4), (server, 4), (other, 0)):
        recipe["processing"] = {"threads": threads, "seed": 7}
        outcome = render(process.link, recipe, frames=frames)
        assert outcome.plan["provenance"]["threads"] == (threads or 1)
        assert len(outcome.done) == 4
        found.append(digests(tmp_path))
    other.local.stop()
    assert len(found[0]) == 4
    assert found[1:] == found[:1] * 4


def test_another_seed_or_threads_make_another_or_the_same_recipe(
    clip: SamplePaths, server: RunningServer, tmp_path: Path
) -> None:
    hashes = [
        render(
            server.link,
            drawn_recipe(
                clip,
                tmp_path / "a.####.exr",
                track={"engine": "null"},
                processing={"seed": seed, "threads": threads},
            ),
        ).plan["recipe_hash"]
        for seed, threads in ((0, 1), (0, 3), (1, 1))
    ]
    assert hashes[0] == hashes[1] != hashes[2]
