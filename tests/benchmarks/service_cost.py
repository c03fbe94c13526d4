"""What the service costs a frame, over a plain loop of the package that carries the model.

    python tests/benchmarks/service_cost.py                   # the null engine
    AIROTO_WEIGHTS=... AIROTO_ENGINES=tiny_engines PYTHONPATH=tests/engines \\
        python tests/benchmarks/service_cost.py --tracker cutie-test --tracker sam2.1-test

The plain loop is that of the package which carries the network (rf-cutie's `InferenceCore`,
transformers' video model with its session), over pictures that are in memory already, as its own
examples have it, to a mask of the picture's size; the null engine's is the engine alone. The
service decodes half EXR, converts colour, tracks the same frames one way, keeps masks in a cache of
its own that is empty at first, writes half EXR mattes, and tells of every frame. Both in this run,
one after the other, on one thread. Given are milliseconds of processor time, of the server and its
decoding processes: what other work on the machine takes is not in them. Linux.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from airoto.sequence import Pattern
from airoto_server.engines.cutie import CutieTracker
from airoto_server.engines.registry import LoadOptions, Role, find
from airoto_server.engines.roles import Picture, Tracker
from airoto_server.engines.sam2_video import Sam2Tracker
from airoto_server.engines.torch_support import IMAGENET_MEAN, IMAGENET_STD
from airoto_server.ops.imagefile import read_frame, read_mask
from airoto_server.weights.store import WeightStore

try:  # as a script, and as part of the tests
    from tests.benchmarks import memory_flat
    from tests.benchmarks.own_server import own_server
except ImportError:
    sys.path.insert(0, str(Path(__file__).parent))
    import memory_flat
    from own_server import own_server

# Above the smallest that our Cutie works at: smaller frames would be enlarged on one side alone.
_SIZE = (256, 144)


def plain(name: str, pictures: Sequence[Picture], mask: np.ndarray) -> float:
    """Processor seconds a frame of the package's loop, after its first frame."""
    spec = find(Role.TRACKER, name)
    path = None
    if spec.facts.needs_weights:
        path = WeightStore.from_environment().require(spec.checkpoint).path
    engine = spec.load(LoadOptions(checkpoint=path, threads=1))
    assert isinstance(engine, Tracker)
    step = _loop(engine, mask)
    step(0, pictures[0])
    began = time.process_time()
    for frame, picture in enumerate(pictures[1:], start=1):
        step(frame, picture)
    return (time.process_time() - began) / (len(pictures) - 1)


def _loop(engine: Tracker, mask: np.ndarray) -> Callable[[int, Picture], object]:
    """What does one frame; frame 0 is given the mask."""
    if isinstance(engine, CutieTracker):
        return _cutie_loop(engine, mask)
    if isinstance(engine, Sam2Tracker):
        return _sam2_loop(engine, mask)
    run = engine.begin([1], seed=0)
    return lambda frame, picture: run.step(frame, picture, None if frame else {1: mask})


def _cutie_loop(engine: CutieTracker, mask: np.ndarray) -> Callable[[int, Picture], object]:
    import torch
    from cutie.inference.inference_core import InferenceCore

    core = InferenceCore(engine.model, engine._config)

    @torch.inference_mode()
    def step(frame: int, picture: Picture) -> np.ndarray:
        image = torch.from_numpy(picture).permute(2, 0, 1)
        if frame:
            return core.step(image)[1].numpy()
        given = torch.from_numpy(mask)[None]
        return core.step(image, given, [1], idx_mask=False)[1].numpy()

    return step


def _sam2_loop(engine: Sam2Tracker, mask: np.ndarray) -> Callable[[int, Picture], object]:
    import torch
    from torch.nn.functional import interpolate
    from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

    session = Sam2VideoInferenceSession(dtype=torch.float32)
    session.obj_id_to_idx(1)
    side = engine.model.prompt_encoder.input_image_size
    mean = torch.tensor(IMAGENET_MEAN)[:, None, None]
    deviation = torch.tensor(IMAGENET_STD)[:, None, None]

    def fitted(plane: torch.Tensor) -> torch.Tensor:
        return interpolate(plane, (side, side), mode="bilinear", antialias=True)

    @torch.inference_mode()
    def step(frame: int, picture: Picture) -> np.ndarray:
        pixels = fitted(torch.from_numpy(picture).permute(2, 0, 1)[None])
        if not frame:
            given = (fitted(torch.from_numpy(mask)[None, None]) >= 0.5).float()
            session.add_mask_inputs(0, 0, given)
            session.obj_with_new_inputs = [1]
        answer = engine.model(session, frame_idx=frame, frame=(pixels - mean) / deviation)
        masks = interpolate(answer.pred_masks, picture.shape[:2], mode="bilinear")
        return torch.sigmoid(masks[0, 0]).numpy()

    return step


def main(argv: Sequence[str] | None = None) -> int:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--tracker", action="append")
    options = parser.parse_args(argv)
    print(f"{'tracker':<16}{'plain ms':>10}{'service ms':>12}{'cost ms':>10}{'cost':>8}")
    with tempfile.TemporaryDirectory(prefix="airoto-cost-") as made:
        clip = memory_flat.small_clip(Path(made) / "clip", *_SIZE)
        files = Pattern.parse(str(clip.acescg))
        looks = [
            np.clip(read_frame(files.path(clip.first + each)).pixels, 0, 1).astype(np.float32)
            for each in range(memory_flat._CYCLE)
        ]
        pictures = [looks[each % len(looks)] for each in range(options.frames)]
        mask = read_mask(clip.folder / f"alpha/alpha.{clip.first:04d}.exr").mask
        for name in options.tracker or ["null"]:
            alone = plain(name, pictures, mask)
            served = _served(clip, Path(made) / name, name, options.frames)
            cost = served - alone
            share = "" if name == "null" else f"{cost / alone:.0%}"
            print(
                f"{name:<16}{alone * 1e3:>10.2f}{served * 1e3:>12.2f}{cost * 1e3:>10.2f}{share:>8}",
                flush=True,
            )
    return 0


def _served(clip: memory_flat.SamplePaths, folder: Path, tracker: str, frames: int) -> float:
    """Processor seconds a frame of a render that only tracks, after its first frame."""
    recipe = memory_flat._shot(clip, folder, tracker, frames)
    recipe["objects"][0]["prompts"] = recipe["objects"][0]["prompts"][:1]  # type: ignore[index]
    recipe["matte"] = {"engine": "none"}
    recipe["track"] = {"engine": tracker, "direction": "DIRECTION_FORWARD"}
    told: list[float] = []
    with own_server("--threads", "1", cache=folder / "cache") as link:
        pid = link.call("GetServerInfo", {})["pid"]
        for answer in link.stream("Render", {"recipe": recipe}):
            if answer.get("frame", {}).get("status") == "FRAME_STATUS_DONE":
                told.append(_processor(pid))
    return (told[-1] - told[0]) / (len(told) - 1)


def _processor(pid: int) -> float:
    """Processor seconds of a process and its children so far."""
    ticks = 0
    for each in (pid, *memory_flat._children(pid)):
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
