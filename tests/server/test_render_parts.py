"""A render in parts, on servers that share a cache, ends in the bits of one render."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from airoto.errors import BadRequestError, OutputError, ResultMissingError
from airoto_client.exit_codes import RETRYABLE, exit_code_of
from airoto_server.app.sample import SamplePaths

from .conftest import RunningServer, StartServer
from .rendering import Message, digests, files_in, render, sample_recipe


@pytest.fixture(scope="module")
def two(
    start_server: StartServer, tmp_path_factory: pytest.TempPathFactory
) -> tuple[RunningServer, RunningServer]:
    """Two servers with one cache; nothing that they keep elsewhere is shared."""
    cache = tmp_path_factory.mktemp("cache")
    first, second = (start_server("--threads", 1, "--cache", cache) for _ in range(2))
    return first, second


def shot(clip: SamplePaths, out: Path, **changes: object) -> Message:
    first, last = clip.first, clip.first + 7
    keys = (first, first + 4, last)
    prompts = [
        {"frame": key, "box": {"x_min": 60.0, "y_min": 20.0, "x_max": 130.0, "y_max": 95.0}}
        for key in keys
    ]
    prop = [{"frame": first, "points": [{"x": 30.0, "y": 30.0, "label": "POINT_LABEL_POSITIVE"}]}]
    return sample_recipe(
        clip,
        out / "a.####.exr",
        objects=[
            {"id": 1, "name": "hero", "prompts": prompts},
            {"id": 2, "name": "prop", "group": "prop", "prompts": prop},
        ],
        track={"engine": "classic-grabcut"},
        processing={"working_size": 96},
        **changes,
    )


def track(server: RunningServer, recipe: Message, group: str, first: int, last: int) -> Message:
    part = {"stage": "RENDER_STAGE_TRACK", "group": group}
    outcome = render(server.link, recipe, part=part, frames={"first": first, "last": last})
    assert not outcome.frames
    return outcome.summary


def matte(server: RunningServer, recipe: Message, first: int, last: int, **part: bool) -> Message:
    outcome = render(
        server.link,
        recipe,
        part={"stage": "RENDER_STAGE_MATTE", **part},
        frames={"first": first, "last": last},
    )
    assert outcome.done == list(range(first, last + 1))
    return outcome.summary


def test_parts_on_two_servers_make_the_bits_of_one_render_and_track_once(
    clip: SamplePaths, two: tuple[RunningServer, RunningServer], server: RunningServer,
    tmp_path: Path,
) -> None:  # fmt: skip
    out = tmp_path / "out"
    recipe = shot(clip, out)
    first = clip.first
    with pytest.raises(ResultMissingError) as caught:
        matte(two[0], recipe, first, first + 3)
    assert exit_code_of(caught.value) in RETRYABLE
    assert f"frames {first}, {first + 1}" in caught.value.message
    assert "the group 'prop'" in caught.value.message
    assert not files_in(tmp_path)

    parts = [("", first, first + 4), ("", first + 5, first + 7), ("prop", first, first + 7)]
    for index, (group, begin, end) in enumerate(parts):
        made = track(two[index % 2], recipe, group, begin, end)
        assert made["done"] == end - begin + 1
        assert made["stage_made"]["track"] == end - begin + 1
        assert "matte" not in made["stage_made"]
        # Again, on the other one: everything is there.
        again = track(two[(index + 1) % 2], recipe, group, begin, end)
        assert again["kept"] == end - begin + 1
        assert "track" not in again.get("stage_made", {})
    assert not files_in(tmp_path), "tracking writes no files beside the cache"

    for index, begin in enumerate((first, first + 3, first + 6)):
        made = matte(two[index % 2], recipe, begin, min(begin + 2, first + 7))
        assert "track" not in made["stage_made"]
        assert "segment" not in made["stage_made"]
    farmed = digests(out)
    assert len(farmed) == 8

    # One render, on a server that never saw the others' cache.
    shutil.rmtree(out)
    whole = render(server.link, recipe)
    assert len(whole.done) == 8
    assert digests(out) == farmed


def test_a_mask_that_is_damaged_is_missing_unless_the_task_may_track(
    clip: SamplePaths, start_server: StartServer, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    server = start_server("--threads", 1, "--cache", cache)
    recipe = shot(clip, tmp_path / "out")
    first = clip.first
    for group, begin, end in (("", first, first + 7), ("prop", first, first + 7)):
        track(server, recipe, group, begin, end)
    for entry in (cache / "track").rglob("*"):
        if entry.is_file():
            entry.write_bytes(entry.read_bytes()[:-1])
    with pytest.raises(ResultMissingError, match="tracked masks are not in the cache"):
        matte(server, recipe, first, first + 1)
    assert not files_in(tmp_path / "out")
    made = matte(server, recipe, first, first + 1, may_track=True)
    assert made["stage_made"]["track"] > 0


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"stage": "RENDER_STAGE_TRACK", "group": "hat"}, "part.group: 'hat'; allowed: '', 'prop'"),
        ({}, "part.stage: 0; allowed: RENDER_STAGE_TRACK, RENDER_STAGE_MATTE"),
    ],
)
def test_a_wrong_part_is_refused(
    clip: SamplePaths, two: tuple[RunningServer, RunningServer], tmp_path: Path, part: Message,
    said: str,
) -> None:  # fmt: skip
    with pytest.raises(BadRequestError) as caught:
        render(two[0].link, shot(clip, tmp_path / "out"), part=part)
    assert said in caught.value.message


def test_a_server_without_a_cache_does_no_parts(
    clip: SamplePaths, start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server("--cache", "off")
    for stage in ("TRACK", "MATTE"):
        with pytest.raises(BadRequestError, match="this server keeps no results"):
            render(
                server.link,
                shot(clip, tmp_path / "out"),
                part={"stage": f"RENDER_STAGE_{stage}"},
            )


def test_masks_that_cannot_be_kept_fail_the_task(
    clip: SamplePaths, start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server("--cache", tmp_path / "cache", "--cache-limit", "8K")
    with pytest.raises(OutputError, match="are not kept in the cache: its limit is too small"):
        track(server, shot(clip, tmp_path / "out"), "prop", clip.first, clip.first + 7)


def test_a_subject_that_the_matter_finds_has_nothing_to_track(
    clip: SamplePaths, two: tuple[RunningServer, RunningServer], tmp_path: Path
) -> None:
    recipe = shot(clip, tmp_path / "out", matte={"engine": "modnet"})
    recipe["objects"] = [{"id": 1, "name": "hero"}]
    with pytest.raises(BadRequestError, match="there is nothing to track"):
        track(two[0], recipe, "", clip.first, clip.first)
