"""Do the stages of a render overlap? And is a cached render cheap?

    python tests/benchmarks/pipeline.py overlap     # reading, inference and writing of 20 ms each
    python tests/benchmarks/pipeline.py cached      # 200 cached 1080p frames against copying plates

`overlap` renders with stages that only sleep; allowed is 1.2 times one stage. `cached` renders
twice, the mattes of the first removed; allowed is the time of copying the plates twice.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from airoto.wire import messages as pb
from airoto.wire import recipe as recipes
from airoto_server.app.sample import SamplePaths, make_sample
from airoto_server.engines.null import NullRun
from airoto_server.ops.parallel import limit_libraries
from airoto_server.scheduler.cancel import Cancel
from airoto_server.sessions.events import Event, Finished
from airoto_server.sessions.render import render
from airoto_server.sessions.workshop import Settings, Workshop
from airoto_server.storage.place import CachePlace
from airoto_server.transport.matte_writer import MatteWriter
from airoto_server.transport.plate import PlateReader

STAGE = 0.020
OVERLAP_ALLOWED = 1.2


def shot(clip: SamplePaths, folder: Path, frames: int) -> pb.Recipe:
    """A plate of copies of the clip's frames, to and fro, and its recipe with null engines."""
    plates = folder / "plate"
    plates.mkdir(parents=True)
    there = [*range(clip.first, clip.last + 1), *range(clip.last - 1, clip.first, -1)]
    for index in range(frames):
        source = clip.folder / f"plate_acescg/plate.{there[index % len(there)]:04d}.exr"
        shutil.copyfile(source, plates / f"plate.{index + 1:04d}.exr")
    recipe = recipes.read(clip.recipe)
    recipe.plate.path = str(plates / "plate.####.exr")
    recipe.plate.frames.first, recipe.plate.frames.last = 1, frames
    recipe.objects[0].prompts[0].frame = 1
    recipe.segment.engine = recipe.track.engine = "null"
    recipe.matte.engine = "none"
    recipe.output.path = str(folder / "mattes/a.####.exr")
    return recipe


def run(workshop: Workshop, recipe: pb.Recipe) -> tuple[float, Finished]:
    """Seconds of a render, and how it ended."""
    events: list[Event] = []
    began = time.perf_counter()
    render(workshop, pb.RenderRequest(recipe=recipe), Cancel(), events.append)
    seconds = time.perf_counter() - began
    last = events[-1]
    if not isinstance(last, Finished):
        raise RuntimeError(f"the render ended with {last}")
    return seconds, last


def sleeping_stages() -> None:
    """Reading, a tracker's step and writing take 20 ms each, and nothing of the processor."""

    def slowed(cls: type, name: str) -> None:
        plain = getattr(cls, name)

        def slow(*args: object, **kwargs: object) -> object:
            began = time.perf_counter()
            answer = plain(*args, **kwargs)
            # The work itself counts towards the 20 ms.
            time.sleep(max(0.0, STAGE - (time.perf_counter() - began)))
            return answer

        setattr(cls, name, slow)

    slowed(PlateReader, "read")
    slowed(NullRun, "step")
    slowed(MatteWriter, "write")


def overlap(frames: int) -> bool:
    """Whether the stages overlap."""
    with tempfile.TemporaryDirectory(prefix="airoto-overlap-") as made:
        root = Path(made)
        clip = make_sample(root / "clip", frames=4, width=96, height=54)
        recipe = shot(clip, root / "shot", frames)
        workshop = Workshop(Settings(scratch=root / "scratch", threads=2))
        try:
            run(workshop, recipe)
            shutil.rmtree(root / "shot/mattes")
            sleeping_stages()
            seconds, _ = run(workshop, recipe)
        finally:
            workshop.close()
    ratio = seconds / (frames * STAGE)
    print(f"{'frames':>8}{'one stage s':>14}{'render s':>12}{'ratio':>8}  allowed")
    row = f"{frames:>8}{frames * STAGE:>14.2f}{seconds:>12.2f}{ratio:>8.2f}"
    print(f"{row}  {OVERLAP_ALLOWED:.2f}")
    return ratio <= OVERLAP_ALLOWED


def cached(frames: int, width: int, height: int) -> bool:
    """Whether a cached render takes no longer than copying the plates twice."""
    with tempfile.TemporaryDirectory(prefix="airoto-cached-") as made:
        root = Path(made)
        clip = make_sample(root / "clip", frames=4, width=width, height=height)
        recipe = shot(clip, root / "shot", frames)
        recipe.matte.engine, recipe.matte.stability = "null", 0.0
        place = CachePlace(root / "cache", 20 << 30, chosen=True)
        workshop = Workshop(Settings(scratch=root / "scratch", threads=2, cache=place))
        try:
            first, _ = run(workshop, recipe)
            print(f"made:   {first:8.2f} s")
            again = []
            for _ in range(3):
                shutil.rmtree(root / "shot/mattes")
                seconds, ended = run(workshop, recipe)
                if ended.stage_made:
                    raise RuntimeError(f"not everything was cached: {ended.stage_made}")
                again.append(seconds)
                began = time.perf_counter()
                for _ in range(2):
                    shutil.copytree(root / "shot/plate", root / "copy")
                    shutil.rmtree(root / "copy")
                copied = time.perf_counter() - began
                print(f"cached: {seconds:8.2f} s   copying the plates twice: {copied:8.2f} s")
            size = sum(path.stat().st_size for path in (root / "shot/plate").iterdir())
            print(f"plates: {size / frames / 1e6:.1f} MB a frame; ratio {min(again) / copied:.2f}")
            return min(again) <= copied
        finally:
            workshop.close()


def main(argv: Sequence[str] | None = None) -> int:
    """Print a table; 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("overlap", "cached"))
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--size", type=int, nargs=2, default=(1920, 1080))
    options = parser.parse_args(argv)
    limit_libraries()
    if options.what == "overlap":
        return int(not overlap(options.frames))
    return int(not cached(options.frames, *options.size))


if __name__ == "__main__":
    sys.exit(main())
