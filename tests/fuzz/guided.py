"""Coverage-guided fuzzing of one reader, with atheris; run as a program of its own.

    python tests/fuzz/guided.py READER SECONDS [--corpus DIR] [--seed N]

Seconds are of processor time, so a busy machine makes it take longer and not look at less. It ends
with 0 if nothing was found. A fault, a hang or too much memory end it at once with another code,
and the input lies in the current folder. SIGUSR1 ends it early, with its figures.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType

import atheris

with atheris.instrument_imports(include=["airoto", "airoto_client", "tomllib"]):
    from readers import READERS, Reader, tried

SEEDS = Path(__file__).parent / "seeds"

# What one input may take in seconds of processor time, and by the clock: the second is libFuzzer's
# own, for what Python cannot interrupt, and far away, since this may be held up for minutes.
TIME_LIMIT = 10
CLOCK_LIMIT = 600
# What the whole process may hold, in MB.
MEMORY_LIMIT = 1024
LONGEST = 16384


class HungError(Exception):
    """A reader took more processor time for one input than it may."""


def _hung(signum: int, frame: FrameType | None) -> None:
    raise HungError("one input took more processor time than it may")


@atheris.instrument_func  # type: ignore[untyped-decorator]
def planted(data: bytes) -> None:
    """A reader with a fault, to see that it is found."""
    if data[:1] == b"{":
        raise RuntimeError("a planted fault")


@atheris.instrument_func  # type: ignore[untyped-decorator]
def endless(data: bytes) -> None:
    """A reader that hangs, to see that it is found."""
    while data[:1] == b"{":
        pass


PLANTED: dict[str, Reader] = {"planted": planted, "endless": endless}


class Watched:
    """A reader under a limit of processor time for one input, and for all of them."""

    def __init__(self, reader: Reader, seconds: float, limit: float) -> None:
        self._reader = reader
        self._end = time.process_time() + seconds
        self._limit = limit
        signal.signal(signal.SIGPROF, _hung)

    def __call__(self, data: bytes) -> None:
        """Read one input; ask libFuzzer to end, with its figures, once the time is over."""
        signal.setitimer(signal.ITIMER_PROF, self._limit)
        try:
            tried(self._reader, data)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        if time.process_time() >= self._end:
            os.kill(os.getpid(), signal.SIGUSR1)


def main() -> None:
    """Fuzz until the time is over."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("reader", choices=(*READERS, *PLANTED))
    parser.add_argument("seconds", type=int)
    parser.add_argument("--corpus", help="where inputs that reach something new are kept")
    parser.add_argument("--seed", type=int, default=1, help="of the random choices")
    parser.add_argument("--hang", type=float, default=TIME_LIMIT, help="seconds for one input")
    options = parser.parse_args()
    reader = READERS.get(options.reader) or PLANTED[options.reader]
    with tempfile.TemporaryDirectory() as fresh:
        arguments = [
            sys.argv[0],
            options.corpus or fresh,
            str(SEEDS / (options.reader if options.reader in READERS else "recipe")),
            f"-timeout={CLOCK_LIMIT}",
            f"-report_slow_units={CLOCK_LIMIT}",
            f"-rss_limit_mb={MEMORY_LIMIT}",
            f"-max_len={LONGEST}",
            "-print_final_stats=1",
            f"-seed={options.seed}",
        ]
        atheris.Setup(arguments, Watched(reader, options.seconds, options.hang))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
