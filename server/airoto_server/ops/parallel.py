"""Parallel work whose results do not depend on how parallel it is.

The one rule: libraries run single-threaded, and we spread independent pieces of work over
threads ourselves, with answers in the order of the questions.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import cv2
import threadpoolctl  # type: ignore[import-untyped]  # has no type information

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def default_threads() -> int:
    """Threads of a job that names no number: the processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def limit_libraries() -> None:
    """Make OpenCV and BLAS single-threaded in this process, for good.

    OpenCV splits work by its thread count, and some of its algorithms (DIS flow) answer
    differently for another split. BLAS sums in another order. Call it once at start-up and
    in every child process; calling it again does no harm. torch is left alone: its
    threads are pinned with the model.
    """
    cv2.setNumThreads(1)
    threadpoolctl.threadpool_limits(limits=1, user_api="blas")


def ordered_map(
    function: Callable[[Item], Answer], items: Iterable[Item], threads: int
) -> list[Answer]:
    """`[function(item) for item in items]`, on up to `threads` threads (0: the default).

    `function` must not depend on what other calls do. If calls fail, the error of the first
    failing item in order is raised, and work that has not begun is dropped.

    Raises:
        ValueError: a negative number of threads.
    """
    if threads < 0:
        raise ValueError(f"the number of threads must not be negative: {threads}")
    work = list(items)
    workers = min(threads or default_threads(), len(work))
    if workers <= 1:
        return [function(item) for item in work]
    with ThreadPoolExecutor(workers, thread_name_prefix="airoto-ops") as pool:
        futures = [pool.submit(function, item) for item in work]
        try:
            return [future.result() for future in futures]
        except BaseException:
            for future in futures:
                future.cancel()
            raise
