"""A lease on a shared folder: one works, others wait, dead holders are taken over."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from airoto.errors import AIRotoError, BusyError, EngineError, ServerUnreachableError
from airoto_client import lease as leases
from airoto_client import lease_files
from airoto_client.lease import acquire
from airoto_client.lease_files import PREFIX, Holder, leases_in

QUICK = {"heartbeat": 0.05, "lost_after": 1.0}
# Holds a lease until it is told to end.
HOLDER = """
import sys, time
from pathlib import Path
from airoto_client.lease import acquire
def tell(words): print(words, flush=True)
with acquire(Path(sys.argv[1]), lambda: False, tell, heartbeat=0.05, lost_after=1.0):
    print("held", flush=True)
    sys.stdin.read()
"""


def never() -> bool:
    return False


def quietly(_: str) -> None:
    pass


def take(folder: Path, **options: object) -> leases.Lease:
    made = acquire(folder, never, quietly, **{**QUICK, **options})
    assert made is not None
    return made


def _hold_until(folder, waiter, waiting, error) -> None:
    """Hold the lease until somebody waits for it, and end so."""
    with take(folder):
        waiter.start()
        assert waiting.wait(30)
        raise error


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lease in `tmp_path`."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=-1, stdout=-1, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def test_what_is_done_needs_no_lease_and_nothing_stays_behind(tmp_path):
    assert acquire(tmp_path, lambda: True, quietly) is None
    with take(tmp_path):
        assert len(list(leases_in(tmp_path))) == 1
    assert list(tmp_path.iterdir()) == []


def test_of_many_threads_one_works_at_a_time_and_each_piece_once(tmp_path):
    made, working, most = [], [], []

    def work(wanted: int) -> None:
        held = acquire(tmp_path, lambda: wanted in made, quietly, **{**QUICK, "lost_after": 30})
        if held is None:
            return
        with held:
            working.append(wanted)
            most.append(len(working))
            time.sleep(0.02)
            made.append(wanted)
            working.remove(wanted)

    threads = [threading.Thread(target=work, args=(n % 3,)) for n in range(12)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(made) == [0, 1, 2]
    assert max(most) == 1
    assert list(tmp_path.iterdir()) == []


def test_whoever_waits_says_for_whom_and_how_far_it_is(tmp_path, holder):
    told = []

    def tell(words: str) -> None:
        told.append(words)
        holder.stdin.close()  # the holder ends

    with acquire(tmp_path, never, tell, progress=lambda: "3 of 9 frames", **QUICK):
        pass
    assert f"(process {holder.pid}): 3 of 9 frames" in told[0]


def test_the_lease_of_a_killed_process_of_this_machine_is_taken_over_at_once(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with take(tmp_path, lost_after=1e6):
        pass
    assert list(tmp_path.glob(f"{PREFIX}[0-9]")) == []


def test_an_untouched_lease_of_another_machine_is_taken_over_and_a_touched_one_is_not(
    tmp_path, holder, monkeypatch
):
    monkeypatch.setattr(lease_files, "this_machine", lambda: "elsewhere")
    holder.send_signal(signal.SIGSTOP)  # a machine that hangs
    with take(tmp_path) as mine:
        holder.send_signal(signal.SIGCONT)
        time.sleep(0.3)
        mine.check()
        holder.stdin.close()
        holder.wait()
        # The one that hung has noticed, and removed nothing.
        assert (tmp_path / f"{PREFIX}2").exists()
        mine.check()
    assert list(tmp_path.iterdir()) == []


def test_a_clock_that_is_wrong_here_takes_nothing_over(tmp_path, holder, monkeypatch):
    monkeypatch.setattr(lease_files, "this_machine", lambda: "elsewhere")
    monkeypatch.setattr(time, "time", lambda: 4e9)

    def wait() -> None:
        with take(tmp_path, lost_after=5):
            pass

    waited = threading.Thread(target=wait)
    waited.start()
    time.sleep(0.5)
    assert waited.is_alive()
    assert not (tmp_path / f"{PREFIX}2").exists()
    holder.stdin.close()
    waited.join()


def test_a_holder_that_was_taken_over_is_told(tmp_path):
    with take(tmp_path) as mine:
        mine.check()
        path = tmp_path / f"{PREFIX}1"
        (tmp_path / f"{PREFIX}2").write_text(path.read_text())
        mine._thread.join(30)
        with pytest.raises(BusyError, match="was taken over"):
            mine.check()
    assert (tmp_path / f"{PREFIX}2").exists()


def test_an_error_of_the_holder_reaches_all_who_wait_and_nobody_who_comes_later(tmp_path):
    errors, waiting = [], threading.Event()

    def wait() -> None:
        try:
            acquire(tmp_path, never, lambda _: waiting.set(), **QUICK)
        except AIRotoError as exc:
            errors.append(exc)

    waiter = threading.Thread(target=wait)
    with pytest.raises(EngineError):
        _hold_until(tmp_path, waiter, waiting, EngineError("cannot see the object"))
    waiter.join()
    assert isinstance(errors[0], EngineError)
    assert "gave up: cannot see the object" in errors[0].message
    with take(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_did_not_answer_one_blade_is_tried_by_the_next_three_times_in_all(tmp_path):
    tried, told, waiting = [], [], set()

    def blade() -> None:
        def tell(_: str) -> None:
            waiting.add(threading.get_ident())

        try:
            with acquire(tmp_path, never, tell, **{**QUICK, "lost_after": 60}):
                tried.append(1)
                while len(waiting) < 7:
                    time.sleep(0.01)
                raise ServerUnreachableError("nobody answers")
        except ServerUnreachableError as exc:
            told.append(exc.message)

    blades = [threading.Thread(target=blade) for _ in range(8)]
    for one in blades:
        one.start()
    for one in blades:
        one.join()
    assert len(tried) == 3
    assert len(told) == 8


def test_after_a_cancelled_holder_somebody_who_waits_goes_on(tmp_path):
    waiting, got = threading.Event(), []

    def wait() -> None:
        with acquire(tmp_path, never, lambda _: waiting.set(), **QUICK):
            got.append(1)

    waiter = threading.Thread(target=wait)
    with pytest.raises(KeyboardInterrupt):
        _hold_until(tmp_path, waiter, waiting, KeyboardInterrupt())
    waiter.join()
    assert got == [1]


def test_what_killed_processes_left_is_removed_in_the_end(tmp_path, holder):
    waiting = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdin=-1, stdout=-1)
    assert waiting.stdout.readline().startswith(b"waiting for")
    for process in (waiting, holder):
        process.kill()
        process.wait()
    waiting.stdin.close()
    waiting.stdout.close()
    assert len(list(leases_in(tmp_path))) == 2
    with take(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_lease_is_one_that_nobody_touches(tmp_path):
    (tmp_path / f"{PREFIX}1").write_text("{")
    began = time.monotonic()
    with take(tmp_path):
        assert time.monotonic() - began >= 0.9
    (tmp_path / f"{PREFIX}1").write_text(json.dumps({"some": "thing"}))
    os.utime(tmp_path / f"{PREFIX}1", (1, 1))
    with take(tmp_path):
        pass


def test_a_file_system_without_links_is_good_enough(tmp_path, monkeypatch):
    def refused(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", refused)
    with take(tmp_path):
        watch = leases._Watch(tmp_path, 30.0)
        assert isinstance(watch.look(), Holder)
        watch.close()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    with pytest.raises(AIRotoError, match="cannot be written"):
        acquire(tmp_path / "nowhere", never, quietly)
