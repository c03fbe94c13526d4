"""What released sizes take: seconds of two cores for a frame of 854x480, weights seeded.

    python tests/benchmarks/model_speeds.py sam2.1-large grounding-dino-base

Processor time over two, so that others on the machine count little. A checkpoint of the true size
is written to a temporary folder and loaded as a released one is; what the network then says means
nothing.
"""

from __future__ import annotations

import argparse
import gc
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from airoto_server.engines import grounding_dino
from airoto_server.engines.registry import LoadOptions, Role, find
from airoto_server.engines.roles import Detector, Prompts, Segmenter, Tracker

try:  # as a script, and as part of the tests
    from tests.engines import grounding_checkpoints
    from tests.engines import neural_checkpoints as neural
except ImportError:
    sys.path.insert(0, str(Path(__file__).parents[2]))
    from tests.engines import grounding_checkpoints
    from tests.engines import neural_checkpoints as neural

CORES = 2
HEIGHT, WIDTH = 480, 854


def seconds(what: Callable[[], object]) -> float:
    """Of `CORES` processors, for one call."""
    start = time.process_time()
    what()
    return (time.process_time() - start) / CORES


def sam2(name: str, folder: Path) -> str:
    """A picture, a click, and a tracked frame with one object."""
    path = neural.write_safetensors(folder, neural.sam2_model(neural.sam2_size(name)))
    neural.sam2_model.cache_clear()
    gc.collect()
    options = LoadOptions(checkpoint=path, threads=CORES)
    embed, click = clicking(name, options)
    gc.collect()
    tracked = tracking(name, options)
    return f"picture {embed:.1f} s, click {click:.2f} s, tracked frame {tracked:.1f} s"


def clicking(name: str, options: LoadOptions) -> tuple[float, float]:
    """A picture's embedding, and a click on it."""
    segmenter = find(Role.SEGMENTER, name).load(options)
    assert isinstance(segmenter, Segmenter)
    embeddings: list[object] = []
    picture = neural.picture(HEIGHT, WIDTH)
    embed = seconds(lambda: embeddings.append(segmenter.embed(picture, seed=0)))
    said = Prompts(np.array([[400, 240]], np.float32), np.array([True]))

    def click() -> None:
        segmenter.segment(embeddings[0], said, seed=0)

    click()
    return embed, min(seconds(click) for _ in range(3))


def tracking(name: str, options: LoadOptions) -> float:
    """A frame of a pass with one object."""
    tracker = find(Role.TRACKER, name).load(options)
    assert isinstance(tracker, Tracker)
    run = tracker.begin([1], seed=0)
    picture = neural.picture(HEIGHT, WIDTH)
    run.step(1, picture, {1: neural.disc(HEIGHT, WIDTH, 400, 240, 80)})

    def step(frame: int) -> float:
        return seconds(lambda: run.step(frame, picture))

    found = [step(frame) for frame in (2, 3, 4)]
    run.close()
    return float(np.median(found))


def detector(name: str, folder: Path) -> str:
    """One frame and two phrases."""
    size = next(one for one in (grounding_dino.TINY, grounding_dino.BASE) if one.name == name)
    grounding_checkpoints.write(folder, grounding_checkpoints.model(size))
    grounding_checkpoints.model.cache_clear()
    gc.collect()
    engine = find(Role.DETECTOR, name).load(LoadOptions(checkpoint=folder, threads=CORES))
    assert isinstance(engine, Detector)
    picture = neural.picture(HEIGHT, WIDTH)

    def look() -> None:
        engine.detect(picture, "person. dog", box_threshold=0.3, text_threshold=0.25)

    return f"frame {seconds(look):.1f} s"


def main() -> None:
    """Measure what was named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engines", nargs="+", metavar="ENGINE")
    for name in parser.parse_args().engines:
        with tempfile.TemporaryDirectory() as folder:
            measure = detector if name.startswith("grounding") else sam2
            print(f"{name}: {measure(name, Path(folder))}", flush=True)


if __name__ == "__main__":
    main()
