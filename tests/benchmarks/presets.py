"""500 presets over 50 shows: compiling them, and what they add to a host's start-up.

`python tests/benchmarks/presets.py [REPEATS]` prints one table, medians in milliseconds.
Compiling is the whole command, from its start to its end; start-up is `init.py` and `menu.py` on
a bare Python with a stand-in for `nuke` that does nothing, with an index of 500 presets and with
none.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
ROOTS = [str(REPOSITORY / name) for name in ("nuke_plugin", "proto")]
AIROTO = str(Path(sys.executable).with_name("airoto"))
SHOWS, TASKS = 50, 9
STARTUP = f"""
import sys, time, types
sys.path[:0] = {ROOTS!r}
class Anything:
    def __getattr__(self, name): return Anything()
    def __call__(self, *a, **k): return Anything()
nuke = sys.modules["nuke"] = types.ModuleType("nuke")
nuke.__getattr__ = lambda name: Anything()
import json, runpy
burnt = time.process_time()
began = time.perf_counter()
for name in ("init.py", "menu.py"):
    runpy.run_path({ROOTS[0]!r} + "/" + name)
print((time.perf_counter() - began) * 1000, (time.process_time() - burnt) * 1000)
"""


def write_presets(folder: Path) -> int:
    """One preset a show and nine tasks each; the number of files."""
    for show in range(SHOWS):
        place = folder / f"SHOW{show:02}"
        place.mkdir(parents=True)
        head = f'format = 1\nshow = "SHOW{show:02}"\nversion = {show + 1}\n'
        (place / "show.toml").write_text(
            head + 'note = "one of fifty"\nlock = ["output.compression", "paths.cache_folder"]\n'
            '[output]\ncompression = "dwaa"\ntrimap = false\n'
            f'[paths]\ncache_folder = "/shows/{show}/{{sequence}}/mattes/{{script}}/{{node}}"\n'
            '[policy]\nengines = ["sam2.1-*", "vitmatte-*", "classic"]\ncommercial_only = true\n'
        )
        for task in range(TASKS):
            (place / f"task{task}.toml").write_text(
                head + f'task = "task {task}"\n[segment]\nengine = "sam2.1-large"\n'
                f'[track]\nengine = "sam2.1-large"\nmemory_mode = "shot"\n[matte]\nengine = '
                f'"vitmatte-base"\ngrow = {task / 4}\n[matte.trimap]\nnarrow = 2\nwide = 30\n'
                '[menu]\nnodes = ["AIRoto", "AIMatte"]\ntooltip = "hair"\n'
            )
    return SHOWS * (1 + TASKS)


@dataclass(frozen=True)
class Cost:
    """Of one run, in milliseconds: on the clock, and of processors (what a busy machine leaves)."""

    clock: float
    burnt: float


def timed(environment: dict[str, str], *arguments: str) -> Cost:
    """Of a command."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([AIROTO, *arguments], env=environment, check=True, capture_output=True)
    after, ended = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    burnt = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost((ended - began) * 1000, burnt * 1000)


def startup(index: str) -> Cost:
    """Of the plug-in. `json`, which Nuke has loaded long before, does not count."""
    command = [sys.executable, "-S", "-E", "-c", STARTUP]
    environment = {"PATH": os.environ["PATH"], "AIROTO_PRESET_INDEX": index}
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return Cost(*map(float, done.stdout.split()))


def row(what: str, costs: Sequence[Cost]) -> None:
    """Print medians."""
    clock, burnt = (statistics.median(getattr(c, n) for c in costs) for n in ("clock", "burnt"))
    print(f"{what:<32} {clock:9.1f} {burnt:9.1f}")


def main() -> None:
    """Measure, print."""
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    with tempfile.TemporaryDirectory(prefix="airoto-presets-") as name:
        folder = Path(name)
        count = write_presets(folder / "presets")
        index = str(folder / "index.json")
        environment = {
            **os.environ,
            "AIROTO_PRESET_PATH": str(folder / "presets"),
            "AIROTO_PRESET_INDEX": index,
        }
        fresh = [timed(environment, "preset", "compile", "--fresh") for _ in range(repeats)]
        again = [timed(environment, "preset", "compile") for _ in range(repeats)]
        nothing = [timed(environment, "--version") for _ in range(repeats)]
        pairs = [(startup(index), startup(f"{index}.none")) for _ in range(3 * repeats)]
        print(f"index: {Path(index).stat().st_size / 1024:.0f} KiB, {SHOWS} shows")
        print(f"{'milliseconds':<32} {'clock':>9} {'processor':>9}")
        row(f"compile {count} presets", fresh)
        row("compile again, nothing changed", again)
        row("airoto --version", nothing)
        row("start-up with the index", [a for a, _ in pairs])
        row("start-up without", [b for _, b in pairs])
        added = [Cost(a.clock - b.clock, a.burnt - b.burnt) for a, b in pairs]
        row("added to start-up", added)


if __name__ == "__main__":
    main()
