"""Run once after installing: compiles what would otherwise compile during the first job."""

from __future__ import annotations

import numpy as np

from airoto_server.engines.classic_matter import ClosedFormMatter
from airoto_server.engines.classic_segmenter import ClassicSegmenter
from airoto_server.engines.classic_tracker_full import ClassicTracker
from airoto_server.engines.roles import Prompts
from airoto_server.ops.foreground import warm
from airoto_server.ops.parallel import limit_libraries


def main() -> None:
    """Compile the kernels of PyMatting and of the classic engines into their caches."""
    limit_libraries()
    warm()
    picture = np.random.default_rng(0).random((48, 64, 3), np.float32)
    mask = np.zeros((48, 64), np.float32)
    mask[12:36, 16:48] = 1.0
    segmenter = ClassicSegmenter()
    segmenter.segment(segmenter.embed(picture, seed=0), Prompts(box=(16, 12, 48, 36)), seed=0)
    trimap = mask.copy()
    trimap[10:14] = 0.5
    ClosedFormMatter().matte(picture, trimap, seed=0)
    run = ClassicTracker().begin([1], seed=0)
    run.step(1, picture, {1: mask})
    for frame in (2, 3):
        run.step(frame, np.roll(picture, frame - 1, axis=1))
    run.close()


if __name__ == "__main__":
    main()
