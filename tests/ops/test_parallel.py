"""Parallel work and seeds: the same answers on any number of threads."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import cv2
import numpy as np
import pytest
import threadpoolctl

from airoto_server.ops.parallel import default_threads, limit_libraries, ordered_map
from airoto_server.ops.seeds import opencv_seeded, seed_for


@pytest.mark.parametrize("threads", [0, 1, 2, 7])
def test_answers_come_in_the_order_of_the_questions(threads: int) -> None:
    def slow_first(n: int) -> int:
        time.sleep(0.01 if n == 0 else 0.0)
        return n * n

    assert ordered_map(slow_first, range(20), threads) == [n * n for n in range(20)]


def test_work_does_run_side_by_side() -> None:
    meeting = threading.Barrier(2, timeout=10)
    assert len(ordered_map(lambda _: meeting.wait(), range(2), 2)) == 2


@pytest.mark.parametrize("threads", [1, 3])
def test_the_first_failure_in_order_is_raised(threads: int) -> None:
    def fail(n: int) -> int:
        if n in (3, 5):
            time.sleep(0.02 if n == 3 else 0.0)
            raise RuntimeError(f"item {n}")
        return n

    with pytest.raises(RuntimeError, match="item 3"):
        ordered_map(fail, range(8), threads)


def test_after_a_failure_waiting_work_is_dropped() -> None:
    done = []

    def work(n: int) -> None:
        if n == 0:
            raise RuntimeError("first")
        time.sleep(0.01)
        done.append(n)

    with pytest.raises(RuntimeError, match="first"):
        ordered_map(work, range(200), 2)
    assert len(done) < 100


def test_nothing_to_do_is_no_error() -> None:
    assert ordered_map(str, [], 4) == []


def test_a_negative_number_of_threads_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        ordered_map(str, [1], -1)


def test_the_default_is_at_least_one_thread() -> None:
    assert default_threads() >= 1


def test_limited_libraries_run_on_one_thread() -> None:
    limit_libraries()
    assert cv2.getNumThreads() == 1
    np.ones((4, 4)) @ np.ones((4, 4))
    pools = [p for p in threadpoolctl.threadpool_info() if p["user_api"] == "blas"]
    assert pools
    assert {pool["num_threads"] for pool in pools} == {1}


def test_seeds_are_the_same_in_another_process() -> None:
    code = "from airoto_server.ops.seeds import seed_for; print(seed_for(7, 'segment', 1001, 2))"
    other = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert int(other) == seed_for(7, "segment", 1001, 2)


def test_seeds_tell_stages_frames_and_objects_apart() -> None:
    seeds = {
        seed_for(s, stage, f, o)
        for s in (0, 1)
        for stage in ("a", "b")
        for f in range(50)
        for o in (1, 2)
    }
    assert len(seeds) == 2 * 2 * 50 * 2
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert seed_for(0, "ab", "c") != seed_for(0, "a", "bc")
    assert seed_for(0, 1) != seed_for(0, "1")


def test_a_seeded_grabcut_gives_the_same_answer_on_every_thread() -> None:
    limit_libraries()
    rng = np.random.default_rng(3)
    picture = rng.integers(0, 255, (60, 80, 3), dtype=np.uint8)
    picture[15:45, 20:60] = picture[15:45, 20:60] // 3 + 150

    def cut(seed: int) -> np.ndarray:
        opencv_seeded(seed)
        mask = np.zeros(picture.shape[:2], np.uint8)
        models = np.zeros((1, 65)), np.zeros((1, 65))
        cv2.grabCut(picture, mask, (15, 10, 50, 40), *models, 3, cv2.GC_INIT_WITH_RECT)
        return mask

    here = cut(5)
    cv2.randu(np.zeros((9, 9)), 0, 1)  # draws numbers in between
    for answer in ordered_map(cut, [5] * 6, 3):
        assert np.array_equal(answer, here)
