"""Leaving a render stops it at the next frame; clicks are answered before, while and after."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from airoto.errors import CancelledError
from airoto_client.grpc_link import Cancel, GrpcLink
from airoto_server.app.sample import SamplePaths

from .conftest import RunningServer
from .rendering import Message, drawn_recipe, files_in, hero, long_plate, segment_area

FRAMES = 60
CLICK = hero({"frame": 1001, "points": [{"x": 80.5, "y": 61.1}]})


@pytest.fixture
def recipe(clip: SamplePaths, tmp_path: Path) -> Message:
    """A long render, its frames coming one by one."""
    made = drawn_recipe(
        clip,
        tmp_path / "out/a.####.exr",
        plate=long_plate(clip, tmp_path / "plate", FRAMES),
        track={"engine": "classic-grabcut", "direction": "DIRECTION_FORWARD"},
        matte={"engine": "classic"},
    )
    made["objects"][0]["prompts"][0]["frame"] = 1
    return made


@pytest.fixture
def other(server: RunningServer) -> Iterator[GrpcLink]:
    """Another client."""
    with GrpcLink(server.local.target) as link:
        yield link


def until_idle(server: RunningServer) -> None:
    """Wait until the server has cleared the job away."""
    end = time.monotonic() + 30
    while any(name.startswith("job-") for name in server.jobs()):
        assert time.monotonic() < end, "the job goes on"
        time.sleep(0.01)


@pytest.mark.parametrize("how", ["closed", "cancelled"])
def test_a_render_that_is_left_stops_within_a_frame_while_others_are_served(
    clip: SamplePaths,
    server: RunningServer,
    other: GrpcLink,
    recipe: Message,
    tmp_path: Path,
    how: str,
) -> None:
    click = drawn_recipe(clip, "a.####.exr", objects=CLICK)
    out, cancel = tmp_path / "out", Cancel()
    stream = server.link.stream("Render", {"recipe": recipe}, cancel=cancel)
    delivered = 0
    for answer in stream:
        delivered += "frame" in answer
        if delivered == 2:
            break
    assert segment_area(other, click, 1001) > 0
    assert len(files_in(out)) < FRAMES // 2, "the click was answered while the render went on"
    if how == "closed":
        stream.close()
    else:
        cancel.cancel()
        with contextlib.closing(stream), pytest.raises(CancelledError):
            list(stream)
    at_once = len(files_in(out))
    until_idle(server)
    assert segment_area(other, click, 1001) > 0
    stopped = files_in(out)
    # The frame in work is not finished; those that were waiting for the disk may be.
    assert len(stopped) <= at_once + 3
    assert len(stopped) < FRAMES
    assert stopped == [f"a.{frame:04d}.exr" for frame in range(1, len(stopped) + 1)]
    time.sleep(0.3)
    assert files_in(out) == stopped


def test_a_render_left_while_it_still_tracks_backward_writes_nothing(
    server: RunningServer, other: GrpcLink, recipe: Message, tmp_path: Path
) -> None:
    recipe["track"]["direction"] = "DIRECTION_BACKWARD"
    recipe["objects"][0]["prompts"][0]["frame"] = FRAMES
    stream = server.link.stream("Render", {"recipe": recipe})
    tracked = 0
    for answer in stream:
        assert "frame" not in answer
        tracked += answer.get("progress", {}).get("stage") == "track"
        if tracked == 5:
            break
    stream.close()
    until_idle(server)
    assert files_in(tmp_path / "out") == []


def test_two_renders_share_the_server_and_both_end(
    clip: SamplePaths, server: RunningServer, other: GrpcLink, tmp_path: Path
) -> None:
    streams = [
        link.stream("Render", {"recipe": drawn_recipe(clip, tmp_path / f"{name}.####.exr")})
        for link, name in ((server.link, "a"), (other, "b"))
    ]
    ended = {0: False, 1: False}
    frames = {0: 0, 1: 0}
    while not all(ended.values()):
        for at, stream in enumerate(streams):
            answer = next(stream, None)
            ended[at] = ended[at] or answer is None
            frames[at] += answer is not None and "frame" in answer
    assert frames == {0: 8, 1: 8}
