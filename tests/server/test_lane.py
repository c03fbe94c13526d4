"""Whose turn it is."""

from __future__ import annotations

import threading

import pytest

from airoto.errors import BusyError, CancelledError
from airoto_server.scheduler.cancel import Cancel
from airoto_server.scheduler.lane import Lane, Urgency

PATIENCE = 20.0


class Queueing:
    """Threads that wait for the lane in a known order; `order` is who got it when."""

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.order: list[str] = []
        self.threads: list[threading.Thread] = []
        self.errors: list[BaseException] = []

    def wait(self, client: str, urgency: Urgency = Urgency.BATCH, cancel: Cancel | None = None):
        before = self.lane.waiting

        def run() -> None:
            try:
                with self.lane.turn(client, cancel or Cancel(), urgency):
                    self.order.append(client)
            except CancelledError as exc:
                self.errors.append(exc)

        thread = threading.Thread(target=run)
        thread.start()
        self.threads.append(thread)
        while self.lane.waiting == before and thread.is_alive():
            threading.Event().wait(0.001)

    def join(self) -> None:
        for thread in self.threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()


def test_a_click_goes_before_waiting_batch_work() -> None:
    lane = Lane("cpu")
    queueing = Queueing(lane)
    with lane.turn("holder", Cancel()):
        queueing.wait("batch")
        queueing.wait("click", Urgency.CLICK)
    queueing.join()
    assert queueing.order == ["click", "batch"]


def test_two_jobs_take_turns_although_one_queued_first() -> None:
    lane = Lane("cpu")
    queueing = Queueing(lane)
    with lane.job("a"), lane.job("b"):
        for _ in range(3):
            with lane.turn("a", Cancel()):
                pass
        with lane.turn("holder", Cancel()):
            queueing.wait("a")
            queueing.wait("b")
        queueing.join()
    assert queueing.order == ["b", "a"]


def test_a_newcomer_does_not_hold_everyone_up_until_it_has_caught_up() -> None:
    lane = Lane("cpu")
    queueing = Queueing(lane)
    with lane.job("old"):
        for _ in range(50):
            with lane.turn("old", Cancel()):
                pass
        with lane.job("new"), lane.turn("holder", Cancel()):
            queueing.wait("old")
            queueing.wait("new")
        queueing.join()
    assert queueing.order == ["old", "new"]


def test_cancelling_a_waiting_turn_frees_its_place() -> None:
    lane = Lane("cpu")
    queueing = Queueing(lane)
    cancel = Cancel()
    with lane.turn("holder", Cancel()):
        queueing.wait("gone", cancel=cancel)
        queueing.wait("next")
        cancel.set()
        queueing.threads[0].join(PATIENCE)
        assert len(queueing.errors) == 1
        assert lane.waiting == 1
    queueing.join()
    assert queueing.order == ["next"]


def test_a_cancelled_job_gets_no_turn() -> None:
    cancel = Cancel()
    cancel.set()
    with pytest.raises(CancelledError), Lane("cpu").turn("a", cancel):
        raise AssertionError("got a turn")


def test_a_full_queue_says_when_to_try_again() -> None:
    lane = Lane("cpu", max_waiting=1)
    queueing = Queueing(lane)
    with lane.turn("holder", Cancel()):
        queueing.wait("waiting")
        with pytest.raises(BusyError) as caught, lane.turn("late", Cancel()):
            pass
        assert caught.value.retry_after > 0
    queueing.join()


def test_the_lane_is_free_again_after_an_error_in_a_turn() -> None:
    lane = Lane("cpu")
    with pytest.raises(RuntimeError), lane.turn("a", Cancel()):
        raise RuntimeError("engine failed")
    with lane.turn("b", Cancel()):
        pass


def test_many_threads_never_hold_the_lane_together() -> None:
    lane = Lane("cpu")
    inside = 0
    most = 0

    def work(name: str) -> None:
        nonlocal inside, most
        with lane.job(name):
            for _ in range(50):
                with lane.turn(name, Cancel()):
                    inside += 1
                    most = max(most, inside)
                    inside -= 1

    threads = [threading.Thread(target=work, args=(str(n),)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert most == 1
