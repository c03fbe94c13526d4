"""Whose turn it is."""

from __future__ import annotations

import threading

import pytest

from airoto.errors import BusyError, CancelledError
from airoto_server.scheduler.cancel import Cancel
from airoto_server.scheduler.lane import CLICKS_IN_A_ROW, Lane, Urgency

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
        queueing.wait("waiting", Urgency.CLICK)
        with pytest.raises(BusyError) as caught, lane.turn("late", Cancel(), Urgency.CLICK):
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


# ---- fair shares ---------------------------------------------------------------------


class Clock:
    """Seconds that pass only when somebody says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def shared(jobs: dict[str, tuple[str, float]], turns: int) -> list[str]:
    """Which job had each of so many turns, if all want one all the time.

    `jobs`: by name, whose it is and the seconds of its turns.
    """
    clock = Clock()
    lane = Lane("cpu", clock=clock)
    order: list[str] = []
    enough = threading.Event()

    def work(name: str, client: str, seconds: float) -> None:
        cancel = Cancel(client)
        with lane.job(name, client):
            ready.wait(PATIENCE)
            while not enough.is_set():
                with lane.turn(name, cancel):
                    # Everybody else waits before this turn ends, so that the lane has a choice.
                    while lane.waiting < len(jobs) - 1 and not enough.is_set():
                        threading.Event().wait(0.0005)
                    clock.now += seconds
                    order.append(name)
                    if len(order) >= turns:
                        enough.set()

    ready = threading.Barrier(len(jobs))
    threads = [
        threading.Thread(target=work, args=(name, client, seconds))
        for name, (client, seconds) in jobs.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    return order[:turns]


def test_a_long_job_does_not_starve_a_short_one() -> None:
    order = shared({"2000 frames": ("ann", 1.0), "50 frames": ("bob", 1.0)}, 100)
    assert 49 <= order.count("50 frames") <= 51


def test_a_client_with_many_jobs_gets_no_more_than_one_with_one() -> None:
    jobs = {f"ann {n}": ("ann", 1.0) for n in range(5)} | {"bob": ("bob", 1.0)}
    order = shared(jobs, 60)
    assert 29 <= order.count("bob") <= 31
    assert all(5 <= order.count(f"ann {n}") <= 7 for n in range(5))


def test_shares_are_of_time_and_not_of_turns() -> None:
    jobs = {"4K": ("ann", 4.0), "HD": ("bob", 1.0), "also HD": ("cid", 1.0)}
    order = shared(jobs, 90)
    assert 9 <= order.count("4K") <= 11
    assert 39 <= order.count("HD") <= 41


def test_clicks_in_a_row_let_a_waiting_render_have_a_frame_now_and_then() -> None:
    lane = Lane("cpu")
    queueing = Queueing(lane)
    with lane.turn("holder", Cancel()):
        queueing.wait("batch")
        for _ in range(CLICKS_IN_A_ROW + 2):
            queueing.wait("click", Urgency.CLICK)
    queueing.join()
    assert queueing.order == ["click"] * CLICKS_IN_A_ROW + ["batch"] + ["click"] * 2


# ---- giving way between windows ------------------------------------------------------


def test_a_click_overtakes_a_large_frame_between_two_windows() -> None:
    lane = Lane("cpu")
    queueing = Queueing(lane)
    with lane.turn("render", Cancel()) as turn:
        turn.give_way()
        assert not turn.wanted
        queueing.wait("click", Urgency.CLICK)
        assert turn.wanted
        turn.give_way()
        queueing.order.append("the rest of the frame")
    queueing.join()
    assert queueing.order == ["click", "the rest of the frame"]
    assert not lane.is_busy


def test_a_render_cancelled_while_it_gives_way_frees_the_lane() -> None:
    lane = Lane("cpu")
    queueing = Queueing(lane)
    cancel = Cancel()

    def cancelled_between_windows() -> None:
        with lane.turn("render", cancel) as turn:
            queueing.wait("click", Urgency.CLICK)
            cancel.set()
            assert turn.wanted
            turn.give_way()

    with pytest.raises(CancelledError):
        cancelled_between_windows()
    queueing.join()
    assert not lane.is_busy
    with lane.turn("next", Cancel()):
        pass


def test_the_load_is_the_share_of_the_last_minute() -> None:
    clock = Clock()
    lane = Lane("cpu", clock=clock)
    with lane.turn("a", Cancel()):
        clock.now = 15.0
    assert lane.load() == 0.25
    clock.now = 70.0
    assert lane.load() == pytest.approx(5 / 60)
    clock.now = 200.0
    assert lane.load() == 0.0
