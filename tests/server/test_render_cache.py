"""Renders take what they can from the cache, and never what is out of date."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from airoto_server.app.sample import SamplePaths

from .conftest import RunningServer, StartServer
from .rendering import (
    Message,
    Outcome,
    channels,
    digests,
    drawn,
    hero,
    long_plate,
    merged,
    render,
    sample_recipe,
    write_image,
)

FRAMES = 14


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def cached(start_server: StartServer, folder: Path) -> RunningServer:
    """A server that keeps its results."""
    return start_server("--threads", 2, "--cache", folder)


@pytest.fixture(autouse=True)
def empty(folder: Path) -> Iterator[None]:
    """Every test begins with nothing kept."""
    for stage in ("segment", "track", "matte", "file", "engine"):
        shutil.rmtree(folder / stage, ignore_errors=True)
    return


@pytest.fixture(scope="module")
def plate(clip: SamplePaths, tmp_path_factory: pytest.TempPathFactory) -> Message:
    return long_plate(clip, tmp_path_factory.mktemp("plate") / "frames", FRAMES)


def box(frame: int, left: float, size: float = 60.0) -> Message:
    corners = {"x_min": left, "y_min": 20.0, "x_max": left + size, "y_max": 80.0}
    return {"frame": frame, "box": corners}


def recipe_of(
    clip: SamplePaths, plate: Message, out: Path, *prompts: Message, **changes: object
) -> Message:
    """Null engines, which are instant."""
    quick = {
        "plate": plate,
        "objects": hero(*(prompts or (box(1, 30), box(12, 40)))),
        "segment": {"engine": "null"},
        "track": {"engine": "null"},
        "matte": {"engine": "null", "stability": 0.0},
    }
    return sample_recipe(clip, out / "a.####.exr", **merged(quick, changes))


def counts(outcome: Outcome) -> tuple[dict[str, int], dict[str, int]]:
    return outcome.summary.get("stage_made", {}), outcome.summary.get("stage_cached", {})


def fresh(server: RunningServer, recipe: Message) -> Outcome:
    """Render where nothing was written before."""
    shutil.rmtree(Path(recipe["output"]["path"]).parent, ignore_errors=True)
    return render(server.link, recipe)


def test_the_same_recipe_again_runs_no_engine_and_gives_the_same_bits(
    clip: SamplePaths,
    plate: Message,
    cached: RunningServer,
    server: RunningServer,
    folder: Path,
    tmp_path: Path,
) -> None:
    recipe = recipe_of(clip, plate, tmp_path / "out", output={"trimap": True, "confidence": True})
    first = fresh(cached, recipe)
    assert counts(first) == ({"segment": 2, "track": FRAMES, "matte": FRAMES}, {})
    wanted = digests(tmp_path / "out")
    again = fresh(cached, recipe)
    assert counts(again) == ({}, {"file": FRAMES})
    assert again.frames == first.frames
    assert digests(tmp_path / "out") == wanted
    # Without the files themselves they are put together from their mattes.
    shutil.rmtree(folder / "file")
    again = fresh(cached, recipe)
    assert counts(again) == ({}, {"segment": 2, "track": FRAMES, "matte": FRAMES})
    assert again.summary["stage_seconds"].get("track", 0) == 0
    assert again.frames == first.frames
    assert digests(tmp_path / "out") == wanted
    # A server without a cache makes the same files.
    assert counts(fresh(server, recipe))[1] == {}
    assert digests(tmp_path / "out") == wanted


def test_another_edge_mattes_again_and_does_not_track(
    clip: SamplePaths, plate: Message, cached: RunningServer, tmp_path: Path
) -> None:
    recipe = recipe_of(clip, plate, tmp_path / "out")
    fresh(cached, recipe)
    for change in ({"grow": 2.0}, {"feather": 1.0}, {"trimap": {"narrow": 3.0}}):
        outcome = fresh(cached, merged(recipe, {"matte": change}))
        assert counts(outcome) == ({"matte": FRAMES}, {"segment": 2, "track": FRAMES}), change
    # Where it goes, how it is compressed and what it is called changes no pixel.
    other = merged(recipe, {"output": {"compression": "COMPRESSION_DWAA"}, "name": "another"})
    assert counts(fresh(cached, other))[0] == {}


def test_a_correction_tracks_between_its_neighbours_and_mattes_what_changed(
    clip: SamplePaths, cached: RunningServer, server: RunningServer, tmp_path: Path
) -> None:
    """The issue's case, at a tenth of its length: keyframes 1, 6, 12 of 20, correction on 6."""
    plate = long_plate(clip, tmp_path / "plate", 20)
    others = (box(1, 30), box(12, 40))
    recipe = recipe_of(clip, plate, tmp_path / "out", *others, box(6, 35))
    fresh(cached, recipe)
    before = digests(tmp_path / "out")
    corrected = recipe_of(clip, plate, tmp_path / "out", *others, box(6, 80))
    outcome = fresh(cached, corrected)
    made, found = counts(outcome)
    # 2 to 11 are tracked again; 1 and 12 are keyframes, whose masks stay as they are.
    assert (made["segment"], made["track"], made["matte"]) == (1, 10, 10)
    assert (found["segment"], found["track"], found["matte"]) == (2, 10, 10)
    after = digests(tmp_path / "out")
    fresh(server, corrected)
    assert digests(tmp_path / "out") == after != before


