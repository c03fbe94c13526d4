"""Does the server's memory grow with the shot? Renders short and long shots and compares peaks.

    python tests/benchmarks/memory_flat.py                      # 60 and 600 frames, every tracker
    python tests/benchmarks/memory_flat.py --frames 40 160 --tracker null
    AIROTO_WEIGHTS=... AIROTO_ENGINES=tiny_engines PYTHONPATH=tests/engines \\
        python tests/benchmarks/memory_flat.py --tracker cutie-test --tracker sam2.1-test

Every run has a server process and a cache of results of its own, and keyframes on the first and
the last frame, so that both directions are tracked and blended. The long shot is the sample clip
played to and fro. Peak: resident memory (VmHWM) of the server and of its decoding processes, added
up. Linux.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from airoto.wire import recipe as recipes
from airoto_client.grpc_link import GrpcLink
from airoto_server.app.sample import SamplePaths, make_sample

try:  # as part of the tests, and as a script
    from .own_server import own_server
except ImportError:
    from own_server import own_server

FRAMES = (60, 600)
# How much more the long shot may take than the short one.
ALLOWED = 0.10
_WIDTH, _HEIGHT, _CYCLE = 192, 108, 8
# Of the server, which has as many decoding processes up to two.
_THREADS = 2
_MIB = 1 << 20


@dataclass(frozen=True)
class Peak:
    """One run.

    Attributes:
        server, children: peak resident bytes.
        seconds: of the render.
    """

    tracker: str
    frames: int
    server: int
    children: int
    seconds: float

    @property
    def total(self) -> int:
        """Of all processes, in bytes."""
        return self.server + self.children


def growth(short: Peak, long: Peak) -> float:
    """How much more the long shot takes, as a fraction of the short one."""
    return long.total / short.total - 1


def small_clip(folder: Path, width: int = _WIDTH, height: int = _HEIGHT) -> SamplePaths:
    """The frames that shots are made of."""
    return make_sample(folder, frames=_CYCLE, width=width, height=height)


def tracker_names() -> list[str]:
    """Every tracker that can run here."""
    with own_server() as link:
        return [
            engine["name"]
            for engine in link.call("GetServerInfo", {})["engines"]
            if engine["role"] == "ENGINE_ROLE_TRACKER" and engine.get("available")
        ]


def measure(clip: SamplePaths, folder: Path, tracker: str, frames: int) -> Peak:
    """Render a shot of so many frames in a new server; `folder` must not be there yet."""
    recipe = _shot(clip, folder, tracker, frames)
    with own_server("--threads", str(_THREADS), cache=folder / "cache") as link:
        pid = link.call("GetServerInfo", {})["pid"]
        _start_decoders(link, pid, recipe)
        began = time.monotonic()
        made = 0
        for answer in link.stream("Render", {"recipe": recipe}):
            made += answer.get("frame", {}).get("status") == "FRAME_STATUS_DONE"
        seconds = time.monotonic() - began
        if made != frames:
            raise RuntimeError(f"{made} of {frames} frames were made")
        children = sum(_peak(child) for child in _children(pid))
        return Peak(tracker, frames, _peak(pid), children, seconds)


def _shot(clip: SamplePaths, folder: Path, tracker: str, frames: int) -> dict[str, object]:
    """A plate of links to the clip's frames, to and fro, and its recipe."""
    folder.mkdir(parents=True)
    there = [*range(_CYCLE), *range(_CYCLE - 2, 0, -1)]
    numbers = [clip.first + there[index % len(there)] for index in range(frames)]
    for index, number in enumerate(numbers, start=1):
        (folder / f"plate.{index:04d}.exr").symlink_to(
            clip.folder / f"plate_acescg/plate.{number:04d}.exr"
        )
    recipe = recipes.to_dict(recipes.read(clip.recipe))
    recipe["plate"]["path"] = str(folder / "plate.####.exr")
    recipe["plate"]["frames"] = {"first": 1, "last": frames}
    recipe["objects"][0]["prompts"] = [
        {"frame": at, "mask": {"path": str(clip.folder / f"alpha/alpha.{number:04d}.exr")}}
        for at, number in ((1, numbers[0]), (frames, numbers[-1]))
    ]
    # A drawn mask is its own answer: the segmenter does nothing here.
    recipe["segment"] = {"engine": "null"}
    recipe["track"] = {"engine": tracker}
    recipe["output"] = {"path": str(folder / "mattes/a.####.exr")}
    return recipe


def _start_decoders(link: GrpcLink, pid: int, recipe: dict[str, object]) -> None:
    """Have all decoding processes started: how many a short shot needs is chance."""
    with ThreadPoolExecutor(8) as pool:
        while len(_children(pid)) < _THREADS:
            plate = {"plate": recipe["plate"]}
            for one in [pool.submit(link.call, "ProbePlate", plate) for _ in range(8)]:
                one.result()


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended
            found.extend(map(int, listed.read_text().split()))
    return found


def _peak(pid: int) -> int:
    """Most resident memory that a process ever had, in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/{pid}/status tells no VmHWM")


def main(argv: Sequence[str] | None = None) -> int:
    """Print a table; 1 if a tracker's memory grows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, nargs=2, default=FRAMES, metavar=("SHORT", "LONG"))
    parser.add_argument("--tracker", action="append", help="only this one; several times")
    options = parser.parse_args(argv)
    grown = False
    print(
        f"{'tracker':<18}{'frames':>8}{'server MiB':>12}{'decoders MiB':>14}{'s/frame':>9}  growth"
    )
    with tempfile.TemporaryDirectory(prefix="airoto-memory-") as made:
        root = Path(made)
        clip = small_clip(root / "clip")
        for tracker in options.tracker or tracker_names():
            peaks = [measure(clip, root / f"{tracker}-{n}", tracker, n) for n in options.frames]
            for peak in peaks:
                text = "" if peak is peaks[0] else f"{growth(*peaks):+.1%}"
                print(
                    f"{tracker:<18}{peak.frames:>8}{peak.server / _MIB:>12.1f}"
                    f"{peak.children / _MIB:>14.1f}{peak.seconds / peak.frames:>9.3f}  {text}",
                    flush=True,
                )
            grown = grown or growth(*peaks) > ALLOWED
    print(f"allowed: {ALLOWED:+.0%}")
    return int(grown)


if __name__ == "__main__":
    sys.exit(main())
