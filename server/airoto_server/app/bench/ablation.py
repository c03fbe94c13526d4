"""`airoto bench ablation`: what each kind of the classic tracker's evidence is worth.

Also how much the choice of weights may owe to the clips that it was made on: of all variants,
the one that is best on all clips but one is measured on that one (leave one clip out).
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from airoto_server.app.bench import clips, quality, report, tracking
from airoto_server.engines.classic.track_run import ClassicRun
from airoto_server.engines.classic.track_settings import Settings
from airoto_server.engines.classic_tracker_full import ClassicTracker, edges
from airoto_server.engines.roles import TrackRun
from airoto_server.ops.parallel import limit_libraries

ALL = "all"
# Weights that leave-one-clip-out chooses from, besides off and as it is.
_WEIGHTS = (0.5, 2.0)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `airoto bench ablation`."""
    quality.add_davis_options(parser, required=True)
    parser.add_argument(
        "--weights",
        action="store_true",
        help="also halve and double the weight of each kind of evidence, and leave one clip out",
    )


class _Variant(ClassicTracker):
    """The classic tracker with other settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def begin(self, object_ids: Sequence[int], *, seed: int) -> TrackRun:
        return ClassicRun(object_ids, settings=self._settings, seed=seed)


def variants(*, weights: bool) -> dict[str, Settings]:
    """Settings by name: everything, one kind of evidence less, and other weights."""
    usual = dataclasses.asdict(Settings())
    found = {ALL: Settings()}
    for name, value in usual.items():
        found[f"no {name}"] = Settings(**{**usual, name: type(value)(0)})
    if weights:
        for name in (name for name, value in usual.items() if isinstance(value, float)):
            for factor in _WEIGHTS:
                found[f"{name} x {factor:g}"] = Settings(**{**usual, name: factor})
    return found


def left_out(jf: Mapping[str, Mapping[str, float]]) -> dict[str, tuple[str, float]]:
    """By clip: the variant that is best on the others, and its J&F on this clip.

    Args:
        jf: by variant, then clip; the first variant wins ties.
    """
    names = list(next(iter(jf.values())))
    chosen = {}
    for name in names:
        others = [other for other in names if other != name]
        best = max(jf, key=lambda variant: np.mean([jf[variant][other] for other in others]))
        chosen[name] = (best, jf[best][name])
    return chosen


def run(options: argparse.Namespace, say: Callable[[str], None]) -> None:
    """Track every clip with every variant and print the table.

    Raises:
        AIRotoError: of any kind.
    """
    limit_libraries()
    shots = clips.find_clips(options.davis, options.clips, options.frames)
    data = {}
    for name, settings in variants(weights=options.weights).items():
        tracker = _Variant(settings)
        protocol, refined = tracking.Protocol(), edges if settings.refine else None
        scores = [tracking.follow(tracker, clip, protocol, refined) for clip in shots]
        data[name] = report.tracker_data(scores)
        say(f"{name}: J&F {data[name]['jf_mean']:.1f}")
    print("\n" + report.drawn(report.tracker_table(data)))
    written: dict[str, Any] = {"variants": data}
    if options.weights and len(shots) > 1:
        jf = {
            name: {clip: c["jf"] for clip, c in one["clips"].items()} for name, one in data.items()
        }
        chosen = left_out(jf)
        mean = float(np.mean([value for _, value in chosen.values()]))
        print("\nOne clip left out, the variant chosen on the others:")
        for clip, (name, value) in chosen.items():
            print(f"  {clip}: {name}, J&F {value:.1f} (as it is: {jf[ALL][clip]:.1f})")
        print(f"  mean {mean:.1f}; as it is {data[ALL]['jf_mean']:.1f}")
        written["left_out"] = {"jf_mean": mean, "clips": chosen}
    if options.json:
        report.write_json(options.json, written)