def test_steady_edges_carry_a_change_four_frames_further(
    clip: SamplePaths, cached: RunningServer, server: RunningServer, tmp_path: Path
) -> None:
    plate = long_plate(clip, tmp_path / "plate", 20)
    steady = {"matte": {"stability": 1.0}}
    recipe = recipe_of(clip, plate, tmp_path / "out", box(1, 30), box(12, 40), **steady)
    fresh(cached, recipe)
    corrected = recipe_of(
        clip, plate, tmp_path / "out", box(1, 30), box(6, 80), box(12, 40), **steady
    )
    made, _ = counts(fresh(cached, corrected))
    assert (made["track"], made["matte"]) == (10, 15)  # 2 to 11, and 1 and 12 to 15 beside them
    wanted = digests(tmp_path / "out")
    # A hole in the middle is filled with the same bits, in a chunk of its own.
    for name in ("a.0009.exr", "a.0010.exr"):
        (tmp_path / "out" / name).unlink()
    assert render(server.link, corrected).done == [9, 10]
    assert digests(tmp_path / "out") == wanted
    assert counts(fresh(server, corrected))[1] == {}
    assert digests(tmp_path / "out") == wanted


def test_a_keyframe_more_or_less_and_going_back_costs_only_what_changes(
    clip: SamplePaths, plate: Message, cached: RunningServer, tmp_path: Path
) -> None:
    two = recipe_of(clip, plate, tmp_path / "out", box(1, 30), box(12, 40))
    three = recipe_of(clip, plate, tmp_path / "out", box(12, 40), box(8, 70), box(1, 30))
    fresh(cached, two)
    made, _ = counts(fresh(cached, three))
    assert (made["segment"], made["track"]) == (1, 10)
    assert counts(fresh(cached, two))[0] == {}


@pytest.mark.parametrize("mode", ["MEMORY_MODE_SEGMENT", "MEMORY_MODE_SHOT"])
def test_a_changed_pixel_reaches_every_frame_that_was_tracked_over_it_and_no_other(
    clip: SamplePaths, cached: RunningServer, server: RunningServer, tmp_path: Path, mode: str
) -> None:
    plate = long_plate(clip, tmp_path / "plate", 12)
    recipe = recipe_of(
        clip, plate, tmp_path / "out", box(1, 30), box(6, 50), track={"memory_mode": mode}
    )
    render(cached.link, recipe)
    path = tmp_path / "plate/plate.0004.exr"
    pixels = np.stack([channels(path)[name] for name in "RGB"], axis=2)
    pixels[5, 5] += 0.25
    path.unlink()
    write_image(path, pixels)
    outcome = render(cached.link, recipe)
    reached = [*range(2, 6)] if mode == "MEMORY_MODE_SEGMENT" else [*range(2, 6), *range(7, 13)]
    assert outcome.done == reached
    made, _ = counts(outcome)
    assert made["track"] == len(reached)
    # Null masks do not see the pixel: only its own frame has other pixels to be matted from.
    assert made["matte"] == 1
    after = digests(tmp_path / "out")
    fresh(server, recipe)
    # The frames that stayed say of themselves what they were made from, which is the same.
    assert digests(tmp_path / "out") == after


def test_nothing_of_another_engine_seed_option_or_size_is_taken(
    clip: SamplePaths, plate: Message, cached: RunningServer, tmp_path: Path
) -> None:
    recipe = recipe_of(clip, plate, tmp_path / "out")
    fresh(cached, recipe)
    for change, stages in (
        ({"track": {"engine": "classic-grabcut"}}, {"track"}),
        ({"matte": {"engine": "none"}}, {"matte"}),
        ({"processing": {"seed": 1}}, {"segment", "track", "matte"}),
        ({"processing": {"working_size": 96}}, {"segment", "track", "matte"}),
        ({"plate": {"colour": {"exposure": 1.0}}}, {"segment", "track", "matte"}),
        ({"track": {"memory_mode": "MEMORY_MODE_SHOT"}}, {"track"}),
        ({"track": {"direction": "DIRECTION_FORWARD"}}, {"track"}),
    ):
        made, found = counts(fresh(cached, merged(recipe, change)))
        assert stages <= set(made), change
        for stage in stages - {"track", "matte"}:
            assert stage not in found, change


