"""`airoto bench quality`: every engine named, in every role it has, against ground truth."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import airoto
from airoto.errors import BadRequestError
from airoto_server.app.bench import clicking, clips, matting, pictures, report, tracking
from airoto_server.engines.registry import EngineSpec, Role, all_specs
from airoto_server.engines.roles import Matter, Segmenter, Tracker
from airoto_server.ops.parallel import default_threads, limit_libraries
from airoto_server.residency.residency import Residency
from airoto_server.weights.store import WeightStore

Data = dict[str, dict[str, Any]]
Say = Callable[[str], None]


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `airoto bench quality`."""
    add_davis_options(parser, required=False)
    parser.add_argument("--alphamatting", type=Path, metavar="DIR", help="image, alpha, trimap1...")
    parser.add_argument(
        "--engines",
        nargs="+",
        default=["classic"],
        metavar="NAME",
        help="engines as recipes name them, in every role that they have (default: classic)",
    )
    parser.add_argument(
        "--memory",
        choices=["segment", "shot"],
        default="segment",
        help="memory mode of trackers (default: segment, as in recipes)",
    )
    parser.add_argument(
        "--corrections",
        type=_count,
        default=0,
        metavar="N",
        help="give the true mask of the worst frame as a keyframe, N times, and track again",
    )
    parser.add_argument(
        "--click-frames", type=_count, default=1, metavar="N", help="frames of a clip to click on"
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda:0, mps")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="where the worst frames go")


def add_davis_options(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """The options of every command that goes over clips."""
    parser.add_argument(
        "--davis",
        type=Path,
        metavar="DIR",
        required=required,
        help="frames/CLIP and masks/CLIP, or DAVIS's own folders, or one clip of PUMaVOS",
    )
    parser.add_argument("--clips", nargs="+", default=[], metavar="NAME", help="default: all")
    parser.add_argument(
        "--frames", type=_count, default=0, metavar="N", help="of each clip, from its first"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures as JSON")


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of 0 or more")
    return int(text)


def run(options: argparse.Namespace, say: Say) -> None:
    """Measure, print tables, write JSON and pictures where asked.

    Raises:
        AIRotoError: of any kind.
    """
    if options.davis is None and options.alphamatting is None:
        raise BadRequestError("nothing to measure against; give --davis DIR or --alphamatting DIR")
    limit_libraries()
    residency = Residency(options.device, checkpoints=WeightStore.from_environment())
    try:
        engines = _Engines(residency, options.engines)
        folder = pictures.folder_for(options.pictures) if options.pictures else None
        found: dict[str, Data] = {}
        if options.davis is not None:
            shots = clips.find_clips(options.davis, options.clips, options.frames)
            found["tracker"] = _trackers(engines, shots, options, folder, say)
            found["segmenter"] = _segmenters(engines, shots, options, folder, say)
        if options.alphamatting is not None:
            images = clips.find_matting_images(options.alphamatting)
            found["matter"] = _matters(engines, images, folder, say)
    finally:
        residency.close()
    if not any(found.values()):
        raise BadRequestError(
            f"none of the engines {', '.join(options.engines)} has a role that this data measures"
        )
    _print(found, say)
    if options.json:
        names = dict.fromkeys(name for data in found.values() for name in data)
        report.write_json(
            options.json,
            {
                "airoto_version": airoto.__version__,
                "device": options.device,
                "threads": default_threads(),
                "memory": options.memory,
                "corrections": options.corrections,
                "engines": {
                    name: {role: data[name] for role, data in found.items() if name in data}
                    for name in names
                },
            },
        )


@dataclass(frozen=True)
class _Engines:
    """The engines that were named; each must exist and be able to run here."""

    residency: Residency
    names: Sequence[str]

    def of(self, role: Role) -> list[EngineSpec]:
        known = {spec.facts.name for spec in all_specs()}
        for name in self.names:
            if name not in known:
                raise BadRequestError(
                    f"there is no engine {name!r}; known: {', '.join(sorted(known))}"
                )
        having = {spec.facts.name for spec in all_specs() if spec.role is role}
        return [self.residency.resolve(role, name) for name in self.names if name in having]


def _trackers(
    engines: _Engines,
    shots: Sequence[clips.Clip],
    options: argparse.Namespace,
    folder: Path | None,
    say: Say,
) -> Data:
    protocol = tracking.Protocol(
        whole_shot=options.memory == "shot", corrections=options.corrections
    )
    scores: dict[str, list[tracking.ClipScore]] = {}
    # Clip by clip, so that engines are compared on a machine that is equally busy.
    for clip in shots:
        for spec in engines.of(Role.TRACKER):
            with engines.residency.lease(spec) as tracker:
                assert isinstance(tracker, Tracker)
                score = tracking.follow(tracker, clip, protocol, spec.edges)
            name = spec.facts.name
            scores.setdefault(name, []).append(score)
            say(f"{clip.name}: {name} J&F {score.jf:.1f}, {score.seconds_per_frame:.3f} s/frame")
            if folder is not None:
                frame, mask, truth = score.worst
                title = f"{name} on {clip.name}, frame {frame}, worst of a clip of J&F "
                pictures.write_mask(
                    folder / f"tracker_{name}_{clip.name}_{frame:05d}.png",
                    clip.picture(frame),
                    mask,
                    truth,
                    title + f"{score.jf:.1f}",
                )
    return {name: report.tracker_data(done) for name, done in scores.items()}


def _segmenters(
    engines: _Engines,
    shots: Sequence[clips.Clip],
    options: argparse.Namespace,
    folder: Path | None,
    say: Say,
) -> Data:
    found: Data = {}
    for spec in engines.of(Role.SEGMENTER):
        name = spec.facts.name
        done = []
        with engines.residency.lease(spec) as segmenter:
            assert isinstance(segmenter, Segmenter)
            for clip in shots:
                for number in clip.objects:
                    for frame in clicking.frames_to_click(clip, number, options.click_frames):
                        one = clicking.click_through(segmenter, clip, frame, number)
                        done.append(one)
                        say(
                            f"{clip.name} object {number} frame {frame}: {name} "
                            f"IoU {one.ious[0]:.2f} after 1 click, {one.clicks} clicks to 90 %"
                        )
        found[name] = report.segmenter_data(done)
        if folder is not None:
            worst = min(done, key=lambda one: one.ious[0])
            clip = next(clip for clip in shots if clip.name == worst.clip)
            pictures.write_mask(
                folder / f"segmenter_{name}_{worst.clip}_{worst.frame:05d}.png",
                clip.picture(worst.frame),
                *worst.worst,
                f"{name} on {worst.clip}, frame {worst.frame}, after one click",
            )
    return found


def _matters(
    engines: _Engines, images: Sequence[clips.MattingImage], folder: Path | None, say: Say
) -> Data:
    found: Data = {}
    for spec in engines.of(Role.MATTER):
        name = spec.facts.name
        with engines.residency.lease(spec) as matter:
            assert isinstance(matter, Matter)
            done = []
            for image in images:
                done.append(matting.matte(matter, image))
                say(f"{image.name} {image.trimap}: {name} SAD {done[-1].scores.sad:.2f}")
            found[name] = report.matter_data(done, matting.flicker(matter))
        if folder is not None:
            worst = max(done, key=lambda one: one.scores.sad)
            picture, truth, _ = worst.image.load()
            pictures.write_alpha(
                folder / f"matter_{name}_{worst.image.name}_{worst.image.trimap}.png",
                picture,
                worst.alpha,
                np.asarray(truth, np.float32),
                f"{name} on {worst.image.name}, {worst.image.trimap}: SAD {worst.scores.sad:.2f}",
            )
    return found


def _print(found: dict[str, Data], say: Say) -> None:
    if found.get("tracker"):
        print("\n" + report.drawn(report.tracker_table(found["tracker"])))
        print("\n".join(report.stage_lines(found["tracker"])))
    if found.get("segmenter"):
        print("\n" + report.drawn(report.segmenter_table(found["segmenter"])))
    if found.get("matter"):
        print("\n" + report.drawn(report.matter_table(found["matter"])))
