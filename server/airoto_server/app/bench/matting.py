"""Matters against exact alphas: errors in the unknown region, and flicker."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from airoto.sequence import Pattern
from airoto_server.app.bench.clips import MattingImage, read_picture
from airoto_server.app.sample import make_sample
from airoto_server.engines.roles import Mask, Matter, Picture, Trimap
from airoto_server.engines.windowed import matte_in_windows
from airoto_server.ops.colour import Colour, ColourSettings
from airoto_server.ops.geometry import Format, Window
from airoto_server.ops.imagefile import read_mask
from airoto_server.ops.score import Scores, dtssd, score
from airoto_server.ops.stages import clocked, stage
from airoto_server.ops.trimap import default_widths, trimap_adaptive

_FRAMES, _WIDTH, _HEIGHT = 12, 480, 270


@dataclass(frozen=True)
class Matted:
    """A matter on one picture: errors in the unknown region, and seconds."""

    image: MattingImage
    scores: Scores
    seconds: float
    alpha: Mask


@dataclass(frozen=True)
class Flicker:
    """A matter on the sample clip, frame by frame: dtSSD and seconds a frame."""

    dtssd: float
    seconds_per_frame: float
    frames: int


def alpha_of(matter: Matter, picture: Picture, trimap: Trimap, *, threads: int = 0) -> Mask:
    """Alpha (H, W) from pixels as they are, in windows as a job has them."""

    def part(window: Window) -> Picture:
        whole = Window.sized(picture.shape[1], picture.shape[0])
        return np.ascontiguousarray(picture[window.slices(whole)])

    return matte_in_windows(matter, part, trimap, seed=0, threads=threads)


def matte(matter: Matter, image: MattingImage) -> Matted:
    """Matte one image of alphamatting.com and compare.

    Pixels go in as they are stored, also to matters that want linear light, as all published
    figures of that benchmark are of the stored pixels.
    """
    picture, truth, trimap = image.load()
    with clocked() as clock, stage("matte"):
        alpha = alpha_of(matter, picture, trimap)
    return Matted(image, score(alpha, truth, trimap), clock.total, alpha)


def flicker(matter: Matter, folder: Path | None = None) -> Flicker:
    """Temporal error on AIRoto's own sample clip, whose alpha is exact.

    Each frame's trimap is made from its exact alpha as a job makes one from a mask, so that
    all flicker is the matter's.

    Args:
        folder: where the clip is made or was made before; None: a temporary one.
    """
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="airoto-bench-") as temporary:
            return flicker(matter, Path(temporary))
    sample = make_sample(folder, frames=_FRAMES, width=_WIDTH, height=_HEIGHT)
    colour = Colour(ColourSettings(space="ACEScg"))
    narrow, wide = default_widths(Format(_WIDTH, _HEIGHT))
    alphas, truths = [], []
    with clocked() as clock:
        for frame in range(sample.first, sample.last + 1):
            truth = read_mask(Pattern.parse(str(sample.alphas[0])).path(frame)).mask
            plate = read_picture(Pattern.parse(str(sample.acescg)).path(frame))
            linear = matter.facts.linear_light
            picture = colour.to_linear(plate) if linear else colour.to_display(plate)
            trimap = trimap_adaptive(truth, narrow, wide)
            with stage("matte"):
                alphas.append(alpha_of(matter, np.clip(picture, 0, 8), trimap))
            truths.append(truth)
    return Flicker(dtssd(alphas, truths), clock.total / len(alphas), len(alphas))


def means(done: Sequence[Matted]) -> Mapping[str, float]:
    """Mean errors over images, by the names the benchmark gives them."""
    return {
        "sad": float(np.mean([one.scores.sad for one in done])),
        "mse": float(np.mean([one.scores.mse for one in done])),
        "grad": float(np.mean([one.scores.grad for one in done])),
        "conn": float(np.mean([one.scores.conn for one in done])),
        "seconds": float(np.mean([one.seconds for one in done])),
    }
