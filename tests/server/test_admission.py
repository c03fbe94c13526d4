"""Which renders run, which wait, and what those are told."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from airoto.errors import BusyError, CancelledError
from airoto_server.scheduler.admission import Admission, Job, Place
from airoto_server.scheduler.cancel import Cancel

PATIENCE = 20.0


class Render:
    """A render in a thread of its own that runs until it is told to end."""

    def __init__(self, admission: Admission, name: str, client: str) -> None:
        self.job = Job(name, client=client)
        self.cancel = Cancel(client)
        self.places: list[Place] = []
        self.device = ""
        self.error: BaseException | None = None
        self._admission = admission
        self._end = threading.Event()
        self.changed = threading.Condition()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        with self.changed:
            assert self.changed.wait_for(lambda: self.places or self.device or self.error, PATIENCE)

    def _run(self) -> None:
        try:
            with self._admission.admitted(self.job, self.cancel, self._tell) as device:
                with self.changed:
                    self.device = device
                    self.changed.notify_all()
                self._end.wait(PATIENCE)
        except (BusyError, CancelledError) as exc:
            with self.changed:
                self.error = exc
                self.changed.notify_all()

    def _tell(self, place: Place) -> None:
        with self.changed:
            self.places.append(place)
            self.changed.notify_all()

    def runs(self) -> bool:
        with self.changed:
            return self.changed.wait_for(lambda: bool(self.device), PATIENCE)

    def end(self) -> None:
        self._end.set()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()


class Renders:
    def __init__(self, admission: Admission) -> None:
        self.admission = admission
        self.all: list[Render] = []

    def start(self, name: str, client: str = "ann") -> Render:
        self.all.append(Render(self.admission, name, client))
        return self.all[-1]


@pytest.fixture
def renders() -> Iterator[Renders]:
    """One device, two renders at a time, two may wait."""
    yield from ended(Admission(["sim:0"], running=2, waiting=2))


def ended(admission: Admission) -> Iterator[Renders]:
    renders = Renders(admission)
    yield renders
    for each in renders.all:
        each.cancel.set()
    for each in renders.all:
        each.end()
    assert admission.jobs() == []


def test_a_render_waits_for_the_clients_others_and_is_told_its_place(renders: Renders) -> None:
    first, second = renders.start("a"), renders.start("b")
    third, fourth = renders.start("c"), renders.start("d")
    assert (first.device, second.device, third.device) == ("sim:0", "sim:0", "")
    assert third.places[0] == Place(1, 2, -1.0)
    assert fourth.places[0].position == 2
    first.end()
    assert third.runs()
    assert third.places[-1].position == 0
    with fourth.changed:
        assert fourth.changed.wait_for(lambda: fourth.places[-1].position == 1, PATIENCE)


def test_an_idle_server_says_nothing_of_places(renders: Renders) -> None:
    assert renders.start("a").places == []


def test_a_client_with_nothing_running_does_not_wait_for_the_long_renders_of_another(
    renders: Renders,
) -> None:
    for name in ("2000 frames", "2000 more", "and more"):
        renders.start(name, "ann")
    assert renders.start("50 frames", "bob").device == "sim:0"


def test_a_clients_first_render_goes_before_anothers_third(renders: Renders) -> None:
    running = [renders.start("a", "ann"), renders.start("b", "ann")]
    running += [renders.start("c", "bob"), renders.start("d", "cid")]
    waits = renders.start("e", "ann")
    new = renders.start("f", "dan")
    assert new.places[0].position == 1
    assert [job.name for job, place in renders.admission.jobs() if place.position] == ["f", "e"]
    running[0].end()
    assert new.runs()
    assert not waits.device


def test_a_full_queue_says_when_to_try_again(renders: Renders) -> None:
    running = [renders.start("a"), renders.start("b")]
    renders.start("c")
    renders.start("d")
    refused = renders.start("e").error
    assert isinstance(refused, BusyError)
    assert refused.retry_after == 30.0
    running[0].job.tell("track", 10, 42.4)
    running[1].job.tell("track", 10, 90.0)
    told = renders.start("f").error
    assert isinstance(told, BusyError)
    assert told.retry_after == 42.0
    assert "try again in about 42 s" in told.hint


def test_the_wait_is_estimated_from_what_runs(renders: Renders) -> None:
    running = [renders.start("a"), renders.start("b")]
    running[0].job.tell("track", 10, 42.0)
    running[1].job.tell("track", 10, 90.0)
    assert renders.start("c").places[0].wait_seconds == 42.0
    assert renders.start("d").places[0].wait_seconds == 90.0


def test_cancelling_one_that_waits_frees_its_place(renders: Renders) -> None:
    renders.start("a")
    renders.start("b")
    gone, behind = renders.start("c"), renders.start("d")
    gone.cancel.set()
    gone.end()
    assert isinstance(gone.error, CancelledError)
    with behind.changed:
        assert behind.changed.wait_for(lambda: behind.places[-1].position == 1, PATIENCE)


def test_renders_are_spread_over_the_devices() -> None:
    for renders in ended(Admission(["sim:0", "sim:1"], running=2, waiting=2)):
        found = [renders.start(name).device for name in "abcd"]
        assert sorted(found) == ["sim:0", "sim:0", "sim:1", "sim:1"]
        assert set(found[:2]) == {"sim:0", "sim:1"}
        renders.all[0].end()
        assert renders.start("e").device == found[0]


def test_nothing_is_left_of_renders_that_failed() -> None:
    admission = Admission(["sim:0"], running=1, waiting=1)

    def fail() -> None:
        with admission.admitted(Job("a"), Cancel(), lambda place: None):
            raise RuntimeError("engine failed")

    for _ in range(5):
        with pytest.raises(RuntimeError):
            fail()
    assert admission.jobs() == []
