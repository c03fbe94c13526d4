"""Many artists on one server: how long a click waits, how fair renders are, and memory.

    python tests/benchmarks/many_artists.py                # everything
    python tests/benchmarks/many_artists.py click --renders 8
    python tests/benchmarks/many_artists.py fair
    python tests/benchmarks/many_artists.py memory --requests 2000

A server process of its own with synthetic engines that only sleep (a tracker step 20 ms, a
click 5 ms), on the sample clip at 192x108. Resident memory is read from /proc (Linux).
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import types
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from airoto.sequence import Pattern
from airoto.wire import recipe as recipes
from airoto_client.grpc_link import Cancel, GrpcLink
from airoto_client.local_server import listens
from airoto_server.app.sample import SamplePaths, make_sample

STEP, CLICK = 0.020, 0.005
ALLOWED_GROWTH = 0.05
_SIZE = (192, 108)
_MIB = 1 << 20

Message = dict[str, Any]


# ---- the server --------------------------------------------------------------------------


def serve(socket: str) -> int:
    """The server's process: as `airoto serve`, with engines that sleep."""
    from airoto_server.app import serve as app
    from airoto_server.engines import null, registry
    from airoto_server.engines.registry import EngineSpec, Role

    class Run(null.NullRun):
        def step(self, *arguments: Any) -> Any:
            time.sleep(STEP)
            return super().step(*arguments)

    class Tracker(null.NullTracker):
        def begin(self, object_ids: Sequence[int], *, seed: int) -> Run:
            return Run(object_ids)

    class Segmenter(null.NullSegmenter):
        def segment(self, *arguments: Any, seed: int) -> Any:
            time.sleep(CLICK)
            return super().segment(*arguments, seed=seed)

    facts = dataclasses.replace(null.SPECS[0].facts, name="sleeping")
    module = types.ModuleType("airoto_sleeping_engines")
    module.SPECS = (  # type: ignore[attr-defined]
        EngineSpec(Role.TRACKER, facts, lambda options: Tracker(), rank=-1),
        EngineSpec(Role.SEGMENTER, facts, lambda options: Segmenter(), rank=-1),
    )
    sys.modules[module.__name__] = module
    registry.MODULES = (*registry.MODULES, module.__name__)
    options = ["--socket", socket, "--renders", "64", "--threads", "2", "--log-level", "warning"]
    return app.main([*options, "--exit-with-parent"])


