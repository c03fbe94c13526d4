"""Coverage-guided fuzzing of one reader, with atheris; run as a program of its own.

    python tests/fuzz/guided.py READER SECONDS [--corpus DIR]

It ends with 0 if nothing was found in that time. libFuzzer's verdicts (a crash, a hang, too much
memory) end it at once with another code, and the input lies in the current folder.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["airoto", "airoto_client", "tomllib"]):
    from readers import READERS, tried

SEEDS = Path(__file__).parent / "seeds"

# Of one input: seconds, and what the whole process may hold in MB.
TIME_LIMIT = 10
MEMORY_LIMIT = 1024
LONGEST = 16384


@atheris.instrument_func  # type: ignore[untyped-decorator]
def planted(data: bytes) -> None:
    """A reader with a fault, to see that it is found."""
    if data[:1] == b"{":
        raise RuntimeError("a planted fault")


def main() -> None:
    """Fuzz until the time is over."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("reader", choices=(*READERS, "planted"))
    parser.add_argument("seconds", type=int)
    parser.add_argument("--corpus", help="where inputs that reach something new are kept")
    options = parser.parse_args()
    reader = READERS.get(options.reader, planted)
    with tempfile.TemporaryDirectory() as fresh:
        arguments = [
            sys.argv[0],
            options.corpus or fresh,
            str(SEEDS / (options.reader if options.reader in READERS else "recipe")),
            f"-max_total_time={options.seconds}",
            f"-timeout={TIME_LIMIT}",
            f"-rss_limit_mb={MEMORY_LIMIT}",
            f"-max_len={LONGEST}",
            "-print_final_stats=1",
            "-seed=1",
        ]
        atheris.Setup(arguments, lambda data: tried(reader, data) and None)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
