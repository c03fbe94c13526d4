"""How well and how fast trackers follow the first mask of DAVIS clips.

    python tests/benchmarks/track_quality.py DAVIS                    both classic trackers
    python tests/benchmarks/track_quality.py DAVIS --ablation         `classic`, one switch off
    python tests/benchmarks/track_quality.py DAVIS --keyframes 2      with simulated corrections

DAVIS holds `frames/<clip>/*.jpg` and `masks/<clip>/*.png` (0 and 255). J&F as the DAVIS
challenge has it: mean of region similarity and boundary accuracy over a clip's frames without
the first and the last one. A correction adds the true mask of the worst frame and tracks the
clip again, in both directions.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr

from airoto_server.engines import classic_tracker, classic_tracker_full
from airoto_server.engines.classic import (
    track_camera,
    track_cut,
    track_frame,
    track_motion,
    track_object,
)
from airoto_server.engines.classic.track_run import ClassicRun
from airoto_server.engines.classic.track_settings import Settings
from airoto_server.engines.registry import LoadOptions
from airoto_server.engines.roles import Picture, Tracked, TrackRun
from airoto_server.ops import score
from airoto_server.ops.parallel import limit_libraries
from airoto_server.sessions.passes import neighbours
from airoto_server.sessions.tracking import blended

Bool = npt.NDArray[np.bool_]
Begin = Callable[[], TrackRun]

# Functions whose time is told apart: stage, where it is looked up, its name.
STAGES: tuple[tuple[str, Any, str], ...] = (
    ("features", track_frame, "_features"),
    ("flow", track_motion, "measure"),
    ("camera", track_camera, "measure"),
    ("evidence", track_object.TrackedObject, "guess"),
    ("cut", track_cut, "solve"),
    ("learn", track_object.TrackedObject, "learn_answer"),
)


@dataclass
class Result:
    """One clip: J and F by frame, confidence and IoU by frame, seconds per frame."""

    j: list[float] = field(default_factory=list)
    f: list[float] = field(default_factory=list)
    confidence: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def jf(self) -> float:
        """J&F in percent."""
        return 50 * float(np.mean(self.j) + np.mean(self.f))


def read_clip(davis: Path, name: str, limit: int | None) -> tuple[list[Picture], list[Bool]]:
    """Pictures and true masks of a clip."""
    pictures, truths = [], []
    for path in sorted((davis / "frames" / name).glob("*.jpg"))[:limit]:
        bytes_bgr = cv2.imread(str(path))
        truth = cv2.imread(str(davis / "masks" / name / f"{path.stem}.png"), cv2.IMREAD_GRAYSCALE)
        if bytes_bgr is None or truth is None:
            raise SystemExit(f"cannot read {path} or its mask")
        picture = cv2.cvtColor(bytes_bgr, cv2.COLOR_BGR2RGB).astype(np.float32) / 255
        pictures.append(picture)
        truths.append(truth > 127)
    return pictures, truths


def track(
    begin: Begin, pictures: Sequence[Picture], truths: Sequence[Bool], keyframes: Sequence[int]
) -> Result:
    """Track a clip from the true masks of its keyframes (sorted, the first is 0).

    As a shot is tracked in memory mode `shot`: a pass forwards, one backwards from the last
    keyframe, each knowing all keyframes, blended in between by distance and confidence.
    """
    result = Result()
    started, steps = time.perf_counter(), 0
    passes: list[dict[int, Tracked]] = []
    for order in (range(len(pictures)), range(keyframes[-1], -1, -1)):
        if len(order) < 2:
            passes.append({})
            continue
        drawn = {key: {1: truths[key].astype(np.float32)} for key in keyframes}
        run = begin()
        for key in keyframes:
            if key != order[0]:
                run.condition(key, pictures[key], drawn[key])
        passes.append({at: run.step(at, pictures[at], drawn.get(at))[1] for at in order})
        run.close()
        steps += len(order)
    result.seconds = (time.perf_counter() - started) / steps
    ahead, back = passes
    for frame in range(1, len(pictures) - 1):
        around = neighbours(keyframes, frame)
        before = back.get(frame) if around.after is not None else None
        answer = blended(ahead[frame], before, around.weight(frame), truths[frame].shape)
        j, f = score.jf(answer.mask > 0.5, truths[frame])
        result.j.append(j)
        result.f.append(f)
        result.confidence.append(answer.confidence)
    return result


def corrected(
    begin: Begin, pictures: Sequence[Picture], truths: Sequence[Bool], corrections: int
) -> Result:
    """Track, add the true mask of the worst frame, and again."""
    keyframes = [0]
    result = track(begin, pictures, truths, keyframes)
    for _ in range(corrections):
        worst = 1 + int(np.argmin(np.add(result.j, result.f)))
        keyframes = sorted({*keyframes, worst})
        result = track(begin, pictures, truths, keyframes)
    return result


@contextmanager
def stopwatches() -> Iterator[dict[str, float]]:
    """Seconds spent in each stage while the context lasts."""
    spent = dict.fromkeys((stage for stage, _, _ in STAGES), 0.0)
    originals = [getattr(place, name) for _, place, name in STAGES]

    def timed(stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            started = time.perf_counter()
            try:
                return function(*args, **options)
            finally:
                spent[stage] += time.perf_counter() - started

        return call

    for (stage, place, name), function in zip(STAGES, originals, strict=True):
        setattr(place, name, timed(stage, function))
    try:
        yield spent
    finally:
        for (_, place, name), function in zip(STAGES, originals, strict=True):
            setattr(place, name, function)


def variants(ablation: bool) -> dict[str, Begin]:
    """What is compared, by name."""

    def classic(settings: Settings) -> Begin:
        return lambda: ClassicRun([1], settings=settings, seed=0)

    if not ablation:
        simple = classic_tracker.SPECS[0].load(LoadOptions())
        full = classic_tracker_full.SPECS[0].load(LoadOptions())
        return {
            simple.facts.name: lambda: simple.begin([1], seed=0),
            full.facts.name: lambda: full.begin([1], seed=0),
        }
    found = {"all": classic(Settings())}
    for switch in dataclasses.fields(Settings):
        less = dataclasses.replace(Settings(), **{switch.name: False})
        found[f"no {switch.name}"] = classic(less)
    return found


def main() -> None:
    """Print a table, and write the same as JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("davis", type=Path)
    parser.add_argument("--clips", nargs="*", help="default: all")
    parser.add_argument("--frames", type=int, help="of each clip, from its first; default: all")
    parser.add_argument("--ablation", action="store_true")
    parser.add_argument("--keyframes", type=int, default=0, help="simulated corrections")
    parser.add_argument("--only", nargs="*", help="names of the table's rows; default: all")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    limit_libraries()
    clips = options.clips or sorted(path.name for path in (options.davis / "frames").iterdir())
    chosen = variants(options.ablation)
    if options.only:
        chosen = {name: begin for name, begin in chosen.items() if name in options.only}
    results: dict[str, dict[str, Result]] = {name: {} for name in chosen}
    stages: dict[str, float] = {}
    frames = 0
    for clip in clips:
        pictures, truths = read_clip(options.davis, clip, options.frames)
        for name, begin in chosen.items():
            with stopwatches() as spent:
                results[name][clip] = corrected(begin, pictures, truths, options.keyframes)
            if name == "classic":
                frames += len(pictures) - 1
                stages = {stage: stages.get(stage, 0) + spent[stage] for stage in spent}
            print(f"{clip}: {name} {results[name][clip].jf:.1f}", flush=True)
    _report(clips, results)
    if frames and not options.keyframes:
        per_frame = {stage: 1000 * seconds / frames for stage, seconds in stages.items()}
        print("classic, ms a frame:", ", ".join(f"{k} {v:.0f}" for k, v in per_frame.items()))
    if options.json:
        table = {
            name: {
                "jf_mean": float(np.mean([result.jf for result in by_clip.values()])),
                "clips": {clip: result.jf for clip, result in by_clip.items()},
                "seconds_per_frame": float(np.mean([r.seconds for r in by_clip.values()])),
            }
            for name, by_clip in results.items()
        }
        options.json.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


def _report(clips: Sequence[str], results: dict[str, dict[str, Result]]) -> None:
    print(f"\n| | {' | '.join(clips)} | J&F | s/frame | rank correlation |")
    print("|---" * (len(clips) + 4) + "|")
    for name, by_clip in results.items():
        done = list(by_clip.values())
        mean, seconds = np.mean([r.jf for r in done]), np.mean([r.seconds for r in done])
        rank = spearmanr(
            np.concatenate([r.confidence for r in done]), np.concatenate([r.j for r in done])
        ).statistic
        cells = " | ".join(f"{by_clip[clip].jf:.1f}" for clip in clips)
        print(f"| {name} | {cells} | {mean:.1f} | {seconds:.3f} | {rank:.2f} |")


if __name__ == "__main__":
    main()
