"""Many artists on one server, seen from outside: who gets a device when, and who waits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from airoto.errors import AIRotoError, BusyError, TimedOutError
from airoto_client.exit_codes import RETRYABLE, exit_code_of
from airoto_client.grpc_link import GrpcLink
from airoto_server.app.sample import SamplePaths

from .rendering import Message, drawn_recipe, hero
from .serving import PATIENCE, Desk, as_client, held_engines, served

CLICK = hero({"frame": 1001, "points": [{"x": 80.5, "y": 61.1}]})


@pytest.fixture
def desk() -> Iterator[Desk]:
    with held_engines() as desk:
        yield desk
        desk.let(1_000_000)


class Artist(threading.Thread):
    """Calls the server in a thread and keeps what it answers."""

    def __init__(self, link: GrpcLink, method: str, request: Message, timeout: float = 60) -> None:
        super().__init__()
        self.answers: list[Message] = []
        self.error: AIRotoError | None = None
        self._link, self._method, self._request, self._timeout = link, method, request, timeout
        self.start()

    def run(self) -> None:
        try:
            if self._method == "Render":
                for answer in self._link.stream("Render", self._request, timeout=self._timeout):
                    self.answers.append(answer)
            else:
                answer = self._link.call(self._method, self._request, timeout=self._timeout)
                self.answers.append(answer)
        except AIRotoError as exc:
            self.error = exc

    def end(self) -> None:
        self.join(PATIENCE)
        assert not self.is_alive()

    @property
    def frames(self) -> int:
        return sum("frame" in answer for answer in self.answers)


def held_recipe(clip: SamplePaths, output: Path, number: int = 1) -> Message:
    recipe = drawn_recipe(clip, output, track={"engine": "held"})
    recipe["objects"][0]["id"] = number
    return {"recipe": recipe}


def click_request(clip: SamplePaths) -> Message:
    recipe = drawn_recipe(clip, "unused.####.exr", objects=CLICK, segment={"engine": "held"})
    return {"recipe": recipe, "frame": 1001}


def until(condition: object, what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, what
        time.sleep(0.005)


def test_a_click_beside_eight_renders_waits_for_at_most_one_frame(
    clip: SamplePaths, desk: Desk, tmp_path: Path
) -> None:
    with served(renders=8) as server:
        lane = server.workshop.lane
        artists = [
            Artist(
                as_client(server, f"artist{n}@ws"),
                "Render",
                held_recipe(clip, tmp_path / f"{n}.####.exr", n),
            )
            for n in range(1, 9)
        ]
        desk.let(10)
        desk.wait_for(11)
        # A render may want two turns, one to track and one to matte.
        until(lambda: lane.waiting >= 7, "all eight want the device")
        for _ in range(3):
            before = len(desk.order)
            click = Artist(as_client(server, "clicker@ws"), "Segment", click_request(clip))
            until(lambda: lane.clicks_waiting == 1, "the click waits")
            assert len(desk.order) == before, "one frame runs, and nobody else"
            desk.let(1)
            assert desk.wait_for(before + 1)[before] == "click"
            desk.let(1)
            click.end()
            assert click.error is None
            desk.wait_for(before + 2)
        desk.let(10_000)
        for artist in artists:
            artist.end()
            assert artist.error is None
            assert artist.frames == 8


def test_renders_of_several_artists_take_turns(
    clip: SamplePaths, desk: Desk, tmp_path: Path
) -> None:
    with served(renders=8) as server:
        lane = server.workshop.lane
        artists = [
            Artist(
                as_client(server, f"artist{n}@ws"),
                "Render",
                held_recipe(clip, tmp_path / f"{n}.####.exr", n),
            )
            for n in range(1, 4)
        ]
        for step in range(1, 13):
            desk.wait_for(step)
            until(lambda: lane.waiting >= 2, "the others want the device")
            desk.let(1)
        desk.let(10_000)
        for artist in artists:
            artist.end()
        first = desk.order[:12]
        # First come, first served would not reach the third. Shares are of real time, in which
        # turns differ here; `test_lane.py` counts exactly.
        assert all(f"step cpu {n}" in first for n in range(1, 4))


def test_a_cancelled_render_frees_the_device_within_one_frame(
    clip: SamplePaths, desk: Desk, tmp_path: Path
) -> None:
    with served() as server:
        gone = as_client(server, "ann@ws")
        leaving = Artist(gone, "Render", held_recipe(clip, tmp_path / "a.####.exr", 1))
        desk.wait_for(1)
        staying = Artist(
            as_client(server, "bob@ws"), "Render", held_recipe(clip, tmp_path / "b.####.exr", 2)
        )
        until(lambda: server.workshop.lane.waiting == 1, "the other one waits")
        gone.close()
        leaving.end()
        calls = server.servicer._calls._running
        until(lambda: any(call.is_set for call in calls), "the server knows that it left")
        desk.let(10_000)
        staying.end()
        assert staying.frames == 8
        assert desk.order.count("step cpu 1") == 1
        until(lambda: not server.workshop.admission.jobs(), "nothing is left")


def test_a_deadline_that_passes_drops_the_work(
    clip: SamplePaths, desk: Desk, tmp_path: Path
) -> None:
    with served() as server:
        link = as_client(server, "ann@ws")
        late = Artist(link, "Render", held_recipe(clip, tmp_path / "a.####.exr"), timeout=1.0)
        desk.wait_for(1)
        waiting = Artist(link, "Segment", click_request(clip), timeout=0.5)
        waiting.end()
        late.end()
        assert isinstance(late.error, TimedOutError)
        assert isinstance(waiting.error, TimedOutError)
        until(lambda: server.workshop.lane.waiting == 0, "the click's place is free")
        calls = server.servicer._calls._running
        until(lambda: any(call.is_set for call in calls), "the server knows that it is late")
        desk.let(10_000)
        until(lambda: not server.workshop.admission.jobs(), "the render is dropped")
        assert desk.order == ["step cpu 1"]
        assert not server.workshop.lane.is_busy


def test_a_render_is_told_its_place_and_one_too_many_when_to_try_again(
    clip: SamplePaths, desk: Desk, tmp_path: Path
) -> None:
    with served(renders=1, waiting=1) as server:
        link = as_client(server, "ann@ws")
        first = Artist(link, "Render", held_recipe(clip, tmp_path / "a.####.exr"))
        desk.wait_for(1)
        second = Artist(link, "Render", held_recipe(clip, tmp_path / "b.####.exr"))
        until(lambda: any("queue" in answer for answer in second.answers), "told its place")
        third = Artist(link, "Render", held_recipe(clip, tmp_path / "c.####.exr"))
        third.end()
        assert isinstance(third.error, BusyError)
        assert third.error.retry_after > 0
        assert exit_code_of(third.error) in RETRYABLE
        assert third.error.request_id
        jobs = server.servicer.status().jobs
        assert [(job.position, job.client) for job in jobs] == [(0, "ann@ws"), (1, "ann@ws")]
        desk.let(10_000)
        for artist in (first, second):
            artist.end()
            assert artist.frames == 8
        places = [answer["queue"] for answer in second.answers if "queue" in answer]
        assert places[0]["position"] == 1
        assert places[-1].get("position", 0) == 0


def test_two_devices_work_at_the_same_time(clip: SamplePaths, desk: Desk, tmp_path: Path) -> None:
    with served(devices=("sim:0", "sim:1")) as server:
        artists = [
            Artist(
                as_client(server, f"artist{n}@ws"),
                "Render",
                held_recipe(clip, tmp_path / f"{n}.####.exr", n),
            )
            for n in (1, 2)
        ]
        both = desk.wait_for(2)
        assert {step.split()[1] for step in both} == {"sim:0", "sim:1"}
        desk.let(10_000)
        for artist in artists:
            artist.end()
            assert artist.frames == 8
        by_device = {step.split()[2]: step.split()[1] for step in both}
        assert all(by_device[s.split()[2]] == s.split()[1] for s in desk.order)


@pytest.mark.skipif(sys.platform != "linux", reason="stops a process")
def test_a_client_that_stops_reading_holds_nothing(
    clip: SamplePaths, tmp_path: Path, desk: Desk
) -> None:
    with served(renders=1) as server:
        request = held_recipe(clip, tmp_path / "a.####.exr", 1)
        script = f"""
            from airoto_client.grpc_link import GrpcLink
            with GrpcLink({server.target!r}) as link:
                for answer in link.stream("Render", {request!r}):
                    print(*answer, flush=True)
        """
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True
        )
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "plan\n"
            desk.wait_for(1)
            os.kill(process.pid, signal.SIGSTOP)
            desk.let(10_000)
            until(lambda: not server.workshop.admission.jobs(), "its render ends without it")
            assert len(list(tmp_path.glob("a.*.exr"))) == 8
            other = Artist(
                as_client(server, "bob@ws"), "Render", held_recipe(clip, tmp_path / "b.####.exr")
            )
            other.end()
            assert other.frames == 8
            os.kill(process.pid, signal.SIGCONT)
            rest, _ = process.communicate(timeout=PATIENCE)
            assert rest.splitlines()[-1] == "summary"
            assert rest.splitlines().count("frame") == 8
        finally:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()
