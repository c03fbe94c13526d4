"""A recipe becomes a farm job: its segments, chunks, wishes, and the job's file."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from airoto.errors import BadRequestError
from airoto.wire import recipe as recipes
from airoto.wire.messages import Direction, MemoryMode, Recipe
from airoto_client.farm.job import JOB_FILE, Stage, read_job, write_job
from airoto_client.farm.plan import Farming, needs_gpu, plan, settings, write_folder
from airoto_client.farm.segments import chunks, segments
from airoto_server.sessions.passes import backward_passes, forward_passes


def recipe(keys: dict[str, list[int]], *, first: int = 1, last: int = 240, **track: int) -> Recipe:
    """A recipe with an object for each name, prompted on its frames; `b/hero` is in group b."""
    made = Recipe(version=1, name="sh010")
    made.plate.path = "/plates/sh010.%04d.exr"
    made.plate.frames.first, made.plate.frames.last = first, last
    made.plate.format.width, made.plate.format.height = 192, 108
    for number, (name, frames) in enumerate(keys.items(), start=1):
        group, _, own = name.rpartition("/")
        item = made.objects.add(id=number, name=own, group=group)
        for frame in frames:
            item.prompts.add(frame=frame).points.add(x=50, y=50, label=1)
    made.track.memory_mode = track.get("memory_mode", 0)
    made.track.direction = track.get("direction", 0)
    made.output.path = "/mattes/sh010.%04d.exr"
    return made


def spans(made: Recipe) -> list[tuple[str, int, int]]:
    return [(one.group, one.first, one.last) for one in segments(made)]


def test_objects_that_share_their_keyframes_part_the_shot_there() -> None:
    made = recipe({"a": [1, 120, 240], "b": [1, 120, 240], "c": [1, 120, 240]})
    assert spans(made) == [("", 1, 120), ("", 121, 240)]


def test_an_object_that_is_carried_over_a_keyframe_keeps_its_neighbours_together() -> None:
    # b is carried forward over 120, where only a is prompted.
    assert spans(recipe({"a": [1, 120], "b": [1]})) == [("", 1, 240)]
    # In groups of their own neither waits for the other.
    apart = recipe({"x/a": [1, 120], "y/b": [1]})
    assert spans(apart) == [("x", 1, 120), ("x", 121, 240), ("y", 1, 240)]


def test_memory_mode_shot_is_one_task_for_each_group() -> None:
    made = recipe({"x/a": [1, 120], "y/b": [60]}, memory_mode=MemoryMode.MEMORY_MODE_SHOT)
    assert spans(made) == [("x", 1, 240), ("y", 1, 240)]


def test_a_locked_frame_parts_all_groups() -> None:
    made = recipe({"x/a": [1], "y/b": [1]})
    made.locked.add(frame=100)
    assert spans(made) == [("x", 1, 100), ("x", 101, 240), ("y", 1, 100), ("y", 101, 240)]


def test_what_a_text_finds_joins_the_objects_without_a_group() -> None:
    made = recipe({"a": [1, 120]})
    made.detect.text, made.detect.frame = "red car", 50
    # The car is carried over 120, a backward over 50.
    assert spans(made) == [("", 1, 240)]


@pytest.mark.parametrize("seed", range(40))
def test_segments_hold_every_frame_once_and_no_pass_is_run_twice(seed: int) -> None:
    rng = random.Random(seed)
    last = rng.randint(2, 40)
    keys = {
        str(number): sorted(rng.sample(range(1, last + 1), rng.randint(1, min(4, last))))
        for number in range(rng.randint(1, 3))
    }
    if rng.random() < 0.5:  # keyframes that several objects share
        shared = keys["0"]
        keys = {name: shared if rng.random() < 0.7 else own for name, own in keys.items()}
    direction = rng.choice(
        [
            Direction.DIRECTION_BOTH,
            Direction.DIRECTION_FORWARD,
            Direction.DIRECTION_BACKWARD,
        ]
    )
    made = recipe(keys, last=last, direction=direction)
    found = segments(made)
    assert [f for one in found for f in range(one.first, one.last + 1)] == list(range(1, last + 1))

    frames = list(range(1, last + 1))
    own = dict(enumerate(keys.values()))
    for wanted, planned in (
        (direction != Direction.DIRECTION_BACKWARD, forward_passes),
        (direction != Direction.DIRECTION_FORWARD, backward_passes),
    ):
        if not wanted:
            continue
        whole = planned(frames, own, frames, whole_shot=False)
        parts = [
            one
            for part in found
            for one in planned(frames, own, range(part.first, part.last + 1), whole_shot=False)
        ]
        assert sorted(parts, key=lambda p: p.start) == sorted(whole, key=lambda p: p.start)


def test_chunks_hold_every_frame_once() -> None:
    assert chunks(-3, 6, 4) == [(-3, 0), (1, 4), (5, 6)]


def test_flags_go_before_the_preset_and_that_before_what_is_built_in() -> None:
    preset = {"farm.chunk_frames": 25, "farm.queue": "gpu", "farm.limits": "nuke_r, disk"}
    made = settings({"farm.chunk_frames": 7}, preset, gpu=True)
    assert made.chunk_frames == 7
    assert made.wishes.pool == "gpu"
    assert made.wishes.limits == ("nuke_r", "disk")
    assert made.wishes.priority == 50
    with pytest.raises(BadRequestError, match="--chunk-frames: 0; allowed: a whole number, 1 to"):
        settings({"farm.chunk_frames": 0}, preset, gpu=False)


def test_a_job_is_what_was_written_wherever_its_folder_lies(tmp_path: Path) -> None:
    made = recipe({"a": [1, 120], "g b/b": [1]}, first=-12)
    job = plan(made, tmp_path / "one", Farming(chunk_frames=100))
    write_folder(job, made)
    (tmp_path / "one").rename(tmp_path / "two")
    found = read_job(tmp_path / "two")
    assert found.folder == str(tmp_path / "two")
    assert found.steps == job.steps
    assert [one.name for one in found.step("track").tasks] == [
        "objects.n12-1", "objects.2-120", "objects.121-240", "g_b.n12-1", "g_b.2-240",
    ]  # fmt: skip
    matte = found.step("matte")
    assert matte.stage is Stage.MATTE
    assert matte.depends_on == ("track",)
    assert matte.tasks[0].arguments("/farm/job") == [
        "render", "/farm/job/recipe.airoto.json", "--json", "--stage=matte", "--frames=-12-87",
    ]  # fmt: skip
    assert (
        recipes.recipe_hash(recipes.read(tmp_path / "two" / "recipe.airoto.json"))
        == (found.recipes["recipe.airoto.json"])
    )


def test_a_folder_with_the_job_of_another_recipe_is_refused(tmp_path: Path) -> None:
    one, other = recipe({"a": [1]}), recipe({"a": [2]})
    write_folder(plan(one, tmp_path, Farming()), one)
    write_folder(plan(one, tmp_path, Farming(chunk_frames=5)), one)
    with pytest.raises(BadRequestError, match="holds the job of another recipe"):
        write_folder(plan(other, tmp_path, Farming()), other)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data.update(version=2), "has version 2; this AIRoto reads 1"),
        (lambda data: data.pop("steps"), "KeyError: 'steps'"),
        (lambda data: data["steps"][1].update(stage="paint"), "'paint' is not a valid Stage"),
        (lambda data: data["steps"][0].update(name="../up"), "a step is called '../up'"),
        (lambda data: data["steps"][0].update(depends_on=["matte"]), "before ['matte']"),
    ],
)  # fmt: skip
def test_a_damaged_job_file_is_refused(tmp_path: Path, change: object, said: str) -> None:
    job = plan(recipe({"a": [1]}), tmp_path, Farming())
    path = write_job(job)
    data = json.loads(path.read_text())
    change(data)  # type: ignore[operator]
    path.write_text(json.dumps(data))
    with pytest.raises(BadRequestError) as caught:
        read_job(tmp_path)
    assert said in caught.value.message
    assert JOB_FILE in caught.value.message


def test_only_networks_ask_for_a_graphics_processor() -> None:
    made = recipe({"a": [1]})
    assert not needs_gpu(made, None)
    made.track.engine = "cutie-base"
    assert needs_gpu(made, None)
    made.track.engine = "auto"
    engines = [
        {"name": "cutie-base", "role": "ENGINE_ROLE_TRACKER", "needs_weights": True},
        {"name": "classic", "role": "ENGINE_ROLE_TRACKER", "is_default": True},
    ]
    assert not needs_gpu(made, {"engines": engines})
    engines[0]["is_default"], engines[1]["is_default"] = True, False
    assert needs_gpu(made, {"engines": engines})