def test_a_drawn_mask_counts_by_its_content(
    clip: SamplePaths, plate: Message, cached: RunningServer, tmp_path: Path
) -> None:
    mask = tmp_path / "mask.png"
    pixels = np.zeros((108, 192, 1), np.float32)
    pixels[20:60, 40:90] = 1
    write_image(mask, pixels, "Y")
    recipe = recipe_of(clip, plate, tmp_path / "out", drawn(mask, 1))
    render(cached.link, recipe)
    assert render(cached.link, recipe).done == []
    pixels[20:60, 40:60] = 0
    write_image(mask, pixels, "Y")
    assert len(render(cached.link, recipe).done) == FRAMES


def test_a_damaged_entry_is_made_again_and_said_to_be(
    clip: SamplePaths, plate: Message, cached: RunningServer, folder: Path, tmp_path: Path
) -> None:
    recipe = recipe_of(clip, plate, tmp_path / "out")
    fresh(cached, recipe)
    wanted = digests(tmp_path / "out")
    shutil.rmtree(folder / "file")
    victim = sorted((folder / "matte").glob("*/*"))[0]
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    outcome = fresh(cached, recipe)
    assert counts(outcome)[0] == {"matte": 1}
    assert any("damaged" in one and victim.name in one for one in outcome.warnings)
    assert digests(tmp_path / "out") == wanted
    assert counts(fresh(cached, recipe))[0] == {}


def test_a_damaged_file_in_the_cache_is_put_together_again_between_whole_ones(
    clip: SamplePaths, plate: Message, cached: RunningServer, folder: Path, tmp_path: Path
) -> None:
    recipe = recipe_of(clip, plate, tmp_path / "out")
    frames = list(fresh(cached, recipe).frames)
    wanted = digests(tmp_path / "out")
    for victim in sorted((folder / "file").glob("*/*"))[3:5]:
        victim.write_bytes(victim.read_bytes()[:-1])
    outcome = fresh(cached, recipe)
    made, found = counts(outcome)
    assert (made, found["file"], found["matte"]) == ({}, FRAMES - 2, 2)
    assert list(outcome.frames) == frames  # told in ascending order
    assert any("damaged" in one for one in outcome.warnings)
    assert digests(tmp_path / "out") == wanted


def test_cached_files_are_fetched_by_handle_as_well(
    clip: SamplePaths, plate: Message, cached: RunningServer, tmp_path: Path
) -> None:
    recipe = recipe_of(clip, plate, tmp_path / "out")
    fresh(cached, recipe)
    request = {"recipe": recipe, "delivery": "DELIVERY_HANDLES"}
    handles = {}
    for event in cached.link.stream("Render", request):
        if "frame" in event:
            handles[event["frame"]["frame"]] = event["frame"]["handle"]
        if "summary" in event:
            assert event["summary"]["stage_cached"] == {"file": FRAMES}
    for frame, handle in handles.items():
        cached.link.download(handle, tmp_path / "fetched.exr")
        there = tmp_path / f"out/a.{frame:04d}.exr"
        assert (tmp_path / "fetched.exr").read_bytes() == there.read_bytes()


def test_two_servers_share_a_folder(
    clip: SamplePaths,
    plate: Message,
    cached: RunningServer,
    start_server: StartServer,
    folder: Path,
    tmp_path: Path,
) -> None:
    recipe = recipe_of(clip, plate, tmp_path / "out")
    fresh(cached, recipe)
    wanted = digests(tmp_path / "out")
    other = start_server("--threads", 1, "--cache", folder)
    assert counts(fresh(other, recipe))[0] == {}
    assert digests(tmp_path / "out") == wanted
    other.local.stop()


def test_a_folder_that_fails_costs_time_and_nothing_else(
    clip: SamplePaths, plate: Message, start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server("--cache", tmp_path / "cache")
    for stage in ("segment", "track", "matte", "file", "engine"):
        (tmp_path / "cache" / stage).write_text("in the way")
    outcome = render(server.link, recipe_of(clip, plate, tmp_path / "out"))
    assert len(outcome.done) == FRAMES
    assert sum("cannot be kept" in one for one in outcome.warnings) == 1
    server.local.stop()