@contextmanager
def server() -> Iterator[str]:
    """A server's target."""
    with tempfile.TemporaryDirectory(prefix="airoto-") as folder:
        socket = Path(folder) / "s.sock"
        command = [sys.executable, __file__, "serve", "--socket", str(socket)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        try:
            while not listens(socket):
                if process.poll() is not None:
                    raise RuntimeError("the server did not start")
                time.sleep(0.05)
            yield f"unix:{socket}"
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(20)


# ---- what artists ask for ------------------------------------------------------------------


def shot(clip: SamplePaths, folder: Path, frames: int, name: str) -> Message:
    """A recipe over links to the clip's frames, to and fro; tracked, not matted."""
    plates = folder / f"plates{frames}"
    there = [*range(clip.first, clip.last), *range(clip.last, clip.first, -1)]
    if not plates.exists():
        plates.mkdir(parents=True)
        source = Pattern.parse(str(clip.acescg))
        for index in range(frames):
            target = source.path(there[index % len(there)], "")
            (plates / f"plate.{index + 1:04d}.exr").symlink_to(target)
    recipe = recipes.to_dict(recipes.read(clip.recipe))
    recipe["name"] = name
    recipe["plate"]["path"] = str(plates / "plate.####.exr")
    recipe["plate"]["frames"] = {"first": 1, "last": frames}
    alpha = str(Pattern.parse(str(clip.alphas[0])).path(clip.first))
    recipe["objects"] = [
        {"id": 1, "name": "hero", "prompts": [{"frame": 1, "mask": {"path": alpha}}]}
    ]
    recipe["segment"] = {"engine": "null"}
    recipe["track"] = {"engine": "sleeping"}
    recipe["matte"] = {"engine": "none"}
    recipe["output"] = {"path": str(folder / name / "m.####.exr")}
    return recipe


def click(clip: SamplePaths) -> Message:
    """A request for one click."""
    recipe = recipes.to_dict(recipes.read(clip.recipe))
    recipe["plate"]["path"] = str(clip.acescg)
    recipe["segment"] = {"engine": "sleeping"}
    recipe["objects"] = [
        {"id": 1, "name": "h", "prompts": [{"frame": clip.first, "points": [{"x": 80, "y": 60}]}]}
    ]
    return {"recipe": recipe, "frame": clip.first}


class Artist(threading.Thread):
    """Renders in a thread with a link of its own; `finished` holds when each frame came."""

    def __init__(self, target: str, recipe: Message, client: str) -> None:
        super().__init__(daemon=True)
        self.finished: list[float] = []
        self.cancel = Cancel()
        self._target, self._recipe, self._client = target, recipe, client

    def run(self) -> None:
        from airoto.errors import CancelledError

        with GrpcLink(self._target) as link:
            link._client = self._client
            try:
                for answer in link.stream("Render", {"recipe": self._recipe}, cancel=self.cancel):
                    if "frame" in answer:
                        self.finished.append(time.monotonic())
            except CancelledError:
                pass  # the measurement is over


# ---- measurements --------------------------------------------------------------------------


def measure_click(clip: SamplePaths, folder: Path, renders: int, clicks: int = 60) -> bool:
    """Clicks alone and beside renders; the wait for the device must be below one frame."""
    request = click(clip)
    with server() as target, GrpcLink(target) as link:
        link.call("Segment", request)
        alone = [_seconds(link, request) for _ in range(clicks)]
        artists = [
            Artist(target, shot(clip, folder, 2000, f"click{n}"), f"artist{n}@bench")
            for n in range(renders)
        ]
        for artist in artists:
            artist.start()
        while not all(artist.finished for artist in artists):
            time.sleep(0.05)
        before = _turns(link)
        beside = []
        for _ in range(clicks):
            time.sleep(0.05)
            beside.append(_seconds(link, request))
        after = _turns(link)
        for artist in artists:
            artist.cancel.cancel()
        for artist in artists:
            artist.join()
    waited = _mean(before, after, "airoto_turn_wait_seconds", "click")
    frame = _mean(before, after, "airoto_turn_seconds", "batch")
    print(f"{clicks} clicks beside {renders} renders (tracker step {STEP * 1000:.0f} ms)")
    for what, values in (("alone", alone), ("beside", beside)):
        print(
            f"  whole call, {what:<7} median {statistics.median(values) * 1000:6.1f} ms"
            f"   worst {max(values) * 1000:6.1f} ms"
        )
    print(f"  wait for the device: mean {waited * 1000:.1f} ms")
    print(f"  one frame of a render on it: mean {frame * 1000:.1f} ms")
    print(f"  the wait is {waited / frame:.2f} of one frame (at most 1)")
    return waited <= frame


def measure_fair(clip: SamplePaths, folder: Path) -> bool:
    """A 50-frame render alone, and begun while a 2,000-frame one runs."""
    with server() as target:
        alone = Artist(target, shot(clip, folder, 50, "alone"), "bob@bench")
        began = time.monotonic()
        alone.start()
        alone.join()
        by_itself = time.monotonic() - began
        long = Artist(target, shot(clip, folder, 2000, "long"), "ann@bench")
        long.start()
        while len(long.finished) < 20:
            time.sleep(0.02)
        short = Artist(target, shot(clip, folder, 50, "short"), "bob@bench")
        began = time.monotonic()
        short.start()
        short.join()
        ended = time.monotonic()
        long.cancel.cancel()
        long.join()
        meanwhile = sum(began <= when <= ended for when in long.finished)
    ratio = (ended - began) / by_itself
    print("a 50-frame render beside a 2,000-frame one")
    print(f"  alone {by_itself:.2f} s, beside it {ended - began:.2f} s: {ratio:.2f} times as long")
    print(f"  the long one got {meanwhile} frames meanwhile")
    return ratio <= 2.5


def measure_memory(clip: SamplePaths, folder: Path, requests: int) -> bool:
    """Clicks, mattes, probes, uploads and small renders; memory after a quarter and at the end."""
    ask = click(clip)
    picture = Path(Pattern.parse(str(clip.acescg)).path(clip.first))
    with server() as target, GrpcLink(target) as link:
        pid = link.call("GetServerInfo", {})["pid"]
        resident = []
        for number in range(1, requests + 1):
            kind = number % 5
            if kind == 0:
                found = link.call("Segment", ask)["objects"][0]["candidates"]
                for one in found:
                    link.download(one["mask_handle"], folder / "mask.exr", encoding="exr")
            elif kind == 1:
                link.call("ProbePlate", {"plate": {"path": str(clip.acescg)}})
            elif kind == 2:
                handle = link.upload_file(picture)["handle"]
                link.download(handle, folder / "back.exr")
            elif kind == 3 and number % 50 == 3:
                recipe = shot(clip, folder, 8, "small")
                recipe["output"]["overwrite"] = "OVERWRITE_REPLACE"
                for _ in link.stream("Render", {"recipe": recipe}):
                    pass
            else:
                link.call("GetStatus", {"metrics": True})
            if number % (requests // 8) == 0:
                resident.append((number, _resident(pid)))
    for number, size in resident:
        print(f"  after {number:>5} requests: {size / _MIB:7.1f} MiB")
    growth = resident[-1][1] / resident[1][1] - 1
    print(f"  growth from a quarter on: {growth:+.1%} (allowed {ALLOWED_GROWTH:+.0%})")
    return growth <= ALLOWED_GROWTH


def _seconds(link: GrpcLink, request: Message) -> float:
    began = time.monotonic()
    link.call("Segment", request)
    return time.monotonic() - began


def _turns(link: GrpcLink) -> dict[str, float]:
    text = link.call("GetStatus", {"metrics": True})["metrics"]
    pairs = (line.rpartition(" ") for line in text.splitlines() if line.startswith("airoto_turn"))
    return {name: float(value) for name, _, value in pairs}


def _mean(before: dict[str, float], after: dict[str, float], name: str, urgency: str) -> float:
    labels = f'{{device="cpu",urgency="{urgency}"}}'
    total, count = (
        after[f"{name}_{part}{labels}"] - before.get(f"{name}_{part}{labels}", 0.0)
        for part in ("sum", "count")
    )
    return total / count


def _resident(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc tells no VmRSS")


def main(argv: Sequence[str] | None = None) -> int:
    """Print what was measured; 1 if something does not hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", choices=["click", "fair", "memory", "serve"])
    parser.add_argument("--renders", type=int, default=8)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--socket")
    options = parser.parse_args(argv)
    if options.what == "serve":
        return serve(options.socket)
    holds = []
    with tempfile.TemporaryDirectory(prefix="airoto-artists-") as made:
        folder = Path(made)
        clip = make_sample(folder / "clip", frames=8, width=_SIZE[0], height=_SIZE[1])
        if options.what in (None, "click"):
            holds.append(measure_click(clip, folder, options.renders))
        if options.what in (None, "fair"):
            holds.append(measure_fair(clip, folder))
        if options.what in (None, "memory"):
            holds.append(measure_memory(clip, folder, options.requests))
    return 0 if all(holds) else 1


if __name__ == "__main__":
    sys.exit(main())
